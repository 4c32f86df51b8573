//! Reports of our own, from what was measured here: to the parties with `generate RTCP`, and to the books.

use smallvec::SmallVec;

use super::{Stamp, component, figures::Sample};
use crate::{
    call::{
        engine::{CallKey, Engine},
        media::{Carries, Side},
        model::Call,
        socket::Socket,
    },
    io::{MediaPlane, Now, Output, RelayCommand, RtcpUse, SsrcCounters, StreamCounters, StreamId},
    media::{
        classify::RTP_HEADER,
        rtcp::{Block, Echo, MAX_BLOCKS, Report, SenderInfo, ntp, write},
    },
};

/// Distance of our reports (RFC 3550 section 6.2).
const INTERVAL_US: u64 = 5_000_000;
/// A party that has not reported for so long does not report.
const SILENT_US: u64 = 3 * INTERVAL_US;

/// What is kept from one report to the next.
#[derive(Clone, Debug, Default)]
pub(super) struct Own {
    /// Next report, microseconds of the monotonic clock; 0: not set.
    due_mono_us: u64,
    /// Who reports where no media is sent in whose name it could be done; and the name of all of them.
    identity: Option<Identity>,
    counts: Vec<Count>,
}

#[derive(Clone, Debug)]
struct Identity {
    ssrc: u32,
    cname: String,
}

/// What had been received from an SSRC at the last report.
#[derive(Clone, Copy, Debug)]
pub(super) struct Count {
    stream: StreamId,
    ssrc: u32,
    pub(super) packets: u64,
    pub(super) highest_seq: u32,
    /// In all: what the relay does not know of while the kernel forwards included.
    lost: i64,
    /// Packets of the stream, of whatever SSRC, that the kernel has not forwarded.
    relayed: u64,
}

/// What arrived since.
#[derive(Clone, Copy, Debug)]
struct Arrived {
    expected: u64,
    lost: i64,
    lost_in_all: i64,
    /// All of it went through the kernel, which does not measure jitter.
    unseen: bool,
}

/// One party's media and where reports on it go.
#[derive(Clone, Debug)]
struct Leg {
    /// The first of the sockets its media may arrive on.
    media: StreamId,
    /// All of them.
    sockets: SmallVec<[StreamId; 2]>,
    /// The first of the sockets that media of the other party may arrive on.
    other: StreamId,
    /// The socket that RTCP to it leaves from.
    reports: StreamId,
}

impl Engine {
    /// Makes the reports that are due.
    pub(in crate::call) fn report(&mut self, now: Now, key: CallKey, plane: &dyn MediaPlane) {
        let Some(call) = self.calls.get_mut(key) else { return };
        if !(call.generate_rtcp || self.config.measure_rtp) || !call.quality.own.is_due(now) {
            return;
        }
        let legs = legs(call);
        call.quality.own.counts.retain(|count| legs.iter().any(|leg| leg.media == count.stream));
        // Both directions have to be counted before either is reported on.
        let counted: SmallVec<[_; 2]> = legs
            .iter()
            .map(|leg| {
                let own = &call.quality.own;
                let counters = component::counters(plane, &leg.sockets, |ssrc| own.find(leg.media, ssrc));
                let arrived = call.quality.own.count(leg.media, &counters);
                (counters, arrived)
            })
            .collect();
        let identity = || {
            let [one, two] = [self.rng.next(), self.rng.next()];
            Identity { ssrc: one as u32, cname: format!("{one:016x}{two:016x}") }
        };
        let identity = call.quality.own.identity.get_or_insert_with(identity).clone();
        for (leg, (counters, arrived)) in legs.iter().zip(&counted) {
            let back = legs.iter().position(|back| back.media == leg.other);
            let back = back.and_then(|index| counted.get(index));
            let sender = back.and_then(|(counters, arrived)| latest(counters, arrived));
            let Some(local) = call.socket(leg.media).map(|socket| socket.local_idx) else { continue };
            let consumes = call.socket(leg.reports).is_some_and(|socket| relays(socket, RtcpUse::Consume));
            if consumes {
                let packet = packet(call, now, leg, sender, (counters, arrived), &identity);
                self.outputs.push(Output::Relay(RelayCommand::Report { stream: leg.reports, packet }));
            }
            // The other party is the one that hears this media.
            let receiver = sender.map(|(ssrc, _)| ssrc.ssrc);
            let Some((about, arrived)) = latest(counters, arrived) else { continue };
            let reported = receiver.is_some_and(|receiver| call.quality.reports(receiver, now, SILENT_US));
            if !consumes && (reported || !self.config.measure_rtp) {
                continue;
            }
            if let Some(receiver) = receiver {
                call.quality.source(receiver, leg.other);
            }
            let sample = sample(call, now, leg.media, about, arrived);
            let finding = call.quality.measured(receiver, about.ssrc, sample, self.config.mos);
            self.tally.quality(local, &finding);
        }
    }
}

