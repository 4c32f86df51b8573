//! SRTP to RTP, SRTCP to RTCP, over slices.

use super::{
    abi::StreamState,
    gcm, index,
    protect::{apply_rtcp, encrypt_rtp, rtcp_tag, rtp_tag},
    session::{Keys, RTCP_ENCRYPTED, RTCP_HEADER, RTCP_WORD, Refused, Session, rtp_header_len, word},
};

impl Session {
    /// Makes RTP of an SRTP packet; returns its new length. `state`: that of its SSRC, incoming.
    ///
    /// # Errors
    /// See [`Refused`].
    pub fn unprotect_rtp(&self, state: &mut StreamState, packet: &mut [u8]) -> Result<usize, Refused> {
        let keys = &self.rtp;
        let len =
            packet.len().checked_sub(keys.tag_len() + keys.mki.as_bytes().len()).ok_or(Refused::Malformed)?;
        let (packet, trailer) = packet.split_at_mut(len);
        let header_len = rtp_header_len(packet).ok_or(Refused::Malformed)?;
        let sequence = u16::from_be_bytes([packet[2], packet[3]]);
        let (tag, mki) = take_apart(keys, trailer);
        if mki != keys.mki.as_bytes() {
            return Err(Refused::Mki);
        }
        let index = index::guess(state.next, sequence).ok_or(Refused::NoIndex)?;
        let (header, payload) = packet.split_at_mut(header_len);
        if keys.unauthenticated() {
            encrypt_rtp(keys, index, header, payload);
            state.advance(index);
            return Ok(len);
        }
        state.check(index)?;
        if !same(tag, &rtp_tag(keys, index, header, payload)) {
            return Err(Refused::Authentication);
        }
        encrypt_rtp(keys, index, header, payload);
        state.accept(index)?;
        Ok(len)
    }

    /// Makes RTCP of an SRTCP packet; returns its new length. `state`: that of the sender's SSRC, incoming.
    ///
    /// The packet says itself whether it is encrypted; the flag is authenticated.
    ///
    /// # Errors
    /// See [`Refused`].
    pub fn unprotect_rtcp(&self, state: &mut StreamState, packet: &mut [u8]) -> Result<usize, Refused> {
        let keys = &self.rtcp;
        let len = packet
            .len()
            .checked_sub(RTCP_WORD + keys.tag_len() + keys.mki.as_bytes().len())
            .filter(|len| *len >= RTCP_HEADER)
            .ok_or(Refused::Malformed)?;
        let (packet, trailer) = packet.split_at_mut(len);
        if packet[0] >> 6 != 2 {
            return Err(Refused::Malformed);
        }
        let (flag_and_index, tag, mki) = if keys.is_gcm() {
            let (tag, rest) = trailer.split_at(gcm::TAG);
            (word(rest, 0), tag, &rest[RTCP_WORD..])
        } else {
            let (tag, mki) = take_apart(keys, &trailer[RTCP_WORD..]);
            (word(trailer, 0), tag, mki)
        };
        if mki != keys.mki.as_bytes() {
            return Err(Refused::Mki);
        }
        let index = u64::from(flag_and_index & !RTCP_ENCRYPTED);
        state.check(index)?;
        let (header, payload) = packet.split_at_mut(RTCP_HEADER);
        if !same(tag, &rtcp_tag(keys, flag_and_index, header, payload)) {
            return Err(Refused::Authentication);
        }
        if flag_and_index & RTCP_ENCRYPTED != 0 {
            apply_rtcp(keys, flag_and_index, header, payload);
        }
        state.accept(index)?;
        Ok(len)
    }
}

/// Tag and master key identifier.
fn take_apart<'a>(keys: &Keys, trailer: &'a [u8]) -> (&'a [u8], &'a [u8]) {
    if keys.is_gcm() {
        trailer.split_at(gcm::TAG)
    } else {
        let (mki, tag) = trailer.split_at(trailer.len() - keys.tag_len());
        (tag, mki)
    }
}

/// Whether the tag is the beginning of the right one, in a time that does not depend on where they differ.
fn same(tag: &[u8], right: &[u8; 20]) -> bool {
    tag.iter().zip(right).fold(0, |difference, (a, b)| difference | (a ^ b)) == 0
}
