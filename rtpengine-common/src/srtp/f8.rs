//! AES in f8 mode (RFC 3711 section 4.1.2), which no kernel path has.

use super::aes::RoundKeys;

/// Keys of one session.
#[derive(Clone, Copy, Default)]
pub struct F8 {
    keys: RoundKeys,
    /// Of the key with the salt added, for the initialisation vector.
    masked: RoundKeys,
}

impl F8 {
    /// `None`: not the length of an AES key. `salt` may be shorter than the key, not longer.
    pub fn new(key: &[u8], salt: &[u8]) -> Option<Self> {
        let mut masked = [0x55; super::aes::MAX_KEY];
        masked.get_mut(..salt.len())?.copy_from_slice(salt);
        for (byte, key) in masked.iter_mut().zip(key) {
            *byte ^= key;
        }
        Some(Self { keys: RoundKeys::expand(key)?, masked: RoundKeys::expand(masked.get(..key.len())?)? })
    }

    /// Encrypts or decrypts.
    pub fn apply(&self, initial: [u8; 16], data: &mut [u8]) {
        let mask = u128::from_be_bytes(self.masked.encrypt_bytes(initial));
        let mut stream = 0;
        for (number, chunk) in (0_u128..).zip(data.chunks_mut(16)) {
            stream = u128::from_be_bytes(self.keys.encrypt_bytes((mask ^ number ^ stream).to_be_bytes()));
            for (byte, stream) in chunk.iter_mut().zip(stream.to_be_bytes()) {
                *byte ^= stream;
            }
        }
    }
}

impl zeroize::DefaultIsZeroes for F8 {}

/// Initialisation vector of an SRTP packet (section 4.1.2.2): its header without the first byte, and the rollover
/// counter.
pub fn rtp_initial(header: &[u8; 12], index: u64) -> [u8; 16] {
    let mut initial = [0; 16];
    initial[1..12].copy_from_slice(&header[1..]);
    initial[12..].copy_from_slice(&((index >> 16) as u32).to_be_bytes());
    initial
}

/// Initialisation vector of an SRTCP packet (section 4.1.2.3): the word of encryption flag and index, and the header.
pub fn rtcp_initial(header: &[u8; 8], flag_and_index: u32) -> [u8; 16] {
    let mut initial = [0; 16];
    initial[4..8].copy_from_slice(&flag_and_index.to_be_bytes());
    initial[8..].copy_from_slice(header);
    initial
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn rfc_3711_appendix_b_1() {
        let f8 =
            F8::new(&0x2348_2900_8467_be18_6c3d_e14a_ae72_d62c_u128.to_be_bytes(), &[0x32, 0xf2, 0x87, 0x0d])
                .unwrap();
        let header = [0x80, 0x6e, 0x5c, 0xba, 0x50, 0x68, 0x1d, 0xe5, 0x5c, 0x62, 0x15, 0x99];
        let initial = rtp_initial(&header, 0xd462_564a_5cba);
        assert_eq!(u128::from_be_bytes(initial), 0x006e_5cba_5068_1de5_5c62_1599_d462_564a);
        let mut data = *b"pseudorandomness is the next best thing";
        f8.apply(initial, &mut data);
        assert_eq!(data[..16], 0x019c_e7a2_6e78_5401_4a63_66aa_95d4_eefd_u128.to_be_bytes());
        assert_eq!(data[16..32], 0x1ad4_172a_14f9_faf4_55b7_f1d4_b62b_d08f_u128.to_be_bytes());
        assert_eq!(data[32..], [0x56, 0x2c, 0x0e, 0xef, 0x7c, 0x48, 0x02]);
    }
}
