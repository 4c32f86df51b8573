//! A caller as browsers are, with ICE over one port and DTLS-SRTP on the way that its checks find, and its call to a party
//! that speaks RTP.

use std::net::SocketAddr;
use std::time::{Duration, Instant};

use anyhow::{Context as _, Result, ensure};
use serde_json::{Value, json};

use crate::dtls::{Association, Certificate, PROFILES, Role};
use crate::engine::Engine;
use crate::flows::{self, Forwarded};
use crate::ice::Ice;
use crate::ng::cookie;
use crate::rtp::Endpoint;
use crate::sdp::{self, Media};
use crate::talk::left_to_right;
use crate::topology::{CALLEE, CALLER};

/// Longest wait for a packet.
const WAIT: Duration = Duration::from_secs(5);
/// Longest wait for the checks.
const PATIENCE: Duration = Duration::from_secs(20);
/// Wait for a packet that may be lost, before the next is sent.
const ATTEMPT: Duration = Duration::from_millis(50);
/// Preference of the socket that media goes by where nothing speaks against it.
const PREFERENCE: u16 = 100;

/// One side of a call.
pub struct Browser {
    /// Its socket, with ICE.
    pub endpoint: Endpoint,
    /// Its certificate.
    pub certificate: Certificate,
    /// The keys, once the handshake is done.
    pub keys: Option<Association>,
    candidates: Vec<String>,
}

impl Browser {
    /// A party on this socket, with credentials of its own and one candidate.
    pub fn new(mut endpoint: Endpoint, controlling: bool) -> Result<Self> {
        let mut ice = Ice::new(endpoint.local()?, controlling);
        let candidates = vec![ice.add_own(PREFERENCE)];
        endpoint.ice = Some(Box::new(ice));
        Ok(Self { endpoint, certificate: Certificate::new()?, keys: None, candidates })
    }

    /// A party on this socket that does no ICE.
    pub fn without_ice(endpoint: Endpoint) -> Result<Self> {
        Ok(Self { endpoint, certificate: Certificate::new()?, keys: None, candidates: Vec::new() })
    }

    /// Its ICE.
    pub fn ice(&mut self) -> Result<&mut Ice> {
        self.endpoint.ice.as_deref_mut().context("no ICE")
    }

    /// Adds a candidate, of the text that [`Ice::add_other`] made.
    pub fn add_candidate(&mut self, text: String) {
        self.candidates.push(text);
    }

    /// Its SDP with this `a=setup`.
    pub fn sdp(&self, setup: &str) -> Result<String> {
        let mut lines = vec!["a=rtcp-mux".to_owned(), format!("a=setup:{setup}"), self.certificate.line()?];
        lines.extend(self.endpoint.ice.iter().flat_map(|ice| ice.credentials()));
        lines.extend(self.candidates.iter().map(|candidate| format!("a=candidate:{candidate}")));
        let lines: Vec<&str> = lines.iter().map(String::as_str).collect();
        let local = self.endpoint.local()?;
        Ok(sdp::audio_with(local.ip(), local.port(), &lines).replace("RTP/AVP", "UDP/TLS/RTP/SAVPF"))
    }

    /// Takes over what it was told.
    pub fn hear_of(&mut self, media: &Media) -> Result<()> {
        self.endpoint.remote = Some(SocketAddr::new(media.address, media.port));
        self.endpoint.ice.as_mut().map_or(Ok(()), |ice| ice.hear(&media.lines))
    }

    /// Lets the checks go on until they have found a way, and media goes there.
    pub fn connect(&mut self) -> Result<()> {
        let deadline = Instant::now() + PATIENCE;
        while !(self.ice()?.is_connected() && self.ice()?.selected.is_some()) {
            ensure!(Instant::now() < deadline, "the checks find no way");
            self.endpoint.receive_ice(Duration::from_millis(1))?;
        }
        let (_, remote) = self.ice()?.selected.context("no pair")?;
        self.endpoint.remote = Some(remote);
        Ok(())
    }

