//! AES-GCM (NIST SP 800-38D) over slices, with the 96-bit initialisation vectors of RFC 7714.

use super::{aes::RoundKeys, ctr, ghash::HashKey};

/// Bytes of the authentication tag.
pub const TAG: usize = 16;

/// The hash key that belongs to the cipher's keys.
pub fn hash_key(keys: &RoundKeys) -> HashKey {
    HashKey::new(halves(keys.encrypt_bytes([0; 16])))
}

/// Encrypts or decrypts `data`. `counter_block`: [`ctr::gcm_block`].
pub fn apply(keys: &RoundKeys, counter_block: [u32; 4], data: &mut [u8]) {
    ctr::apply(keys, counter_block, 2, data);
}

/// The tag of associated data, which come in parts, and encrypted data.
pub fn tag(
    keys: &RoundKeys,
    hash_key: &HashKey,
    counter_block: [u32; 4],
    associated: [&[u8]; 3],
    encrypted: &[u8],
) -> [u8; TAG] {
    let hash = absorb(hash_key, [0; 2], &associated);
    let hash = absorb(hash_key, hash, &[encrypted]);
    let hash = hash_key.absorb(hash, [bits(&associated), bits(&[encrypted])]);
    let mut tag = [0; TAG];
    tag[..8].copy_from_slice(&hash[0].to_be_bytes());
    tag[8..].copy_from_slice(&hash[1].to_be_bytes());
    ctr::apply(keys, counter_block, 1, &mut tag);
    tag
}

fn bits(parts: &[&[u8]]) -> u64 {
    parts.iter().fold(0, |bits, part| bits + part.len() as u64 * 8)
}

/// Absorbs bytes, the last block filled up with zeros.
fn absorb(key: &HashKey, mut hash: [u64; 2], parts: &[&[u8]]) -> [u64; 2] {
    let mut block = [0; 16];
    let mut filled = 0;
    for byte in parts.iter().flat_map(|part| part.iter()) {
        block[filled] = *byte;
        filled += 1;
        if filled == block.len() {
            hash = key.absorb(hash, halves(block));
            filled = 0;
        }
    }
    if filled > 0 {
        block[filled..].fill(0);
        hash = key.absorb(hash, halves(block));
    }
    hash
}

fn halves(block: [u8; 16]) -> [u64; 2] {
    let whole = u128::from_be_bytes(block);
    [(whole >> 64) as u64, whole as u64]
}
