//! The rtnetlink sockets: dumps, notifications, route lookups, neighbour keep-alive.

use std::{io, net::IpAddr};

use ahash::AHashSet;
use futures_util::{Stream, StreamExt, stream::FusedStream};
use netlink_packet_route::{
    AddressFamily, RouteNetlinkMessage,
    neighbour::{NeighbourFlags, NeighbourState as WireState},
    route::{RouteAttribute, RouteMessage},
};
use rtnetlink::{
    Error as RtError, Handle, MulticastGroup,
    packet_core::{NetlinkMessage, NetlinkPayload},
    sys::SocketAddr,
};
use tokio::task::JoinHandle;

use super::{
    convert,
    nexthop::Lookup,
    tables::{NeighbourKey, Tables},
};

/// What went wrong on the netlink sockets.
#[derive(Debug, thiserror::Error)]
pub enum NetlinkError {
    /// The socket could not be opened or joined to its groups.
    #[error(
        "cannot open a route netlink socket: {0}; the daemon may need CAP_NET_ADMIN or a less strict sandbox"
    )]
    Open(#[source] io::Error),
    /// A dump failed.
    #[error("cannot read the kernel's {what}: {source}")]
    Dump {
        /// Which table.
        what: &'static str,
        /// The netlink error.
        #[source]
        source: RtError,
    },
    /// The notification stream ended.
    #[error("the route netlink socket was closed; it has to be opened again")]
    Closed,
}

/// What changed since the last call.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Change {
    /// Neighbour entries that changed state or address.
    pub neighbours: AHashSet<NeighbourKey>,
    /// Devices that appeared, vanished or changed.
    pub links: AHashSet<u32>,
    /// Local addresses came or went.
    pub addresses: bool,
    /// Routes or rules changed: every lookup has to be repeated.
    pub routes: bool,
    /// Notifications were lost: [`RouteClient::resync`], then look at everything again.
    pub lost: bool,
}

type Notifications =
    Box<dyn FusedStream<Item = (NetlinkMessage<RouteNetlinkMessage>, SocketAddr)> + Send + Unpin>;

/// A synchronised view of the kernel's tables. Lives on one tokio runtime; the sockets belong to the network
/// namespace of the thread that called [`RouteClient::connect`].
pub struct RouteClient {
    handle: Handle,
    notifications: Notifications,
    tasks: [JoinHandle<()>; 2],
    tables: Tables,
}

impl Drop for RouteClient {
    fn drop(&mut self) {
        for task in &self.tasks {
            task.abort();
        }
    }
}

const GROUPS: [MulticastGroup; 8] = [
    MulticastGroup::Link,
    MulticastGroup::Neigh,
    MulticastGroup::Ipv4Ifaddr,
    MulticastGroup::Ipv6Ifaddr,
    MulticastGroup::Ipv4Route,
    MulticastGroup::Ipv6Route,
    MulticastGroup::Ipv4Rule,
    MulticastGroup::Ipv6Rule,
];

/// Notifications folded into one [`Change`]: bounds the time between two looks at the other work.
const BATCH: usize = 1024;

impl RouteClient {
    /// Subscribes, then reads all tables, so that nothing between the two is missed.
    ///
    /// # Errors
    /// See [`NetlinkError`].
    pub async fn connect() -> Result<Self, NetlinkError> {
        let (watcher, _, notifications) =
            rtnetlink::new_multicast_connection(&GROUPS).map_err(NetlinkError::Open)?;
        let (connection, handle, _) = rtnetlink::new_connection().map_err(NetlinkError::Open)?;
        let tasks = [tokio::spawn(watcher), tokio::spawn(connection)];
        let mut client =
            Self { handle, notifications: Box::new(notifications.fuse()), tasks, tables: Tables::default() };
        client.resync().await?;
        Ok(client)
    }

    /// The tables as of the last notification read.
    #[must_use]
    pub fn tables(&self) -> &Tables {
        &self.tables
    }

    /// Reads everything anew.
    ///
    /// # Errors
    /// [`NetlinkError::Dump`].
    pub async fn resync(&mut self) -> Result<(), NetlinkError> {
        let mut tables = Tables::default();
        each("links", self.handle.link().get().execute(), |message| {
            convert::link(&message).map(|link| tables.put_link(link));
        })
        .await?;
        each("addresses", self.handle.address().get().execute(), |message| {
            convert::address(&message).map(|(address, index)| tables.put_address(address, index));
        })
        .await?;
        for family in [AddressFamily::Inet, AddressFamily::Inet6] {
            let dump = self.handle.neighbours().get().set_address_family(family).execute();
            each("neighbours", dump, |message| {
                convert::neighbour(&message).map(|(key, value)| tables.put_neighbour(key, value));
            })
            .await?;
        }
        self.tables = tables;
        Ok(())
    }