    /// Shakes hands on the way that the checks have found.
    pub fn shake_hands(&mut self, role: Role) -> Result<()> {
        let profiles: Vec<&str> = PROFILES.iter().map(|(name, _)| *name).collect();
        self.keys = Some(Association::new(&self.endpoint, role, &self.certificate, &profiles)?);
        Ok(())
    }

    /// Its next packet as it was, and as it goes out.
    pub fn seal(&mut self) -> Result<(Vec<u8>, Vec<u8>)> {
        let stream = &mut self.endpoint.stream;
        let plain = stream.packet(stream.next).to_bytes();
        stream.next += 1;
        let keys = self.keys.as_mut().context("no keys")?;
        let sealed = keys.send.protect(&plain).context("not encrypted")?;
        Ok((plain, sealed))
    }

    /// The next packet of RTP, as it was before it was encrypted. RTCP is not looked at.
    pub fn hear(&mut self) -> Result<Vec<u8>> {
        loop {
            let (packet, _) = self.endpoint.next(WAIT)?.context("nothing is heard")?;
            if packet[0] >= 128 && !packet.get(1).is_some_and(|kind| (192..=223).contains(kind)) {
                let keys = self.keys.as_mut().context("no keys")?;
                return keys.receive.unprotect(packet).context("not authentic");
            }
        }
    }

    /// The next packet of RTCP within `wait`. RTP is not looked at.
    pub fn hear_rtcp(&mut self, wait: Duration) -> Result<Option<Vec<u8>>> {
        while let Some((packet, _)) = self.endpoint.next(wait)? {
            if packet.get(1).is_some_and(|kind| packet[0] >= 128 && (192..=223).contains(kind)) {
                let keys = self.keys.as_mut().context("no keys")?;
                return Ok(Some(keys.receive.unprotect_rtcp(packet).context("not authentic")?));
            }
        }
        Ok(None)
    }
}

/// A call of a browser to a party that speaks RTP.
pub struct BrowserCall {
    /// Call-ID.
    pub id: String,
    /// From-tag.
    pub from: String,
    /// To-tag.
    pub to: String,
    /// Calling party.
    pub caller: Browser,
    /// Called party.
    pub callee: Endpoint,
}

impl BrowserCall {
    /// Parties that have not signalled anything yet.
    pub fn unplaced(engine: &Engine) -> Result<Self> {
        let caller = Endpoint::bind_in(&engine.trio.caller, CALLER.parse()?, 0, 0x0ca1_1e40)?;
        let callee = Endpoint::bind_in(&engine.trio.callee, CALLEE.parse()?, 0, 0x0ca1_1ee0)?;
        let unique = cookie();
        let (id, from, to) = (format!("call-{unique}"), format!("from-{unique}"), format!("to-{unique}"));
        Ok(Self { id, from, to, caller: Browser::new(caller, true)?, callee })
    }

    /// Places a call, whose keys the daemon and the caller have in the end.
    pub fn place(engine: &mut Engine) -> Result<Self> {
        let mut call = Self::unplaced(engine)?;
        call.negotiate(engine, &json!({}))?;
        call.meet(engine)?;
        Ok(call)
    }

    /// Offer of the caller, with these entries, and answer of the callee; what the caller was answered.
    pub fn negotiate(&mut self, engine: &mut Engine, extra: &Value) -> Result<Media> {
        let mut offer = left_to_right();
        offer["transport protocol"] = json!("RTP/AVP");
        offer["ICE"] = json!("remove");
        offer["rtcp-mux"] = json!(["demux"]);
        if let (Some(offer), Some(extra)) = (offer.as_object_mut(), extra.as_object()) {
            offer.extend(extra.clone());
        }
        let offered = engine.ng.offer(&self.id, &self.from, &self.caller.sdp("actpass")?, &offer)?;
        let media = sdp::first_media(&offered)?;
        self.callee.remote = Some(SocketAddr::new(media.address, media.port));
        let local = self.callee.local()?;
        let answer = sdp::audio(local.ip(), local.port());
        let back = json!({"ICE": "force"});
        let answered = engine.ng.answer(&self.id, &self.from, &self.to, &answer, &back)?;
        let media = sdp::first_media(&answered)?;
        ensure!(media.has("a=setup:active"), "{answered}");
        self.caller.hear_of(&media)?;
        Ok(media)
    }

