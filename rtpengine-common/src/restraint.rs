//! What of a flow's media reaches an output: blocked payload types, and payloads replaced by silence.

use crate::{
    abi::{FLOW_BLOCK, FLOW_SILENCE, FlowValue},
    packet::Rtp,
    reason::Reason,
};

/// Whether a payload type reaches the output.
///
/// # Errors
/// [`Reason::PayloadBlocked`].
#[inline(always)]
pub fn admit(output: &FlowValue, payload_type: u8) -> Result<(), Reason> {
    if output.flags & FLOW_BLOCK != 0 && !lists(output.passing_types, payload_type) {
        return Err(Reason::PayloadBlocked);
    }
    Ok(())
}

/// The byte that payloads of this type are filled with, if they are.
#[inline(always)]
pub fn silence(output: &FlowValue, payload_type: u8) -> Option<u8> {
    if output.flags & FLOW_SILENCE == 0 {
        return None;
    }
    // Calculated: the verifier goes through what follows a choice once for each of its outcomes.
    let [a, b, c] = &output.silence;
    let [x, y, z] = [a, b, c].map(|pattern| u64::from(lists(pattern.payload_types, payload_type)));
    let byte = (x * u64::from(a.byte)) | (y * u64::from(b.byte)) | (z * u64::from(c.byte));
    if x | y | z == 0 { None } else { Some(byte as u8) }
}

/// Whether a bitmap of payload types has this one.
#[inline(always)]
pub fn lists([low, high]: [u64; 2], payload_type: u8) -> bool {
    let upper = u64::from(payload_type >> 6 & 1);
    let word = low & upper.wrapping_sub(1) | high & upper.wrapping_neg();
    (word >> (payload_type & 63)) & 1 != 0
}

/// Where the payload of a packet of `len` bytes begins, if it has room for what its header says. `words`: length of the
/// header extension, if there is one.
#[inline(always)]
pub fn payload_start(rtp: &Rtp, words: u16, len: usize) -> Option<usize> {
    let extension = if rtp.flags & Rtp::EXTENSION != 0 { usize::from(words) * 4 } else { 0 };
    Some(rtp.min_len() + extension).filter(|start| *start <= len)
}

/// Where it ends. `last`: the last byte of the packet, which counts those of the padding (RFC 3550 section 5.1).
#[inline(always)]
pub fn payload_end(rtp: &Rtp, last: u8, start: usize, len: usize) -> Option<usize> {
    if rtp.flags & Rtp::PADDING == 0 {
        return Some(len);
    }
    len.checked_sub(usize::from(last)).filter(|end| last != 0 && *end >= start)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::abi::SilencePattern;
    use crate::packet::{Frame as _, RtpLayout};

    #[test]
    fn the_payload_lies_where_the_relay_finds_it() {
        // A linear congruential generator will do (Knuth's MMIX).
        let mut state = 1_u64;
        let mut random = move || {
            state = state.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
            (state >> 40) as u8
        };
        let mut found = 0;
        for _ in 0..20_000 {
            let len = 12 + usize::from(random() % 90);
            let mut packet: Vec<u8> = (0..len).map(|_| random() % 24).collect();
            packet[0] = 0x80 | random() & 0x3f;
            let rtp: Rtp = *packet[..].view(0).unwrap();
            let at = rtp.min_len();
            let words = packet.get(at - 2..at).map_or(0, |words| u16::from_be_bytes([words[0], words[1]]));
            let start = payload_start(&rtp, words, len);
            let end = start.and_then(|start| payload_end(&rtp, packet[len - 1], start, len));
            let layout = RtpLayout::parse(&packet).map(|layout| layout.payload);
            assert_eq!(start.zip(end), layout, "{packet:?}");
            found += u32::from(layout.is_some());
        }
        assert!(found > 1000, "{found}");
    }

    #[test]
    fn only_what_is_listed_passes_and_is_silenced() {
        let mut output = FlowValue::default();
        output.silence[1] = SilencePattern { payload_types: [1 << 8, 0], byte: 0xd5, pad: [0; 7] };
        assert_eq!((admit(&output, 0), silence(&output, 8)), (Ok(()), None));
        output.flags = FLOW_BLOCK | FLOW_SILENCE;
        output.passing_types = [1 << 8, 1 << (101 - 64)];
        assert_eq!(admit(&output, 0), Err(Reason::PayloadBlocked));
        assert_eq!(admit(&output, 37), Err(Reason::PayloadBlocked));
        assert_eq!([admit(&output, 8), admit(&output, 101)], [Ok(()); 2]);
        assert_eq!(
            [silence(&output, 8), silence(&output, 101), silence(&output, 0)],
            [Some(0xd5), None, None]
        );
    }
}
