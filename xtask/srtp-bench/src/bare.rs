//! SRTP of a packet by somebody's primitives, with as little around them as can be.

use anyhow::{Result, ensure};
use rtpengine_common::srtp::kdf::SessionKeys;
use rtpengine_common::srtp::{Cipher, Suite};

use crate::{Buffer, HEADER, PACKET, Srtp};

/// Bytes of an AES-GCM tag.
pub const GCM_TAG: usize = 16;

/// What a library does with prepared keys. Only what the suite needs is called.
pub trait Primitives {
    /// AES in counter mode.
    fn count(&mut self, initial: [u8; 16], data: &mut [u8]) -> Result<()>;

    /// HMAC-SHA1 of `data` followed by `trailer`.
    fn authenticate(&mut self, data: &[u8], trailer: [u8; 4]) -> [u8; 20];

    /// Encrypts with AES-GCM all but the last 16 bytes of `data`, which the tag is put into.
    fn seal(&mut self, iv: [u8; 12], associated: &[u8], data: &mut [u8]) -> Result<()>;

    /// Reverses it.
    fn open(&mut self, iv: [u8; 12], associated: &[u8], data: &mut [u8]) -> Result<()>;
}

/// A suite, by some primitives.
pub struct Bare<P> {
    primitives: P,
    cipher: Cipher,
    tag_len: usize,
    salt: u128,
}

impl<P: Primitives> Bare<P> {
    pub fn new(suite: Suite, keys: &SessionKeys, primitives: P) -> Self {
        let mut salt = [0; 16];
        salt[..14].copy_from_slice(&keys.salt);
        Self {
            primitives,
            cipher: suite.cipher(),
            tag_len: suite.srtp_tag_len(),
            salt: u128::from_be_bytes(salt),
        }
    }

    fn count(&mut self, ssrc: u32, index: u64, payload: &mut [u8]) -> Result<()> {
        if matches!(self.cipher, Cipher::Null) {
            return Ok(());
        }
        // RFC 3711 section 4.1.1.
        let initial = self.salt ^ u128::from(ssrc) << 64 ^ u128::from(index) << 16;
        self.primitives.count(initial.to_be_bytes(), payload)
    }

    /// RFC 7714 section 8.1.
    fn gcm_iv(&self, ssrc: u32, index: u64) -> [u8; 12] {
        let block = (self.salt ^ u128::from(ssrc) << 80 ^ u128::from(index) << 32).to_be_bytes();
        let mut iv = [0; 12];
        iv.copy_from_slice(&block[..12]);
        iv
    }
}

fn ssrc(packet: &[u8]) -> u32 {
    u32::from_be_bytes([packet[8], packet[9], packet[10], packet[11]])
}

impl<P: Primitives> Srtp for Bare<P> {
    fn protect(&mut self, packets: &mut [Buffer]) -> Result<usize> {
        for (index, packet) in (0..).zip(packets) {
            let ssrc = ssrc(packet);
            if matches!(self.cipher, Cipher::Gcm) {
                let iv = self.gcm_iv(ssrc, index);
                let (header, rest) = packet.split_at_mut(HEADER);
                self.primitives.seal(iv, header, &mut rest[..PACKET - HEADER + GCM_TAG])?;
                continue;
            }
            self.count(ssrc, index, &mut packet[HEADER..PACKET])?;
            let (packet, trailer) = packet.split_at_mut(PACKET);
            let tag = self.primitives.authenticate(packet, [0; 4]);
            trailer[..self.tag_len].copy_from_slice(&tag[..self.tag_len]);
        }
        Ok(PACKET + self.tag_len)
    }

    fn unprotect(&mut self, packets: &mut [Buffer], len: usize) -> Result<()> {
        for (index, packet) in (0..).zip(packets) {
            let ssrc = ssrc(packet);
            if matches!(self.cipher, Cipher::Gcm) {
                let iv = self.gcm_iv(ssrc, index);
                let (header, rest) = packet[..len].split_at_mut(HEADER);
                self.primitives.open(iv, header, rest)?;
                continue;
            }
            let (packet, trailer) = packet[..len].split_at_mut(PACKET);
            let tag = self.primitives.authenticate(packet, [0; 4]);
            let difference = trailer.iter().zip(tag).fold(0, |difference, (a, b)| difference | (a ^ b));
            ensure!(difference == 0, "the tag does not match");
            self.count(ssrc, index, &mut packet[HEADER..])?;
        }
        Ok(())
    }
}
