//! SRTP on RustCrypto: written from the RFCs for tests alone, slow and simple, and without state. Callers say the index.

use aes::{
    Aes128, Aes192, Aes256,
    cipher::{BlockCipherEncrypt as _, KeyIvInit as _, StreamCipher as _},
};
use aes_gcm::{
    Aes128Gcm, Aes256Gcm,
    aead::{Aead as _, KeyInit as _, Payload},
};
use ctr::Ctr128BE;
use hmac::{Hmac, Mac as _};
use rtpengine_common::srtp::{Cipher, CryptoParams, SessionParams, Suite};
use sha1::Sha1;

/// Session keys of one direction.
pub struct Oracle {
    suite: Suite,
    session: SessionParams,
    mki: Vec<u8>,
    rtp: Keys,
    rtcp: Keys,
}

struct Keys {
    cipher: Vec<u8>,
    auth: Vec<u8>,
    salt: Vec<u8>,
}

impl Oracle {
    pub fn new(params: &CryptoParams) -> Self {
        let suite = params.suite();
        let derive = |label: u8, len: usize| {
            let mut start = [0; 16];
            start[..params.master_salt().len()].copy_from_slice(params.master_salt());
            start[7] ^= label;
            let mut key = vec![0; len];
            key_stream(params.master_key(), &start, &mut key);
            key
        };
        let keys = |first: u8| Keys {
            cipher: derive(first, suite.key_len()),
            auth: derive(first + 1, 20),
            salt: derive(first + 2, suite.salt_len()),
        };
        Self {
            suite,
            session: params.session(),
            mki: params.mki().as_bytes().to_vec(),
            rtp: keys(0),
            rtcp: keys(3),
        }
    }

    /// The SRTP packet for an RTP packet whose header has `header_len` bytes.
    pub fn rtp(&self, packet: &[u8], header_len: usize, index: u64) -> Vec<u8> {
        let keys = &self.rtp;
        let (header, payload) = packet.split_at(header_len);
        let ssrc: [u8; 4] = packet[8..12].try_into().unwrap();
        let rollover = ((index >> 16) as u32).to_be_bytes();
        let clear = self.session.unencrypted_srtp;
        if self.suite.cipher() == Cipher::Gcm {
            let iv = [&[0, 0][..], &ssrc, &index.to_be_bytes()[2..]].concat();
            let sealed = if clear {
                [payload, &keys.seal(&iv, packet, &[])].concat()
            } else {
                keys.seal(&iv, header, payload)
            };
            return [header, &sealed, &self.mki].concat();
        }
        let mut payload = payload.to_vec();
        match self.suite.cipher() {
            Cipher::Cm if !clear => keys.counter_mode(&ssrc, index, &mut payload),
            Cipher::F8 if !clear => keys.f8(&[&[0][..], &header[1..12], &rollover].concat(), &mut payload),
            _ => {}
        }
        let tag = match self.session.unauthenticated_srtp {
            true => vec![],
            false => keys.tag(&[header, &payload, &rollover].concat(), self.suite.srtp_tag_len()),
        };
        [header, &payload, &self.mki, &tag].concat()
    }

    /// The SRTCP packet for an RTCP packet.
    pub fn rtcp(&self, packet: &[u8], index: u32) -> Vec<u8> {
        let keys = &self.rtcp;
        let (header, payload) = packet.split_at(8);
        let ssrc: [u8; 4] = packet[4..8].try_into().unwrap();
        let clear = self.session.unencrypted_srtcp || self.suite.cipher() == Cipher::Null;
        let word = (index | if clear { 0 } else { 1 << 31 }).to_be_bytes();
        if self.suite.cipher() == Cipher::Gcm {
            let iv = [&[0, 0][..], &ssrc, &[0, 0], &index.to_be_bytes()].concat();
            let sealed = if clear {
                [payload, &keys.seal(&iv, &[packet, &word].concat(), &[])].concat()
            } else {
                keys.seal(&iv, &[header, &word].concat(), payload)
            };
            return [header, &sealed, &word, &self.mki].concat();
        }
        let mut payload = payload.to_vec();
        match self.suite.cipher() {
            Cipher::Cm if !clear => keys.counter_mode(&ssrc, u64::from(index), &mut payload),
            Cipher::F8 if !clear => keys.f8(&[&[0; 4][..], &word, header].concat(), &mut payload),
            _ => {}
        }
        let authenticated = [header, &payload, &word].concat();
        let tag = keys.tag(&authenticated, self.suite.srtcp_tag_len());
        [&authenticated[..], &self.mki, &tag].concat()
    }
}

impl Keys {
    /// RFC 3711 section 4.1.1.
    fn counter_mode(&self, ssrc: &[u8; 4], index: u64, data: &mut [u8]) {
        let salt = self.salt.iter().fold(0, |salt, byte| salt << 8 | u128::from(*byte)) << 16;
        let start = salt ^ u128::from(u32::from_be_bytes(*ssrc)) << 64 ^ u128::from(index) << 16;
        key_stream(&self.cipher, &start.to_be_bytes(), data);
    }

    /// RFC 3711 section 4.1.2.
    fn f8(&self, initial: &[u8], data: &mut [u8]) {
        let block = |key: &[u8], input: [u8; 16]| {
            let mut block = input.into();
            Aes128::new_from_slice(key).unwrap().encrypt_block(&mut block);
            <[u8; 16]>::from(block)
        };
        let mut mask = self.salt.clone();
        mask.resize(16, 0x55);
        let masked: Vec<u8> = self.cipher.iter().zip(&mask).map(|(key, mask)| key ^ mask).collect();
        let second = u128::from_be_bytes(block(&masked, initial.try_into().unwrap()));
        let mut stream = 0;
        for (number, chunk) in data.chunks_mut(16).enumerate() {
            stream =
                u128::from_be_bytes(block(&self.cipher, (second ^ number as u128 ^ stream).to_be_bytes()));
            chunk.iter_mut().zip(stream.to_be_bytes()).for_each(|(byte, stream)| *byte ^= stream);
        }
    }

    fn tag(&self, message: &[u8], len: usize) -> Vec<u8> {
        let mut mac = <Hmac<Sha1> as hmac::KeyInit>::new_from_slice(&self.auth).unwrap();
        mac.update(message);
        mac.finalize().into_bytes()[..len].to_vec()
    }

    /// RFC 7714 section 8.1 and 9.1. `iv`: before the salt is added.
    fn seal(&self, iv: &[u8], aad: &[u8], msg: &[u8]) -> Vec<u8> {
        let nonce: [u8; 12] = std::array::from_fn(|at| iv[at] ^ self.salt[at]);
        let payload = Payload { msg, aad };
        match self.cipher.len() {
            16 => Aes128Gcm::new_from_slice(&self.cipher).unwrap().encrypt(&nonce.into(), payload).unwrap(),
            _ => Aes256Gcm::new_from_slice(&self.cipher).unwrap().encrypt(&nonce.into(), payload).unwrap(),
        }
    }
}

fn key_stream(key: &[u8], start: &[u8; 16], data: &mut [u8]) {
    match key.len() {
        16 => Ctr128BE::<Aes128>::new_from_slices(key, start).unwrap().apply_keystream(data),
        24 => Ctr128BE::<Aes192>::new_from_slices(key, start).unwrap().apply_keystream(data),
        _ => Ctr128BE::<Aes256>::new_from_slices(key, start).unwrap().apply_keystream(data),
    }
}
