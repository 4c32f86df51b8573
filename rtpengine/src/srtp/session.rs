//! Session keys of one direction, and what is done with a packet by them.

use rtpengine_common::srtp::abi::StreamState;
use rtpengine_common::srtp::kdf::{Purpose, SessionKeys};
use rtpengine_common::srtp::{CryptoParams, Mki, Refused, index};

use super::choice::Libraries;
use super::cipher::Cipher;
use super::gcm::TAG as GCM_TAG;
use super::hmac::Authenticator;

/// Bytes of an RTP header without contributing sources and extension.
const RTP_HEADER: usize = 12;
/// Bytes of an RTCP header, which SRTCP leaves as they are.
const RTCP_HEADER: usize = 8;
/// Bytes of the word that SRTCP appends.
const RTCP_WORD: usize = 4;
/// Flag in that word: the packet is encrypted.
const RTCP_ENCRYPTED: u32 = 1 << 31;

/// Session keys for one purpose. Not printed: it is all secret.
struct Keys {
    cipher: Cipher,
    /// Session salt from the first byte on.
    salt: u128,
    hmac: Authenticator,
    tag_len: usize,
    mki: Mki,
    encrypted: bool,
    authenticated: bool,
}

impl Keys {
    fn new(params: &CryptoParams, purpose: Purpose, libraries: Libraries) -> Self {
        let (suite, session) = (params.suite(), params.session());
        let keys = SessionKeys::derive(params, purpose);
        let mut salt = [0; 16];
        salt[..keys.salt.len()].copy_from_slice(&keys.salt);
        let cipher = Cipher::new(suite, &keys, libraries.cipher);
        let (tag_len, unencrypted, authenticated) = match purpose {
            Purpose::Rtp => (suite.srtp_tag_len(), session.unencrypted_srtp, !session.unauthenticated_srtp),
            Purpose::Rtcp => (suite.srtcp_tag_len(), session.unencrypted_srtcp, true),
        };
        Self {
            encrypted: !unencrypted && !matches!(cipher, Cipher::Null),
            cipher,
            salt: u128::from_be_bytes(salt),
            hmac: Authenticator::new(libraries.hmac, &keys.auth_key),
            tag_len: if authenticated { tag_len } else { 0 },
            mki: *params.mki(),
            authenticated,
        }
    }

    /// Encrypts or decrypts the payload of an RTP packet by a cipher that does not authenticate.
    fn apply_rtp(&self, index: u64, packet: &mut [u8], header_len: usize) -> Result<(), Refused> {
        if !self.encrypted {
            return Ok(());
        }
        let (header, payload) = packet.split_at_mut(header_len);
        let ssrc = word(header, 8);
        self.cipher
            .apply(self.salt, ssrc, index, || f8_rtp_initial(header, index), payload)
            .ok_or(Refused::Malformed)
    }

    /// As above, of an RTCP packet.
    fn apply_rtcp(&self, flag_and_index: u32, packet: &mut [u8]) -> Result<(), Refused> {
        let (header, payload) = packet.split_at_mut(RTCP_HEADER);
        let (ssrc, index) = (word(header, 4), u64::from(flag_and_index & !RTCP_ENCRYPTED));
        self.cipher
            .apply(self.salt, ssrc, index, || f8_rtcp_initial(header, flag_and_index), payload)
            .ok_or(Refused::Malformed)
    }

    /// Whether a tag with HMAC is that of the data.
    fn matches(&self, tag: &[u8], data: &[u8], trailer: [u8; 4]) -> bool {
        let right = self.hmac.tag(data, trailer);
        // In a time that does not depend on where they differ.
        tag.iter().zip(right).fold(0, |difference, (a, b)| difference | (a ^ b)) == 0
    }

    /// Splits what follows a packet into tag and identifier, and compares the latter.
    fn take_apart<'a>(&self, trailer: &'a [u8]) -> Result<&'a [u8], Refused> {
        let (tag, mki) = if self.cipher.is_gcm() {
            trailer.split_at_checked(GCM_TAG).ok_or(Refused::Malformed)?
        } else {
            let at = trailer.len().checked_sub(self.tag_len).ok_or(Refused::Malformed)?;
            let (mki, tag) = trailer.split_at(at);
            (tag, mki)
        };
        if mki == self.mki.as_bytes() { Ok(tag) } else { Err(Refused::Mki) }
    }

    /// Puts identifier and tag with HMAC behind a packet (RFC 3711 section 3.1).
    fn append(&self, trailer: &mut [u8], tag: &[u8; 20]) {
        let (mki, end) = trailer.split_at_mut(self.mki.as_bytes().len());
        mki.copy_from_slice(self.mki.as_bytes());
        for (to, byte) in end.iter_mut().zip(tag) {
            *to = *byte;
        }
    }
}

