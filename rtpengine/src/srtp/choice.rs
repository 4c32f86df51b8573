//! Which library a suite is left to, found out by measurement.

use std::fmt;
use std::hint::black_box;
use std::sync::OnceLock;
use std::time::{Duration, Instant};

use rtpengine_common::srtp::kdf::AUTH_KEY;
use rtpengine_common::srtp::{Cipher, Suite};

use super::counter::Counter;
use super::f8::F8;
use super::gcm::{self, Gcm};
use super::hmac::Authenticator;

/// Somebody's implementation.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Library {
    /// The crates `aes`, `ctr`, `aes-gcm`, `hmac` and `sha1`.
    RustCrypto,
    /// AWS-LC, by the crate `aws-lc-rs`.
    AwsLc,
    /// The system's OpenSSL, by the crate `openssl`.
    OpenSsl,
}

impl fmt::Display for Library {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str(match self {
            Self::RustCrypto => "RustCrypto",
            Self::AwsLc => "AWS-LC",
            Self::OpenSsl => "OpenSSL",
        })
    }
}

/// What a suite is made of, where several libraries have it. Who is slower on every CPU that it was measured on is not
/// asked: OpenSSL for ciphers, AWS-LC for HMAC (`cargo xtask bench srtp` has all).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Primitive {
    /// AES in counter mode with keys of 16 bytes.
    Counter128,
    /// Of 24 bytes.
    Counter192,
    /// Of 32 bytes.
    Counter256,
    /// AES-GCM with keys of 16 bytes.
    Gcm128,
    /// Of 32 bytes.
    Gcm256,
    /// AES in f8 mode.
    F8,
    /// HMAC-SHA1.
    Hmac,
}

impl Primitive {
    /// All, by their number.
    pub const ALL: [Self; 7] = [
        Self::Counter128,
        Self::Counter192,
        Self::Counter256,
        Self::Gcm128,
        Self::Gcm256,
        Self::F8,
        Self::Hmac,
    ];

    /// The libraries that have it.
    pub const fn libraries(self) -> [Library; 2] {
        match self {
            Self::Counter128 | Self::Counter192 | Self::Counter256 => Counter::LIBRARIES,
            Self::Gcm128 | Self::Gcm256 => Gcm::LIBRARIES,
            Self::F8 => F8::LIBRARIES,
            Self::Hmac => Authenticator::LIBRARIES,
        }
    }

    /// With a key, by that library.
    fn prepare(self, library: Library) -> Prepared {
        match self {
            Self::Counter128 => Prepared::Counter(Counter::new_128(library, &[7; 16])),
            Self::Counter192 => Prepared::Counter(Counter::new_192(library, &[7; 24])),
            Self::Counter256 => Prepared::Counter(Counter::new_256(library, &[7; 32])),
            Self::Gcm128 => Prepared::Gcm(Gcm::new_128(library, &[7; 16])),
            Self::Gcm256 => Prepared::Gcm(Gcm::new_256(library, &[7; 32])),
            Self::F8 => Prepared::F8(Box::new(F8::new(library, &[7; 16], &[9; 14]))),
            Self::Hmac => Prepared::Hmac(Authenticator::new(library, &[7; AUTH_KEY])),
        }
    }
}

impl fmt::Display for Primitive {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str(match self {
            Self::Counter128 => "AES-128 in counter mode",
            Self::Counter192 => "AES-192 in counter mode",
            Self::Counter256 => "AES-256 in counter mode",
            Self::Gcm128 => "AES-128-GCM",
            Self::Gcm256 => "AES-256-GCM",
            Self::F8 => "AES-128 in f8 mode",
            Self::Hmac => "HMAC-SHA1",
        })
    }
}

/// Those of a suite.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Libraries {
    /// For the cipher.
    pub cipher: Library,
    /// For authentication, if it is not the cipher's.
    pub hmac: Library,
}

impl Libraries {
    /// The fastest for a suite.
    pub fn of(suite: Suite) -> Self {
        let cipher = match (suite.cipher(), suite.key_len()) {
            (Cipher::Cm, 16) => Some(Primitive::Counter128),
            (Cipher::Cm, 24) => Some(Primitive::Counter192),
            (Cipher::Cm, _) => Some(Primitive::Counter256),
            (Cipher::Gcm, 16) => Some(Primitive::Gcm128),
            (Cipher::Gcm, _) => Some(Primitive::Gcm256),
            (Cipher::F8, _) => Some(Primitive::F8),
            (Cipher::Null, _) => None,
        };
        Self { cipher: cipher.map_or(Library::RustCrypto, chosen), hmac: chosen(Primitive::Hmac) }
    }
}

