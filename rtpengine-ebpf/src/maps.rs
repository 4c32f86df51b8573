//! The maps that the program uses; `rtpengine_common::pins` says where they are pinned.

use aya_ebpf::{
    btf_maps::{Array, HashMap, PerCpuArray},
    macros::btf_map,
};
use rtpengine_common::{
    abi::{FLOWS_MAP_FLAGS, FlowKey, FlowStats, FlowValue, MAX_FLOWS, REASON_ROWS, STATS_MAP_FLAGS},
    reason::PACKET_REASONS,
    srtp::{
        abi::{MAX_SRTP_CONTEXTS, SRTP_CONTEXTS_MAP_FLAGS, SRTP_STREAMS_MAP_FLAGS, SrtpContext, SrtpStreams},
        ghash::HashKey,
    },
};

use crate::srtp::Scratch;

/// Flows of all tables.
#[btf_map]
pub static FLOWS: HashMap<FlowKey, FlowValue, { MAX_FLOWS as usize }, { FLOWS_MAP_FLAGS as usize }> =
    HashMap::new();
/// Counters by slot.
#[btf_map]
pub static STATS: Array<FlowStats, { MAX_FLOWS as usize }, { STATS_MAP_FLAGS as usize }> = Array::new();
/// Reason counters: a row per table and one for packets without a flow.
#[btf_map]
pub static REASONS: PerCpuArray<u64, { (REASON_ROWS * PACKET_REASONS) as usize }> = PerCpuArray::new();
/// SRTP contexts by number.
#[btf_map]
pub static SRTP_CONTEXTS: HashMap<
    u32,
    SrtpContext,
    { MAX_SRTP_CONTEXTS as usize },
    { SRTP_CONTEXTS_MAP_FLAGS as usize },
> = HashMap::new();
/// Hash keys of the contexts with AES-GCM, which are larger than all the rest of a context.
#[btf_map]
pub static SRTP_HASH_KEYS: HashMap<
    u32,
    HashKey,
    { MAX_SRTP_CONTEXTS as usize },
    { SRTP_CONTEXTS_MAP_FLAGS as usize },
> = HashMap::new();
/// Streams by context number less one.
#[btf_map]
pub static SRTP_STREAMS: Array<
    SrtpStreams,
    { MAX_SRTP_CONTEXTS as usize },
    { SRTP_STREAMS_MAP_FLAGS as usize },
> = Array::new();
/// Where the program works on a packet.
#[btf_map]
pub static SRTP_SCRATCH: PerCpuArray<Scratch, 1> = PerCpuArray::new();