impl Own {
    /// Goes on with the counts of another call too.
    pub(super) fn take_in(&mut self, other: Self) {
        self.counts.extend(other.counts);
    }

    fn is_due(&mut self, now: Now) -> bool {
        let first = self.due_mono_us == 0;
        let due = self.due_mono_us <= now.mono_us;
        if due {
            self.due_mono_us = now.mono_us.saturating_add(INTERVAL_US);
        }
        due && !first
    }

    fn find(&self, stream: StreamId, ssrc: u32) -> Option<&Count> {
        self.counts.iter().find(|count| count.stream == stream && count.ssrc == ssrc)
    }

    /// Counts what a stream's SSRCs have received since the last time, in their order.
    fn count(&mut self, stream: StreamId, counters: &StreamCounters) -> SmallVec<[Option<Arrived>; 1]> {
        let relayed = counters.packets.saturating_sub(counters.kernel_packets);
        let known = |count: &Count| counters.ssrcs.iter().any(|ssrc| ssrc.ssrc == count.ssrc);
        self.counts.retain(|count| count.stream != stream || known(count));
        let mut all = SmallVec::new();
        for ssrc in &counters.ssrcs {
            let is_same = |count: &&mut Count| count.stream == stream && count.ssrc == ssrc.ssrc;
            let lost = ssrc.lost;
            let new = Count {
                stream,
                ssrc: ssrc.ssrc,
                packets: ssrc.packets,
                highest_seq: ssrc.highest_seq,
                lost,
                relayed,
            };
            let (arrived, lost_in_all) = match self.counts.iter_mut().find(is_same) {
                Some(old) => {
                    let arrived = since(old, &new);
                    let lost = arrived.map_or(old.lost, |arrived| arrived.lost_in_all);
                    *old = Count { lost, ..new };
                    (arrived, lost)
                }
                None => {
                    self.counts.push(new);
                    let expected = ssrc.packets.saturating_add_signed(lost);
                    let arrived = Arrived { expected, lost, lost_in_all: lost, unseen: relayed == 0 };
                    ((ssrc.packets > 0).then_some(arrived), lost)
                }
            };
            all.push(arrived.map(|arrived| Arrived { lost_in_all, ..arrived }));
        }
        all
    }
}

fn since(old: &Count, new: &Count) -> Option<Arrived> {
    let packets = new.packets.saturating_sub(old.packets);
    let ahead = new.highest_seq.wrapping_sub(old.highest_seq).cast_signed();
    // The sequence began anew: what was lost meanwhile nobody can tell.
    let expected = u64::try_from(ahead).unwrap_or(packets);
    let lost =
        expected.saturating_sub(packets).cast_signed() - packets.saturating_sub(expected).cast_signed();
    let unseen = new.relayed == old.relayed;
    (packets > 0).then_some(Arrived { expected, lost, lost_in_all: old.lost.saturating_add(lost), unseen })
}

/// The SSRC that packets came from last, if any did since the last report.
fn latest<'c>(
    counters: &'c StreamCounters,
    arrived: &[Option<Arrived>],
) -> Option<(&'c SsrcCounters, Arrived)> {
    let active = counters.ssrcs.iter().zip(arrived).filter_map(|(ssrc, arrived)| Some((ssrc, (*arrived)?)));
    active.max_by_key(|(ssrc, _)| ssrc.last_mono_us)
}

fn relays(socket: &Socket, how: RtcpUse) -> bool {
    socket.configured.as_ref().is_some_and(|relay| relay.rtcp == how)
}

/// All directions of RTP. Where dialogues share a socket the latest one has it.
fn legs(call: &Call) -> SmallVec<[Leg; 2]> {
    let mut order: SmallVec<[_; 2]> = call.dialogues.iter().collect();
    order.sort_by_key(|dialogue| std::cmp::Reverse(dialogue.order));
    let mut legs: SmallVec<[Leg; 2]> = SmallVec::new();
    let pairs = order.into_iter().flat_map(|dialogue| &dialogue.medias);
    for pair in pairs.filter(|pair| pair.carries == Carries::Rtp) {
        for side in Side::BOTH {
            let (face, other) = (pair.faces.get(side), pair.faces.get(side.other()));
            let (Some(media), Some(other), Some(way)) = (face.rtp, other.rtp, face.way_out()) else {
                continue;
            };
            let reports = face.rtcp_way_out().unwrap_or(way);
            if legs.iter().all(|leg| leg.media != media) {
                legs.push(Leg { media, sockets: face.component(1).collect(), other, reports });
            }
        }
    }
    legs.extend(subscribed(call));
    legs
}

