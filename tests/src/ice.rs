//! A party's ICE (RFC 8445): one component over the sockets of an [`Endpoint`](crate::rtp::Endpoint), whose messages
//! arrive among its media.
//!
//! The agent is of the library the daemon has too, with other settings around it. What is on the wire is its business;
//! what the daemon makes of it, its SDP, its sockets and its flows, is what the tests look at.

use std::net::{IpAddr, SocketAddr, UdpSocket};
use std::time::Instant;

use anyhow::{Context as _, Result, ensure};
use is::stun::{StunMessage, StunPacket};
use is::{Candidate, CandidateKind, IceAgent, IceAgentEvent, IceCreds, Protocol};

use crate::netns::Netns;

/// The SOFTWARE attribute of a message (RFC 8489 §14.14).
fn software(message: &[u8]) -> Option<String> {
    let mut rest = message.get(20..)?;
    loop {
        let (head, after) = rest.split_first_chunk::<4>()?;
        let length = usize::from(u16::from_be_bytes([head[2], head[3]]));
        if head[..2] == [0x80, 0x22] {
            return String::from_utf8(after.get(..length)?.to_vec()).ok();
        }
        rest = after.get(length.next_multiple_of(4)..)?;
    }
}

/// The agent of one m-line with rtcp-mux.
#[derive(Debug)]
pub struct Ice {
    agent: IceAgent,
    credentials: IceCreds,
    /// Sockets besides the endpoint's own.
    pub(crate) others: Vec<UdpSocket>,
    own: SocketAddr,
    /// The pair media goes by: our address, the peer's.
    pub selected: Option<(SocketAddr, SocketAddr)>,
    /// Set to fall silent: nothing is answered and nothing sent.
    pub silent: bool,
    /// STUN messages sent.
    pub sent: u64,
    /// STUN messages received.
    pub received: u64,
    /// Requests that the peer refused for a role conflict (487, RFC 8445 §7.3.1.1).
    pub conflicts: u64,
    /// Whether the peer's last request claimed the controlling role.
    pub peer_controls: Option<bool>,
    /// SOFTWARE of the peer's messages, once one had it.
    pub software: Option<String>,
}

impl Ice {
    /// An agent for a socket bound to `own`. `controlling` is what the party starts out with.
    #[must_use]
    pub fn new(own: SocketAddr, controlling: bool) -> Self {
        let credentials = IceCreds::new();
        let mut agent = IceAgent::new(credentials.clone());
        agent.set_controlling(controlling);
        agent.set_local_preference(|candidate: &Candidate, _: usize| (candidate.prio() >> 8) & 0xffff);
        Self {
            agent,
            credentials,
            others: Vec::new(),
            own,
            selected: None,
            silent: false,
            sent: 0,
            received: 0,
            conflicts: 0,
            peer_controls: None,
            software: None,
        }
    }

    /// What decides a role conflict; random unless set.
    pub fn set_tie_breaker(&mut self, tie_breaker: u64) {
        self.agent.set_control_tie_breaker(tie_breaker);
    }

    /// Adds the endpoint's own socket as a candidate, with this local preference; its `a=candidate` value.
    pub fn add_own(&mut self, preference: u16) -> String {
        self.add(self.own, preference)
    }

    /// Opens a socket at another address and adds it as a candidate.
    pub fn add_other(&mut self, netns: &Netns, address: IpAddr, preference: u16) -> Result<String> {
        let socket = netns.run(|| UdpSocket::bind((address, 0)))??;
        socket.set_nonblocking(true)?;
        let base = socket.local_addr()?;
        self.others.push(socket);
        Ok(self.add(base, preference))
    }

    fn add(&mut self, base: SocketAddr, preference: u16) -> String {
        let priority = 126 << 24 | u32::from(preference) << 8 | 255;
        let foundation = (self.others.len() + 1).to_string();
        let candidate = Candidate::from_parts(
            foundation.clone(),
            1,
            Protocol::Udp,
            priority,
            base,
            CandidateKind::Host,
            None,
            None,
            None,
        );
        self.agent.add_local_candidate(candidate);
        format!("{foundation} 1 UDP {priority} {} {} typ host", base.ip(), base.port())
    }

