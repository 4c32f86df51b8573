//! A daemon between a party with DTLS-SRTP and one without encryption: what tests of handshakes have in common.

use std::net::IpAddr;
use std::time::Duration;

use rtpengine_tests::daemon::Table;
use rtpengine_tests::dtls::{Association, PROFILES};
use rtpengine_tests::engine::Engine;
use rtpengine_tests::rtp::{Endpoint, Stream};
use rtpengine_tests::sdp::{self, Media};
use rtpengine_tests::talk::left_to_right;
use rtpengine_tests::topology::{CALLEE, CALLER};
use serde_json::Value;

pub const PACKETS: u64 = 50;
const WAIT: Duration = Duration::from_secs(5);
const CALLERS_SSRC: u32 = 0x0ca1_1e40;
const CALLEES_SSRC: u32 = 0x0ca1_1ee0;

/// A daemon, and a caller and a callee with their sockets.
pub struct Scene {
    pub engine: Engine,
    pub caller: Endpoint,
    pub callee: Endpoint,
    pub caller_ip: IpAddr,
    pub callee_ip: IpAddr,
}

pub fn profiles() -> Vec<&'static str> {
    PROFILES.iter().map(|(name, _)| *name).collect()
}

impl Scene {
    pub fn new(arguments: &[&str]) -> Self {
        let engine = Engine::start(Table::Off, arguments).unwrap();
        let (caller_ip, callee_ip) = (CALLER.parse().unwrap(), CALLEE.parse().unwrap());
        let caller = Endpoint::bind_in(&engine.trio.caller, caller_ip, 0, CALLERS_SSRC).unwrap();
        let callee = Endpoint::bind_in(&engine.trio.callee, callee_ip, 0, CALLEES_SSRC).unwrap();
        Self { engine, caller, callee, caller_ip, callee_ip }
    }

    pub fn offer(&mut self, lines: &[&str], profile: &str, extra: &Value) -> Media {
        let body = sdp::audio_with(self.caller_ip, self.caller.local().unwrap().port(), lines);
        let mut keys = left_to_right();
        keys.as_object_mut().unwrap().extend(extra.as_object().unwrap().clone());
        let offered = self.engine.ng.offer("c", "a", &body.replace("RTP/AVP", profile), &keys).unwrap();
        let media = sdp::first_media(&offered).unwrap();
        self.callee.remote = Some((media.address, media.port).into());
        media
    }

    pub fn answer(&mut self, lines: &[&str], profile: &str, extra: &Value) -> Media {
        let body = sdp::audio_with(self.callee_ip, self.callee.local().unwrap().port(), lines);
        let answered =
            self.engine.ng.answer("c", "a", "b", &body.replace("RTP/AVP", profile), extra).unwrap();
        let media = sdp::first_media(&answered).unwrap();
        self.caller.remote = Some((media.address, media.port).into());
        media
    }
}

pub fn line<'m>(media: &'m Media, start: &str) -> &'m str {
    let found = media.lines.iter().find(|line| line.starts_with(start));
    assert!(found.is_some(), "no {start} in {media:?}");
    found.unwrap()
}

/// Everything each of them says reaches the other as it was said.
pub fn talk(secure: &Endpoint, keys: &mut Association, plain: &Endpoint) {
    talk_on(0, secure, keys, plain);
}

/// The same, for the nth time under these keys.
pub fn talk_on(nth: u64, secure: &Endpoint, keys: &mut Association, plain: &Endpoint) {
    let (from_secure, from_plain) = (Stream::new(0x5ec), Stream::new(0x91a));
    for index in nth * PACKETS..(nth + 1) * PACKETS {
        let said = from_secure.packet(index).to_bytes();
        let sealed = keys.send.protect(&said).unwrap();
        // Before the daemon has heard the last word of the handshake it discards; after that it never does.
        let heard = if index == nth * PACKETS {
            until_heard(secure, &sealed, plain)
        } else {
            once(secure, &sealed, plain)
        };
        assert_eq!(heard, said, "packet {index} at the plain side");
        let said = from_plain.packet(index).to_bytes();
        let sealed = once(plain, &said, secure);
        assert_ne!(sealed, said);
        assert_eq!(keys.receive.unprotect(sealed).unwrap(), said, "packet {index} at the secure side");
    }
}

/// The next packet of RTP or RTCP: STUN may come at any time where there is ICE.
pub fn media(to: &Endpoint, wait: Duration) -> Option<Vec<u8>> {
    loop {
        let (bytes, _) = to.receive_raw(wait).unwrap()?;
        if bytes[0] >= 128 {
            return Some(bytes);
        }
    }
}

pub fn once(from: &Endpoint, packet: &[u8], to: &Endpoint) -> Vec<u8> {
    from.send_raw(packet).unwrap();
    media(to, WAIT).unwrap()
}

pub fn until_heard(from: &Endpoint, packet: &[u8], to: &Endpoint) -> Vec<u8> {
    let attempt = || {
        from.send_raw(packet).unwrap();
        media(to, Duration::from_millis(50))
    };
    (0..100).find_map(|_| attempt()).unwrap()
}

pub fn statistic(engine: &Engine, name: &str) -> u64 {
    let text = engine.ctl(&["--plain", "list", "dtls"]).unwrap();
    let line = text.lines().find(|line| line.trim_start().starts_with(name));
    line.unwrap().rsplit(':').next().unwrap().trim().parse().unwrap()
}
