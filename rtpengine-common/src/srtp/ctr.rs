//! AES in counter mode (RFC 3711 section 4.1.1; the cipher of GCM).

use super::aes::{RoundKeys, States, Stream, add, spread};

/// Blocks of key stream that one [`Counter`] is good for.
pub const MAX_BLOCKS: u32 = 256;

/// Counter blocks that differ in their last byte: what the first two rounds have in common, computed once a packet. Words
/// as [`States`] has them.
#[repr(C)]
#[derive(Clone, Copy, Default)]
pub struct Counter {
    /// First column after round 1, without the byte that holds the number.
    first: u64,
    /// Last column before round 1, for number 0.
    last: u64,
    /// Columns after round 2, without what depends on `first`.
    second: [u64; 4],
}

impl Counter {
    /// For the counter blocks from `block` on, whose last byte is zero. `states`: memory, whatever it holds.
    #[inline(always)]
    pub fn new(keys: &RoundKeys, block: [u32; 4], states: &mut States) -> Self {
        let k = keys.first();
        let last = spread(block[3]) ^ k[3];
        [states[0], states[1]] = [spread(block[0]) ^ k[0], spread(block[1]) ^ k[1]];
        [states[2], states[3]] = [spread(block[2]) ^ k[2], last];
        let first = add::<2, 2>(add::<1, 1>(add::<0, 0>(k[4], states), states), states);
        let f = add::<0, 3>(add::<3, 2>(add::<2, 1>(add::<1, 0>(k[5], states), states), states), states);
        let g = add::<1, 3>(add::<0, 2>(add::<3, 1>(add::<2, 0>(k[6], states), states), states), states);
        let h = add::<2, 3>(add::<1, 2>(add::<0, 1>(add::<3, 0>(k[7], states), states), states), states);
        [states[5], states[6], states[7]] = [f, g, h];
        Self {
            first,
            last,
            second: [
                add::<7, 3>(add::<6, 2>(add::<5, 1>(k[8], states), states), states),
                add::<7, 2>(add::<6, 1>(add::<5, 0>(k[9], states), states), states),
                add::<5, 3>(add::<7, 1>(add::<6, 0>(k[10], states), states), states),
                add::<6, 3>(add::<5, 2>(add::<7, 0>(k[11], states), states), states),
            ],
        }
    }

    /// Block `number` of the key stream and the next one, both below [`MAX_BLOCKS`]. `states`: memory, whatever it holds.
    #[inline(always)]
    pub fn blocks(&self, keys: &RoundKeys, number: u32, states: &mut States) -> Stream {
        [states[0], states[4]] = [self.last ^ spread(number & 0xff), self.last ^ spread((number + 1) & 0xff)];
        [states[0], states[4]] = [add::<0, 3>(self.first, states), add::<4, 3>(self.first, states)];
        let [a, b, c, d] = self.second;
        let (a, e) = (add::<0, 0>(a, states), add::<4, 0>(a, states));
        let (b, f) = (add::<0, 3>(b, states), add::<4, 3>(b, states));
        let (c, g) = (add::<0, 2>(c, states), add::<4, 2>(c, states));
        let (d, h) = (add::<0, 1>(d, states), add::<4, 1>(d, states));
        *states = [a, b, c, d, e, f, g, h];
        keys.finish(states)
    }
}

/// The counter block for a packet in AES-CM: `salt` is the session salt with sixteen zero bits behind it.
#[inline(always)]
pub const fn cm_block(salt: &[u32; 4], ssrc: u32, index: u64) -> [u32; 4] {
    [salt[0], salt[1] ^ ssrc, salt[2] ^ (index >> 16) as u32, salt[3] ^ (index as u32) << 16]
}

/// The counter block 0 for a packet in AES-GCM (RFC 7714 section 8.1 and 9.1): `salt` is the session salt with 32 zero
/// bits behind it. Block 1 encrypts the tag, data begin at block 2.
#[inline(always)]
pub const fn gcm_block(salt: &[u32; 4], ssrc: u32, index: u64) -> [u32; 4] {
    [salt[0] ^ ssrc >> 16, salt[1] ^ ssrc << 16 ^ (index >> 32) as u32, salt[2] ^ index as u32, 0]
}

