//! Parties that speak SRTP by the reference implementation.

use std::collections::HashMap;
use std::sync::Arc;

use rtpengine_common::srtp::abi::StreamState;
use rtpengine_common::srtp::{CryptoParams, Mki, Refused, Session, SessionParams, Suite};
use rtpengine_core::io::{Component, RelayStream};

use super::{Party, Port, Relay, settings};

/// Keys of a suite; other seeds make other keys.
pub fn keys(suite: Suite, seed: u8) -> Arc<CryptoParams> {
    keys_with(suite, seed, b"", SessionParams::default())
}

pub fn keys_with(suite: Suite, seed: u8, mki: &[u8], session: SessionParams) -> Arc<CryptoParams> {
    let (key, salt) = ([seed; 32], [seed ^ 0xff; 14]);
    let mki = Mki::new(mki).expect("short");
    let params = CryptoParams::new(suite, &key[..suite.key_len()], &salt[..suite.salt_len()], mki, session);
    Arc::new(params.expect("lengths fit"))
}

/// One direction at the party's end; without keys packets are plain.
pub struct Crypto {
    session: Option<Session>,
    states: HashMap<(bool, u32), StreamState>,
}

impl Crypto {
    pub fn new(params: Option<&CryptoParams>) -> Self {
        Self { session: params.map(Session::new), states: HashMap::new() }
    }

    fn state<'a>(
        states: &'a mut HashMap<(bool, u32), StreamState>,
        packet: &[u8],
    ) -> (bool, &'a mut StreamState) {
        let rtcp = (192..224).contains(&packet[1]);
        let at = if rtcp { 4 } else { 8 };
        let ssrc = u32::from_be_bytes(packet[at..at + 4].try_into().expect("four bytes"));
        let state = states.entry((rtcp, ssrc)).or_default();
        (rtcp, state)
    }

    pub fn protect(&mut self, packet: &[u8]) -> Vec<u8> {
        let Some(session) = &self.session else { return packet.to_vec() };
        let (rtcp, state) = Self::state(&mut self.states, packet);
        let mut buffer = [packet, &[0; 160]].concat();
        let length = if rtcp {
            session.protect_rtcp(state, &mut buffer, packet.len())
        } else {
            session.protect_rtp(state, &mut buffer, packet.len())
        };
        buffer.truncate(length.expect("protects"));
        buffer
    }

    pub fn unprotect(&mut self, packet: &[u8]) -> Result<Vec<u8>, Refused> {
        let Some(session) = &self.session else { return Ok(packet.to_vec()) };
        let (rtcp, state) = Self::state(&mut self.states, packet);
        let mut packet = packet.to_vec();
        let length = if rtcp {
            session.unprotect_rtcp(state, &mut packet)
        } else {
            session.unprotect_rtp(state, &mut packet)
        };
        packet.truncate(length?);
        Ok(packet)
    }
}

/// Keys by direction, as the relay sees it.
#[derive(Clone, Default)]
pub struct Keys {
    pub receive: Option<Arc<CryptoParams>>,
    pub transmit: Option<Arc<CryptoParams>>,
}

impl Keys {
    /// The relay receives with one key and transmits with another.
    pub fn of(suite: Suite, seed: u8) -> Self {
        Self { receive: Some(keys(suite, seed)), transmit: Some(keys(suite, seed + 1)) }
    }
}

/// A party and its socket of the relay.
pub struct Side {
    pub party: Party,
    pub port: Port,
    pub keys: Keys,
    pub outgoing: Crypto,
    pub incoming: Crypto,
}

impl Side {
    pub fn new(relay: &mut Relay, keys: Keys) -> Self {
        let (outgoing, incoming) =
            (Crypto::new(keys.receive.as_deref()), Crypto::new(keys.transmit.as_deref()));
        Self { party: Party::new(), port: relay.open(), keys, outgoing, incoming }
    }

    /// What the relay is told of it.
    pub fn settings(&self, component: Component, sinks: &[Port]) -> RelayStream {
        let mut config = settings(component, Some(self.party.address), sinks);
        config.keyring = self.port.stream;
        config.receive_crypto.clone_from(&self.keys.receive);
        config.transmit_crypto.clone_from(&self.keys.transmit);
        config
    }

    /// Sends a packet the party has protected.
    pub fn send(&mut self, packet: &[u8]) {
        let packet = self.outgoing.protect(packet);
        self.party.send(self.port, &packet);
    }

    /// The next packet, which must be authentic.
    pub fn receive(&mut self) -> Vec<u8> {
        let (packet, source) = self.party.receive();
        assert_eq!(source, self.port.local);
        self.incoming.unprotect(&packet).expect("authentic")
    }
}

/// Two parties with keys of their own, each hearing the other.
pub struct SecurePair {
    pub relay: Relay,
    pub caller: Side,
    pub callee: Side,
}

impl SecurePair {
    pub fn new(caller: Keys, callee: Keys) -> Self {
        let mut relay = Relay::start();
        let (caller, callee) = (Side::new(&mut relay, caller), Side::new(&mut relay, callee));
        let pair = Self { relay, caller, callee };
        pair.configure();
        pair
    }

    /// Tells the relay (again) what the sides have.
    pub fn configure(&self) {
        let (caller, callee) = (&self.caller, &self.callee);
        self.relay.configure(caller.port, caller.settings(Component::Mux, &[callee.port]));
        self.relay.configure(callee.port, callee.settings(Component::Mux, &[caller.port]));
        self.relay.settle(callee.port);
    }

    /// A packet of the caller reaches the callee, as it was.
    pub fn caller_reaches_callee(&mut self, packet: &[u8]) {
        self.caller.send(packet);
        assert_eq!(self.callee.receive(), packet);
    }

    /// The other way.
    pub fn callee_reaches_caller(&mut self, packet: &[u8]) {
        self.callee.send(packet);
        assert_eq!(self.caller.receive(), packet);
    }
}
