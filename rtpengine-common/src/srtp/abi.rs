//! What userspace and the XDP program share about SRTP.

use super::{
    aes::RoundKeys,
    hmac::Midstates,
    index,
    replay::{self, Replayed, WORDS},
};
use crate::abi::MAX_SSRCS;

/// SRTP contexts per network namespace. They are numbered from 1: number 0 stands for none.
pub const MAX_SRTP_CONTEXTS: u32 = 1 << 17;
/// `map_flags` of the maps of contexts and of hash keys (hashes of [`MAX_SRTP_CONTEXTS`] entries): `BPF_F_NO_PREALLOC`.
pub const SRTP_CONTEXTS_MAP_FLAGS: u32 = 1 << 0;
/// `map_flags` of the map of streams (array of [`MAX_SRTP_CONTEXTS`] entries): `BPF_F_MMAPABLE`.
pub const SRTP_STREAMS_MAP_FLAGS: u32 = 1 << 10;

/// Longest master key identifier that the program handles, bytes.
pub const MAX_KERNEL_MKI: usize = 16;

/// [`SrtpContext::cipher`]: payloads are not encrypted.
pub const CIPHER_NULL: u8 = 0;
/// AES in counter mode.
pub const CIPHER_CM: u8 = 1;
/// AES-GCM.
pub const CIPHER_GCM: u8 = 2;
/// AES in f8 mode; no context of the program has it.
pub const CIPHER_F8: u8 = 3;

/// [`SrtpContext::flags`]: packets are authenticated but not encrypted.
pub const CONTEXT_UNENCRYPTED: u8 = 1 << 0;
/// Packets are not authenticated, and so not checked for replay.
pub const CONTEXT_UNAUTHENTICATED: u8 = 1 << 1;

/// A context: session keys of one direction, ready for use. Written once, then only read. Not printed: it is all secret.
#[repr(C)]
#[derive(Clone, Copy, Default, PartialEq, Eq)]
pub struct SrtpContext {
    /// Of the cipher.
    pub keys: RoundKeys,
    /// Session salt as big-endian words, filled up with zeros.
    pub salt: [u32; 4],
    /// Of HMAC-SHA1; unused with AES-GCM.
    pub hmac: Midstates,
    /// `CIPHER_*`.
    pub cipher: u8,
    /// `CONTEXT_*` bits.
    pub flags: u8,
    /// Bytes of the authentication tag.
    pub tag_len: u8,
    /// Bytes of the master key identifier.
    pub mki_len: u8,
    /// Zero.
    pub pad: u32,
    /// Master key identifier, as it stands in packets.
    pub mki: [u8; MAX_KERNEL_MKI],
}

#[cfg(feature = "srtp")]
impl zeroize::DefaultIsZeroes for SrtpContext {}

/// What is known of one stream, which is one direction of one SSRC, of SRTP or of SRTCP. All zero: a new stream.
///
/// Where userspace and the program work on one stream, its words are changed as in [`super::shared`].
#[repr(C)]
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct StreamState {
    /// One more than the highest index ([`index`]).
    pub next: u64,
    /// Which indices were accepted ([`replay`]).
    pub window: [u64; WORDS],
}

impl StreamState {
    /// A stream of which only the highest index is known: everything before counts as seen.
    pub const fn resume(highest: u64) -> Self {
        Self { next: highest + 1, window: replay::all_up_to(highest) }
    }

    /// Rollover counter of the highest index.
    pub const fn rollover_counter(&self) -> u32 {
        (self.next.saturating_sub(1) >> 16) as u32
    }

    /// Whether an index would be accepted.
    ///
    /// # Errors
    /// When it was accepted before, or is too old to tell.
    pub const fn check(&self, index: u64) -> Result<(), Replayed> {
        match replay::accept(self.window[replay::slot(index)], index) {
            Ok(_) => Ok(()),
            Err(replayed) => Err(replayed),
        }
    }

    /// Accepts an index.
    ///
    /// # Errors
    /// As [`StreamState::check`]; nothing has changed then.
    pub const fn accept(&mut self, index: u64) -> Result<(), Replayed> {
        let slot = replay::slot(index);
        match replay::accept(self.window[slot], index) {
            Ok(word) => self.window[slot] = word,
            Err(replayed) => return Err(replayed),
        }
        self.advance(index);
        Ok(())
    }

    /// Takes note of an index without a decision on it: of packets that are not authenticated, or our own.
    pub const fn advance(&mut self, index: u64) {
        self.next = index::advance(self.next, index);
    }
}

/// A stream under a context.
#[repr(C)]
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct SrtpStream {
    /// SSRC, host order; claimed with compare-and-swap from 0.
    pub ssrc: u32,
    /// Zero.
    pub pad: u32,
    /// What is known of it.
    pub state: StreamState,
}

/// The streams under one context. Both userspace and the program work on these words, by compare-and-swap
/// ([`super::shared`]), so whoever handles a packet knows of all before it.
#[repr(C)]
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct SrtpStreams {
    /// In order of appearance.
    pub streams: [SrtpStream; MAX_SSRCS],
}

const _: () = {
    use core::mem::offset_of;

    use super::ghash::HashKey;
    assert!(size_of::<RoundKeys>() == 472 && align_of::<RoundKeys>() == 8);
    assert!(size_of::<Midstates>() == 40);
    assert!(size_of::<HashKey>() == 1024 && align_of::<HashKey>() == 8);
    assert!(size_of::<SrtpContext>() == 552 && align_of::<SrtpContext>() == 8);
    assert!(offset_of!(SrtpContext, salt) == 472);
    assert!(offset_of!(SrtpContext, hmac) == 488);
    assert!(offset_of!(SrtpContext, cipher) == 528);
    assert!(offset_of!(SrtpContext, mki) == 536);
    assert!(size_of::<StreamState>() == 72 && offset_of!(StreamState, window) == 8);
    assert!(size_of::<SrtpStream>() == 80 && offset_of!(SrtpStream, state) == 8);
    assert!(size_of::<SrtpStreams>() == 320 && align_of::<SrtpStreams>() == 8);
};

#[cfg(feature = "user")]
mod pod {
    //! What lets aya copy the types to and from the kernel.

    use super::{super::ghash::HashKey, SrtpContext, SrtpStreams};

    // SAFETY: `repr(C)`, no padding (asserted by size above), no pointers, every bit pattern valid.
    unsafe impl aya::Pod for SrtpContext {}
    // SAFETY: as above.
    unsafe impl aya::Pod for HashKey {}
    // SAFETY: as above.
    unsafe impl aya::Pod for SrtpStreams {}
}
