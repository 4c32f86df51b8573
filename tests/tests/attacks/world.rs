//! A call whose parties encrypt or not, each by its own choice, and an attacker on the caller's network.

use std::time::Duration;

use rtpengine_common::srtp::abi::StreamState;
use rtpengine_common::srtp::{CryptoParams, Mki, Session, SessionParams, Suite};
use rtpengine_tests::daemon::Table;
use rtpengine_tests::engine::Engine;
use rtpengine_tests::flows;
use rtpengine_tests::netns::Netns;
use rtpengine_tests::rtp::{Endpoint, Packet, rtcp_sender_report};
use rtpengine_tests::sdp;
use rtpengine_tests::talk::left_to_right;
use rtpengine_tests::topology::{CALLEE, CALLER};
use serde_json::{Value, json};

/// Another host on the caller's side, and one on the callee's.
const NEAR_CALLER: &str = "10.77.1.66";
const NEAR_CALLEE: &str = "10.77.2.66";
const WAIT: Duration = Duration::from_secs(5);
/// Suites that differ in how they authenticate.
pub const SUITES: [Suite; 2] = [Suite::AesCm128HmacSha1_80, Suite::AeadAes128Gcm];

/// Keys of one direction.
pub struct Keys {
    session: Session,
    rtp: StreamState,
    rtcp: StreamState,
}

impl Keys {
    fn new(suite: Suite, key_and_salt: &[u8]) -> Self {
        let (key, salt) = key_and_salt.split_at(suite.key_len());
        let params = CryptoParams::new(suite, key, salt, Mki::default(), SessionParams::default()).unwrap();
        Self { session: Session::new(&params), rtp: StreamState::default(), rtcp: StreamState::default() }
    }

    pub fn protect(&mut self, packet: &[u8]) -> Vec<u8> {
        let mut buffer = packet.to_vec();
        buffer.resize(packet.len() + 64, 0);
        let length = if is_rtcp(packet) {
            self.session.protect_rtcp(&mut self.rtcp, &mut buffer, packet.len()).unwrap()
        } else {
            self.session.protect_rtp(&mut self.rtp, &mut buffer, packet.len()).unwrap()
        };
        buffer.truncate(length);
        buffer
    }

    fn unprotect(&mut self, mut packet: Vec<u8>) -> Vec<u8> {
        let length = if is_rtcp(&packet) {
            self.session.unprotect_rtcp(&mut self.rtcp, &mut packet).unwrap()
        } else {
            self.session.unprotect_rtp(&mut self.rtp, &mut packet).unwrap()
        };
        packet.truncate(length);
        packet
    }
}

fn is_rtcp(packet: &[u8]) -> bool {
    (192..=223).contains(&packet[1])
}

/// One party: its socket, and its keys where it encrypts.
pub struct Party {
    pub endpoint: Endpoint,
    pub outgoing: Option<Keys>,
    incoming: Option<Keys>,
    suite: Option<Suite>,
    /// What it has sent, as it went over the wire.
    pub sent: Vec<Vec<u8>>,
}

impl Party {
    fn new(netns: &Netns, address: &str, ssrc: u32, suite: Option<Suite>) -> Self {
        let endpoint = Endpoint::bind_in(netns, address.parse().unwrap(), 0, ssrc).unwrap();
        Self { endpoint, outgoing: None, incoming: None, suite, sent: Vec::new() }
    }

    /// Its SDP with a key of its own, under this tag.
    fn sdp(&mut self, tag: u32) -> String {
        let local = self.endpoint.local().unwrap();
        let Some(suite) = self.suite else { return sdp::audio(local.ip(), local.port()) };
        let secret = vec![self.endpoint.stream.ssrc as u8 | 1; suite.key_len() + suite.salt_len()];
        self.outgoing = Some(Keys::new(suite, &secret));
        let line = format!("a=crypto:{tag} {} inline:{}", suite.name(), encode(&secret));
        sdp::audio_with(local.ip(), local.port(), &["a=rtcp-mux", &line]).replace("RTP/AVP", "RTP/SAVP")
    }

