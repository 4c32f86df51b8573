//! The maps that the program uses; `rtpengine_common::pins` says where they are pinned.

use aya_ebpf::{
    btf_maps::{Array, ArrayOfMaps, HashMap, PerCpuArray},
    macros::btf_map,
};
use rtpengine_common::{
    abi::{
        FLOWS_MAP_FLAGS, FlowKey, FlowStats, FlowValue, MAX_FLOWS, MAX_TABLES, REASON_ROWS, STATS_MAP_FLAGS,
    },
    reason::PACKET_REASONS,
};

/// Flows of one table.
type Flows = HashMap<FlowKey, FlowValue, { MAX_FLOWS as usize }, { FLOWS_MAP_FLAGS as usize }>;
/// Counters of one table.
type Stats = Array<FlowStats, { MAX_FLOWS as usize }, { STATS_MAP_FLAGS as usize }>;

/// Flows by table.
#[btf_map]
pub static TABLE_FLOWS: ArrayOfMaps<Flows, { MAX_TABLES as usize }> = ArrayOfMaps::new();
/// Counters by table.
#[btf_map]
pub static TABLE_STATS: ArrayOfMaps<Stats, { MAX_TABLES as usize }> = ArrayOfMaps::new();
/// Tables to consult by device index.
#[btf_map]
pub static DEVICES: HashMap<u32, u64, 4096> = HashMap::new();
/// Reason counters: a row per table and one for packets without a flow.
#[btf_map]
pub static REASONS: PerCpuArray<u64, { (REASON_ROWS * PACKET_REASONS) as usize }> = PerCpuArray::new();