/// Session keys of one direction, for SRTP and SRTCP, ready for use.
pub struct Session {
    rtp: Keys,
    rtcp: Keys,
}

impl Session {
    /// Derives and expands the keys, for the fastest libraries.
    pub fn new(params: &CryptoParams) -> Self {
        Self::by(Libraries::of(params.suite()), params)
    }

    /// As above, for these where they have what the suite needs, else for RustCrypto.
    pub fn by(libraries: Libraries, params: &CryptoParams) -> Self {
        let [rtp, rtcp] = [Purpose::Rtp, Purpose::Rtcp].map(|purpose| Keys::new(params, purpose, libraries));
        Self { rtp, rtcp }
    }

    /// Makes SRTP of the RTP packet in the first `len` bytes of `buffer`; returns its new length. `state`: that of its
    /// SSRC, outgoing.
    ///
    /// # Errors
    /// See [`Refused`]; packet and state are as they were. With AES-GCM an index is used once: a second packet under it
    /// would give the keys away (RFC 7714 section 10.1).
    pub fn protect_rtp(
        &self,
        state: &mut StreamState,
        buffer: &mut [u8],
        len: usize,
    ) -> Result<usize, Refused> {
        let keys = &self.rtp;
        let header_len = buffer.get(..len).and_then(rtp_header_len).ok_or(Refused::Malformed)?;
        let new_len = len + keys.tag_len + keys.mki.as_bytes().len();
        let (packet, trailer) = buffer.get_mut(..new_len).ok_or(Refused::NoRoom)?.split_at_mut(len);
        let index = index::guess(state.next, sequence(packet)).ok_or(Refused::NoIndex)?;
        if keys.cipher.is_gcm() {
            state.check(index)?;
            // RFC 7714 section 16.1.3: without encryption all is associated data.
            let at = if keys.encrypted { header_len } else { len };
            let ssrc = word(packet, 8);
            let (associated, payload) = packet.split_at_mut(at);
            // RFC 7714 section 8.2: the tag is part of what the cipher puts out.
            let (tag, rest) = trailer.split_first_chunk_mut().ok_or(Refused::NoRoom)?;
            let sealed = keys.cipher.seal(keys.salt, ssrc, index, associated, payload, tag);
            sealed.ok_or(Refused::Malformed)?;
            rest.copy_from_slice(keys.mki.as_bytes());
            state.accept(index)?;
        } else {
            keys.apply_rtp(index, packet, header_len)?;
            let tag = if keys.authenticated { keys.hmac.tag(packet, rollover(index)) } else { [0; 20] };
            keys.append(trailer, &tag);
            state.advance(index);
        }
        Ok(new_len)
    }

    /// Makes RTP of an SRTP packet; returns its new length. `state`: that of its SSRC, incoming.
    ///
    /// # Errors
    /// See [`Refused`]; packet and state are as they were.
    pub fn unprotect_rtp(&self, state: &mut StreamState, packet: &mut [u8]) -> Result<usize, Refused> {
        let keys = &self.rtp;
        let added = keys.tag_len + keys.mki.as_bytes().len();
        let len = packet.len().checked_sub(added).ok_or(Refused::Malformed)?;
        let (packet, trailer) = packet.split_at_mut(len);
        let header_len = rtp_header_len(packet).ok_or(Refused::Malformed)?;
        let tag = keys.take_apart(trailer)?;
        let index = index::guess(state.next, sequence(packet)).ok_or(Refused::NoIndex)?;
        if !keys.authenticated {
            keys.apply_rtp(index, packet, header_len)?;
            state.advance(index);
            return Ok(len);
        }
        state.check(index)?;
        if keys.cipher.is_gcm() {
            let at = if keys.encrypted { header_len } else { len };
            let (ssrc, tag) = (word(packet, 8), tag.first_chunk().ok_or(Refused::Malformed)?);
            let (associated, payload) = packet.split_at_mut(at);
            let opened = keys.cipher.open(keys.salt, ssrc, index, associated, payload, tag);
            opened.ok_or(Refused::Authentication)?;
        } else {
            if !keys.matches(tag, packet, rollover(index)) {
                return Err(Refused::Authentication);
            }
            keys.apply_rtp(index, packet, header_len)?;
        }
        state.accept(index)?;
        Ok(len)
    }

