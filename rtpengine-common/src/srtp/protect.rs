//! RTP to SRTP, RTCP to SRTCP, over slices.

use super::{
    abi::{CIPHER_CM, CIPHER_F8, CIPHER_GCM, StreamState},
    ctr, f8, gcm, index,
    session::{Keys, RTCP_ENCRYPTED, RTCP_HEADER, RTCP_WORD, Refused, Session, rtp_header_len, word},
};

impl Session {
    /// Makes SRTP of the RTP packet in the first `len` bytes of `buffer`; returns its new length. `state`: that of its
    /// SSRC, outgoing.
    ///
    /// # Errors
    /// See [`Refused`]. With AES-GCM an index is used once: a second packet under it would give the keys away
    /// (RFC 7714 section 10.1). Other ciphers protect it again, as receivers tell it from a new one.
    pub fn protect_rtp(
        &self,
        state: &mut StreamState,
        buffer: &mut [u8],
        len: usize,
    ) -> Result<usize, Refused> {
        let keys = &self.rtp;
        let packet = buffer.get(..len).ok_or(Refused::Malformed)?;
        let header_len = rtp_header_len(packet).ok_or(Refused::Malformed)?;
        let new_len = len + keys.tag_len() + keys.mki.as_bytes().len();
        let packet = buffer.get_mut(..new_len).ok_or(Refused::NoRoom)?;
        let sequence = u16::from_be_bytes([packet[2], packet[3]]);
        let index = index::guess(state.next, sequence).ok_or(Refused::NoIndex)?;
        if keys.is_gcm() {
            state.check(index)?;
        }
        let (packet, trailer) = packet.split_at_mut(len);
        let (header, payload) = packet.split_at_mut(header_len);
        encrypt_rtp(keys, index, header, payload);
        let tag = rtp_tag(keys, index, header, payload);
        append(keys, trailer, &tag);
        if keys.is_gcm() {
            state.accept(index)?;
        } else {
            state.advance(index);
        }
        Ok(new_len)
    }

    /// Makes SRTCP of the RTCP packet in the first `len` bytes of `buffer`; returns its new length. `state`: that of the
    /// sender's SSRC, outgoing.
    ///
    /// # Errors
    /// See [`Refused`].
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
        let new_len = len + RTCP_WORD + keys.tag_len() + keys.mki.as_bytes().len();
        let packet = buffer.get_mut(..new_len).ok_or(Refused::NoRoom)?;
        if packet[0] >> 6 != 2 {
            return Err(Refused::Malformed);
        }
        let index = state.next;
        if index >= index::RTCP_INDICES {
            return Err(Refused::NoIndex);
        }
        let flag = if keys.unencrypted() { 0 } else { RTCP_ENCRYPTED };
        let flag_and_index = flag | index as u32;
        let (packet, trailer) = packet.split_at_mut(len);
        let (header, payload) = packet.split_at_mut(RTCP_HEADER);
        if flag != 0 {
            apply_rtcp(keys, flag_and_index, header, payload);
        }
        let tag = rtcp_tag(keys, flag_and_index, header, payload);
        let word = flag_and_index.to_be_bytes();
        if keys.is_gcm() {
            // RFC 7714 section 9.2: the tag is part of what the cipher puts out.
            trailer[..gcm::TAG].copy_from_slice(&tag[..gcm::TAG]);
            trailer[gcm::TAG..gcm::TAG + RTCP_WORD].copy_from_slice(&word);
            trailer[gcm::TAG + RTCP_WORD..].copy_from_slice(keys.mki.as_bytes());
        } else {
            trailer[..RTCP_WORD].copy_from_slice(&word);
            append(keys, &mut trailer[RTCP_WORD..], &tag);
        }
        state.advance(index);
        Ok(new_len)
    }
}