    /// Waits for notifications and applies them. Cancel-safe: only the wait for the first one can be interrupted.
    ///
    /// # Errors
    /// [`NetlinkError`]: the client has to be replaced.
    pub async fn changed(&mut self) -> Result<Change, NetlinkError> {
        let mut change = Change::default();
        let mut next = self.notifications.next().await;
        for _ in 0..BATCH {
            let Some((message, _)) = next else { return Err(NetlinkError::Closed) };
            match message.payload {
                NetlinkPayload::InnerMessage(inner) => self.apply(inner, &mut change),
                NetlinkPayload::Overrun(_) => change.lost = true,
                _ => {}
            }
            match futures_util::FutureExt::now_or_never(self.notifications.next()) {
                Some(more) => next = more,
                None => break,
            }
        }
        Ok(change)
    }

    fn apply(&mut self, message: RouteNetlinkMessage, change: &mut Change) {
        match message {
            RouteNetlinkMessage::NewLink(message) => {
                if let Some(link) = convert::link(&message) {
                    let index = link.index;
                    if self.tables.put_link(link) {
                        change.links.insert(index);
                    }
                }
            }
            RouteNetlinkMessage::DelLink(message) => {
                // Bridges report leaving ports with their own family; the device itself stays.
                if let Some(link) = convert::link(&message)
                    && self.tables.drop_link(link.index)
                {
                    change.links.insert(link.index);
                }
            }
            RouteNetlinkMessage::NewNeighbour(message) => {
                if let Some((key, neighbour)) = convert::neighbour(&message)
                    && self.tables.put_neighbour(key, neighbour)
                {
                    change.neighbours.insert(key);
                }
            }
            RouteNetlinkMessage::DelNeighbour(message) => {
                if let Some((key, _)) = convert::neighbour(&message)
                    && self.tables.drop_neighbour(&key)
                {
                    change.neighbours.insert(key);
                }
            }
            RouteNetlinkMessage::NewAddress(message) => {
                if let Some((address, index)) = convert::address(&message) {
                    change.addresses |= self.tables.put_address(address, index);
                }
            }
            RouteNetlinkMessage::DelAddress(message) => {
                if let Some((address, index)) = convert::address(&message) {
                    change.addresses |= self.tables.drop_address(address, index);
                }
            }
            RouteNetlinkMessage::NewRoute(_)
            | RouteNetlinkMessage::DelRoute(_)
            | RouteNetlinkMessage::NewRule(_)
            | RouteNetlinkMessage::DelRule(_) => change.routes = true,
            _ => {}
        }
    }

    /// Asks the kernel how it would route a packet it sent itself. Errors count as unreachable: the kernel reports
    /// missing routes that way. `tos`: TOS or traffic class of the packet, which routes and rules may choose by.
    pub async fn lookup(&self, source: IpAddr, destination: IpAddr, tos: u8) -> Lookup {
        let mut message = RouteMessage::default();
        let (family, length) = match destination {
            IpAddr::V4(_) => (AddressFamily::Inet, 32),
            IpAddr::V6(_) => (AddressFamily::Inet6, 128),
        };
        message.header.address_family = family;
        message.header.destination_prefix_length = length;
        message.header.tos = tos;
        message.attributes.push(RouteAttribute::Destination(destination.into()));
        if !source.is_unspecified() {
            message.header.source_prefix_length = length;
            message.attributes.push(RouteAttribute::Source(source.into()));
        }
        let mut answers = std::pin::pin!(self.handle.route().get(message).execute());
        match answers.next().await {
            Some(Ok(answer)) => convert::route(&answer),
            Some(Err(error)) => {
                tracing::debug!(target: "core", %destination, %error, "route lookup failed");
                Lookup::Unreachable
            }
            None => Lookup::Unreachable,
        }
    }

    /// Tells the kernel that a neighbour is in use (`NTF_USE`), as sending a packet would: a stale entry is confirmed, a
    /// missing one resolved. Packets the program forwards do not do that by themselves.
    pub async fn use_neighbour(&self, key: NeighbourKey) {
        let request = self
            .handle
            .neighbours()
            .add(key.0, key.1)
            .state(WireState::None)
            .flags(NeighbourFlags::Use)
            .replace();
        if let Err(error) = request.execute().await {
            tracing::debug!(target: "core", neighbour = %key.1, device = key.0, %error, "neighbour keep-alive failed");
        }
    }
}

async fn each<T>(
    what: &'static str,
    dump: impl Stream<Item = Result<T, RtError>>,
    mut take: impl FnMut(T),
) -> Result<(), NetlinkError> {
    let mut dump = std::pin::pin!(dump);
    while let Some(item) = dump.next().await {
        take(item.map_err(|source| NetlinkError::Dump { what, source })?);
    }
    Ok(())
}
