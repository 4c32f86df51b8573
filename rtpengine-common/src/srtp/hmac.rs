//! HMAC-SHA1 (RFC 2104) with the key's two blocks hashed beforehand.

use super::sha1::{Block, INITIAL, Schedule, compress};

/// SHA-1 states after the padded key: all that is left of the key.
#[repr(C)]
#[derive(Clone, Copy, Default, PartialEq, Eq)]
pub struct Midstates {
    /// After the key with ipad.
    pub inner: [u32; 5],
    /// After the key with opad.
    pub outer: [u32; 5],
}

impl Midstates {
    /// For a key of at most 64 bytes; what is longer is cut off.
    pub fn new(key: &[u8]) -> Self {
        let padded = |pad: u8| {
            let mut block = [pad; 64];
            for (byte, key) in block.iter_mut().zip(key) {
                *byte ^= key;
            }
            let mut state = INITIAL;
            compress(&mut state, &words(&block), &mut [0; 16]);
            state
        };
        Self { inner: padded(0x36), outer: padded(0x5c) }
    }

    /// The tag: the outer hash of the inner one. `block` as in [`Midstates::outer_block`].
    #[inline(always)]
    pub fn finish(&self, inner: &[u32; 5], block: &mut Block, schedule: &mut Schedule) -> [u32; 5] {
        Self::outer_block(inner, block);
        let mut state = self.outer;
        compress(&mut state, block, schedule);
        state
    }

    /// The block that the outer hash takes: the inner one, filled up. `block`: all zero, or as this has left it.
    #[inline(always)]
    pub fn outer_block(inner: &[u32; 5], block: &mut Block) {
        // Spelled out for BPF, which has neither memcpy nor memset.
        let pair = |first: u32, second: u32| (u64::from(first) << 32 | u64::from(second)).to_be();
        block[0] = pair(inner[0], inner[1]);
        block[1] = pair(inner[2], inner[3]);
        block[2] = pair(inner[4], 0x8000_0000);
        block[7] = pair(0, (64 + 20) * 8);
    }

    /// The tag of a message that comes in parts.
    pub fn tag(&self, parts: &[&[u8]]) -> [u8; 20] {
        let mut schedule = [0; 16];
        let mut state = self.inner;
        let mut block = [0; 64];
        let mut filled = 0;
        let mut total = 64_u64;
        for byte in parts.iter().flat_map(|part| part.iter()) {
            block[filled] = *byte;
            filled += 1;
            total += 1;
            if filled == block.len() {
                compress(&mut state, &words(&block), &mut schedule);
                filled = 0;
            }
        }
        block[filled] = 0x80;
        block[filled + 1..].fill(0);
        if filled >= 56 {
            compress(&mut state, &words(&block), &mut schedule);
            block.fill(0);
        }
        block[56..].copy_from_slice(&(total * 8).to_be_bytes());
        compress(&mut state, &words(&block), &mut schedule);
        let digest = self.finish(&state, &mut [0; 8], &mut schedule);
        let mut tag = [0; 20];
        for (bytes, word) in tag.as_chunks_mut::<4>().0.iter_mut().zip(digest) {
            *bytes = word.to_be_bytes();
        }
        tag
    }
}

#[cfg(feature = "srtp")]
impl zeroize::DefaultIsZeroes for Midstates {}

/// The words of a block as they stand in memory.
fn words(block: &[u8; 64]) -> Block {
    let mut words = [0; 8];
    for (word, bytes) in words.iter_mut().zip(block.as_chunks::<8>().0) {
        *word = u64::from_ne_bytes(*bytes);
    }
    words
}

#[cfg(test)]
mod tests {
    use super::*;

    /// RFC 2202 section 3, the cases with keys of at most a block.
    #[test]
    fn the_examples_of_rfc_2202() {
        let counting: [u8; 25] = core::array::from_fn(|index| index as u8 + 1);
        let cases: [(&[u8], &[u8], &str); 5] = [
            (&[0x0b; 20], b"Hi There", "b617318655057264e28bc0b6fb378c8ef146be00"),
            (b"Jefe", b"what do ya want for nothing?", "effcdf6ae5eb2fa2d27416d5f184df9c259a7c79"),
            (&[0xaa; 20], &[0xdd; 50], "125d7342b9ac11cd91a39af48aa17b4f63f175d3"),
            (&counting, &[0xcd; 50], "4c9007f4026250c6bc8414f9bf50c86c2d7235da"),
            (&[0x0c; 20], b"Test With Truncation", "4c1a03424b55e07fe7f27be1d58bb9324a9a5a04"),
        ];
        for (key, message, expected) in cases {
            let midstates = Midstates::new(key);
            for cut in 0..message.len() {
                let tag = midstates.tag(&[&message[..cut], &[], &message[cut..]]);
                let tag: String = tag.iter().map(|byte| format!("{byte:02x}")).collect();
                assert_eq!(tag, expected);
            }
        }
    }
}
