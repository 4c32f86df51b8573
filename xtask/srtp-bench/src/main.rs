//! What SRTP costs a 172-byte RTP packet in the relay, and what it would cost with the primitives of RustCrypto, OpenSSL
//! and AWS-LC: `cargo xtask bench srtp`.
//!
//! Those are called with prepared keys and nothing around them, neither parsing nor replay protection; ours is the whole
//! session. Everybody works on the same packets, which must come out the same. Measured are batches, those of all in turn;
//! the best one counts, as it was disturbed least.
//!
//! What it is like on a CPU without AES, SHA and carry-less products: RustCrypto is built to do without by
//! `RUSTFLAGS='--cfg aes_backend="soft" --cfg sha1_backend="soft" --cfg polyval_backend="soft"'`, and for the others
//! x86 is told by `OPENSSL_ia32cap='~0x200000200000000:~0x60020000000'` to have none.

mod aws_lc;
mod bare;
mod openssl;
mod rustcrypto;

use std::hint::black_box;
use std::time::{Duration, Instant};

use anyhow::{Result, ensure};
use rtpengine::srtp::{MAX_GROWTH, Session};
use rtpengine_common::srtp::abi::StreamState;
use rtpengine_common::srtp::kdf::{Purpose, SessionKeys};
use rtpengine_common::srtp::{self, CryptoParams, Mki, SessionParams, Suite};

use crate::bare::Bare;

/// RTP header and 20 ms of G.711.
const PACKET: usize = 172;
const HEADER: usize = 12;
/// Packets of a batch: as many as the cache of a core holds.
const BATCH: u16 = 512;
const ROUNDS: usize = 400;
/// What ours may cost of the best other one.
const BAR: f64 = 1.15;
/// Columns, ours aside.
const OTHERS: [&str; 3] = ["RustCrypto", "OpenSSL", "AWS-LC"];

/// A packet with room for what SRTP adds.
type Buffer = [u8; PACKET + MAX_GROWTH];

/// Somebody's SRTP.
trait Srtp {
    /// Protects packets with the indices from zero on; returns their new length.
    fn protect(&mut self, packets: &mut [Buffer]) -> Result<usize>;

    /// Reverses it, given that length.
    fn unprotect(&mut self, packets: &mut [Buffer], len: usize) -> Result<()>;
}

impl Srtp for Session {
    fn protect(&mut self, packets: &mut [Buffer]) -> Result<usize> {
        let mut state = StreamState::default();
        let mut len = 0;
        for packet in packets {
            len = self.protect_rtp(&mut state, packet, PACKET)?;
        }
        Ok(len)
    }

    fn unprotect(&mut self, packets: &mut [Buffer], len: usize) -> Result<()> {
        let mut state = StreamState::default();
        for packet in packets {
            self.unprotect_rtp(&mut state, &mut packet[..len])?;
        }
        Ok(())
    }
}

fn plain() -> Vec<Buffer> {
    let packet = |number: u16| {
        let mut packet = [0xd5; PACKET + MAX_GROWTH];
        packet[..HEADER].copy_from_slice(&[0x80, 8, 0, 0, 0, 0, 0, 0, 0xca, 0xfe, 0xf0, 0x0d]);
        packet[2..4].copy_from_slice(&number.to_be_bytes());
        packet
    };
    (0..BATCH).map(packet).collect()
}

/// Nanoseconds of a packet in the best batch: protected, unprotected.
type Costs = [f64; 2];

/// What everybody takes. `None` for those who are not there.
fn measure(all: &mut [Option<Box<dyn Srtp>>]) -> Result<Vec<Option<Costs>>> {
    let original = plain();
    let mut packets = original.clone();
    let mut protected: Option<Vec<Buffer>> = None;
    let mut best = vec![[Duration::MAX; 2]; all.len()];
    for round in 0..ROUNDS {
        for turn in 0..all.len() {
            // Nobody always comes after the same other.
            let who = if round % 2 == 0 { turn } else { all.len() - 1 - turn };
            let Some(srtp) = &mut all[who] else { continue };
            packets.copy_from_slice(&original);
            let start = Instant::now();
            let len = srtp.protect(black_box(&mut packets))?;
            let middle = Instant::now();
            if round == 0 {
                let first = protected.get_or_insert_with(|| packets.clone());
                let same = first.iter().zip(&packets).all(|(one, other)| one[..len] == other[..len]);
                ensure!(same, "packets are protected differently");
            }
            let again = Instant::now();
            srtp.unprotect(black_box(&mut packets), len)?;
            let end = Instant::now();
            let same = packets.iter().zip(&original).all(|(one, other)| one[..PACKET] == other[..PACKET]);
            ensure!(same, "packets do not come back as they were");
            best[who] = [best[who][0].min(middle - start), best[who][1].min(end - again)];
        }
    }
    let cost = |time: Duration| time.as_nanos() as f64 / f64::from(BATCH);
    Ok(all.iter().zip(best).map(|(one, best)| one.as_ref().map(|_| best.map(cost))).collect())
}

/// Everybody with the keys of a suite; ours first, then in the order of [`OTHERS`].
fn everybody(suite: Suite) -> Result<Vec<Option<Box<dyn Srtp>>>> {
    let (key, salt) = ([7; 32], [9; 14]);
    let (key, salt) = (&key[..suite.key_len()], &salt[..suite.salt_len()]);
    let params = CryptoParams::new(suite, key, salt, Mki::NONE, SessionParams::default())?;
    let mut all: Vec<Option<Box<dyn Srtp>>> = vec![Some(Box::new(Session::new(&params)))];
    if matches!(suite.cipher(), srtp::Cipher::F8) {
        // No library has it.
        all.extend(OTHERS.map(|_| None));
        return Ok(all);
    }
    let keys = SessionKeys::derive(&params, Purpose::Rtp);
    all.push(Some(Box::new(Bare::new(suite, &keys, rustcrypto::RustCrypto::new(suite, &keys)))));
    all.push(Some(Box::new(Bare::new(suite, &keys, openssl::OpenSsl::new(suite, &keys)?))));
    all.push(Some(Box::new(Bare::new(suite, &keys, aws_lc::AwsLc::new(suite, &keys)?))));
    Ok(all)
}

fn main() -> Result<()> {
    print!("{:25}{:12}{:>8}", "ns a packet of 172 bytes", "", "ours");
    for name in OTHERS {
        print!("{name:>12}");
    }
    println!("{:>12}  within 15 %", "ours/best");
    let mut missed = 0;
    for suite in Suite::ALL {
        let costs = measure(&mut everybody(suite)?)?;
        for (direction, name) in ["protect", "unprotect"].into_iter().enumerate() {
            let mut figures = costs.iter().map(|costs| costs.map(|costs| costs[direction]));
            let ours = figures.next().flatten().unwrap_or_default();
            let others: Vec<Option<f64>> = figures.collect();
            print!("{:25}{name:12}{ours:8.0}", suite.name());
            for other in &others {
                print!("{:>12}", other.map_or_else(|| "-".to_owned(), |cost| format!("{cost:.0}")));
            }
            let Some(best) = others.into_iter().flatten().min_by(f64::total_cmp) else {
                println!();
                continue;
            };
            let met = ours <= best * BAR;
            missed += u32::from(!met);
            println!("{:12.2}  {}", ours / best, if met { "yes" } else { "no" });
        }
    }
    println!("the bar is missed {missed} times");
    Ok(())
}
