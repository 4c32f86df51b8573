//! Session keys made ready for whole packets: the reference that every faster path is compared with.

use zeroize::Zeroize as _;

use super::{
    Cipher, CryptoParams, Mki,
    abi::{
        CIPHER_CM, CIPHER_F8, CIPHER_GCM, CIPHER_NULL, CONTEXT_UNAUTHENTICATED, CONTEXT_UNENCRYPTED,
        MAX_KERNEL_MKI, SrtpContext,
    },
    aes::{RoundKeys, from_bytes},
    f8::F8,
    gcm,
    ghash::HashKey,
    hmac::Midstates,
    kdf::{Purpose, SessionKeys},
};

/// Why a packet was not protected or not accepted. It is as it was, and so is the stream.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Refused {
    /// Not RTP or RTCP, or too short for what it must hold.
    #[error("the packet is malformed or too short")]
    Malformed,
    /// The buffer has no room for tag and identifier.
    #[error("the buffer has no room for what is appended")]
    NoRoom,
    /// The authentication tag is not that of the packet.
    #[error("the authentication tag does not match")]
    Authentication,
    /// The master key identifier is not the one agreed on.
    #[error("the master key identifier does not match")]
    Mki,
    /// The index was used before, or is too old to tell.
    #[error("the packet's index was used before")]
    Replayed,
    /// The index lies before the stream's first, or the keys have no more.
    #[error("the packet has no index under these keys")]
    NoIndex,
}

impl From<super::replay::Replayed> for Refused {
    fn from(_: super::replay::Replayed) -> Self {
        Self::Replayed
    }
}

/// Session keys for one purpose. Wiped when dropped.
pub(super) struct Keys {
    pub(super) context: SrtpContext,
    pub(super) hash_key: HashKey,
    pub(super) f8: F8,
    pub(super) mki: Mki,
}

impl Keys {
    fn new(params: &CryptoParams, purpose: Purpose) -> Self {
        Self::from_session_keys(params, &SessionKeys::derive(params, purpose), purpose)
    }

    pub(super) fn from_session_keys(params: &CryptoParams, keys: &SessionKeys, purpose: Purpose) -> Self {
        let suite = params.suite();
        let session = params.session();
        let cipher_key = &keys.cipher_key[..suite.key_len()];
        // Every suite's key has the length of an AES key.
        let round_keys = RoundKeys::expand(cipher_key).unwrap_or_default();
        let (mut hash_key, mut f8) = (HashKey::default(), F8::default());
        let cipher = match suite.cipher() {
            Cipher::Null => CIPHER_NULL,
            Cipher::Cm => CIPHER_CM,
            Cipher::Gcm => {
                hash_key = gcm::hash_key(&round_keys);
                CIPHER_GCM
            }
            Cipher::F8 => {
                f8 = F8::new(cipher_key, &keys.salt).unwrap_or_default();
                CIPHER_F8
            }
        };
        let (tag_len, unencrypted, unauthenticated) = match purpose {
            Purpose::Rtp => (suite.srtp_tag_len(), session.unencrypted_srtp, session.unauthenticated_srtp),
            Purpose::Rtcp => (suite.srtcp_tag_len(), session.unencrypted_srtcp, false),
        };
        let mut flags = 0;
        if unencrypted {
            flags |= CONTEXT_UNENCRYPTED;
        }
        if unauthenticated {
            flags |= CONTEXT_UNAUTHENTICATED;
        }
        let mut salt = [0; 16];
        salt[..14].copy_from_slice(&keys.salt);
        // A longer identifier has no place in the context, which then must not be given to the kernel.
        let identifier = params.mki().as_bytes();
        let mut mki = [0; MAX_KERNEL_MKI];
        for (byte, value) in mki.iter_mut().zip(identifier) {
            *byte = *value;
        }
        let context = SrtpContext {
            keys: round_keys,
            salt: from_bytes(salt),
            hmac: Midstates::new(&keys.auth_key),
            cipher,
            flags,
            tag_len: if unauthenticated { 0 } else { tag_len as u8 },
            mki_len: identifier.len() as u8,
            pad: 0,
            mki,
        };
        salt.zeroize();
        Self { context, hash_key, f8, mki: *params.mki() }
    }

    pub(super) const fn unencrypted(&self) -> bool {
        self.context.cipher == CIPHER_NULL || self.context.flags & CONTEXT_UNENCRYPTED != 0
    }

    pub(super) const fn unauthenticated(&self) -> bool {
        self.context.flags & CONTEXT_UNAUTHENTICATED != 0
    }

    pub(super) const fn is_gcm(&self) -> bool {
        self.context.cipher == CIPHER_GCM
    }

    pub(super) fn tag_len(&self) -> usize {
        usize::from(self.context.tag_len)
    }
}

impl Drop for Keys {
    fn drop(&mut self) {
        self.context.zeroize();
        self.hash_key.zeroize();
        self.f8.zeroize();
    }
}

/// Session keys of one direction, for SRTP and SRTCP.
pub struct Session {
    pub(super) rtp: Keys,
    pub(super) rtcp: Keys,
}

impl Session {
    /// Derives and expands the keys.
    pub fn new(params: &CryptoParams) -> Self {
        Self { rtp: Keys::new(params, Purpose::Rtp), rtcp: Keys::new(params, Purpose::Rtcp) }
    }

    /// The keys of SRTP as the XDP program takes them; the hash key is that of AES-GCM, and all zero with other ciphers.
    /// `None`: the program has no such cipher, or no place for the master key identifier.
    pub fn kernel_context(&self) -> Option<(&SrtpContext, &HashKey)> {
        let context = &self.rtp.context;
        let fits = context.cipher != CIPHER_F8 && usize::from(context.mki_len) <= MAX_KERNEL_MKI;
        fits.then_some((context, &self.rtp.hash_key))
    }
}

/// Bytes before the payload of an RTP packet: header, contributing sources, extension. `None`: not RTP, or too short.
pub(super) fn rtp_header_len(packet: &[u8]) -> Option<usize> {
    let first = *packet.first()?;
    if first >> 6 != 2 {
        return None;
    }
    let mut len = 12 + usize::from(first & 0x0f) * 4;
    if first & 0x10 != 0 {
        let words = packet.get(len + 2..len + 4)?;
        len += 4 + usize::from(u16::from_be_bytes([words[0], words[1]])) * 4;
    }
    (len <= packet.len()).then_some(len)
}

/// Bytes of an RTCP header, which SRTCP leaves as they are.
pub(super) const RTCP_HEADER: usize = 8;
/// Bytes of the word that SRTCP appends.
pub(super) const RTCP_WORD: usize = 4;
/// Flag in that word: the packet is encrypted.
pub(super) const RTCP_ENCRYPTED: u32 = 1 << 31;

/// The big-endian word at `at`; zero where there is none, which callers have excluded.
pub(super) fn word(packet: &[u8], at: usize) -> u32 {
    packet.get(at..).and_then(|rest| rest.first_chunk()).map_or(0, |bytes| u32::from_be_bytes(*bytes))
}
