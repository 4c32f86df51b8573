//! Keys of one direction, and what is done with them to the packet in scratch memory.

use rtpengine_common::{
    reason::Reason,
    srtp::{
        abi::{CIPHER_GCM, CIPHER_NULL, CONTEXT_UNAUTHENTICATED, CONTEXT_UNENCRYPTED, SrtpContext},
        ghash::HashKey,
    },
};

use super::{
    cipher,
    scratch::Scratch,
    tag::{self, first_bytes},
};
use crate::maps::{SRTP_CONTEXTS, SRTP_HASH_KEYS};

/// Keys of one direction. Elements of maps without preallocation live until this program ends (RCU), and these are only
/// read.
#[derive(Clone, Copy)]
pub struct Keys {
    context: &'static SrtpContext,
    /// That of AES-GCM.
    hash_key: Option<&'static HashKey>,
}

impl Keys {
    /// Those of the context with a number.
    ///
    /// # Errors
    /// [`Reason::NoContext`].
    #[inline(always)]
    pub fn find(number: u32) -> Result<Self, Reason> {
        // SAFETY: see `Keys`.
        let context = unsafe { &*SRTP_CONTEXTS.get_ptr(number).ok_or(Reason::NoContext)? };
        let hash_key = if context.cipher == CIPHER_GCM {
            // SAFETY: see `Keys`.
            Some(unsafe { &*SRTP_HASH_KEYS.get_ptr(number).ok_or(Reason::NoContext)? })
        } else {
            None
        };
        Ok(Self { context, hash_key })
    }

    /// Bytes behind the encrypted payload.
    #[inline(always)]
    pub fn trailer_len(self) -> u32 {
        u32::from(self.context.tag_len) + u32::from(self.context.mki_len)
    }

    /// Whether packets have no tag, and so are not checked for replay.
    #[inline(always)]
    pub fn unauthenticated(self) -> bool {
        self.context.flags & CONTEXT_UNAUTHENTICATED != 0
    }

    /// Decrypts the packet of `len` bytes without its trailer, if it is authentic. Its index is in scratch memory.
    ///
    /// # Safety
    /// `scratch` is from [`Scratch::get`].
    ///
    /// # Errors
    /// [`Reason::SrtpAuthentication`].
    // SAFETY: callers have their scratch memory from `Scratch::get`.
    #[inline(always)]
    pub unsafe fn open(
        self,
        scratch: *mut Scratch,
        ssrc: u32,
        header_len: u32,
        len: u32,
    ) -> Result<(), Reason> {
        let (tag_at, mki_at) = self.trailer(len);
        // SAFETY: by contract.
        unsafe {
            let mki = Scratch::read16(scratch, mki_at);
            let tag = Scratch::read16(scratch, tag_at);
            if !same(mki, self.mki(), self.context.mki_len) {
                return Err(Reason::SrtpAuthentication);
            }
            self.begin(scratch, ssrc);
            if !self.unauthenticated() {
                self.tag(scratch, header_len, len);
                if !same(tag, (*scratch).tag, self.context.tag_len) {
                    return Err(Reason::SrtpAuthentication);
                }
            }
            self.apply(scratch, header_len, len);
        }
        Ok(())
    }

    /// Encrypts the packet of `len` bytes and puts its trailer behind it. Its index is in scratch memory.
    ///
    /// # Safety
    /// `scratch` is from [`Scratch::get`].
    // SAFETY: callers have their scratch memory from `Scratch::get`.
    #[inline(always)]
    pub unsafe fn seal(self, scratch: *mut Scratch, ssrc: u32, header_len: u32, len: u32) {
        let (tag_at, mki_at) = self.trailer(len);
        // SAFETY: by contract.
        unsafe {
            self.begin(scratch, ssrc);
            self.apply(scratch, header_len, len);
            if !self.unauthenticated() {
                self.tag(scratch, header_len, len);
            }
            // Each is written whole, and the second one over what the first is too long.
            if self.hash_key.is_some() {
                Scratch::write16(scratch, tag_at, (*scratch).tag);
                Scratch::write16(scratch, mki_at, self.mki());
            } else {
                Scratch::write16(scratch, mki_at, self.mki());
                Scratch::write16(scratch, tag_at, (*scratch).tag);
            }
        }
    }

    /// Where tag and master key identifier are (RFC 3711 section 3.1; RFC 7714 section 8.2: the tag of AES-GCM is part of
    /// what the cipher puts out).
    #[inline(always)]
    fn trailer(self, len: u32) -> (u32, u32) {
        if self.hash_key.is_some() {
            (len, len + u32::from(self.context.tag_len))
        } else {
            (len + u32::from(self.context.mki_len), len)
        }
    }

    #[inline(always)]
    fn mki(self) -> [u64; 2] {
        // SAFETY: sixteen bytes at an address that is a multiple of eight.
        unsafe { (&raw const self.context.mki).cast::<[u64; 2]>().read() }
    }

    #[inline(always)]
    fn encrypts(self) -> bool {
        self.context.cipher != CIPHER_NULL && self.context.flags & CONTEXT_UNENCRYPTED == 0
    }

    // SAFETY: only `open` and `seal` call it, with scratch memory from `Scratch::get`.
    #[inline(always)]
    unsafe fn begin(self, scratch: *mut Scratch, ssrc: u32) {
        if self.encrypts() || self.hash_key.is_some() {
            // SAFETY: by the callers' contract.
            unsafe { cipher::begin(scratch, self.context, ssrc, (*scratch).index) };
        }
    }

    // SAFETY: only `open` and `seal` call it, with scratch memory from `Scratch::get`.
    #[inline(always)]
    unsafe fn apply(self, scratch: *mut Scratch, header_len: u32, len: u32) {
        if self.encrypts() {
            // SAFETY: by the callers' contract.
            unsafe { cipher::apply(scratch, self.context, header_len, len) };
        }
    }

    // SAFETY: only `open` and `seal` call it, with scratch memory from `Scratch::get`.
    #[inline(always)]
    unsafe fn tag(self, scratch: *mut Scratch, header_len: u32, len: u32) {
        // SAFETY: by the callers' contract.
        unsafe {
            match self.hash_key {
                // RFC 7714 section 16.1.3: without encryption all is associated data.
                Some(key) => {
                    let associated = if self.encrypts() { header_len } else { len };
                    tag::gcm(scratch, self.context, key, associated, len);
                }
                None => tag::hmac(scratch, self.context, len),
            }
        }
    }
}

/// Whether the first `len` bytes are the same, in a time that does not depend on where they differ.
#[inline(always)]
fn same(a: [u64; 2], b: [u64; 2], len: u8) -> bool {
    let [first, second] = first_bytes(u32::from(len));
    (a[0] ^ b[0]) & first | (a[1] ^ b[1]) & second == 0
}