    /// Makes SRTCP of the RTCP packet in the first `len` bytes of `buffer`; returns its new length. `state`: that of the
    /// sender's SSRC, outgoing.
    ///
    /// # Errors
    /// See [`Refused`]; packet and state are as they were.
    pub fn protect_rtcp(
        &self,
        state: &mut StreamState,
        buffer: &mut [u8],
        len: usize,
    ) -> Result<usize, Refused> {
        let keys = &self.rtcp;
        if len < RTCP_HEADER {
            return Err(Refused::Malformed);
        }
        let new_len = len + RTCP_WORD + keys.tag_len + keys.mki.as_bytes().len();
        let whole = buffer.get_mut(..new_len).ok_or(Refused::NoRoom)?;
        if whole[0] >> 6 != 2 {
            return Err(Refused::Malformed);
        }
        let index = state.next;
        if index >= index::RTCP_INDICES {
            return Err(Refused::NoIndex);
        }
        // Below 2^31 as of the line before.
        let flag_and_index = index as u32 | if keys.encrypted { RTCP_ENCRYPTED } else { 0 };
        let last = flag_and_index.to_be_bytes();
        let (packet, trailer) = whole.split_at_mut(len);
        if keys.cipher.is_gcm() {
            let ssrc = word(packet, 4);
            let mut tag = [0; GCM_TAG];
            let sealed = if keys.encrypted {
                let (header, payload) = packet.split_at_mut(RTCP_HEADER);
                let associated = rtcp_associated(header, last);
                keys.cipher.seal(keys.salt, ssrc, index, &associated, payload, &mut tag)
            } else {
                // RFC 7714 section 9.3: the word follows the packet in what is authenticated.
                trailer[..RTCP_WORD].copy_from_slice(&last);
                keys.cipher.seal(keys.salt, ssrc, index, &whole[..len + RTCP_WORD], &mut [], &mut tag)
            };
            sealed.ok_or(Refused::Malformed)?;
            let (first, rest) = whole[len..].split_at_mut(GCM_TAG);
            first.copy_from_slice(&tag);
            let (end, mki) = rest.split_at_mut(RTCP_WORD);
            end.copy_from_slice(&last);
            mki.copy_from_slice(keys.mki.as_bytes());
        } else {
            if keys.encrypted {
                keys.apply_rtcp(flag_and_index, packet)?;
            }
            let (end, trailer) = trailer.split_at_mut(RTCP_WORD);
            end.copy_from_slice(&last);
            keys.append(trailer, &keys.hmac.tag(packet, last));
        }
        state.advance(index);
        Ok(new_len)
    }

    /// Makes RTCP of an SRTCP packet; returns its new length. `state`: that of the sender's SSRC, incoming.
    ///
    /// The packet says itself whether it is encrypted; the flag is authenticated.
    ///
    /// # Errors
    /// See [`Refused`]; packet and state are as they were.
    pub fn unprotect_rtcp(&self, state: &mut StreamState, whole: &mut [u8]) -> Result<usize, Refused> {
        let keys = &self.rtcp;
        let added = RTCP_WORD + keys.tag_len + keys.mki.as_bytes().len();
        let len = whole.len().checked_sub(added).filter(|len| *len >= RTCP_HEADER);
        let len = len.ok_or(Refused::Malformed)?;
        if whole[0] >> 6 != 2 {
            return Err(Refused::Malformed);
        }
        if keys.cipher.is_gcm() {
            self.open_rtcp(state, whole, len)?;
            return Ok(len);
        }
        let (packet, trailer) = whole.split_at_mut(len);
        let flag_and_index = word(trailer, 0);
        let tag = keys.take_apart(&trailer[RTCP_WORD..])?;
        let index = u64::from(flag_and_index & !RTCP_ENCRYPTED);
        state.check(index)?;
        if !keys.matches(tag, packet, flag_and_index.to_be_bytes()) {
            return Err(Refused::Authentication);
        }
        if flag_and_index & RTCP_ENCRYPTED != 0 {
            keys.apply_rtcp(flag_and_index, packet)?;
        }
        state.accept(index)?;
        Ok(len)
    }

