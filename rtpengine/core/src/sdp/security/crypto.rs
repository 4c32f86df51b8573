//! `a=crypto` (RFC 4568): a tag, a suite, keys and session parameters.

use std::fmt;

use base64ct::{Base64Unpadded, Encoding};
use smallvec::SmallVec;

use super::digits;

/// Most keys accepted in one line; several only make sense with MKIs.
pub const MAX_CRYPTO_KEYS: usize = 8;
/// Longest master key with salt accepted, in bytes. The longest registered is 46 (AES-256 with a 14-byte salt).
pub const MAX_KEY_LEN: usize = 64;
/// Longest MKI in a packet, in bytes (RFC 4568 §6.1).
pub const MAX_MKI_LEN: usize = 128;

/// Key material: shown by its length alone.
#[derive(Clone, PartialEq, Eq)]
pub struct SecretBytes(pub SmallVec<[u8; MAX_KEY_LEN]>);

impl fmt::Debug for SecretBytes {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "<{} secret bytes>", self.0.len())
    }
}

/// A master key identifier as it stands in packets: big endian, of the length the line declares.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Mki(pub SmallVec<[u8; 8]>);

impl Mki {
    /// Reads `value:length`, both decimal; the value must fit into the length (RFC 4568 §6.1).
    #[must_use]
    pub fn parse(text: &str) -> Option<Self> {
        let (value, length) = text.split_once(':')?;
        // 128 bytes are 309 decimal digits.
        if !digits(value, 309) || !digits(length, 3) {
            return None;
        }
        let length: usize = length.parse().ok().filter(|length| (1..=MAX_MKI_LEN).contains(length))?;
        let mut bytes: SmallVec<[u8; 8]> = SmallVec::from_elem(0, length);
        for digit in value.bytes() {
            let mut carry = u16::from(digit - b'0');
            for byte in bytes.iter_mut().rev() {
                let sum = u16::from(*byte) * 10 + carry;
                *byte = (sum & 0xff) as u8;
                carry = sum >> 8;
            }
            if carry != 0 {
                return None;
            }
        }
        Some(Self(bytes))
    }
}

impl fmt::Display for Mki {
    /// `value:length`, both decimal.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        // Decimal digits, least significant first.
        let mut decimal: SmallVec<[u8; 20]> = smallvec::smallvec![0];
        for byte in &self.0 {
            let mut carry = u16::from(*byte);
            for digit in &mut decimal {
                let sum = u16::from(*digit) * 256 + carry;
                *digit = (sum % 10) as u8;
                carry = sum / 10;
            }
            while carry != 0 {
                decimal.push((carry % 10) as u8);
                carry /= 10;
            }
        }
        for digit in decimal.iter().rev() {
            write!(f, "{digit}")?;
        }
        write!(f, ":{}", self.0.len())
    }
}

/// One `inline:` key.
#[derive(Clone, PartialEq, Eq)]
pub struct InlineKey<'a> {
    /// Master key and salt in base64, as written.
    base64: &'a str,
    /// Packets the key is good for; `None` where the line names no limit. `2^48` and more saturate at `u64::MAX`.
    pub lifetime: Option<u64>,
    /// Which key a packet is protected with, where there can be several.
    pub mki: Option<Mki>,
}

impl fmt::Debug for InlineKey<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("InlineKey")
            .field("key", &"<secret>")
            .field("lifetime", &self.lifetime)
            .field("mki", &self.mki)
            .finish()
    }
}

impl<'a> InlineKey<'a> {
    /// Reads `inline:<base64>[|lifetime][|mki:length]`.
    fn parse(text: &'a str) -> Option<Self> {
        let info = text.strip_prefix("inline:")?;
        let mut parts = info.split('|');
        let base64 = parts.next().filter(|key| !key.is_empty())?;
        let mut key = Self { base64, lifetime: None, mki: None };
        key.decode()?;
        for part in parts {
            if part.contains(':') {
                if key.mki.is_some() {
                    return None;
                }
                key.mki = Some(Mki::parse(part)?);
            } else {
                // The lifetime comes first (RFC 4568 §9.2).
                if key.lifetime.is_some() || key.mki.is_some() {
                    return None;
                }
                key.lifetime = Some(lifetime(part)?);
            }
        }
        Some(key)
    }

    /// The master key followed by the master salt. Padding is optional (RFC 4568 §6.1 leaves it open).
    #[must_use]
    pub fn decode(&self) -> Option<SecretBytes> {
        let bare = self.base64.strip_suffix("==").or_else(|| self.base64.strip_suffix('='));
        let mut bytes = [0; MAX_KEY_LEN];
        let decoded = Base64Unpadded::decode(bare.unwrap_or(self.base64), &mut bytes).ok()?;
        Some(SecretBytes(SmallVec::from_slice(decoded)))
    }
}

/// In which order FEC and SRTP are applied by the sender (RFC 4568 §6.3.4).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum FecOrder {
    /// FEC before SRTP.
    FecSrtp,
    /// SRTP before FEC.
    SrtpFec,
}

/// The session parameters (RFC 4568 §6.3).
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct SessionParams {
    /// `KDR=n`: session keys are derived anew every 2^n packets, 0..=24.
    pub key_derivation_rate: Option<u8>,
    /// `UNENCRYPTED_SRTP`
    pub unencrypted_srtp: bool,
    /// `UNENCRYPTED_SRTCP`
    pub unencrypted_srtcp: bool,
    /// `UNAUTHENTICATED_SRTP`
    pub unauthenticated_srtp: bool,
    /// `FEC_ORDER=`
    pub fec_order: Option<FecOrder>,
    /// `FEC_KEY=` is given; FEC under another key is not served.
    pub fec_key: bool,
    /// `WSH=n`: hint for the size of the replay window, packets, at least 64.
    pub window_size_hint: Option<u32>,
    /// A mandatory parameter nobody here knows: the line must not be accepted (RFC 4568 §6.3.7).
    pub unknown_mandatory: bool,
}