    /// The caller's checks find a way, and it shakes hands there.
    pub fn meet(&mut self, engine: &mut Engine) -> Result<()> {
        self.caller.connect()?;
        // The daemon goes on checking until it has the way too.
        flows::wait_until("the daemon has found the way", || {
            self.caller.endpoint.receive_ice(Duration::from_millis(5))?;
            let query = engine.ng.query(&self.id)?;
            let stream = &query["tags"][&self.from]["medias"][0]["streams"][0];
            let is_there = stream["endpoint"]["port"] == json!(self.caller.endpoint.local()?.port());
            Ok(is_there && stream["flags"].to_string().contains("confirmed"))
        })?;
        self.caller.shake_hands(Role::Server)?;
        self.settle()
    }

    /// The caller talks until it is heard: before the daemon has heard the last word of the handshake it discards.
    pub fn settle(&mut self) -> Result<()> {
        flows::wait_until("the caller is heard", || {
            let (plain, sealed) = self.caller.seal()?;
            self.caller.endpoint.send_raw(&sealed)?;
            let heard = self.callee.receive_raw(ATTEMPT)?;
            Ok(heard.is_some_and(|(heard, _)| heard == plain))
        })
    }

    /// Each party sends so many packets; each packet must arrive as it was before the next is sent.
    pub fn talk(&mut self, packets: u64) -> Result<()> {
        for _ in 0..packets {
            let (plain, sealed) = self.caller.seal()?;
            self.caller.endpoint.send_raw(&sealed)?;
            self.at_callee(&plain)?;
            let plain = self.callee.stream.packet(self.callee.stream.next).to_bytes();
            self.callee.send()?;
            ensure!(self.caller.hear()? == plain, "at the caller");
        }
        Ok(())
    }

    /// The next packet that the callee hears is this one.
    pub fn at_callee(&mut self, plain: &[u8]) -> Result<()> {
        let (heard, source) = self.callee.receive_raw(WAIT)?.context("the callee hears nothing")?;
        ensure!(Some(source) == self.callee.remote, "a packet from {source}");
        ensure!(heard == plain, "at the callee: {heard:02x?}");
        Ok(())
    }

    /// Packets the kernel has forwarded; `None` unless it forwards both directions now.
    pub fn forwarded(&self, table: i32) -> Result<Option<Forwarded>> {
        flows::forwarded_of(table, &self.id, &self.from, &self.to)
    }

    /// Both talk, and from some time on the kernel alone must forward every one of the packets.
    pub fn talk_in_kernel(&mut self, table: i32, packets: u64) -> Result<()> {
        flows::wait_until("the kernel forwards both directions", || {
            self.talk(1)?;
            Ok(self.forwarded(table)?.is_some_and(|count| count.from_caller > 0 && count.from_callee > 0))
        })?;
        let before = self.forwarded(table)?.context("the flows have left the kernel")?;
        self.talk(packets)?;
        let after = self.forwarded(table)?.context("the flows have left the kernel")?;
        let wanted = Forwarded {
            from_caller: before.from_caller + packets,
            from_callee: before.from_callee + packets,
        };
        ensure!(after == wanted, "forwarded by the kernel: {after:?} instead of {wanted:?}");
        Ok(())
    }

    /// Ends the call.
    pub fn hang_up(self, engine: &mut Engine) -> Result<Value> {
        engine.ng.delete(&self.id, &self.from)
    }
}
