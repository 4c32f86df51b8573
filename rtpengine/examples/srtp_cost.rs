//! What SRTP costs a 172-byte RTP packet, and what it would cost with OpenSSL.
//!
//! `cargo run --release -p rtpengine --example srtp_cost`
//!
//! Best of five rounds each. OpenSSL is used as well as its crate allows: cipher contexts keyed once, HMAC from two
//! copies of prepared SHA-1 states.

use std::hint::black_box;
use std::time::Instant;

use anyhow::Result;
use openssl::cipher::Cipher;
use openssl::cipher_ctx::CipherCtx;
use openssl::sha::Sha1;
use rtpengine::srtp::{MAX_GROWTH, Session};
use rtpengine_common::srtp::abi::StreamState;
use rtpengine_common::srtp::{CryptoParams, Mki, SessionParams, Suite};

/// RTP header and 20 ms of G.711.
const PACKET: usize = 172;
const HEADER: usize = 12;
const ROUND: u32 = 100_000;

/// Nanoseconds of one call.
fn cost(mut work: impl FnMut(u32) -> Result<()>) -> Result<f64> {
    let mut best = f64::MAX;
    let mut number = 0;
    for _ in 0..5 {
        let started = Instant::now();
        for _ in 0..ROUND {
            work(number)?;
            number += 1;
        }
        best = best.min(started.elapsed().as_nanos() as f64 / f64::from(ROUND));
    }
    Ok(best)
}

fn packet(number: u32) -> [u8; PACKET + MAX_GROWTH] {
    let mut packet = [0xd5; PACKET + MAX_GROWTH];
    packet[..HEADER].copy_from_slice(&[0x80, 8, 0, 0, 0, 0, 0, 0, 0xca, 0xfe, 0xf0, 0x0d]);
    packet[2..4].copy_from_slice(&(number as u16).to_be_bytes());
    packet
}

fn main() -> Result<()> {
    let empty = cost(|number| {
        black_box(packet(number));
        Ok(())
    })?;
    println!("{:26} {empty:6.0} ns, included below", "making the packet");
    for suite in Suite::ALL {
        let (key, salt) = ([7; 32], [9; 14]);
        let (key, salt) = (&key[..suite.key_len()], &salt[..suite.salt_len()]);
        let session =
            Session::new(&CryptoParams::new(suite, key, salt, Mki::NONE, SessionParams::default())?);
        let mut state = StreamState::default();
        let protect = cost(|number| {
            session.protect_rtp(&mut state, black_box(&mut packet(number)), PACKET)?;
            Ok(())
        })?;
        let [mut out, mut back] = [StreamState::default(); 2];
        let both = cost(|number| {
            let mut packet = packet(number);
            let len = session.protect_rtp(&mut out, black_box(&mut packet), PACKET)?;
            session.unprotect_rtp(&mut back, black_box(&mut packet[..len]))?;
            Ok(())
        })?;
        println!("{:26} {protect:6.0} ns protect, {:6.0} ns unprotect", suite.name(), both - protect);
    }
    println!("{:26} {:6.0} ns protect", "OpenSSL AES_CM_128", openssl_cm()?);
    println!("{:26} {:6.0} ns protect", "OpenSSL AEAD_AES_128", openssl_gcm(Cipher::aes_128_gcm(), 16)?);
    println!("{:26} {:6.0} ns protect", "OpenSSL AEAD_AES_256", openssl_gcm(Cipher::aes_256_gcm(), 32)?);
    Ok(())
}

fn openssl_cm() -> Result<f64> {
    let mut cipher = CipherCtx::new()?;
    cipher.encrypt_init(Some(Cipher::aes_128_ctr()), Some(&[7; 16]), None)?;
    let prepared = |byte| {
        let mut sha = Sha1::new();
        sha.update(&[byte; 64]);
        sha
    };
    let (inner, outer) = (prepared(0x36), prepared(0x5c));
    cost(|number| {
        let (mut packet, mut iv) = (packet(number), [9; 16]);
        iv[8..12].copy_from_slice(&number.to_be_bytes());
        cipher.encrypt_init(None, None, Some(&iv))?;
        cipher.cipher_update_inplace(&mut packet[HEADER..PACKET], PACKET - HEADER)?;
        let (mut inner, mut outer) = (inner.clone(), outer.clone());
        inner.update(&packet[..PACKET]);
        inner.update(&[0; 4]);
        outer.update(&inner.finish());
        packet[PACKET..PACKET + 10].copy_from_slice(&outer.finish()[..10]);
        black_box(&mut packet);
        Ok(())
    })
}

fn openssl_gcm(cipher: &openssl::cipher::CipherRef, key_len: usize) -> Result<f64> {
    let mut context = CipherCtx::new()?;
    context.encrypt_init(Some(cipher), Some(&[7; 32][..key_len]), None)?;
    cost(|number| {
        let (mut packet, mut iv) = (packet(number), [9; 12]);
        iv[8..].copy_from_slice(&number.to_be_bytes());
        context.encrypt_init(None, None, Some(&iv))?;
        context.cipher_update(&packet[..HEADER], None)?;
        context.cipher_update_inplace(&mut packet[HEADER..PACKET], PACKET - HEADER)?;
        context.cipher_final(&mut [])?;
        context.tag(&mut packet[PACKET..PACKET + 16])?;
        black_box(&mut packet);
        Ok(())
    })
}
