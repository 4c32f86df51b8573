//! What is published, as JSON, in the names of the original.

use ahash::AHashMap;
use rtpengine_core::call::{CallInfo, MediaInfo, PartyInfo, SsrcQuality, StreamInfo};
use rtpengine_core::io::{Now, StreamId};
use serde_json::{Map, Value, json};

use crate::engine::backend::Backend;

/// Which counter a rate is made of.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
enum Way {
    In(u32),
    Out,
}

/// Packets, bytes and lost packets.
type Counts = [u64; 3];

/// Makes messages, and remembers counters from one interval to the next for what happens in a second.
#[derive(Debug, Default)]
pub(super) struct Reporter {
    now: Option<Now>,
    /// Of the interval before: its moment, and counters as they were.
    before: Option<Now>,
    counts: AHashMap<(StreamId, Way), Counts>,
    counts_before: AHashMap<(StreamId, Way), Counts>,
}

impl Reporter {
    /// An interval begins.
    pub(super) fn begin(&mut self, now: Now) {
        self.now = Some(now);
    }

    /// What was seen in this interval is what rates of the next begin with.
    pub(super) fn end(&mut self) {
        self.before = self.now;
        self.counts_before = std::mem::take(&mut self.counts);
    }

    /// The figures of the daemon, with all calls if asked for; `None` where the core has ended.
    pub(super) fn global(&mut self, backend: &Backend, with_calls: bool) -> Option<String> {
        let statistics = backend.figures_now()?.to_json();
        let mut message = self.stamped();
        if let Ok(Value::Object(sections)) = serde_json::from_str(&statistics) {
            message.extend(sections);
        }
        if with_calls {
            let calls = backend.call_ids().iter().filter_map(|id| backend.call_info(id)).collect::<Vec<_>>();
            let calls = calls.iter().map(|call| Value::Object(self.legs(Map::new(), call))).collect();
            message.insert("calls".to_owned(), Value::Array(calls));
        }
        Some(Value::Object(message).to_string())
    }

    /// One call; `None` where it has ended.
    pub(super) fn call(&mut self, backend: &Backend, id: &str) -> Option<String> {
        let call = backend.call_info(id)?;
        let message = self.stamped();
        Some(Value::Object(self.legs(message, &call)).to_string())
    }

    /// The media of one call, each for itself.
    pub(super) fn media(&mut self, backend: &Backend, id: &str) -> Vec<String> {
        let Some(call) = backend.call_info(id) else { return Vec::new() };
        let mut messages = Vec::new();
        for party in &call.parties {
            for media in &party.medias {
                let mut message = self.stamped();
                message.insert("call_id".to_owned(), json!(call.summary.id));
                message.insert("tag".to_owned(), json!(party.tag));
                message.insert("label".to_owned(), json!(party.label));
                message.extend(self.one_media(media, &call.quality));
                messages.push(Value::Object(message).to_string());
            }
        }
        messages
    }

    fn stamped(&self) -> Map<String, Value> {
        let now = self.now.map_or(0.0, |now| now.unix_us as f64 / 1e6);
        Map::from_iter([("timestamp".to_owned(), json!(now))])
    }

    fn legs(&mut self, mut message: Map<String, Value>, call: &CallInfo) -> Map<String, Value> {
        message.insert("call_id".to_owned(), json!(call.summary.id));
        let legs = call.parties.iter().map(|party| self.leg(party, &call.quality)).collect();
        message.insert("legs".to_owned(), Value::Array(legs));
        message
    }

    fn leg(&mut self, party: &PartyInfo, quality: &[SsrcQuality]) -> Value {
        let medias: Vec<_> =
            party.medias.iter().map(|media| Value::Object(self.one_media(media, quality))).collect();
        json!({ "tag": party.tag, "label": party.label, "medias": medias })
    }

