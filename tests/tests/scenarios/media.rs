//! Packets between the parties of a scenario.

use std::collections::hash_map::Entry;
use std::collections::{HashMap, HashSet};
use std::net::{IpAddr, SocketAddr};
use std::sync::atomic::{AtomicU32, Ordering};
use std::time::{Duration, Instant};

use anyhow::{Context as _, Result, bail, ensure};
use openssl::base64;
use rtpengine_tests::dtls::{Association, Certificate, Direction, PROFILES, Role};
use rtpengine_tests::rtp::{Endpoint, Stream, pattern, rtcp_sender_report};
use rtpengine_tests::scenario::Party;
use rtpengine_tests::srtp::Suite;

use crate::body::Media;
use crate::play::Flows;
use crate::reached;

/// Longest wait for a packet that must come.
const WAIT: Duration = Duration::from_secs(5);
/// When another packet is sent, as the first may have come before the keys.
const AGAIN: Duration = Duration::from_millis(300);
/// How long nothing must come: a packet takes well below a millisecond.
const QUIET: Duration = Duration::from_millis(25);

/// A party's side of what was negotiated.
#[derive(Clone, Debug)]
pub struct Leg {
    written: Vec<Media>,
    read: Vec<Media>,
    /// Whether it wrote the answer.
    answered: bool,
}

impl Leg {
    pub fn of(written: &[Media], read: &[Media], answered: bool) -> Self {
        Self { written: written.to_vec(), read: read.to_vec(), answered }
    }

    fn line(&self, at: usize) -> Option<(&Media, &Media)> {
        Some((self.written.get(at)?, self.read.get(at)?))
    }

    fn answer(&self, at: usize) -> Option<&Media> {
        if self.answered { self.written.get(at) } else { self.read.get(at) }
    }

    fn is_muxed(&self, at: usize) -> bool {
        self.line(at).is_some_and(|(written, read)| written.has("rtcp-mux") && read.has("rtcp-mux"))
    }
}

/// Media of one m-line of one party for another.
#[derive(Clone, Copy, Debug)]
pub struct Flow {
    from: (Party, usize),
    to: (Party, usize),
    /// Whether it has to arrive, or must not.
    arrives: bool,
}

/// How a leg's m-line is encrypted.
enum Keys {
    Plain,
    Srtp(Box<(Direction, Direction)>),
    /// Encrypted in a way that this party does not speak.
    Unknown,
}

impl Keys {
    fn seal(&mut self, plain: &[u8], rtcp: bool) -> Result<Vec<u8>> {
        let Self::Srtp(keys) = self else { return Ok(plain.to_vec()) };
        let sealed = if rtcp { keys.0.protect_rtcp(plain) } else { keys.0.protect(plain) };
        sealed.context("not encrypted")
    }

    fn open(&mut self, packet: Vec<u8>, rtcp: bool) -> Option<Vec<u8>> {
        let Self::Srtp(keys) = self else { return Some(packet) };
        // Each report has an SSRC of its own, hence an index of its own.
        if rtcp { keys.1.again().unprotect_rtcp(packet) } else { keys.1.unprotect(packet) }
    }
}

/// Sockets of all parties.
pub struct Stage<'c> {
    pub legs: HashMap<Party, Leg>,
    /// Flows that were tried.
    pub tried: usize,
    /// Whether RTCP goes from party to party.
    pub reports: bool,
    sockets: HashMap<SocketAddr, Endpoint>,
    associations: HashMap<SocketAddr, (SocketAddr, Association)>,
    /// SSRCs of streams of which more than one packet was sent.
    repeated: HashSet<Vec<u8>>,
    certificates: &'c [Certificate],
}

impl<'c> Stage<'c> {
    pub fn new(certificates: &'c [Certificate]) -> Self {
        Self {
            legs: HashMap::new(),
            tried: 0,
            reports: true,
            sockets: HashMap::new(),
            associations: HashMap::new(),
            repeated: HashSet::new(),
            certificates,
        }
    }

    /// What the bodies of the two say.
    pub fn derived(&self, (a, b): (Party, Party)) -> Flows {
        let mut flows = Vec::new();
        for (from, to) in [(a, b), (b, a)] {
            let (Some(sender), Some(receiver)) = (self.legs.get(&from), self.legs.get(&to)) else { continue };
            let lines = sender.written.len().min(receiver.written.len());
            for at in 0..lines {
                let Some(((own, told), (theirs, _))) = sender.line(at).zip(receiver.line(at)) else {
                    continue;
                };
                let on_hold = told.address.is_none_or(|address| address.is_unspecified());
                if !on_hold && (own.sends() || !theirs.receives()) {
                    flows.push(Flow {
                        from: (from, at),
                        to: (to, at),
                        arrives: own.sends() && theirs.receives(),
                    });
                }
            }
        }
        flows
    }

