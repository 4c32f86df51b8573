//! The maps that the program uses; `rtpengine_common::pins` says where they are pinned.

use aya_ebpf::{
    btf_maps::{Array, HashMap, PerCpuArray},
    macros::btf_map,
};
use rtpengine_common::{
    abi::{FLOWS_MAP_FLAGS, FlowKey, FlowStats, FlowValue, MAX_FLOWS, REASON_ROWS, STATS_MAP_FLAGS},
    reason::PACKET_REASONS,
};

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
