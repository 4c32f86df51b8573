//! A party of headless Chromium, with its fake microphone: beeps.

use rtpengine_tests::netns::Netns;
use rtpengine_tests::peer::Peer;
use rtpengine_tests::require::Need;
use serde_json::{Value, json};

use crate::aiortc::Candidates;

pub const NEEDS: &[Need] =
    &[Need::Root, Need::Iproute, Need::Daemon, Need::Ctl, Need::BpfFs, Need::Peers, Need::Chromium];

pub struct Chromium {
    peer: Peer,
    candidates: Candidates,
}

/// What Chromium counts (`getStats`).
#[derive(Clone, Copy, Debug)]
pub struct Counts {
    pub sent: u64,
    pub received: u64,
    pub lost: i64,
    /// Of the audio that was decoded.
    pub energy: f64,
}

impl Chromium {
    pub fn start(netns: &Netns, candidates: Candidates) -> Self {
        Self { peer: Peer::start(netns, "chromium.py", &[]).unwrap(), candidates }
    }

    fn ask(&mut self, request: &Value) -> Value {
        self.peer.ask(request).unwrap()
    }

    /// With audio, and with a data channel if wanted.
    pub fn offer(&mut self, data: bool) -> String {
        let reply = self.ask(&json!({"do": "offer", "data": data}));
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

    pub fn connected(&mut self) {
        self.ask(&json!({"do": "connected"}));
    }

    pub fn counts(&mut self) -> Counts {
        let counts = self.ask(&json!({"do": "counts"}));
        Counts {
            sent: counts["sent"].as_u64().unwrap(),
            received: counts["received"].as_u64().unwrap(),
            lost: counts["lost"].as_i64().unwrap(),
            energy: counts["energy"].as_f64().unwrap(),
        }
    }

    pub fn say(&mut self, text: &str) {
        self.ask(&json!({"do": "say", "text": text}));
    }

    pub fn listen(&mut self) -> String {
        self.ask(&json!({"do": "listen"}))["text"].as_str().unwrap().to_owned()
    }

    pub fn hang_up(&mut self) {
        self.ask(&json!({"do": "hang up"}));
    }
}