    /// These alone, of all that are possible. The m-lines of a subscriber are those of its parties, one after the other.
    pub fn only(&self, pairs: &[(Party, Party)]) -> Flows {
        let mut flows = Vec::new();
        let mut parties: Vec<(&Party, &Leg)> = self.legs.iter().collect();
        parties.sort_by_key(|(party, _)| **party);
        for (from, sender) in &parties {
            for (to, receiver) in
                parties.iter().filter(|(to, _)| to != from || pairs.contains(&(**from, **to)))
            {
                let arrives = pairs.contains(&(**from, **to));
                for at in 0..sender.written.len() {
                    let before =
                        pairs.iter().filter(|(_, to)| *to == Party::D).take_while(|(own, _)| own != *from);
                    let line = if **to == Party::D { before.count() + at } else { at };
                    let flow = Flow { from: (**from, at), to: (**to, line), arrives };
                    // What has to arrive somewhere is sent once, for that flow.
                    let sent = pairs.iter().any(|(own, _)| own == *from);
                    if receiver.line(line).is_some() && (arrives || !sent) && **from != Party::D {
                        flows.push(flow);
                    }
                }
            }
        }
        flows
    }

    fn socket(&mut self, address: IpAddr, port: u16) -> Result<&mut Endpoint> {
        let local = SocketAddr::new(address, port);
        match self.sockets.entry(local) {
            Entry::Occupied(known) => Ok(known.into_mut()),
            Entry::Vacant(place) => Ok(place.insert(Endpoint::bind(address, port, 0)?)),
        }
    }

    /// The m-line a party sends or receives, where it can.
    fn open_line(&self, (party, at): (Party, usize)) -> Option<(Media, Media)> {
        let (written, read) = self.legs.get(&party)?.line(at)?;
        (written.is_open() && read.is_open() && written.address.is_some())
            .then(|| (written.clone(), read.clone()))
    }

    fn keys(&mut self, (party, at): (Party, usize)) -> Result<Keys> {
        let leg = self.legs.get(&party).context("no leg")?.clone();
        let ((written, read), Some(answer)) = (leg.line(at).context("no line")?, leg.answer(at)) else {
            bail!("no answer")
        };
        if answer.has("fingerprint") {
            return self.shake_hands(party, written, read, leg.answered);
        }
        let Some((tag, name)) = answer.first_crypto() else {
            return Ok(if answer.protocol.contains("SAVP") { Keys::Unknown } else { Keys::Plain });
        };
        let direction = |media: &Media| {
            let key = media.crypto(tag, name)?;
            let suite = Suite::from_name(name.as_bytes())?;
            // Master key identifiers and session parameters are looked at elsewhere.
            let mut key = key.trim_end_matches('=').to_owned();
            while !key.len().is_multiple_of(4) {
                key.push('=');
            }
            let bytes = base64::decode_block(&key).ok()?;
            let (key, salt) = bytes.split_at_checked(suite.key_len())?;
            Direction::new(suite, key, salt).ok()
        };
        match (direction(written), direction(read)) {
            (Some(send), Some(receive)) => Ok(Keys::Srtp(Box::new((send, receive)))),
            _ => Ok(Keys::Unknown),
        }
    }

    fn shake_hands(&mut self, party: Party, written: &Media, read: &Media, answered: bool) -> Result<Keys> {
        let ice = written.has("ice-ufrag") && read.has("ice-ufrag");
        let ours = written.attribute("fingerprint").map(|value| format!("a=fingerprint:{value}"));
        let own = self.certificates.iter().find(|own| own.line().ok() == ours);
        let Some(own) = own.filter(|_| !ice && read.has("fingerprint")) else { return Ok(Keys::Unknown) };
        let address = written.address.with_context(|| format!("{party:?} has no address"))?;
        let remote = SocketAddr::new(reached(read.address.context("no address")?), read.port);
        let role = match (answered, written.attribute("setup"), read.attribute("setup")) {
            (true, Some("active"), _) | (false, _, Some("passive")) => Role::Client,
            _ => Role::Server,
        };
        let local = SocketAddr::new(address, written.port);
        let endpoint = self.socket(address, written.port)?;
        endpoint.remote = Some(remote);
        let endpoint = endpoint.duplicate()?;
        if self.associations.get(&local).is_none_or(|(known, _)| *known != remote) {
            let names: Vec<&str> = PROFILES.iter().map(|(name, _)| *name).collect();
            let made = Association::new(&endpoint, role, own, &names)
                .with_context(|| format!("DTLS of {party:?}"))?;
            self.associations.insert(local, (remote, made));
        }
        let (_, known) = self.associations.get(&local).context("just made")?;
        Ok(Keys::Srtp(Box::new(known.directions())))
    }

