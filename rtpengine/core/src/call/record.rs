//! The record of a call that has ended (`--log-facility-cdr`), one line in the form of the original.

use std::fmt;
use std::net::{IpAddr, Ipv4Addr, SocketAddr};

use super::{
    engine::{CallKey, Engine},
    snapshot::{CallInfo, PartyInfo, StreamInfo, call_info},
    statistics::EndedBy,
};
use crate::io::{MediaPlane, Now};

const NOWHERE: SocketAddr = SocketAddr::new(IpAddr::V4(Ipv4Addr::UNSPECIFIED), 0);

/// A call at its end.
struct Record {
    call: CallInfo,
    by: EndedBy,
    ended_unix_us: u64,
}

impl Engine {
    /// Logs the record of a call that is ending; its sockets are still there.
    pub(super) fn log_record(&self, now: Now, key: CallKey, by: EndedBy, plane: &dyn MediaPlane) {
        if !tracing::enabled!(target: "cdr-data", tracing::Level::INFO) {
            return;
        }
        let Some(call) = self.calls.get(key) else { return };
        // A call that is kept for a while after its deletion ended when it was deleted.
        let ended_unix_us = if by == EndedBy::Proxy { call.last_signal_unix_us } else { now.unix_us };
        let record = Record { call: call_info(call, &self.interfaces, plane), by, ended_unix_us };
        tracing::info!(target: "cdr-data", "{record}");
    }
}

impl fmt::Display for Record {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let CallInfo { summary, tos, last_signal_unix_us, parties, .. } = &self.call;
        write!(f, "ci={}, created_from={}", summary.id, summary.proxy.unwrap_or(NOWHERE))?;
        write!(f, ", last_signal={}, tos={}", last_signal_unix_us / 1_000_000, tos.unwrap_or(0))?;
        parties.iter().enumerate().try_for_each(|(index, party)| self.party(f, index, party))
    }
}

impl Record {
    fn party(&self, f: &mut fmt::Formatter<'_>, index: usize, party: &PartyInfo) -> fmt::Result {
        let name = format!("ml{index}");
        let duration = self.ended_unix_us.saturating_sub(party.created_unix_us);
        for (field, us) in
            [("start_time", party.created_unix_us), ("end_time", self.ended_unix_us), ("duration", duration)]
        {
            write!(f, ", {name}_{field}={}.{:06}", us / 1_000_000, us % 1_000_000)?;
        }
        let kind = if party.offerer { "FROM_TAG" } else { "TO_TAG" };
        let remote = party.peers.first().map_or("", String::as_str);
        write!(f, ", {name}_termination={}, {name}_local_tag={}", cause(self.by), party.tag)?;
        write!(f, ", {name}_local_tag_type={kind}, {name}_remote_tag={remote}")?;
        for media in &party.medias {
            let payload_type = media.streams.iter().find_map(|stream| stream.counters.ssrcs.last());
            let payload_type = payload_type.map_or(-1, |ssrc| i16::from(ssrc.payload_type));
            write!(f, ", payload_type={payload_type}")?;
            for one in &media.streams {
                let kind = if one.rtcp { "rtcp" } else { "rtp" };
                stream(f, &format!("{name}_midx{}_{kind}", media.index), one)?;
            }
        }
        Ok(())
    }
}

fn stream(f: &mut fmt::Formatter<'_>, name: &str, stream: &StreamInfo) -> fmt::Result {
    let (endpoint, local, counters) = (stream.endpoint.unwrap_or(NOWHERE), stream.local, &stream.counters);
    write!(f, ", {name}_endpoint_ip={}, {name}_endpoint_port={}", endpoint.ip(), endpoint.port())?;
    write!(f, ", {name}_local_relay_ip={}, {name}_local_relay_port={}", local.ip(), local.port())?;
    write!(f, ", {name}_relayed_packets={}, {name}_relayed_bytes={}", counters.packets, counters.bytes)?;
    write!(f, ", {name}_relayed_errors={}", counters.errors)?;
    write!(f, ", {name}_last_packet={}", stream.last_packet_unix_us / 1_000_000)
}

/// In the words of the original.
fn cause(by: EndedBy) -> &'static str {
    match by {
        EndedBy::Proxy => "REGULAR",
        EndedBy::Operator => "FORCED",
        EndedBy::Timeout => "TIMEOUT",
        EndedBy::SilentTimeout => "SILENT_TIMEOUT",
        EndedBy::FinalTimeout => "FINAL_TIMEOUT",
        EndedBy::OfferTimeout => "OFFER_TIMEOUT",
    }
}