/// RTP header and payload of a packet with 20 ms of G.711.
const HEADER: usize = 12;
const PAYLOAD: usize = 160;
/// Packets of a round.
const BATCH: usize = 16;
/// Rounds of each library, in turn; the best one counts, as it was disturbed least.
const ROUNDS: usize = 16;
/// When no further round of a primitive begins: where neither library has instructions of the CPU to use.
const PATIENCE: Duration = Duration::from_millis(1);

static CHOSEN: OnceLock<[Library; Primitive::ALL.len()]> = OnceLock::new();

/// The library that each primitive is left to. Measures the first time that anybody asks, which takes a few milliseconds:
/// the daemon does so before it relays.
pub fn choices() -> impl Iterator<Item = (Primitive, Library)> {
    let chosen = CHOSEN.get_or_init(|| Primitive::ALL.map(measure));
    Primitive::ALL.into_iter().zip(*chosen)
}

fn chosen(primitive: Primitive) -> Library {
    let chosen = choices().find(|(chosen, _)| *chosen == primitive);
    chosen.map_or(Library::RustCrypto, |(_, library)| library)
}

/// The faster one; of equal ones the first.
fn measure(primitive: Primitive) -> Library {
    let start = Instant::now();
    let libraries = primitive.libraries();
    let keys = libraries.map(|library| primitive.prepare(library));
    let mut best = libraries.map(|library| (Duration::MAX, library));
    let mut packets = [[0xd5; HEADER + PAYLOAD]; BATCH];
    for _ in 0..ROUNDS {
        for (key, (best, _)) in keys.iter().zip(&mut best) {
            *best = (*best).min(round(key, &mut packets));
        }
        if start.elapsed() > PATIENCE {
            break;
        }
    }
    best.into_iter().min_by_key(|(cost, _)| *cost).map_or(Library::RustCrypto, |(_, library)| library)
}

/// What packets cost, there and back. Their contents are the same again afterwards.
fn round(key: &Prepared, packets: &mut [[u8; HEADER + PAYLOAD]; BATCH]) -> Duration {
    let start = Instant::now();
    let mut intact = true;
    for (number, packet) in (0_u8..).zip(packets) {
        intact &= key.work(black_box(number), packet).is_some();
    }
    let cost = start.elapsed();
    // Nobody is chosen who does not decrypt what he encrypted.
    if intact { cost } else { Duration::MAX }
}

/// A primitive with a key.
enum Prepared {
    Counter(Counter),
    Gcm(Gcm),
    F8(Box<F8>),
    Hmac(Authenticator),
}

impl Prepared {
    fn work(&self, number: u8, packet: &mut [u8; HEADER + PAYLOAD]) -> Option<()> {
        let (header, payload) = packet.split_at_mut(HEADER);
        match self {
            Self::Counter(key) => {
                key.apply([number; 16], payload)?;
                key.apply([number; 16], payload)
            }
            Self::F8(key) => {
                key.apply([number; 16], payload)?;
                key.apply([number; 16], payload)
            }
            Self::Gcm(key) => {
                let (iv, mut tag) = ([number; gcm::IV], [0; gcm::TAG]);
                key.seal(iv, header, payload, &mut tag)?;
                key.open(iv, header, payload, &tag)
            }
            Self::Hmac(key) => {
                black_box(key.tag(packet, [number; 4]));
                Some(())
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_choice_stays_and_is_of_those_who_have_it() {
        let first: Vec<_> = choices().collect();
        assert_eq!(choices().collect::<Vec<_>>(), first);
        for (primitive, library) in &first {
            assert!(primitive.libraries().contains(library), "{primitive}: {library}");
        }
        let of = |wanted| first.iter().find(|(primitive, _)| *primitive == wanted).unwrap().1;
        for suite in Suite::ALL {
            let cipher = match suite {
                Suite::AesCm128HmacSha1_80 | Suite::AesCm128HmacSha1_32 => of(Primitive::Counter128),
                Suite::AesCm192HmacSha1_80 | Suite::AesCm192HmacSha1_32 => of(Primitive::Counter192),
                Suite::AesCm256HmacSha1_80 | Suite::AesCm256HmacSha1_32 => of(Primitive::Counter256),
                Suite::AeadAes128Gcm => of(Primitive::Gcm128),
                Suite::AeadAes256Gcm => of(Primitive::Gcm256),
                Suite::F8_128HmacSha1_80 | Suite::F8_128HmacSha1_32 => of(Primitive::F8),
                Suite::NullHmacSha1_80 | Suite::NullHmacSha1_32 => Library::RustCrypto,
            };
            assert_eq!(Libraries::of(suite), Libraries { cipher, hmac: of(Primitive::Hmac) }, "{suite:?}");
        }
    }
}
