//! Keys for tests, and what userspace makes of packets with them.

use rtpengine_common::abi::FlowValue;
use rtpengine_common::srtp::abi::StreamState;
use rtpengine_common::srtp::{Cipher, CryptoParams, Mki, Session, SessionParams, Suite};
use rtpengine_tests::xdp::{Rig, Transport, UdpFrame};

use super::{CALLEE, OUT, at};

/// Context that packets are received with.
pub const RECEIVE: u32 = 7;
/// Context that packets are sent with.
pub const TRANSMIT: u32 = 8;

/// Every suite that the program has.
pub fn suites() -> impl Iterator<Item = Suite> {
    Suite::ALL.into_iter().filter(|suite| suite.cipher() != Cipher::F8)
}

/// One direction as userspace does it.
pub struct Userspace {
    pub session: Session,
    pub state: StreamState,
}

impl Userspace {
    /// `seed`: of master key and salt.
    pub fn new(suite: Suite, seed: u8, mki: &[u8], parameters: SessionParams) -> Self {
        let bytes: Vec<u8> = (0..46).map(|at: u8| at.wrapping_mul(31) ^ seed).collect();
        let (key, salt) = (&bytes[..suite.key_len()], &bytes[32..32 + suite.salt_len()]);
        let params = CryptoParams::new(suite, key, salt, Mki::new(mki).unwrap(), parameters).unwrap();
        Self { session: Session::new(&params), state: StreamState::default() }
    }

    /// Usual parameters.
    pub fn usual(suite: Suite, seed: u8) -> Self {
        Self::new(suite, seed, &[], SessionParams::default())
    }

    pub fn protect(&mut self, packet: &[u8]) -> Vec<u8> {
        let mut buffer = packet.to_vec();
        buffer.resize(packet.len() + 64, 0);
        let len = self.session.protect_rtp(&mut self.state, &mut buffer, packet.len()).unwrap();
        buffer.truncate(len);
        buffer
    }
}

/// Gives the rig these keys; returns the numbers for a flow.
pub fn install(rig: &mut Rig, receive: Option<&Userspace>, transmit: Option<&Userspace>) -> (u32, u32) {
    let mut give = |number, keys: Option<&Userspace>| {
        rig.set_streams(number, Default::default()).unwrap();
        keys.map_or(0, |keys| {
            rig.install_context(number, &keys.session).unwrap();
            number
        })
    };
    (give(RECEIVE, receive), give(TRANSMIT, transmit))
}

/// What leaves when a flow has turned the payload of `sent` into `payload`.
pub fn leaving(sent: &UdpFrame, value: &FlowValue, output: usize, payload: Vec<u8>) -> UdpFrame {
    let input = usize::from(sent.src.is_ipv6());
    let mut expected = UdpFrame::new(at(OUT[output]), at(CALLEE[output]), payload);
    (expected.dst_mac, expected.src_mac) = (value.dst_mac, value.src_mac);
    expected.transport = Transport {
        ttl: 64,
        // Over IPv4 the program leaves it out: it is optional there, and the tag covers more.
        checksum: output == 1,
        id: if input == 1 { 0 } else { sent.transport.id },
        label: if input == 0 { 0 } else { sent.transport.label },
        ..sent.transport
    };
    expected
}
