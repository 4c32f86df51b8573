//! Calls and dialogues that end by time.

use super::{
    engine::{CallKey, Engine},
    media::{Face, Side},
    model::Call,
    statistics::EndedBy,
};
use crate::{
    config::CoreConfig,
    io::{MediaPlane, Now, StreamId},
};

const SECOND_US: u64 = 1_000_000;

impl Engine {
    /// Applies timeouts, carries out due deletions and measures packet rates. Calls within the same second do nothing;
    /// one a second is right.
    pub fn tick(&mut self, now: Now, plane: &mut dyn MediaPlane) {
        self.tally.start(now);
        if now.mono_us < self.next_check_mono_us {
            return;
        }
        self.next_check_mono_us = now.mono_us.saturating_add(SECOND_US);
        self.measure(now, plane);
        self.early.expire(now.mono_us);
        let keys: Vec<CallKey> = self.calls.keys().collect();
        for key in keys {
            self.remove_due(now, key, plane);
            self.drop_unanswered(now, key, plane);
            self.report(now, key, plane);
            let Some(call) = self.calls.get(key) else { continue };
            if let Some(by) = over(call, now, &self.config) {
                self.end_call(now, key, by, plane);
            }
            self.open_nats(key, plane);
        }
    }

    /// Branches that never answered go after `--offer-timeout`, though the call goes on.
    fn drop_unanswered(&mut self, now: Now, key: CallKey, plane: &mut dyn MediaPlane) {
        let timeout = self.config.offer_timeout;
        let Some(call) = self.calls.get_mut(key).filter(|call| timeout > 0 && call.is_answered()) else {
            return;
        };
        let before = call.dialogues.len();
        call.dialogues
            .retain(|dialogue| dialogue.answered || !is_over(now.mono_us, dialogue.created_mono_us, timeout));
        if call.dialogues.len() != before {
            self.settle(now, key, plane);
        }
    }
}

fn is_over(now_us: u64, since_us: u64, timeout_s: u64) -> bool {
    timeout_s > 0 && now_us.saturating_sub(since_us) >= timeout_s.saturating_mul(SECOND_US)
}

/// Which timeout a call has run into. A timeout of 0 is off.
fn over(call: &Call, now: Now, config: &CoreConfig) -> Option<EndedBy> {
    if is_over(now.mono_us, call.created.mono_us, config.final_timeout) {
        return Some(EndedBy::FinalTimeout);
    }
    if !call.is_answered() {
        return is_over(now.mono_us, call.created.mono_us, config.offer_timeout)
            .then_some(EndedBy::OfferTimeout);
    }
    // The call lives as long as one of its streams does.
    let mut ended_by = None;
    let mut streams = 0;
    for pair in call.primary().flat_map(|dialogue| &dialogue.medias) {
        for side in Side::BOTH {
            let (face, sink) = (pair.faces.get(side), pair.faces.get(side.other()));
            let muted = !face.direction.sends() || !sink.direction.receives();
            let (timeout, by) = if muted {
                (config.silent_timeout, EndedBy::SilentTimeout)
            } else {
                (config.timeout, EndedBy::Timeout)
            };
            let Some(rtp) = face.rtp else { continue };
            streams += 1;
            if !is_over(now.mono_us, alive_mono_us(call, rtp, face, muted), timeout) {
                return None;
            }
            if ended_by != Some(EndedBy::Timeout) {
                ended_by = Some(by);
            }
        }
    }
    if streams == 0 {
        // All m-lines are rejected or none of our business: nothing can show that the call lives but signalling.
        return is_over(now.mono_us, call.last_signal_mono_us, config.silent_timeout)
            .then_some(EndedBy::SilentTimeout);
    }
    ended_by
}

/// The last packet of a stream, or its last signalling. A muted stream lives by its RTCP too.
fn alive_mono_us(call: &Call, rtp: StreamId, face: &Face, muted: bool) -> u64 {
    let others = face.spares.iter().flat_map(|spare| [Some(spare.rtp), spare.rtcp.filter(|_| muted)]);
    let others = others.chain([face.rtcp.filter(|_| muted)]).flatten();
    let alive = |stream: StreamId| call.socket(stream).map_or(0, |socket| socket.alive_mono_us);
    std::iter::once(rtp).chain(others).map(alive).max().unwrap_or(0)
}