    /// `a=ice-ufrag` and `a=ice-pwd`.
    #[must_use]
    pub fn credentials(&self) -> [String; 2] {
        [format!("a=ice-ufrag:{}", self.credentials.ufrag), format!("a=ice-pwd:{}", self.credentials.pass)]
    }

    /// Takes over credentials and candidates of the first component from lines of SDP.
    pub fn hear(&mut self, lines: &[String]) -> Result<()> {
        let value = |name: &str| lines.iter().find_map(|line| line.strip_prefix(name)).map(str::to_owned);
        let ufrag = value("a=ice-ufrag:").context("no a=ice-ufrag")?;
        let pass = value("a=ice-pwd:").context("no a=ice-pwd")?;
        self.agent.set_remote_credentials(IceCreds { ufrag, pass });
        let candidates = lines.iter().filter_map(|line| line.strip_prefix("a=candidate:"));
        let mut found = 0;
        for text in candidates.filter(|text| text.split(' ').nth(1) == Some("1")) {
            let candidate = Candidate::from_sdp_string(&format!("candidate:{text}"))
                .map_err(|error| anyhow::anyhow!("{text}: {error}"))?;
            self.agent.add_remote_candidate(candidate);
            found += 1;
        }
        ensure!(found > 0, "no candidate in {lines:?}");
        Ok(())
    }

    /// Whether this side has the controlling role.
    #[must_use]
    pub fn controls(&self) -> bool {
        self.agent.controlling()
    }

    /// Whether checks have succeeded and go on succeeding.
    #[must_use]
    pub fn is_connected(&self) -> bool {
        self.agent.state().is_connected()
    }

    /// Looks after an agent without an endpoint, whose only socket this is.
    pub fn poll(&mut self, own: &UdpSocket) {
        self.advance(own);
    }

    /// Sends from the socket that was opened first besides the endpoint's own, whatever pair is selected.
    pub fn send_by_other(&self, bytes: &[u8], remote: SocketAddr) -> Result<()> {
        let socket = self.others.first().context("there is no other socket")?;
        socket.send_to(bytes, remote)?;
        Ok(())
    }

    /// A datagram of STUN has arrived at one of the sockets.
    pub(crate) fn datagram(&mut self, local: SocketAddr, source: SocketAddr, bytes: &[u8]) {
        self.received += 1;
        let Ok(message) = StunMessage::parse(bytes) else { return };
        self.software = software(bytes).or(self.software.take());
        self.conflicts += u64::from(message.error_code().is_some_and(|(code, _)| code == 487));
        if message.is_binding_request() {
            self.peer_controls = Some(message.ice_controlling().is_some());
        }
        if !self.silent {
            let packet = StunPacket { proto: Protocol::Udp, source, destination: local, message };
            self.agent.handle_packet(Instant::now(), packet);
        }
    }

    /// Sends what is due from `own` or the other sockets.
    pub(crate) fn advance(&mut self, own: &UdpSocket) {
        let now = Instant::now();
        if self.agent.poll_timeout().is_none_or(|due| due <= now) {
            self.agent.handle_timeout(now);
        }
        while let Some(transmit) = self.agent.poll_transmit() {
            if self.silent {
                continue;
            }
            self.sent += 1;
            let socket = self.socket(own, transmit.source);
            // What is lost is sent again.
            let _lost = socket.send_to(&transmit.contents, transmit.destination);
        }
        while let Some(event) = self.agent.poll_event() {
            if let IceAgentEvent::NominatedSend { source, destination, .. } = event {
                self.selected = Some((source, destination));
            }
        }
    }

    /// The socket bound to `address`.
    pub(crate) fn socket<'a>(&'a self, own: &'a UdpSocket, address: SocketAddr) -> &'a UdpSocket {
        let bound = |socket: &&UdpSocket| socket.local_addr().is_ok_and(|local| local == address);
        self.others.iter().find(bound).unwrap_or(own)
    }
}