    /// Takes the other side's SDP; yields the tag of the suite wanted.
    fn take(&mut self, body: &str) -> u32 {
        let media = sdp::first_media(body).unwrap();
        self.endpoint.remote = Some((media.address, media.port).into());
        let Some(suite) = self.suite else { return 0 };
        let wanted = format!(" {} inline:", suite.name());
        let line = media.lines.iter().find(|line| line.contains(&wanted)).unwrap();
        let (tag, secret) = line.strip_prefix("a=crypto:").unwrap().split_once(&wanted).unwrap();
        self.incoming = Some(Keys::new(suite, &decode(secret)));
        tag.parse().unwrap()
    }

    /// The next packet of its stream, as it is and as it goes over the wire.
    pub fn next(&mut self) -> (Vec<u8>, Vec<u8>) {
        let stream = &mut self.endpoint.stream;
        let plain = stream.packet(stream.next).to_bytes();
        stream.next += 1;
        let sealed = match &mut self.outgoing {
            Some(keys) => keys.protect(&plain),
            None => plain.clone(),
        };
        self.sent.push(sealed.clone());
        (plain, sealed)
    }

    /// What comes next, decrypted.
    pub fn hear(&mut self) -> Vec<u8> {
        let (packet, _) = self.endpoint.receive_raw(WAIT).unwrap().unwrap();
        match &mut self.incoming {
            Some(keys) => keys.unprotect(packet),
            None => packet,
        }
    }

    pub fn hears_nothing(&self) {
        assert_eq!(self.endpoint.receive_raw(Duration::ZERO).unwrap(), None);
    }
}

/// What an attack is made from.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum From {
    /// Another address: the attacker would get what is sent back.
    Stranger,
    /// The caller's own address, spoofed.
    Spoofed,
}

/// The call, the daemon, the attacker.
pub struct World {
    pub engine: Engine,
    pub caller: Party,
    pub callee: Party,
    pub stranger: Endpoint,
    pub stranger_at_callee: Endpoint,
    attacks: u64,
}

impl World {
    /// Connects a caller with one suite to a callee with another; `None`: without encryption.
    pub fn call(caller: Option<Suite>, callee: Option<Suite>, extra: &Value) -> Self {
        Self::call_of((0x0ca1_1e41, 0x0ca1_1ee3), caller, callee, extra)
    }

    /// Same with these SSRCs.
    pub fn call_of(ssrcs: (u32, u32), caller: Option<Suite>, callee: Option<Suite>, extra: &Value) -> Self {
        let mut engine = Engine::start(Table::Own, &[]).unwrap();
        let trio = &engine.trio;
        trio.caller.ip(&[format!("addr add {NEAR_CALLER}/24 dev eth0")]).unwrap();
        trio.callee.ip(&[format!("addr add {NEAR_CALLEE}/24 dev eth0")]).unwrap();
        let attacker =
            |netns, address: &str| Endpoint::bind_in(netns, address.parse().unwrap(), 0, 0x666).unwrap();
        let mut stranger = attacker(&trio.caller, NEAR_CALLER);
        let mut stranger_at_callee = attacker(&trio.callee, NEAR_CALLEE);
        let mut calling = Party::new(&trio.caller, CALLER, ssrcs.0, caller);
        let mut called = Party::new(&trio.callee, CALLEE, ssrcs.1, callee);

        let mut offer = left_to_right();
        offer["transport protocol"] = json!(if callee.is_some() { "RTP/SAVP" } else { "RTP/AVP" });
        offer.as_object_mut().unwrap().extend(extra.as_object().unwrap().clone());
        let offered = engine.ng.offer("c", "a", &calling.sdp(1), &offer).unwrap();
        let tag = called.take(&offered);
        let answered = engine.ng.answer("c", "a", "b", &called.sdp(tag), extra).unwrap();
        calling.take(&answered);
        stranger.remote = calling.endpoint.remote;
        stranger_at_callee.remote = called.endpoint.remote;
        Self { engine, caller: calling, callee: called, stranger, stranger_at_callee, attacks: 0 }
    }

    /// Both parties send packets in turn; each hears the other's, as they were sent, and nothing else.
    pub fn talk(&mut self, packets: u64) {
        for _ in 0..packets {
            self.caller_is_heard();
            self.callee_is_heard();
        }
        self.caller.hears_nothing();
        self.callee.hears_nothing();
    }

    pub fn caller_is_heard(&mut self) {
        one_way(&mut self.caller, &mut self.callee);
    }

    pub fn callee_is_heard(&mut self) {
        one_way(&mut self.callee, &mut self.caller);
    }

