//! Reports that arrive.

use super::{Finding, Origin};
use crate::{
    call::{
        engine::{CallKey, Engine},
        media::Side,
        model::Call,
    },
    io::{HeardRtcp, Now, Output, RtcpUse, StreamId},
    media::rtcp::Reports,
};

/// Of media of which nothing else is known, Hz: that of all telephony.
const DEFAULT_CLOCK_RATE: u32 = 8000;

impl Engine {
    /// Takes in what the party behind a socket reports.
    pub(in crate::call) fn rtcp(&mut self, key: CallKey, stream: StreamId, arrived: Now, reports: &Reports) {
        let Some(call) = self.calls.get_mut(key) else { return };
        let Some(socket) = call.socket(stream) else { return };
        let local = socket.local_idx;
        let passed_on = socket.configured.as_ref().is_some_and(|relay| relay.rtcp == RtcpUse::Read);
        let origin = Origin { stream, arrived, passed_on, clock_rate: clock_rate(call, stream) };
        tracing::info!(target: "rtcp-data", call = %call.id, "{reports}");
        if self.config.capture_rtcp {
            let (call, from, to) = (call.id.clone(), socket.endpoint, socket.local);
            let heard = HeardRtcp { call, from, to, arrived, reports: reports.clone() };
            self.outputs.push(Output::Rtcp(Box::new(heard)));
        }
        let findings = call.quality.received(origin, reports, self.config.mos);
        for finding in &findings {
            self.tally.quality(local, finding);
            let Finding { mos, jitter_ms, loss_percent, round_trip_us, round_trip_leg_us } = finding;
            tracing::debug!(
                target: "rtcp", call = %call.id,
                "report of {:08x}: MOS {mos:?}, jitter {jitter_ms:?} ms, loss {loss_percent:.1} %, round trip {round_trip_us:?} us, of the leg {round_trip_leg_us:?} us",
                reports.reporter,
            );
        }
    }
}

/// The clock rate of the media that the party behind a socket receives.
fn clock_rate(call: &Call, stream: StreamId) -> u32 {
    let faces = call.dialogues.iter().flat_map(|dialogue| {
        let pairs = dialogue.medias.iter();
        let both = pairs.flat_map(|pair| Side::BOTH.map(|side| (pair, side)));
        both.map(|(pair, side)| (dialogue.order, pair, side))
    });
    let own = faces.filter(|(_, pair, side)| pair.faces.get(*side).sockets().any(|own| own == stream));
    let latest = own.max_by_key(|(order, ..)| *order);
    let sender = latest.and_then(|(_, pair, side)| pair.faces.get(side.other()).way_out());
    let sender = sender.and_then(|sender| call.socket(sender));
    let rate = sender.and_then(|sender| {
        let first = || sender.configured.as_ref()?.clock_rates.first().map(|(_, rate)| *rate);
        sender.clock_rate.or_else(first)
    });
    rate.unwrap_or(DEFAULT_CLOCK_RATE)
}