    fn one_media(&mut self, media: &MediaInfo, quality: &[SsrcQuality]) -> Map<String, Value> {
        let has = |flag| media.flags.contains(&flag);
        let status = match (has("send"), has("recv")) {
            (true, true) => "sendrecv",
            (true, false) => "sendonly",
            (false, true) => "recvonly",
            (false, false) => "inactive",
        };
        let interface = media.streams.first().map_or("", |stream| stream.interface.as_str());
        let rtp = media.streams.iter().filter(|stream| !stream.rtcp);
        let streams: Vec<_> = rtp.map(|stream| self.stream(stream, &media.codec, quality)).collect();
        Map::from_iter([
            ("media_index".to_owned(), json!(media.index)),
            ("type".to_owned(), json!(media.kind)),
            ("interface".to_owned(), json!(interface)),
            ("protocol".to_owned(), json!(media.protocol)),
            ("status".to_owned(), json!(status)),
            ("streams".to_owned(), Value::Array(streams)),
        ])
    }

    fn stream(&mut self, stream: &StreamInfo, codec: &str, quality: &[SsrcQuality]) -> Value {
        let counters = &stream.counters;
        let mut parts = codec.splitn(3, '/');
        let name = parts.next().unwrap_or_default();
        let clock_rate = parts.next().and_then(|rate| rate.parse::<u32>().ok()).unwrap_or_default();
        let channels = parts.next().unwrap_or_default();
        let mut ingress = Vec::new();
        for ssrc in &counters.ssrcs {
            let lost = u64::try_from(ssrc.lost).unwrap_or(0);
            let mut metrics =
                self.metrics(stream.stream, Way::In(ssrc.ssrc), [ssrc.packets, ssrc.bytes, lost]);
            metrics.insert("duplicates".to_owned(), json!(ssrc.duplicates));
            // In milliseconds, where the clock is known.
            if clock_rate > 0 {
                metrics.insert("jitter".to_owned(), json!(ssrc.jitter * 1000.0 / f64::from(clock_rate)));
            }
            let heard = quality.iter().find(|quality| quality.ssrc == ssrc.ssrc && quality.samples > 0);
            if let Some(heard) = heard {
                metrics.insert("MOS".to_owned(), json!(heard.average.mos));
                metrics.insert("RTT".to_owned(), json!(heard.average.round_trip_us));
                metrics.insert("RTT_leg".to_owned(), json!(heard.average.round_trip_leg_us));
            }
            ingress.push(json!({
                "SSRC": ssrc.ssrc,
                "codec": name,
                "clock_rate": clock_rate,
                "codec_params": channels,
                "codec_format": "",
                "metrics": metrics,
            }));
        }
        let egress = self.metrics(stream.stream, Way::Out, [counters.packets_out, counters.bytes_out, 0]);
        json!({
            "address": stream.local.ip().to_string(),
            "port": stream.local.port(),
            "bytes": counters.bytes,
            "packets": counters.packets,
            "errors": counters.errors,
            "ingress": ingress,
            "egress": [{ "codec": name, "clock_rate": clock_rate, "metrics": egress }],
        })
    }

    fn metrics(&mut self, stream: StreamId, way: Way, counts: Counts) -> Map<String, Value> {
        self.counts.insert((stream, way), counts);
        let before = self.counts_before.get(&(stream, way)).copied();
        let seconds = match (self.before, self.now) {
            (Some(before), Some(now)) => now.mono_us.saturating_sub(before.mono_us) as f64 / 1e6,
            (None, _) | (_, None) => 0.0,
        };
        let mut metrics = Map::new();
        for ((name, count), before) in
            ["packets", "bytes", "lost"].into_iter().zip(counts).zip(before.unwrap_or_default())
        {
            if way == Way::Out && name == "lost" {
                continue;
            }
            metrics.insert(name.to_owned(), json!(count));
            if seconds > 0.0 {
                let rate = count.saturating_sub(before) as f64 / seconds;
                metrics.insert(format!("{name}_per_second"), json!(rate));
            }
        }
        metrics
    }
}
