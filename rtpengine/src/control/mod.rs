//! Control listeners: ng over UDP and TCP, and the protocols before it.
//!
//! [`Listeners::bind`] opens the sockets, [`Listeners::serve`] runs them: UDP on threads of its own, TCP on tokio.
//! Every message goes through one [`Dispatcher`], which answers repeats from its cookie cache, decodes, and asks the [`ControlEngine`].

pub mod accept;
pub mod dispatcher;
pub mod line;
pub mod packet_info;
pub mod socket;
pub mod tcp;
pub mod tos;
pub mod udp;

#[cfg(test)]
mod tests;

use std::future::Future;
use std::net::SocketAddr;
use std::sync::Arc;

use rtpengine_core::call::ControlSource;
use rtpengine_core::legacy;
use rtpengine_core::ng::{Reply, Request};
use tokio::runtime::Handle;
use tokio::task::JoinSet;

pub use dispatcher::Dispatcher;
pub use socket::{ControlError, SocketOptions};
pub use tos::ControlTos;
pub use udp::Dialect;

/// What carries requests out.
pub trait ControlEngine: Send + Sync + 'static {
    /// Carries a request out. Warnings about ignored keys ([`Request::warnings`]) are added by the caller.
    fn request(&self, source: ControlSource, request: Request) -> impl Future<Output = Reply> + Send;

    /// Carries a request of a legacy protocol out; `None` where it is refused, which is logged.
    fn legacy(
        &self,
        source: ControlSource,
        request: legacy::Request,
    ) -> impl Future<Output = Option<legacy::Answer>> + Send;

    /// Counts a message that could not be read, or asks for what this version does not do.
    fn refused(&self, source: ControlSource);
}

/// Bound control sockets.
#[derive(Debug, Default)]
pub struct Listeners {
    udp: Vec<std::net::UdpSocket>,
    tcp: Vec<std::net::TcpListener>,
    legacy_udp: Vec<std::net::UdpSocket>,
    legacy_tcp: Vec<std::net::TcpListener>,
}

impl Listeners {
    /// Binds all sockets, or none. Wildcard IPv6 sockets do not take IPv4, which has its own.
    ///
    /// # Errors
    /// [`ControlError`] names the address.
    pub fn bind(
        udp: &[SocketAddr],
        tcp: &[SocketAddr],
        options: SocketOptions,
    ) -> Result<Self, ControlError> {
        Ok(Self { udp: bind_udp(udp, options)?, tcp: bind_tcp(tcp, options)?, ..Self::default() })
    }

    /// Binds sockets for the protocols before ng, of rtpproxy (UDP) and mediaproxy (TCP), or none.
    ///
    /// # Errors
    /// [`ControlError`] names the address.
    pub fn with_legacy(
        self,
        udp: &[SocketAddr],
        tcp: &[SocketAddr],
        options: SocketOptions,
    ) -> Result<Self, ControlError> {
        Ok(Self { legacy_udp: bind_udp(udp, options)?, legacy_tcp: bind_tcp(tcp, options)?, ..self })
    }

    /// The addresses bound, UDP before TCP, ng before the others.
    ///
    /// # Errors
    /// When the system does not tell.
    pub fn addresses(&self) -> std::io::Result<Vec<SocketAddr>> {
        let udp = self.udp.iter().chain(&self.legacy_udp).map(std::net::UdpSocket::local_addr);
        let tcp = self.tcp.iter().chain(&self.legacy_tcp).map(std::net::TcpListener::local_addr);
        udp.chain(tcp).collect()
    }

    /// Changes the TOS of all sockets later on; `now` is what they were bound with.
    ///
    /// # Errors
    /// When a descriptor cannot be duplicated.
    pub fn tos(&self, now: u8) -> std::io::Result<ControlTos> {
        let mut sockets = Vec::new();
        for socket in self.udp.iter().chain(&self.legacy_udp) {
            sockets.push((socket2::Socket::from(socket.try_clone()?), socket.local_addr()?.is_ipv6()));
        }
        for listener in self.tcp.iter().chain(&self.legacy_tcp) {
            sockets.push((socket2::Socket::from(listener.try_clone()?), listener.local_addr()?.is_ipv6()));
        }
        Ok(ControlTos::new(sockets, now))
    }

    /// Runs the listeners until what is returned is dropped. To be called within a tokio runtime with I/O and time.
    /// `stack`: the size of the stacks of the threads in bytes, where it is not to be the default.
    ///
    /// # Errors
    /// When a socket cannot be registered with the runtime, or the system has no thread to give.
    pub fn serve<E: ControlEngine>(
        self,
        dispatcher: &Arc<Dispatcher<E>>,
        stack: Option<usize>,
    ) -> std::io::Result<Serving> {
        let mut serving = Serving { tcp: JoinSet::new(), udp: Vec::new() };
        for listener in self.tcp {
            let listener = tokio::net::TcpListener::from_std(listener)?;
            serving.tcp.spawn(tcp::serve(listener, Arc::clone(dispatcher)));
        }
        for listener in self.legacy_tcp {
            let listener = tokio::net::TcpListener::from_std(listener)?;
            serving.tcp.spawn(line::serve(listener, Arc::clone(dispatcher)));
        }
        let ng = self.udp.into_iter().map(|socket| (socket, Dialect::Ng));
        let rtpproxy = self.legacy_udp.into_iter().map(|socket| (socket, Dialect::Rtpproxy));
        for (socket, dialect) in ng.chain(rtpproxy) {
            let (dispatcher, runtime) = (Arc::clone(dispatcher), Handle::current());
            serving.udp.push(udp::Service::start(socket, dialect, dispatcher, runtime, stack)?);
        }
        Ok(serving)
    }
}

fn bind_udp(
    addresses: &[SocketAddr],
    options: SocketOptions,
) -> Result<Vec<std::net::UdpSocket>, ControlError> {
    let mut sockets = Vec::new();
    for address in addresses {
        let opened = socket::udp(*address, options);
        sockets.extend(socket::unless_no_ipv6(*address, addresses, opened)?);
    }
    Ok(sockets)
}

fn bind_tcp(
    addresses: &[SocketAddr],
    options: SocketOptions,
) -> Result<Vec<std::net::TcpListener>, ControlError> {
    let mut listeners = Vec::new();
    for address in addresses {
        let opened = socket::tcp(*address, options);
        listeners.extend(socket::unless_no_ipv6(*address, addresses, opened)?);
    }
    Ok(listeners)
}

/// Listeners at work. Dropping it ends them.
#[derive(Debug)]
pub struct Serving {
    tcp: JoinSet<()>,
    udp: Vec<udp::Service>,
}