    /// Takes leave of the daemon once the call is over, so that its farewells reach nobody else on these ports.
    pub fn close(self) {
        for (_, association) in self.associations.into_values() {
            // Some were replaced in the course of the call and have had theirs.
            let _ended = association.wait_closed();
        }
    }

    /// Sends and looks what comes.
    pub fn run(&mut self, flows: Flows) -> Result<()> {
        let mut ready = Vec::new();
        for flow in flows {
            let (Some(sender), Some(receiver)) = (self.open_line(flow.from), self.open_line(flow.to)) else {
                continue;
            };
            for (own, _) in [&sender, &receiver] {
                let address = own.address.filter(|address| !address.is_unspecified());
                if let Some(address) = address {
                    self.socket(address, own.port)?;
                }
            }
            ready.push((flow, sender, receiver));
        }
        let mut keyed = Vec::new();
        for (flow, sender, receiver) in ready {
            let keys = (self.keys(flow.from)?, self.keys(flow.to)?);
            if !matches!(keys, (Keys::Unknown, _) | (_, Keys::Unknown)) {
                keyed.push((flow, sender, receiver, keys));
            }
        }
        // What must not arrive goes first: it would be there before what must.
        keyed.sort_by_key(|(flow, ..)| (flow.arrives, flow.from));
        let forbidden = keyed.iter().any(|(flow, ..)| !flow.arrives);
        let mut last: Option<((Party, usize), Vec<u8>)> = None;
        for (flow, sender, receiver, mut keys) in keyed {
            self.tried += 1;
            let (own, told) = &sender;
            let (theirs, source) = &receiver;
            let (Some(from), Some(address)) = (own.address, told.address) else { continue };
            if from.is_unspecified() || address.is_unspecified() {
                continue;
            }
            let remote = SocketAddr::new(reached(address), told.port);
            let local_sender = SocketAddr::new(from, own.port);
            // What several are to hear is sent once.
            let packet = match last.take() {
                Some((from, packet)) if from == flow.from && flow.arrives => packet,
                _ => {
                    let packet = packet(own, told);
                    let sealed = keys.0.seal(&packet, false)?;
                    let socket = self.socket(from, own.port)?;
                    socket.remote = Some(remote);
                    socket.send_raw(&sealed)?;
                    packet
                }
            };
            if !flow.arrives {
                continue;
            }
            last = Some((flow.from, packet.clone()));
            let echoed = flow.from == flow.to;
            let place = || format!("{:?}>{:?}, to {remote}", flow.from, flow.to);
            let local = SocketAddr::new(theirs.address.context("no address")?, theirs.port);
            let expected = SocketAddr::new(reached(source.address.context("no address")?), source.port);
            let (sending, receiving) = (&mut keys.0, &mut keys.1);
            let again =
                (own.has("fingerprint") || theirs.has("fingerprint")).then_some((local_sender, sending));
            let heard = Heard { local, from: expected, wanted: packet, rtcp: false, echoed, again };
            self.hear(heard, receiving).with_context(place)?;
            if self.reports && own.is_rtp() && !echoed {
                self.report(flow, &sender, &receiver, &mut keys).with_context(place)?;
            }
        }
        let wait = if forbidden { QUIET } else { Duration::ZERO };
        for (index, (local, socket)) in self.sockets.iter().enumerate() {
            let wait = if index == 0 { wait } else { Duration::ZERO };
            while let Some((bytes, source)) = socket.receive_raw(wait)? {
                let repeated = bytes.get(8..12).is_some_and(|ssrc| self.repeated.contains(ssrc));
                ensure!(repeated || is_control(&bytes), "at {local} arrives from {source}: {bytes:02x?}");
            }
        }
        Ok(())
    }

