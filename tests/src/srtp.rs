//! Parties that speak SRTP by the reference implementation, keyed by SDES (RFC 4568), and a call between two parties of
//! which either may do so.

use std::net::{IpAddr, SocketAddr};
use std::time::Duration;

use anyhow::{Context as _, Result, ensure};
pub use rtpengine_common::srtp::Suite;
use rtpengine_common::srtp::abi::StreamState;
use rtpengine_common::srtp::{CryptoParams, Mki, Refused, Session, SessionParams};
use serde_json::{Value, json};

use crate::engine::Engine;
use crate::flows::{self, Forwarded};
use crate::ng::{NgClient, cookie};
use crate::rtp::Endpoint;
use crate::sdp;
use crate::talk::left_to_right;

/// Longest wait for a packet.
const WAIT: Duration = Duration::from_secs(5);
const ALPHABET: &[u8; 64] = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";

/// Master key and salt with their suite.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Key {
    /// The suite.
    pub suite: Suite,
    bytes: Vec<u8>,
}

impl Key {
    /// A key; other seeds make other keys.
    #[must_use]
    pub fn new(suite: Suite, seed: u8) -> Self {
        Self { suite, bytes: (0..suite.key_len() + suite.salt_len()).map(|at| seed ^ at as u8).collect() }
    }

    /// `a=crypto` with this key.
    #[must_use]
    pub fn line(&self, tag: u32) -> String {
        format!("a=crypto:{tag} {} inline:{}", self.suite.name(), encode(&self.bytes))
    }

    /// The key of a suite in a media section, with its tag.
    fn find(lines: &[String], suite: Suite) -> Option<(u32, Self)> {
        lines.iter().find_map(|line| {
            let (tag, rest) = line.strip_prefix("a=crypto:")?.split_once(' ')?;
            let key = rest.strip_prefix(suite.name())?.strip_prefix(" inline:")?;
            let key = key.split(['|', ' ', '=']).next()?;
            Some((tag.parse().ok()?, Self { suite, bytes: decode(key) }))
        })
    }

    /// As it stands in SDP.
    #[must_use]
    pub fn text(&self) -> String {
        encode(&self.bytes)
    }

    fn session(&self) -> Result<Session> {
        let (key, salt) = self.bytes.split_at(self.suite.key_len());
        Ok(Session::new(&CryptoParams::new(self.suite, key, salt, Mki::NONE, SessionParams::default())?))
    }
}

/// Base64 (RFC 4648 section 4).
fn encode(bytes: &[u8]) -> String {
    let mut text = String::new();
    for chunk in bytes.chunks(3) {
        let mut three = [0; 4];
        three[1..=chunk.len()].copy_from_slice(chunk);
        let bits = u32::from_be_bytes(three);
        for at in 0..=chunk.len() {
            text.push(char::from(ALPHABET[(bits >> (18 - 6 * at) & 63) as usize]));
        }
    }
    while !text.len().is_multiple_of(4) {
        text.push('=');
    }
    text
}

/// The other way round; what is no letter of it ends it.
fn decode(text: &str) -> Vec<u8> {
    let letters = text.bytes().map_while(|byte| ALPHABET.iter().position(|letter| *letter == byte));
    let sextets: Vec<u32> = letters.map(|at| at as u32).collect();
    let mut bytes = Vec::new();
    for chunk in sextets.chunks(4) {
        let bits = chunk.iter().zip([18, 12, 6, 0]).fold(0, |bits, (sextet, shift)| bits | sextet << shift);
        bytes.extend(&bits.to_be_bytes()[1..chunk.len()]);
    }
    bytes
}

/// One direction under one key.
struct Direction {
    key: Key,
    session: Session,
    state: StreamState,
    rtcp: StreamState,
}

impl Direction {
    /// Goes on where it was with the same key, begins anew with another.
    fn with(previous: Option<Self>, key: Option<Key>) -> Result<Option<Self>> {
        let Some(key) = key else { return Ok(None) };
        match previous {
            Some(previous) if previous.key == key => Ok(Some(previous)),
            _ => Ok(Some(Self {
                session: key.session()?,
                key,
                state: StreamState::default(),
                rtcp: StreamState::default(),
            })),
        }
    }
}

/// A party with one stream of RTP.
pub struct Party {
    /// Its socket.
    pub endpoint: Endpoint,
    key: Option<Key>,
    outgoing: Option<Direction>,
    incoming: Option<Direction>,
}

