//! Names under the BPF file system (`/sys/fs/bpf/rtpengine/…`), shared by the daemon and `rtpengine-ctl`.

/// Mount point of the BPF file system.
pub const BPF_FS: &str = "/sys/fs/bpf";
/// Root of everything rtpengine pins, below [`BPF_FS`].
pub const ROOT: &str = "rtpengine";
/// Per table, `rtpengine/<table>/info`: [`crate::abi::FlowKey`] to [`crate::abi::FlowInfo`]; the program never reads it.
pub const INFO: &str = "info";
/// Per table, `rtpengine/<table>/owner`: one [`crate::abi::Owner`].
pub const OWNER: &str = "owner";

/// Per network namespace, `rtpengine/net<inode>/`: what all tables used in that namespace share. The number is the
/// inode of `/proc/self/ns/net`; device indices mean nothing outside their namespace.
pub const NET_PREFIX: &str = "net";
/// `rtpengine/net<inode>/links/<ifindex>`: the attachment of the program to one device.
pub const LINKS: &str = "links";
/// Name of the XDP program in the object.
pub const PROGRAM: &str = "rtpengine_xdp";
/// Map of the object, pinned under its name in `rtpengine/net<inode>/`: [`crate::abi::FlowKey`] to
/// [`crate::abi::FlowValue`], the flows of all tables.
pub const FLOWS: &str = "FLOWS";
/// As [`FLOWS`]: array of [`crate::abi::FlowStats`] by slot, memory-mappable.
pub const STATS: &str = "STATS";
/// As [`FLOWS`]: per-CPU array of `u64` of [`crate::abi::REASON_ROWS`] rows (table, then
/// [`crate::abi::NO_TABLE`]) of [`crate::reason::PACKET_REASONS`] entries, indexed by [`crate::reason::Reason`].
pub const REASONS: &str = "REASONS";
/// As [`FLOWS`]: hash of context number (`u32`, host order) to [`crate::srtp::abi::SrtpContext`].
pub const SRTP_CONTEXTS: &str = "SRTP_CONTEXTS";
/// As [`SRTP_CONTEXTS`], to [`crate::srtp::ghash::HashKey`], for contexts with AES-GCM.
pub const SRTP_HASH_KEYS: &str = "SRTP_HASH_KEYS";
/// As [`FLOWS`]: array of [`crate::srtp::abi::SrtpStreams`] by context number less one, memory-mappable.
pub const SRTP_STREAMS: &str = "SRTP_STREAMS";
/// In the same folder, not read by the program: hash of device index (`u32`, host order) to the bitmap of tables whose
/// daemons use the device (`u64`).
pub const DEVICES: &str = "DEVICES";
/// In the same folder, not read by the program: array of [`crate::abi::MAX_CHUNKS`] `u32`, the table that a chunk of
/// [`STATS`] is handed out to plus one; 0: nobody.
pub const CHUNKS: &str = "CHUNKS";