    /// Sends something that must have no effect to the port the caller sends to.
    pub fn attack(&mut self, from: From, packet: &[u8]) {
        let endpoint = match from {
            From::Stranger => &self.stranger,
            From::Spoofed => &self.caller.endpoint,
        };
        endpoint.send_raw(packet).unwrap();
        self.attacks += 1;
    }

    /// Waits until every attack so far is counted as an error of the call; nobody has heard any of it.
    pub fn nothing_came_of_it(&mut self) {
        let attacks = self.attacks;
        flows::wait_until("what the attacker sent is counted as errors", || {
            let query = self.engine.ng.query("c")?;
            let errors = ["RTP", "RTCP"].map(|kind| query["totals"][kind]["errors"].as_u64().unwrap_or(0));
            Ok(errors.iter().sum::<u64>() == attacks)
        })
        .unwrap();
        self.attackers_hear_nothing();
        self.caller.hears_nothing();
        self.callee.hears_nothing();
    }

    pub fn attackers_hear_nothing(&self) {
        for attacker in [&self.stranger, &self.stranger_at_callee] {
            assert_eq!(attacker.receive_raw(Duration::ZERO).unwrap(), None, "the attacker gets something");
        }
    }

    /// Ends the call; its totals count what the parties sent and nothing of the attacker.
    pub fn finish(mut self) {
        self.attackers_hear_nothing();
        let sent = self.caller.sent.len() + self.callee.sent.len();
        let reply = self.engine.ng.delete("c", "a").unwrap();
        assert_eq!(reply["totals"]["RTP"]["packets"], json!(sent), "{reply}");
        self.engine.daemon.stop().unwrap();
    }
}

fn one_way(from: &mut Party, to: &mut Party) {
    let (plain, sealed) = from.next();
    from.endpoint.send_raw(&sealed).unwrap();
    assert_eq!(to.hear(), plain, "packet {}", from.endpoint.stream.next - 1);
}

/// A packet of the caller's stream, by somebody without keys: the header is right, the rest is noise as long as `like`.
pub fn forged(world: &World, sequence: u16, like: &[u8]) -> Vec<u8> {
    let packet = Packet {
        marker: false,
        payload_type: 8,
        sequence,
        timestamp: u32::from(sequence) * 160,
        ssrc: world.caller.endpoint.stream.ssrc,
        payload: (0..like.len() - 12).map(|at| (at * 37) as u8).collect(),
    };
    packet.to_bytes()
}

/// A sender report with a goodbye behind it (RFC 3550 section 6.6), as it is sent in the clear.
pub fn goodbye(ssrc: u32) -> Vec<u8> {
    let mut packet = rtcp_sender_report(ssrc, 1, 160);
    packet.extend([0x81, 203, 0, 1]);
    packet.extend(ssrc.to_be_bytes());
    packet
}

const ALPHABET: &[u8; 64] = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";

/// Base64 without padding (RFC 4648 section 4).
fn encode(bytes: &[u8]) -> String {
    let digits = |three: &[u8]| {
        let bits =
            three.iter().fold(0_u32, |bits, byte| bits << 8 | u32::from(*byte)) << (8 * (3 - three.len()));
        (0..=three.len())
            .map(|at| char::from(ALPHABET[(bits >> (18 - 6 * at) & 63) as usize]))
            .collect::<String>()
    };
    bytes.chunks(3).map(digits).collect()
}

fn decode(text: &str) -> Vec<u8> {
    let sextets: Vec<u32> = text
        .bytes()
        .map_while(|byte| ALPHABET.iter().position(|letter| *letter == byte))
        .map(|position| position as u32)
        .collect();
    let bytes = |four: &[u32]| {
        let bits = four.iter().fold(0, |bits, sextet| bits << 6 | sextet) << (6 * (4 - four.len()));
        bits.to_be_bytes()[1..four.len()].to_vec()
    };
    sextets.chunks(4).flat_map(bytes).collect()
}

#[test]
fn keys_are_written_as_they_are_read() {
    for length in [28, 30, 44, 46] {
        let secret: Vec<u8> = (0..length).map(|byte: u8| byte.wrapping_mul(77)).collect();
        assert_eq!(decode(&encode(&secret)), secret);
    }
    assert_eq!(encode(b"AAA"), "QUFB");
}
