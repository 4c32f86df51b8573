//! `query`, whose body `delete` replies with as well.

use std::net::SocketAddr;

use super::{
    engine::Engine,
    error::CallError,
    interfaces::Family,
    quality,
    snapshot::{CallInfo, MediaInfo, PartyInfo, StreamInfo, call_info},
};
use crate::{
    io::MediaPlane,
    ng::{Dict, Reply, Request, Value},
};

const SECOND_US: u64 = 1_000_000;

impl Engine {
    pub(super) fn query(&self, request: &Request, plane: &dyn MediaPlane) -> Result<Reply, CallError> {
        let call_id = request.call_id.as_deref().filter(|id| !id.is_empty()).ok_or(CallError::NoCallId)?;
        let key = self.by_id.get(call_id).ok_or(CallError::UnknownCall)?;
        let call = self.calls.get(*key).ok_or(CallError::UnknownCall)?;
        let tags: Vec<&str> = [&request.from_tag, &request.to_tag]
            .into_iter()
            .filter_map(|tag| tag.as_deref().filter(|tag| !tag.is_empty()))
            .collect();
        if !tags.iter().all(|tag| call.party_by_tag(tag).is_some()) {
            return Err(CallError::NotFound);
        }
        let only = (!tags.is_empty()).then_some(tags.as_slice());
        Ok(Reply::ok_with(body(call_info(call, &self.interfaces, plane), only)))
    }
}

/// The reply's keys, for all parties or for those named.
pub(super) fn body(info: CallInfo, only: Option<&[&str]>) -> Dict {
    let created = info.summary.created_unix_us;
    let parties =
        info.parties.into_iter().filter(|party| only.is_none_or(|tags| tags.contains(&party.tag.as_str())));
    let tags: Dict = parties.map(|party| (party.tag.clone(), party_dict(party))).collect();
    // Room for the warning and the result that follow.
    Dict::with_capacity(8)
        .with("created", created / SECOND_US)
        .with("created_us", created % SECOND_US)
        .with("last signal", info.last_signal_unix_us / SECOND_US)
        .with("SSRC", quality::ssrcs(&info.quality))
        .with("tags", tags)
        .with("totals", Dict::with_capacity(2).with("RTP", stats(info.rtp)).with("RTCP", stats(info.rtcp)))
}

fn party_dict(party: PartyInfo) -> Dict {
    let mut dict = Dict::with_capacity(8).with("tag", party.tag);
    for (key, value) in [("via-branch", party.branch), ("label", party.label)] {
        if !value.is_empty() {
            dict.push(key, value);
        }
    }
    dict.push("created", party.created_unix_us / SECOND_US);
    // The document's own key. The two below tell of several.
    if let Some(peer) = party.peers.iter().find(|tag| !tag.is_empty()) {
        dict.push("in dialogue with", peer.as_str());
    }
    let peer = |tag: String| Dict::with_capacity(2).with("tag", tag).with("type", "offer/answer").into();
    let copy = |tag: String| Dict::with_capacity(2).with("tag", tag).with("type", "pub/sub").into();
    for (key, others) in [("subscriptions", party.subscriptions), ("subscribers", party.subscribers)] {
        let peers = party.peers.iter().cloned().map(peer);
        dict.push(key, peers.chain(others.into_iter().map(copy)).collect::<Vec<Value>>());
    }
    dict.push(
        "medias",
        party.medias.into_iter().map(|media| media_dict(media).into()).collect::<Vec<Value>>(),
    );
    dict
}

fn media_dict(media: MediaInfo) -> Dict {
    let mut dict = Dict::with_capacity(6)
        .with("index", media.index as u64)
        .with("type", media.kind)
        .with("protocol", media.protocol);
    if !media.codec.is_empty() {
        dict.push("codec", media.codec);
    }
    dict.push(
        "streams",
        media.streams.iter().map(|stream| stream_dict(stream).into()).collect::<Vec<Value>>(),
    );
    dict.push("flags", words(&media.flags));
    dict
}

fn stream_dict(stream: &StreamInfo) -> Dict {
    let mut dict = Dict::with_capacity(11)
        .with("local port", stream.local.port())
        .with("local address", stream.local.ip().to_string())
        .with("family", Family::of(stream.local.ip()).name());
    for (key, address) in [("endpoint", stream.endpoint), ("advertised endpoint", stream.advertised)] {
        if let Some(address) = address {
            dict.push(key, endpoint(address));
        }
    }
    if let Some(suite) = stream.crypto_suite {
        dict.push("crypto suite", suite);
    }
    dict.push("last packet", stream.last_packet_unix_us / SECOND_US);
    dict.push("flags", words(&stream.flags));
    let sent = stream.counters.ssrcs.last().filter(|_| !stream.rtcp).map(|ssrc| ssrc.ssrc);
    if let Some(ssrc) = sent.or(stream.reporter) {
        dict.push("SSRC", ssrc);
    }
    let counters = &stream.counters;
    dict.push("stats", stats([counters.packets, counters.bytes, counters.errors]));
    dict.push("stats_out", stats([counters.packets_out, counters.bytes_out, counters.errors_out]));
    dict
}

fn endpoint(address: SocketAddr) -> Dict {
    Dict::with_capacity(3)
        .with("family", Family::of(address.ip()).name())
        .with("address", address.ip().to_string())
        .with("port", address.port())
}

fn stats([packets, bytes, errors]: [u64; 3]) -> Dict {
    Dict::with_capacity(3).with("packets", packets).with("bytes", bytes).with("errors", errors)
}

fn words(words: &[&'static str]) -> Vec<Value> {
    words.iter().map(|&word| Value::from(word)).collect()
}