impl SessionParams {
    /// Takes one parameter over. `None` for one that is malformed or repeated.
    fn add(&mut self, param: &str) -> Option<()> {
        let (name, value) = match param.split_once('=') {
            Some((name, value)) => (name, Some(value)),
            None => (param, None),
        };
        let once = |flag: &mut bool| (value.is_none() && !std::mem::replace(flag, true)).then_some(());
        match name {
            "UNENCRYPTED_SRTP" => once(&mut self.unencrypted_srtp),
            "UNENCRYPTED_SRTCP" => once(&mut self.unencrypted_srtcp),
            "UNAUTHENTICATED_SRTP" => once(&mut self.unauthenticated_srtp),
            "KDR" => {
                let rate = value.filter(|value| digits(value, 2))?.parse().ok().filter(|rate| *rate <= 24)?;
                self.key_derivation_rate.replace(rate).is_none().then_some(())
            }
            "WSH" => {
                let size = value.filter(|value| digits(value, 9))?.parse().ok().filter(|size| *size >= 64)?;
                self.window_size_hint.replace(size).is_none().then_some(())
            }
            "FEC_ORDER" => {
                let order = match value? {
                    "FEC_SRTP" => FecOrder::FecSrtp,
                    "SRTP_FEC" => FecOrder::SrtpFec,
                    _ => return None,
                };
                self.fec_order.replace(order).is_none().then_some(())
            }
            "FEC_KEY" => {
                key_params(value?)?;
                (!std::mem::replace(&mut self.fec_key, true)).then_some(())
            }
            _ => {
                self.unknown_mandatory |= !name.starts_with('-');
                Some(())
            }
        }
    }
}

impl fmt::Display for SessionParams {
    /// Each with a space in front. An FEC key is not written again.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if let Some(rate) = self.key_derivation_rate {
            write!(f, " KDR={rate}")?;
        }
        for (set, name) in [
            (self.unencrypted_srtp, " UNENCRYPTED_SRTP"),
            (self.unencrypted_srtcp, " UNENCRYPTED_SRTCP"),
            (self.unauthenticated_srtp, " UNAUTHENTICATED_SRTP"),
        ] {
            if set {
                f.write_str(name)?;
            }
        }
        match self.fec_order {
            Some(FecOrder::FecSrtp) => f.write_str(" FEC_ORDER=FEC_SRTP")?,
            Some(FecOrder::SrtpFec) => f.write_str(" FEC_ORDER=SRTP_FEC")?,
            None => {}
        }
        match self.window_size_hint {
            Some(size) => write!(f, " WSH={size}"),
            None => Ok(()),
        }
    }
}

/// One `a=crypto` line.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Crypto<'a> {
    /// Names the line within its media section and direction; an answer repeats it. Up to nine digits.
    pub tag: u32,
    /// The crypto suite as written.
    pub suite: &'a str,
    /// The keys, at least one.
    pub keys: SmallVec<[InlineKey<'a>; 1]>,
    /// The session parameters.
    pub params: SessionParams,
}

impl<'a> Crypto<'a> {
    /// Reads `<tag> <suite> <key params> [<session params>]`.
    #[must_use]
    pub fn parse(value: &'a str) -> Option<Self> {
        let mut fields = value.split_ascii_whitespace();
        let tag = fields.next().filter(|tag| digits(tag, 9))?.parse().ok()?;
        let suite = fields.next().filter(|suite| suite.len() <= 64 && suite.bytes().all(is_word))?;
        let keys = key_params(fields.next()?)?;
        let mut params = SessionParams::default();
        for param in fields {
            params.add(param)?;
        }
        Some(Self { tag, suite, keys, params })
    }
}

/// `inline:...;inline:...`. Several keys need an MKI each, all of one length (RFC 4568 §6.1).
fn key_params(text: &str) -> Option<SmallVec<[InlineKey<'_>; 1]>> {
    let mut keys: SmallVec<[InlineKey<'_>; 1]> = SmallVec::new();
    for param in text.split(';').filter(|param| !param.is_empty()) {
        if keys.len() == MAX_CRYPTO_KEYS {
            return None;
        }
        keys.push(InlineKey::parse(param)?);
    }
    let mki_len = |key: &InlineKey<'_>| key.mki.as_ref().map(|mki| mki.0.len());
    let first = mki_len(keys.first()?);
    let fits = keys.len() == 1 || (first.is_some() && keys.iter().all(|key| mki_len(key) == first));
    fits.then_some(keys)
}

/// `2^n` or a number of packets, not 0. 2^48 is the most SRTP allows (RFC 3711 §9.2).
fn lifetime(text: &str) -> Option<u64> {
    let packets = match text.strip_prefix("2^") {
        Some(exponent) => {
            let exponent: u32 = exponent.parse().ok().filter(|_| digits(exponent, 3))?;
            1u64.checked_shl(exponent).unwrap_or(u64::MAX)
        }
        None => text.parse().ok().filter(|_| digits(text, 20))?,
    };
    (packets != 0).then_some(packets)
}

fn is_word(byte: u8) -> bool {
    byte.is_ascii_alphanumeric() || byte == b'_' || byte == b'-'
}
