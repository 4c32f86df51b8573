//! A party of headless Chromium, which says a tone.

use std::time::Duration;

use rtpengine_tests::flows;
use rtpengine_tests::netns::Netns;
use rtpengine_tests::peer::Peer;
use rtpengine_tests::require::Need;
use serde_json::{Value, json};

use crate::aiortc::Candidates;
use crate::tone::Tone;

pub const NEEDS: &[Need] =
    &[Need::Root, Need::Iproute, Need::Daemon, Need::Ctl, Need::BpfFs, Need::Peers, Need::Chromium];

pub struct Chromium {
    peer: Peer,
    candidates: Candidates,
    /// Hz of what it says.
    tone: u32,
}

/// What Chromium counts (`getStats`).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Counts {
    pub sent: u64,
    pub received: u64,
    pub lost: i64,
}

impl Chromium {
    pub fn start(netns: &Netns, candidates: Candidates, tone: u32) -> Self {
        Self { peer: Peer::start(netns, "chromium.py", &[]).unwrap(), candidates, tone }
    }

    fn ask(&mut self, request: &Value) -> Value {
        self.peer.ask(request).unwrap()
    }

    /// With audio, and with a data channel if wanted.
    pub fn offer(&mut self, data: bool) -> String {
        let reply = self.ask(&json!({"do": "offer", "tone": self.tone, "data": data}));
        self.candidates.filtered(reply["sdp"].as_str().unwrap())
    }

    pub fn answered(&mut self, sdp: &str) {
        let sdp = self.candidates.filtered(sdp);
        self.ask(&json!({"do": "answered", "sdp": sdp}));
    }

    pub fn answer(&mut self, sdp: &str) -> String {
        let sdp = self.candidates.filtered(sdp);
        let reply = self.ask(&json!({"do": "answer", "tone": self.tone, "sdp": sdp}));
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
        }
    }

    /// Sends its tone from now on, or nothing at all.
    pub fn talk(&mut self, on: bool) {
        self.ask(&json!({"do": "talk", "on": on}));
    }

    /// Counts that change no more, as nobody talks.
    pub fn settled(&mut self) -> Counts {
        let mut last = self.counts();
        flows::wait_until("nothing is on its way", || {
            // Longer than counts are cached, and than packets are apart.
            std::thread::sleep(Duration::from_millis(200));
            let counts = self.counts();
            Ok(std::mem::replace(&mut last, counts) == counts)
        })
        .unwrap();
        last
    }

    /// What it hears just now.
    pub fn heard(&mut self) -> Tone {
        let heard = self.ask(&json!({"do": "heard"}));
        Tone { frequency: heard["frequency"].as_f64().unwrap(), share: heard["share"].as_f64().unwrap() }
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