/// From the sources of subscriptions to those that have them.
fn subscribed(call: &Call) -> impl Iterator<Item = Leg> {
    let answered = call.dialogues.iter().filter(|dialogue| dialogue.answered);
    answered.flat_map(|dialogue| &dialogue.medias).filter_map(|pair| {
        let source = pair.source.as_ref().filter(|source| !source.egress)?;
        let face = pair.faces.get(Side::Answerer);
        let (media, way) = (face.rtp?, face.way_out()?);
        let dialogue = call.source_dialogue(source.party)?;
        let side = dialogue.side_of(source.party, Side::Offerer)?;
        let other = dialogue.medias.get(source.media)?.faces.get(side).rtp?;
        let reports = face.rtcp_way_out().unwrap_or(way);
        Some(Leg { media, sockets: face.component(1).collect(), other, reports })
    })
}

/// What was measured of a stream.
fn sample(call: &Call, now: Now, stream: StreamId, about: &SsrcCounters, arrived: Arrived) -> Sample {
    let rate = call.socket(stream).and_then(|socket| socket.clock_rate_of(about.payload_type));
    let jitter_ms = match rate {
        Some(rate) if !arrived.unseen => about.jitter * 1000.0 / f64::from(rate.max(1)),
        Some(_) | None => 0.0,
    };
    let lost = u64::try_from(arrived.lost).unwrap_or(0);
    let loss_percent = lost as f64 * 100.0 / arrived.expected.max(1) as f64;
    Sample { at_unix_us: now.unix_us, jitter_ms, loss_percent, ..Sample::default() }
}

/// A report to the party of a leg, in the name of the media it gets.
fn packet(
    call: &mut Call,
    now: Now,
    leg: &Leg,
    sender: Option<(&SsrcCounters, Arrived)>,
    (counters, arrived): (&StreamCounters, &SmallVec<[Option<Arrived>; 1]>),
    identity: &Identity,
) -> Vec<u8> {
    let mut blocks: SmallVec<[Block; MAX_BLOCKS]> = SmallVec::new();
    for (ssrc, arrived) in counters.ssrcs.iter().zip(arrived).take(MAX_BLOCKS) {
        let Some(arrived) = arrived else { continue };
        let lost = u64::try_from(arrived.lost).unwrap_or(0);
        let latest = call.quality.find(ssrc.ssrc).and_then(|source| source.latest);
        let delay = latest.map_or(0, |stamp| now.mono_us.saturating_sub(stamp.mono_us));
        blocks.push(Block {
            echo: Echo {
                ssrc: ssrc.ssrc,
                last: latest.map_or(0, |stamp| stamp.compact_ntp),
                delay: u32::try_from(delay.saturating_mul(65_536) / 1_000_000).unwrap_or(u32::MAX),
            },
            fraction: u8::try_from(lost.saturating_mul(256) / arrived.expected.max(1)).unwrap_or(u8::MAX),
            lost: i32::try_from(arrived.lost_in_all.clamp(-0x80_0000, 0x7f_ffff)).unwrap_or(0),
            highest_seq: ssrc.highest_seq,
            jitter: ssrc.jitter as u32,
        });
    }
    let sent = sender.and_then(|(ssrc, _)| sender_info(call.socket(leg.other)?, ssrc, now));
    let name = sender.map_or(identity.ssrc, |(ssrc, _)| ssrc.ssrc);
    if let Some(info) = sent {
        let stamp = Stamp { compact_ntp: info.compact_ntp(), mono_us: now.mono_us };
        call.quality.source(name, leg.other).forwarded(stamp);
    }
    write(&Report { ssrc: name, sender: sent, blocks: &blocks, cname: &identity.cname })
}

/// What was passed on of an SSRC that arrived on a socket. The clock of its media goes on from its last packet.
fn sender_info(socket: &Socket, ssrc: &SsrcCounters, now: Now) -> Option<SenderInfo> {
    let rate = socket.clock_rate_of(ssrc.payload_type).filter(|_| ssrc.last_mono_us > 0)?;
    let age_us = now.mono_us.saturating_sub(ssrc.last_mono_us);
    let ticks = u128::from(age_us) * u128::from(rate) / 1_000_000;
    let keys = socket.configured.as_ref().and_then(|relay| relay.receive_crypto.as_ref());
    let overhead = RTP_HEADER + keys.map_or(0, |keys| keys.suite().srtp_tag_len());
    let octets = ssrc.bytes.saturating_sub(ssrc.packets.saturating_mul(overhead as u64));
    Some(SenderInfo {
        ntp: ntp(now.unix_us),
        // All of them wrap.
        timestamp: ssrc.last_timestamp.wrapping_add(ticks as u32),
        packets: ssrc.packets as u32,
        octets: octets as u32,
    })
}
