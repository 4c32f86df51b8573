//! Names under the BPF file system (`/sys/fs/bpf/rtpengine/…`), shared by the daemon and `rtpengine-ctl`.

/// Mount point of the BPF file system.
pub const BPF_FS: &str = "/sys/fs/bpf";
/// Root of everything rtpengine pins, below [`BPF_FS`].
pub const ROOT: &str = "rtpengine";
/// Per table, `rtpengine/<table>/flows`: [`crate::abi::FlowKey`] to [`crate::abi::FlowValue`].
pub const FLOWS: &str = "flows";
/// Per table, `rtpengine/<table>/stats`: array of [`crate::abi::FlowStats`] by slot, memory-mappable.
pub const STATS: &str = "stats";
/// Per table, `rtpengine/<table>/info`: [`crate::abi::FlowKey`] to [`crate::abi::FlowInfo`]; the program never reads it.
pub const INFO: &str = "info";
/// Per table, `rtpengine/<table>/owner`: one [`crate::abi::Owner`].
pub const OWNER: &str = "owner";