    /// With AES-GCM: `len` bytes of packet, tag, word, identifier.
    fn open_rtcp(&self, state: &mut StreamState, whole: &mut [u8], len: usize) -> Result<(), Refused> {
        let keys = &self.rtcp;
        let (packet, trailer) = whole.split_at_mut(len);
        let (tag, rest) = trailer.split_at_mut(GCM_TAG);
        if &rest[RTCP_WORD..] != keys.mki.as_bytes() {
            return Err(Refused::Mki);
        }
        let (ssrc, flag_and_index) = (word(packet, 4), word(rest, 0));
        let tag = *tag.first_chunk().ok_or(Refused::Malformed)?;
        let index = u64::from(flag_and_index & !RTCP_ENCRYPTED);
        state.check(index)?;
        let last = flag_and_index.to_be_bytes();
        let opened = if flag_and_index & RTCP_ENCRYPTED != 0 {
            let (header, payload) = packet.split_at_mut(RTCP_HEADER);
            keys.cipher.open(keys.salt, ssrc, index, &rtcp_associated(header, last), payload, &tag)
        } else {
            // What is authenticated ends with the word, which stands behind the tag.
            let both = len..len + GCM_TAG + RTCP_WORD;
            whole[both.clone()].rotate_right(RTCP_WORD);
            let opened = keys.cipher.open(keys.salt, ssrc, index, &whole[..len + RTCP_WORD], &mut [], &tag);
            whole[both].rotate_left(RTCP_WORD);
            opened
        };
        opened.ok_or(Refused::Authentication)?;
        state.accept(index)?;
        Ok(())
    }
}

/// Bytes before the payload of an RTP packet: header, contributing sources, extension. `None`: not RTP, or too short.
fn rtp_header_len(packet: &[u8]) -> Option<usize> {
    let first = *packet.first()?;
    if first >> 6 != 2 {
        return None;
    }
    let mut len = RTP_HEADER + usize::from(first & 0x0f) * 4;
    if first & 0x10 != 0 {
        let words = packet.get(len + 2..len + 4)?;
        len += 4 + usize::from(u16::from_be_bytes([words[0], words[1]])) * 4;
    }
    (len <= packet.len()).then_some(len)
}

/// The big-endian word at `at`; zero where there is none, which callers have excluded.
pub(super) fn word(packet: &[u8], at: usize) -> u32 {
    packet.get(at..).and_then(|rest| rest.first_chunk()).map_or(0, |bytes| u32::from_be_bytes(*bytes))
}

/// Sequence number of an RTP packet.
pub(super) fn sequence(packet: &[u8]) -> u16 {
    // Of the word's lower half.
    word(packet, 0) as u16
}

/// The rollover counter as HMAC takes it.
fn rollover(index: u64) -> [u8; 4] {
    // Indices have 48 bits.
    ((index >> 16) as u32).to_be_bytes()
}

/// RFC 7714 section 9.2.
fn rtcp_associated(header: &[u8], last: [u8; RTCP_WORD]) -> [u8; RTCP_HEADER + RTCP_WORD] {
    let mut associated = [0; RTCP_HEADER + RTCP_WORD];
    for (to, byte) in associated.iter_mut().zip(header.iter().chain(&last)) {
        *to = *byte;
    }
    associated
}

/// RFC 3711 section 4.1.2.2: the header without the first byte, and the rollover counter.
fn f8_rtp_initial(header: &[u8], index: u64) -> [u8; 16] {
    let mut initial = [0; 16];
    for (to, byte) in initial.iter_mut().zip(header).skip(1).take(RTP_HEADER - 1) {
        *to = *byte;
    }
    initial[12..].copy_from_slice(&rollover(index));
    initial
}

/// RFC 3711 section 4.1.2.3: the word of encryption flag and index, and the header.
fn f8_rtcp_initial(header: &[u8], flag_and_index: u32) -> [u8; 16] {
    let mut initial = [0; 16];
    initial[4..8].copy_from_slice(&flag_and_index.to_be_bytes());
    for (to, byte) in initial[8..].iter_mut().zip(header) {
        *to = *byte;
    }
    initial
}