/// Encrypts or decrypts `data` with the key stream from block `first` on.
#[cfg(feature = "srtp")]
pub fn apply(keys: &RoundKeys, counter_block: [u32; 4], first: u32, data: &mut [u8]) {
    let [a, b, c, d] = counter_block;
    let mut states = States::default();
    let mut counter = Counter::default();
    let mut known = None;
    let mut stream = [0; 32];
    // By pairs of blocks that begin with an even number.
    let skipped = 16 * (first as usize % 2);
    for (at, byte) in (skipped..).zip(data) {
        if at % 32 == 0 || at == skipped {
            let number = (first & !1) + 2 * (at / 32) as u32;
            let within = number % MAX_BLOCKS;
            if known != Some(number - within) {
                known = Some(number - within);
                counter = Counter::new(keys, [a, b, c, d.wrapping_add(number - within)], &mut states);
            }
            for (bytes, half) in
                stream.as_chunks_mut().0.iter_mut().zip(counter.blocks(keys, within, &mut states))
            {
                *bytes = half.to_le_bytes();
            }
        }
        *byte ^= stream[at % 32];
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Some blocks of the key stream for session salt f0f1...fd, SSRC 0, index 0.
    fn check(key: &str, blocks: &[(u32, u128)]) {
        let key = u128_bytes(key);
        let keys = RoundKeys::expand(&key).unwrap();
        let block = cm_block(&[0xf0f1_f2f3, 0xf4f5_f6f7, 0xf8f9_fafb, 0xfcfd_0000], 0, 0);
        for &(number, expected) in blocks {
            let mut data = [0; 16];
            apply(&keys, block, number, &mut data);
            assert_eq!(u128::from_be_bytes(data), expected, "block {number:#x}");
        }
        let mut whole = vec![0; 16 * 0xff02];
        apply(&keys, block, 0, &mut whole);
        for &(number, expected) in blocks {
            assert_eq!(whole[16 * number as usize..][..16], expected.to_be_bytes(), "block {number:#x}");
        }
    }

    fn u128_bytes(hex: &str) -> Vec<u8> {
        (0..hex.len() / 2).map(|at| u8::from_str_radix(&hex[2 * at..2 * at + 2], 16).unwrap()).collect()
    }

    #[test]
    fn rfc_3711_appendix_b_2() {
        check(
            "2b7e151628aed2a6abf7158809cf4f3c",
            &[
                (0x0000, 0xe03e_ad09_35c9_5e80_e166_b16d_d92b_4eb4),
                (0x0001, 0xd235_1316_2b02_d0f7_2a43_a2fe_4a5f_97ab),
                (0x0002, 0x41e9_5b3b_b0a2_e8dd_4779_01e4_fca8_94c0),
                (0xfeff, 0xec8c_df73_9860_7cb0_f2d2_1675_ea9e_a1e4),
                (0xff00, 0x362b_7c3c_6773_5163_18a0_77d7_fc50_73ae),
                (0xff01, 0x6a2c_c378_7889_374f_beb4_c81b_17ba_6c44),
            ],
        );
    }

    #[test]
    fn rfc_6188_section_7_1() {
        check(
            "57f82fe3613fd170a85ec93c40b1f0922ec4cb0dc025b58272147cc438944a98",
            &[
                (0x0000, 0x92bd_d28a_93c3_f525_11c6_77d0_8b55_15a4),
                (0x0001, 0x9da7_1b23_78a8_54f6_7050_756d_ed16_5bac),
                (0x0002, 0x63c4_868b_7096_d884_21b5_63b8_c94c_9a31),
                (0xfeff, 0xcea5_18c9_0fd9_1ced_9cbb_18c0_78a5_4711),
                (0xff00, 0x3dbc_4814_f4da_5f00_a087_72b6_3c6a_046d),
                (0xff01, 0x6eb2_4691_3062_a168_9143_3e97_dd01_a57f),
            ],
        );
    }

    #[test]
    fn rfc_6188_section_7_3() {
        check(
            "eab234764e517b2d3d160d587d8c86219740f65f99b6bcf7",
            &[
                (0x0000, 0x3509_6cba_4610_028d_c1b5_7503_804c_e37c),
                (0x0001, 0x5de9_8629_1dcc_e161_d516_5ec4_568f_5c9a),
                (0x0002, 0x474a_40c7_7894_bc17_1802_0227_2a4c_264d),
                (0xfeff, 0xd108_d1a3_1a00_bad6_367e_c23e_b044_b415),
                (0xff00, 0xc8f5_7129_fdeb_970b_59f9_17b2_5766_2d4c),
                (0xff01, 0xa5da_b625_8110_34e8_cebd_feb6_dc15_8dd3),
            ],
        );
    }

    #[test]
    fn what_counters_have_in_common_is_what_the_cipher_computes() {
        for len in [16, 24, 32] {
            let keys = RoundKeys::expand(&[0x35; 32][..len]).unwrap();
            let block = [0x0102_0304, 0x0506_0708, 0x090a_0b0c, 0x0d0e_0f00];
            let mut states = [u64::MAX; 8];
            let counter = Counter::new(&keys, block, &mut states);
            let encrypted = |number| {
                let counter = block.map(u128::from).into_iter().fold(0, |all, word| all << 32 | word);
                u128::from_le_bytes(keys.encrypt_bytes((counter + u128::from(number)).to_be_bytes()))
            };
            for number in 0..MAX_BLOCKS - 1 {
                let [a, b, c, d] = counter.blocks(&keys, number, &mut states).map(u128::from);
                assert_eq!([b << 64 | a, d << 64 | c], [encrypted(number), encrypted(number + 1)]);
            }
        }
    }
}