/// Puts tag and master key identifier in their order.
fn append(keys: &Keys, trailer: &mut [u8], tag: &[u8; 20]) {
    let (mki, tag) = (keys.mki.as_bytes(), &tag[..keys.tag_len()]);
    // RFC 3711 section 3.1; RFC 7714 section 8.2: the tag of AES-GCM is part of what the cipher puts out.
    let (first, second) = if keys.is_gcm() { (tag, mki) } else { (mki, tag) };
    let (start, end) = trailer.split_at_mut(first.len());
    start.copy_from_slice(first);
    end.copy_from_slice(second);
}

/// Encrypts or decrypts an RTP payload.
pub(super) fn encrypt_rtp(keys: &Keys, index: u64, header: &[u8], payload: &mut [u8]) {
    if keys.unencrypted() {
        return;
    }
    let context = &keys.context;
    let ssrc = word(header, 8);
    match context.cipher {
        CIPHER_CM => ctr::apply(&context.keys, ctr::cm_block(&context.salt, ssrc, index), 0, payload),
        CIPHER_GCM => gcm::apply(&context.keys, ctr::gcm_block(&context.salt, ssrc, index), payload),
        CIPHER_F8 => {
            if let Some(header) = header.first_chunk() {
                keys.f8.apply(f8::rtp_initial(header, index), payload);
            }
        }
        _ => {}
    }
}

/// The authentication tag of an RTP packet with encrypted payload, in the first bytes.
pub(super) fn rtp_tag(keys: &Keys, index: u64, header: &[u8], payload: &[u8]) -> [u8; 20] {
    let context = &keys.context;
    if keys.unauthenticated() {
        [0; 20]
    } else if keys.is_gcm() {
        let block = ctr::gcm_block(&context.salt, word(header, 8), index);
        // RFC 7714 section 16.1.3: without encryption all is associated data.
        let (associated, encrypted) = if keys.unencrypted() {
            ([header, payload, &[]], &[][..])
        } else {
            ([header, &[], &[]], payload)
        };
        widen(gcm::tag(&context.keys, &keys.hash_key, block, associated, encrypted))
    } else {
        context.hmac.tag(&[header, payload, &((index >> 16) as u32).to_be_bytes()])
    }
}

/// Encrypts or decrypts an RTCP packet.
pub(super) fn apply_rtcp(keys: &Keys, flag_and_index: u32, header: &[u8], payload: &mut [u8]) {
    let context = &keys.context;
    let ssrc = word(header, 4);
    let index = u64::from(flag_and_index & !RTCP_ENCRYPTED);
    match context.cipher {
        CIPHER_CM => ctr::apply(&context.keys, ctr::cm_block(&context.salt, ssrc, index), 0, payload),
        CIPHER_GCM => gcm::apply(&context.keys, ctr::gcm_block(&context.salt, ssrc, index), payload),
        CIPHER_F8 => {
            if let Some(header) = header.first_chunk() {
                keys.f8.apply(f8::rtcp_initial(header, flag_and_index), payload);
            }
        }
        _ => {}
    }
}

/// The authentication tag of an RTCP packet, encrypted if the flag says so, in the first bytes.
pub(super) fn rtcp_tag(keys: &Keys, flag_and_index: u32, header: &[u8], payload: &[u8]) -> [u8; 20] {
    let context = &keys.context;
    let trailer = flag_and_index.to_be_bytes();
    if !keys.is_gcm() {
        return context.hmac.tag(&[header, payload, &trailer]);
    }
    let index = u64::from(flag_and_index & !RTCP_ENCRYPTED);
    let block = ctr::gcm_block(&context.salt, word(header, 4), index);
    // RFC 7714 section 9.2 and 9.3.
    let parts: [&[u8]; 3] =
        if flag_and_index & RTCP_ENCRYPTED == 0 { [header, payload, &[]] } else { [header, &[], payload] };
    widen(gcm::tag(&context.keys, &keys.hash_key, block, [parts[0], parts[1], &trailer], parts[2]))
}

fn widen(tag: [u8; gcm::TAG]) -> [u8; 20] {
    let mut wide = [0; 20];
    wide[..gcm::TAG].copy_from_slice(&tag);
    wide
}