impl Party {
    /// A party that encrypts with this key, or that speaks RTP.
    #[must_use]
    pub fn new(endpoint: Endpoint, key: Option<Key>) -> Self {
        Self { endpoint, key, outgoing: None, incoming: None }
    }

    /// Its next packet as it was, and as it goes out.
    pub fn seal(&mut self) -> Result<(Vec<u8>, Vec<u8>)> {
        let stream = &mut self.endpoint.stream;
        let plain = stream.packet(stream.next).to_bytes();
        stream.next += 1;
        let mut sealed = plain.clone();
        if let Some(direction) = &mut self.outgoing {
            sealed.resize(plain.len() + 32, 0);
            let length = direction.session.protect_rtp(&mut direction.state, &mut sealed, plain.len())?;
            sealed.truncate(length);
        }
        Ok((plain, sealed))
    }

    /// The next packet that arrives, as it was before it was encrypted.
    pub fn hear(&mut self) -> Result<Vec<u8>> {
        let (mut packet, source) = self.endpoint.receive_raw(WAIT)?.context("nothing is heard")?;
        ensure!(Some(source) == self.endpoint.remote, "a packet from {source}");
        if let Some(direction) = &mut self.incoming {
            let opened = direction.session.unprotect_rtp(&mut direction.state, &mut packet);
            let length = opened.map_err(|refused: Refused| anyhow::anyhow!("not authentic: {refused}"))?;
            packet.truncate(length);
        }
        Ok(packet)
    }

    /// Sends a packet of RTCP where it sends its RTP.
    pub fn send_rtcp(&mut self, plain: &[u8]) -> Result<()> {
        let mut packet = plain.to_vec();
        if let Some(direction) = &mut self.outgoing {
            packet.resize(plain.len() + 32, 0);
            let length = direction.session.protect_rtcp(&mut direction.rtcp, &mut packet, plain.len())?;
            packet.truncate(length);
        }
        self.endpoint.send_raw(&packet)
    }

    /// The next packet of RTCP, as it was before it was encrypted; `None` where none comes within `wait` after the last
    /// packet of RTP. Those are not looked at.
    pub fn hear_rtcp(&mut self, wait: Duration) -> Result<Option<Vec<u8>>> {
        while let Some((mut packet, source)) = self.endpoint.receive_raw(wait)? {
            ensure!(Some(source) == self.endpoint.remote, "a packet from {source}");
            if !packet.get(1).is_some_and(|kind| (192..=223).contains(kind)) {
                continue;
            }
            if let Some(direction) = &mut self.incoming {
                let opened = direction.session.unprotect_rtcp(&mut direction.rtcp, &mut packet);
                let length =
                    opened.map_err(|refused: Refused| anyhow::anyhow!("not authentic: {refused}"))?;
                packet.truncate(length);
            }
            return Ok(Some(packet));
        }
        Ok(None)
    }

    fn profile(&self) -> &'static str {
        if self.key.is_some() { "RTP/SAVP" } else { "RTP/AVP" }
    }

    fn family(&self) -> Result<&'static str> {
        Ok(if self.endpoint.local()?.is_ipv4() { "IP4" } else { "IP6" })
    }

    /// Its SDP, with its key under this tag and with these lines.
    pub fn sdp(&self, tag: u32, lines: &[&str]) -> Result<String> {
        let local = self.endpoint.local()?;
        let crypto = self.key.as_ref().map(|key| key.line(tag));
        let lines: Vec<&str> = crypto.as_deref().into_iter().chain(lines.iter().copied()).collect();
        Ok(sdp::audio_with(local.ip(), local.port(), &lines).replace("RTP/AVP", self.profile()))
    }

    /// Takes over what the party was told; returns the tag of its line.
    pub fn take(&mut self, body: &str) -> Result<u32> {
        let media = sdp::first_media(body)?;
        self.endpoint.remote = Some(SocketAddr::new(media.address, media.port));
        self.outgoing = Direction::with(self.outgoing.take(), self.key.clone())?;
        let theirs = match &self.key {
            None => None,
            Some(key) => {
                Some(Key::find(&media.lines, key.suite).with_context(|| format!("no key in {body}"))?)
            }
        };
        let tag = theirs.as_ref().map_or(1, |(tag, _)| *tag);
        self.incoming = Direction::with(self.incoming.take(), theirs.map(|(_, key)| key))?;
        Ok(tag)
    }
}

/// A call with one audio stream.
pub struct SecureCall {
    /// Call-ID.
    pub id: String,
    /// From-tag.
    pub from: String,
    /// To-tag.
    pub to: String,
    /// Calling party.
    pub caller: Party,
    /// Called party.
    pub callee: Party,
}

