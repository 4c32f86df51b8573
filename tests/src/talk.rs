//! Two parties who talk to each other through the daemon, and the ng exchange that connects them.

use std::net::{IpAddr, SocketAddr};
use std::ops::ControlFlow;
use std::time::{Duration, Instant};

use anyhow::{Result, ensure};
use serde_json::{Value, json};

use crate::netns::Netns;
use crate::ng::{NgClient, cookie};
use crate::rtp::{Endpoint, Tally};
use crate::sdp;

/// How long the last packets may take.
const DRAIN: Duration = Duration::from_secs(2);
/// Send interval that keeps socket buffers from overflowing and a test short.
const FAST: Duration = Duration::from_micros(300);

/// An established call with one audio stream.
#[derive(Debug)]
pub struct Call {
    /// Call-ID.
    pub id: String,
    /// From-tag.
    pub from: String,
    /// To-tag.
    pub to: String,
    /// Calling party.
    pub caller: Endpoint,
    /// Called party.
    pub callee: Endpoint,
    /// SDP the callee was offered.
    pub offered: String,
    /// SDP the caller was answered.
    pub answered: String,
}

/// Where a party's socket is bound.
#[derive(Clone, Copy, Debug)]
pub struct Place<'a> {
    /// Its namespace; `None`: the one of this process.
    pub netns: Option<&'a Netns>,
    /// Its address.
    pub address: IpAddr,
}

impl<'a> Place<'a> {
    /// In a namespace.
    pub fn within(netns: &'a Netns, address: &str) -> Result<Self> {
        Ok(Self { netns: Some(netns), address: address.parse()? })
    }

    /// In the namespace of this process.
    pub fn here(address: &str) -> Result<Self> {
        Ok(Self { netns: None, address: address.parse()? })
    }

    /// Binds an RTP socket there.
    pub fn endpoint(&self, ssrc: u32) -> Result<Endpoint> {
        match self.netns {
            Some(netns) => Endpoint::bind_in(netns, self.address, 0, ssrc),
            None => Endpoint::bind(self.address, 0, ssrc),
        }
    }
}

impl Call {
    /// Two parties and names for their call, of which the daemon does not know yet.
    pub fn unplaced(caller: Place<'_>, callee: Place<'_>) -> Result<Self> {
        let unique = cookie();
        Ok(Self {
            id: format!("call-{unique}"),
            from: format!("from-{unique}"),
            to: format!("to-{unique}"),
            caller: caller.endpoint(0x0ca1_1e40)?,
            callee: callee.endpoint(0x0ca1_1ee0)?,
            offered: String::new(),
            answered: String::new(),
        })
    }

    /// Places a call: offer and answer with the extra entries given for each.
    pub fn place(
        ng: &mut NgClient,
        caller: Place<'_>,
        callee: Place<'_>,
        offer_extra: &Value,
        answer_extra: &Value,
    ) -> Result<Self> {
        let mut call = Self::unplaced(caller, callee)?;
        let offer = sdp::audio(caller.address, call.caller.local()?.port());
        call.offer(ng, &offer, offer_extra)?;
        let answer = sdp::audio(callee.address, call.callee.local()?.port());
        call.answer(ng, &answer, answer_extra)?;
        Ok(call)
    }

    /// (Re-)offers from the caller and points the callee at what it was offered.
    pub fn offer(&mut self, ng: &mut NgClient, sdp: &str, extra: &Value) -> Result<()> {
        self.offered = ng.offer(&self.id, &self.from, sdp, extra)?;
        let media = sdp::first_media(&self.offered)?;
        self.callee.remote = Some(SocketAddr::new(media.address, media.port));
        Ok(())
    }

    /// Answers from the callee and points the caller at what it was answered.
    pub fn answer(&mut self, ng: &mut NgClient, sdp: &str, extra: &Value) -> Result<()> {
        self.answered = ng.answer(&self.id, &self.from, &self.to, sdp, extra)?;
        let media = sdp::first_media(&self.answered)?;
        self.caller.remote = Some(SocketAddr::new(media.address, media.port));
        Ok(())
    }

    /// Both parties send `packets` packets, paced; all must arrive once, in order and intact.
    pub fn talk(&mut self, packets: u64) -> Result<()> {
        let (at_caller, at_callee) = exchange(&mut self.caller, &mut self.callee, packets, FAST)?;
        ensure!(at_callee.is_perfect(packets), "caller to callee, {packets} sent: {at_callee:?}");
        ensure!(at_caller.is_perfect(packets), "callee to caller, {packets} sent: {at_caller:?}");
        Ok(())
    }

    /// Packets both parties have sent since the call was placed.
    #[must_use]
    pub fn sent(&self) -> u64 {
        self.caller.stream.next + self.callee.stream.next
    }

    /// Re-offers from the caller with these lines in its SDP, answers from the callee with those in its.
    pub fn renegotiate(&mut self, ng: &mut NgClient, caller: &[&str], callee: &[&str]) -> Result<()> {
        let local = self.caller.local()?;
        self.offer(ng, &sdp::audio_with(local.ip(), local.port(), caller), &left_to_right())?;
        let local = self.callee.local()?;
        self.answer(ng, &sdp::audio_with(local.ip(), local.port(), callee), &json!({}))
    }

    /// Ends the call; returns the reply with its totals.
    pub fn hang_up(self, ng: &mut NgClient) -> Result<Value> {
        ng.delete(&self.id, &self.from)
    }
}

/// `direction` for the namespaces of [`crate::topology::Trio`], with interfaces `left` and `right`.
#[must_use]
pub fn left_to_right() -> Value {
    json!({"direction": ["left", "right"], "replace": ["origin", "session-connection"]})
}

/// Both endpoints send `packets` packets, one each per `interval`, then wait for the last ones.
/// Returns what arrived at `a` and at `b`.
pub fn exchange(
    a: &mut Endpoint,
    b: &mut Endpoint,
    packets: u64,
    interval: Duration,
) -> Result<(Tally, Tally)> {
    exchange_watched(a, b, packets, interval, &mut |_| ControlFlow::Continue(()))
}

/// Same, calling `watch` with the number of packets sent so far; it can end the exchange early.
pub fn exchange_watched(
    a: &mut Endpoint,
    b: &mut Endpoint,
    packets: u64,
    interval: Duration,
    watch: &mut dyn FnMut(u64) -> ControlFlow<()>,
) -> Result<(Tally, Tally)> {
    a.expect(&b.stream);
    b.expect(&a.stream);
    let start = Instant::now();
    let mut sent = 0;
    for index in 0..packets {
        a.send()?;
        b.send()?;
        let next = start + interval * u32::try_from(index + 1)?;
        while a.receive(Duration::ZERO)? {}
        while b.receive(Duration::ZERO)? {}
        sent = index + 1;
        if watch(sent).is_break() {
            break;
        }
        std::thread::sleep(next.saturating_duration_since(Instant::now()));
    }
    let deadline = Instant::now() + DRAIN;
    for endpoint in [&mut *a, &mut *b] {
        while endpoint.tally().received < sent {
            let left = deadline.saturating_duration_since(Instant::now());
            if left.is_zero() || !endpoint.receive(left)? {
                break;
            }
        }
    }
    // Duplicates would follow on the heels of the last packet.
    while a.receive(Duration::from_millis(2))? {}
    while b.receive(Duration::from_millis(2))? {}
    Ok((a.tally(), b.tally()))
}