    /// RTCP goes the way of RTP, on its own ports where it has any.
    fn report(
        &mut self,
        flow: Flow,
        (own, told): &(Media, Media),
        (theirs, source): &(Media, Media),
        keys: &mut (Keys, Keys),
    ) -> Result<()> {
        let muxed = |party: (Party, usize)| self.legs.get(&party.0).is_some_and(|leg| leg.is_muxed(party.1));
        let port = |muxed: bool, media: &Media| if muxed { media.port } else { media.rtcp_port() };
        let (sender_muxed, receiver_muxed) = (muxed(flow.from), muxed(flow.to));
        // Without rtcp-mux RTCP has a handshake of its own.
        if (own.has("fingerprint") && !sender_muxed) || (theirs.has("fingerprint") && !receiver_muxed) {
            return Ok(());
        }
        let report = rtcp_sender_report(unique(), 1, 160);
        let sealed = keys.0.seal(&report, true)?;
        let remote = SocketAddr::new(reached(told.address.context("no address")?), port(sender_muxed, told));
        let local = SocketAddr::new(theirs.address.context("no address")?, port(receiver_muxed, theirs));
        let expected =
            SocketAddr::new(reached(source.address.context("no address")?), port(receiver_muxed, source));
        self.socket(local.ip(), local.port())?;
        let socket = self.socket(own.address.context("no address")?, port(sender_muxed, own))?;
        socket.remote = Some(remote);
        socket.send_raw(&sealed)?;
        let heard = Heard { local, from: expected, wanted: report, rtcp: true, echoed: false, again: None };
        self.hear(heard, &mut keys.1).with_context(|| format!("RTCP to {remote}"))
    }

    fn hear(&mut self, heard: Heard<'_>, keys: &mut Keys) -> Result<()> {
        let Heard { local, from, wanted, rtcp, echoed, mut again } = heard;
        self.socket(local.ip(), local.port())?;
        let socket = self.sockets.get(&local).context("just made")?;
        let deadline = Instant::now() + WAIT;
        let mut wanted = vec![wanted];
        loop {
            let wait = if again.is_some() { AGAIN } else { WAIT };
            let Some((bytes, source)) = socket.receive_raw(wait)? else {
                ensure!(Instant::now() < deadline, "nothing arrives at {local}");
                if let Some((sender, keys)) = &mut again {
                    let mut next = wanted.last().cloned().unwrap_or_default();
                    next[3] = next[3].wrapping_add(1);
                    self.repeated.insert(next[8..12].to_vec());
                    self.sockets.get(sender).context("it was sent")?.send_raw(&keys.seal(&next, false)?)?;
                    wanted.push(next);
                }
                continue;
            };
            if is_control(&bytes) && !(rtcp && source == from) {
                continue;
            }
            let Some(opened) = keys.open(bytes.clone(), rtcp) else {
                ensure!(rtcp, "not authentic: {bytes:02x?}");
                continue;
            };
            // An echo is a stream of its own.
            let skipped = if echoed { 12 } else { 0 };
            let same = wanted.iter().any(|wanted| opened.get(skipped..) == wanted.get(skipped..));
            if rtcp && !same {
                continue;
            }
            ensure!(same, "at {local} arrives {opened:02x?} instead of {wanted:02x?}");
            ensure!(source == from, "at {local} it arrives from {source} instead of {from}");
            return Ok(());
        }
    }
}

/// What is to be heard.
struct Heard<'k> {
    local: SocketAddr,
    from: SocketAddr,
    wanted: Vec<u8>,
    rtcp: bool,
    echoed: bool,
    /// The sender, whose next packets follow until one is heard: one side of a handshake knows the keys before the other.
    again: Option<(SocketAddr, &'k mut Keys)>,
}

/// Another number each time.
fn unique() -> u32 {
    static NEXT: AtomicU32 = AtomicU32::new(0x1000_0000);
    NEXT.fetch_add(1, Ordering::Relaxed)
}

/// A packet that was never sent before: RTP in the first format the sender was told, or UDPTL.
fn packet(own: &Media, told: &Media) -> Vec<u8> {
    let ssrc = unique();
    if !own.is_rtp() {
        return [&[0x80, 1, 6], pattern(ssrc, 1, 40).as_slice()].concat();
    }
    let mut stream = Stream::new(ssrc);
    stream.payload_type = told.formats.first().and_then(|format| format.parse().ok()).unwrap_or_default();
    stream.packet(0).to_bytes()
}

/// STUN, DTLS, RTCP, and what pierces a NAT.
fn is_control(bytes: &[u8]) -> bool {
    match bytes {
        [] | [0..=63, ..] => true,
        [first, second, ..] => first >> 6 == 2 && (192..=223).contains(second),
        [_] => false,
    }
}
