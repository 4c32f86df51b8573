//! Which library a suite is left to, found out by measurement.

use std::array;
use std::fmt;
use std::hint::black_box;
use std::sync::OnceLock;
use std::time::{Duration, Instant};

use rtpengine_common::srtp::Suite;

use super::gcm::{Gcm, IV, TAG};

/// An implementation of AES-GCM. All else is RustCrypto's, which `cargo xtask bench srtp` compares with the others.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Library {
    /// The crates `aes` and `aes-gcm`.
    RustCrypto,
    /// AWS-LC, by the crate `aws-lc-rs`.
    AwsLc,
}

impl Library {
    /// All.
    pub const ALL: [Self; 2] = [Self::RustCrypto, Self::AwsLc];
}

impl fmt::Display for Library {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str(match self {
            Self::RustCrypto => "RustCrypto",
            Self::AwsLc => "AWS-LC",
        })
    }
}

/// The suites for which there is a choice.
const SUITES: [Suite; 2] = [Suite::AeadAes128Gcm, Suite::AeadAes256Gcm];

/// RTP header and payload of a packet with 20 ms of G.711.
const HEADER: usize = 12;
const PAYLOAD: usize = 160;
/// Packets of a round, encrypted and then decrypted.
const BATCH: usize = 16;
/// Rounds of each library, in turn; the best one counts, as it was disturbed least.
const ROUNDS: usize = 16;
/// When no further round of a suite begins: where neither library has instructions of the CPU to use.
const PATIENCE: Duration = Duration::from_millis(1);

static CHOSEN: OnceLock<[Library; SUITES.len()]> = OnceLock::new();

/// The library that each suite with AES-GCM is left to. Measures the first time that anybody asks, which takes a
/// millisecond or less: the daemon does so before it relays.
pub fn choices() -> [(Suite, Library); SUITES.len()] {
    let chosen = CHOSEN.get_or_init(|| SUITES.map(measure));
    array::from_fn(|at| (SUITES[at], chosen[at]))
}

/// That of a suite; of one without AES-GCM it is RustCrypto.
pub(super) fn of(suite: Suite) -> Library {
    let chosen = choices().into_iter().find(|(chosen, _)| *chosen == suite);
    chosen.map_or(Library::RustCrypto, |(_, library)| library)
}

/// The faster one. RustCrypto where they are alike.
fn measure(suite: Suite) -> Library {
    let start = Instant::now();
    let keys = Library::ALL.map(|library| match suite.key_len() {
        16 => Gcm::new_128(library, &[7; 16]),
        _ => Gcm::new_256(library, &[7; 32]),
    });
    let mut best = Library::ALL.map(|library| (Duration::MAX, library));
    let mut packets = [[0xd5; PAYLOAD]; BATCH];
    for _ in 0..ROUNDS {
        for (key, (best, _)) in keys.iter().zip(&mut best) {
            *best = (*best).min(round(key, &mut packets));
        }
        if start.elapsed() > PATIENCE {
            break;
        }
    }
    // Of equal ones the first.
    best.into_iter().min_by_key(|(cost, _)| *cost).map_or(Library::RustCrypto, |(_, library)| library)
}

/// What packets cost to encrypt and decrypt. Their contents are the same again afterwards.
fn round(key: &Gcm, packets: &mut [[u8; PAYLOAD]; BATCH]) -> Duration {
    let header = black_box([0x80; HEADER]);
    let start = Instant::now();
    let mut intact = true;
    for (number, packet) in (0_u8..).zip(packets) {
        let iv = black_box([number; IV]);
        let mut tag = [0; TAG];
        intact &= key.seal(iv, &header, packet, &mut tag).is_some();
        intact &= key.open(iv, &header, packet, &tag).is_some();
    }
    let cost = start.elapsed();
    // Nobody is chosen who does not decrypt what he encrypted.
    if intact { cost } else { Duration::MAX }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_choice_stays_and_is_of_suites_with_gcm_alone() {
        let first = choices();
        assert_eq!(choices(), first);
        for suite in Suite::ALL {
            let chosen = first.into_iter().find(|(chosen, _)| *chosen == suite);
            assert_eq!(chosen.is_some(), suite.salt_len() == 12, "{suite:?}");
            assert_eq!(of(suite), chosen.map_or(Library::RustCrypto, |(_, library)| library));
        }
    }
}