impl SecureCall {
    /// Places a call; a party without key speaks RTP.
    pub fn place(
        engine: &mut Engine,
        addresses: (&str, &str),
        caller: Option<Key>,
        callee: Option<Key>,
    ) -> Result<Self> {
        let (left, right): (IpAddr, IpAddr) = (addresses.0.parse()?, addresses.1.parse()?);
        let caller = Party::new(Endpoint::bind_in(&engine.trio.caller, left, 0, 0x0ca1_1e40)?, caller);
        let callee = Party::new(Endpoint::bind_in(&engine.trio.callee, right, 0, 0x0ca1_1ee0)?, callee);
        let unique = cookie();
        let (id, from, to) = (format!("call-{unique}"), format!("from-{unique}"), format!("to-{unique}"));
        let mut call = Self { id, from, to, caller, callee };
        call.negotiate(&mut engine.ng, &[], &[])?;
        Ok(call)
    }

    /// Offer of the caller with these lines in its SDP, answer of the callee with those in its.
    pub fn negotiate(&mut self, ng: &mut NgClient, ours: &[&str], theirs: &[&str]) -> Result<()> {
        self.negotiate_with(ng, ours, theirs, left_to_right())
    }

    /// The same with these entries in the offer.
    pub fn negotiate_with(
        &mut self,
        ng: &mut NgClient,
        ours: &[&str],
        theirs: &[&str],
        mut extra: Value,
    ) -> Result<()> {
        extra["transport protocol"] = json!(self.callee.profile());
        extra["address family"] = json!(self.callee.family()?);
        let back = json!({"address family": self.caller.family()?});
        let offered = ng.offer(&self.id, &self.from, &self.caller.sdp(1, ours)?, &extra)?;
        let tag = self.callee.take(&offered)?;
        let answer = self.callee.sdp(tag, theirs)?;
        let answered = ng.answer(&self.id, &self.from, &self.to, &answer, &back)?;
        self.caller.take(&answered)?;
        Ok(())
    }

    /// The caller encrypts with another key from the next negotiation on.
    pub fn rekey_caller(&mut self, key: Key) {
        self.caller.key = Some(key);
    }

    /// Each party sends so many packets; each packet must arrive as it was before the next is sent.
    pub fn talk(&mut self, packets: u64) -> Result<()> {
        for _ in 0..packets {
            let (plain, sealed) = self.caller.seal()?;
            self.caller.endpoint.send_raw(&sealed)?;
            let number = self.caller.endpoint.stream.next;
            ensure!(
                self.callee.hear().with_context(|| format!("caller's {number}"))? == plain,
                "at the callee"
            );
            let (plain, sealed) = self.callee.seal()?;
            self.callee.endpoint.send_raw(&sealed)?;
            let number = self.callee.endpoint.stream.next;
            ensure!(
                self.caller.hear().with_context(|| format!("callee's {number}"))? == plain,
                "at the caller"
            );
        }
        Ok(())
    }

    /// Packets both parties have sent, those they have repeated not included.
    #[must_use]
    pub fn sent(&self) -> u64 {
        self.caller.endpoint.stream.next + self.callee.endpoint.stream.next
    }

    /// Packets the kernel has forwarded; `None` unless it forwards both directions now.
    pub fn forwarded(&self, table: i32) -> Result<Option<Forwarded>> {
        flows::forwarded_of(table, &self.id, &self.from, &self.to)
    }

    /// Both talk until the kernel forwards both directions.
    pub fn establish(&mut self, table: i32) -> Result<()> {
        flows::wait_until("the kernel forwards both directions", || {
            self.talk(1)?;
            Ok(self.forwarded(table)?.is_some_and(|count| count.from_caller > 0 && count.from_callee > 0))
        })
    }

    /// Both talk, and the kernel alone must forward every one of the packets.
    pub fn talk_in_kernel(&mut self, table: i32, packets: u64) -> Result<()> {
        self.establish(table)?;
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

    /// Ends the call; returns the reply with its totals.
    pub fn hang_up(self, ng: &mut NgClient) -> Result<Value> {
        ng.delete(&self.id, &self.from)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn keys_are_read_back() {
        for suite in Suite::ALL {
            let key = Key::new(suite, 7);
            let lines = [key.line(3)];
            assert_eq!(Key::find(&lines, suite), Some((3, key)));
        }
        assert_eq!(encode(b"any carnal pleas"), "YW55IGNhcm5hbCBwbGVhcw==");
    }
}
