//! Memory of a CPU in which one packet is worked on. The stack has no room for it, and the packet itself stays as it came
//! until nothing can fail any more.

use rtpengine_common::{
    packet::Rtp,
    srtp::{
        aes::{States, Stream as KeyStream},
        ctr::Counter,
        sha1::{Block, Schedule},
    },
    words::masked,
};

use super::stream::Stream;
use crate::maps::SRTP_SCRATCH;

/// Longest RTP or SRTP packet, bytes: more than Ethernet carries, jumbo frames apart.
pub const MAX_PACKET: u32 = 1920;
/// Offsets into the packet are below this.
const OFFSETS: usize = 2048;
/// What may be read or written from the last offset on.
const BEHIND: usize = 128;

/// What is to be done with a packet, apart from the arguments of a function, of which BPF has five.
#[repr(C)]
#[derive(Clone, Copy)]
pub struct Job {
    /// RTP header as it will leave.
    pub rtp: Rtp,
    /// Longest UDP payload that may leave.
    pub limit: u32,
    /// By how much the headers before the payload become shorter.
    pub shift: i32,
    /// Not 0: the packet is not to leave.
    pub blackhole: u32,
    /// Not 0: the sum of the outgoing payload is wanted.
    pub sum: u32,
}

/// The memory.
#[repr(C, align(8))]
pub struct Scratch {
    /// See [`Job`].
    pub job: Job,
    /// Stream that the packet was received in.
    pub received: Stream,
    /// Bytes before the payload of the RTP packet.
    pub header_len: u32,
    /// Index of the packet under the keys that are being used.
    pub index: u64,
    /// Sum of the outgoing payload.
    pub sum: u64,
    /// Authentication tag in the first bytes.
    pub tag: [u64; 2],
    /// Of GHASH.
    pub hash: [u64; 2],
    /// Of the cipher.
    pub counter: Counter,
    /// Of the cipher.
    pub states: States,
    /// Of the cipher.
    pub stream: KeyStream,
    /// Of SHA-1.
    pub state: [u32; 5],
    pad: u32,
    /// Last block of HMAC.
    pub block: Block,
    /// Of SHA-1.
    pub schedule: Schedule,
    packet: [u8; OFFSETS + BEHIND],
}

impl Scratch {
    /// That of this CPU. XDP programs do not interrupt one another.
    #[inline(always)]
    pub fn get() -> Option<*mut Self> {
        SRTP_SCRATCH.get_ptr_mut(0)
    }

    /// The packet from `offset`, with `BEHIND` bytes to read or write. `offset` wraps around at the end of the memory, so
    /// the verifier knows its bounds; packets are short enough that it never does.
    ///
    /// # Safety
    /// `scratch` is from [`Scratch::get`].
    // SAFETY: whoever calls it keeps the contract above.
    #[inline(always)]
    pub unsafe fn at(scratch: *mut Self, offset: u32) -> *mut u8 {
        let offset = masked::<{ OFFSETS as u64 - 1 }>(offset.into()) as usize;
        // SAFETY: within the field, by contract and as masked.
        unsafe { (&raw mut (*scratch).packet).cast::<u8>().add(offset) }
    }

    /// Reads a value at `offset` of the packet.
    ///
    /// # Safety
    /// As [`Scratch::at`]; `T` is an integer or an array of them, of at most `BEHIND` bytes.
    // SAFETY: whoever calls it keeps the contract above.
    #[inline(always)]
    pub unsafe fn read<T: Copy>(scratch: *mut Self, offset: u32) -> T {
        // SAFETY: by contract.
        unsafe { Self::at(scratch, offset).cast::<T>().read_unaligned() }
    }

    /// Writes a value at `offset` of the packet.
    ///
    /// # Safety
    /// As [`Scratch::read`].
    // SAFETY: whoever calls it keeps the contract above.
    #[inline(always)]
    pub unsafe fn write<T: Copy>(scratch: *mut Self, offset: u32, value: T) {
        // SAFETY: by contract.
        unsafe { Self::at(scratch, offset).cast::<T>().write_unaligned(value) }
    }

    /// Reads sixteen bytes at `offset` of the packet.
    ///
    /// # Safety
    /// As [`Scratch::at`].
    // SAFETY: whoever calls it keeps the contract above.
    #[inline(always)]
    pub unsafe fn read16(scratch: *mut Self, offset: u32) -> [u64; 2] {
        // SAFETY: by contract; so many bytes are there.
        unsafe {
            let at = Self::at(scratch, offset).cast::<u64>();
            [at.read_unaligned(), at.add(1).read_unaligned()]
        }
    }

    /// Writes sixteen bytes at `offset` of the packet, in words: the compiler calls a function to copy arrays.
    ///
    /// # Safety
    /// As [`Scratch::at`].
    // SAFETY: whoever calls it keeps the contract above.
    #[inline(always)]
    pub unsafe fn write16(scratch: *mut Self, offset: u32, [first, second]: [u64; 2]) {
        // SAFETY: by contract; so many bytes are there.
        unsafe {
            let at = Self::at(scratch, offset).cast::<u64>();
            at.write_unaligned(first);
            at.add(1).write_unaligned(second);
        }
    }
}
