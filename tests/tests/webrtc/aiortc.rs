//! A party of aiortc: offers and answers, and payloads that are compared byte by byte.

use rtpengine_tests::netns::Netns;
use rtpengine_tests::peer::Peer;
use rtpengine_tests::require::Need;
use rtpengine_tests::rtp::pattern;
use serde_json::{Value, json};

pub const NEEDS: &[Need] = &[Need::Root, Need::Iproute, Need::Daemon, Need::Ctl, Need::BpfFs, Need::Peers];
const PAYLOAD: usize = 160;

/// Who begins the DTLS handshake.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Role {
    Client,
    Server,
}

/// Which candidates are exchanged.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Candidates {
    Ipv4,
    Both,
}

impl Candidates {
    /// A body without the candidates that are not to be exchanged.
    pub fn filtered(self, sdp: &str) -> String {
        let address = |line: &str| line.split(' ').nth(4).map(str::to_owned).unwrap_or_default();
        let kept = |line: &&str| {
            self == Self::Both || !line.starts_with("a=candidate") || !address(line).contains(':')
        };
        sdp.lines().filter(kept).map(|line| format!("{line}\r\n")).collect()
    }
}

pub struct Aiortc {
    peer: Peer,
    candidates: Candidates,
    /// Seed of its payloads.
    seed: u32,
    sent: u64,
    shown: u64,
}

impl Aiortc {
    pub fn start(netns: &Netns, seed: u32, candidates: Candidates) -> Self {
        Self { peer: Peer::start(netns, "webrtc.py", &[]).unwrap(), candidates, seed, sent: 0, shown: 0 }
    }

    fn ask(&mut self, request: &Value) -> Value {
        self.peer.ask(request).unwrap()
    }

    pub fn offer(&mut self) -> String {
        let reply = self.ask(&json!({"do": "offer"}));
        self.candidates.filtered(reply["sdp"].as_str().unwrap())
    }

    /// With audio and video, in one group.
    pub fn offer_video(&mut self) -> String {
        let reply = self.ask(&json!({"do": "offer", "video": true}));
        self.candidates.filtered(reply["sdp"].as_str().unwrap())
    }

    pub fn answered(&mut self, sdp: &str) {
        let sdp = self.candidates.filtered(sdp);
        self.ask(&json!({"do": "answered", "sdp": sdp}));
    }

    pub fn answer(&mut self, sdp: &str) -> String {
        let sdp = self.candidates.filtered(sdp);
        let reply = self.ask(&json!({"do": "answer", "sdp": sdp}));
        self.candidates.filtered(reply["sdp"].as_str().unwrap())
    }

    /// Waits until ICE and DTLS are done.
    pub fn connected(&mut self) -> Role {
        let reply = self.ask(&json!({"do": "connected"}));
        if reply["role"] == "client" { Role::Client } else { Role::Server }
    }

    /// Sends the next payloads, which are returned.
    pub fn send(&mut self, count: u64) -> Vec<Vec<u8>> {
        let payloads: Vec<_> =
            (self.sent..self.sent + count).map(|index| pattern(self.seed, index, PAYLOAD)).collect();
        self.sent += count;
        let texts: Vec<String> = payloads.iter().map(|payload| hex(payload)).collect();
        self.ask(&json!({"do": "send", "payloads": texts}));
        payloads
    }

    /// The next payloads must be these, in order.
    pub fn hears(&mut self, payloads: &[Vec<u8>]) {
        let heard = self.ask(&json!({"do": "hear", "count": payloads.len()}));
        let texts: Vec<String> = payloads.iter().map(|payload| hex(payload)).collect();
        assert_eq!(heard["payloads"], json!(texts));
        assert_eq!(self.drain(), 0);
    }

    /// Sends the next payloads as video, which are returned.
    pub fn show(&mut self, count: u64) -> Vec<Vec<u8>> {
        let payloads: Vec<_> =
            (self.shown..self.shown + count).map(|index| pattern(!self.seed, index, PAYLOAD)).collect();
        self.shown += count;
        let texts: Vec<String> = payloads.iter().map(|payload| hex(payload)).collect();
        self.ask(&json!({"do": "show", "payloads": texts}));
        payloads
    }

    /// The next payloads of video must be these, in order, each behind a descriptor.
    pub fn sees(&mut self, payloads: &[Vec<u8>]) {
        let seen = self.ask(&json!({"do": "see", "count": payloads.len()}));
        let seen = seen["payloads"].as_array().unwrap();
        assert_eq!(seen.len(), payloads.len());
        for (seen, payload) in seen.iter().zip(payloads) {
            assert!(seen.as_str().unwrap().ends_with(&hex(payload)), "{seen} of {}", hex(payload));
        }
        assert_eq!(self.drain(), 0);
    }

    /// Forgets what was heard so far, and tells how many packets that was.
    pub fn drain(&mut self) -> u64 {
        self.ask(&json!({"do": "drain"}))["packets"].as_u64().unwrap()
    }

    pub fn hang_up(&mut self) {
        self.ask(&json!({"do": "hang up"}));
    }
}

fn hex(bytes: &[u8]) -> String {
    bytes.iter().map(|byte| format!("{byte:02x}")).collect()
}
