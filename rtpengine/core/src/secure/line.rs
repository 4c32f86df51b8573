//! A crypto line with its key material, as received or as written.

use std::{fmt, sync::Arc};

use base64ct::{Base64, Base64Unpadded, Encoding};
use rtpengine_common::srtp::{CryptoParams, Mki, SessionParams, Suite};

use super::KeySource;
use crate::sdp::security::{self, Crypto, FecOrder, MAX_KEY_LEN};

/// Bytes of key and salt of the longest suite, in base64: 62 characters and padding.
const MAX_BASE64: usize = MAX_KEY_LEN.div_ceil(3) * 4;

/// One way of encryption: a tag and the key one side sends with.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Line {
    /// Names the line within the exchange.
    pub tag: u32,
    /// Suite, key, MKI and session parameters.
    pub params: Arc<CryptoParams>,
}

impl Line {
    /// Takes over a received line. `None` for what cannot be served: unknown suites and mandatory parameters, keys of a
    /// wrong length, key derivation more than once, FEC outside of the encryption or under a key of its own. Of several
    /// keys the first counts: it is the one the sender begins with.
    #[must_use]
    pub fn received(crypto: &Crypto<'_>) -> Option<Self> {
        let suite = Suite::from_name(crypto.suite.as_bytes())?;
        let params = &crypto.params;
        let served = !params.unknown_mandatory
            && params.key_derivation_rate.is_none()
            && !params.fec_key
            && params.fec_order != Some(FecOrder::SrtpFec);
        let key = crypto.keys.first().filter(|_| served)?;
        let secret = key.decode()?;
        let (master_key, master_salt) = secret.0.split_at_checked(suite.key_len())?;
        let mki = key.mki.as_ref().map_or(Some(Mki::NONE), |mki| Mki::new(&mki.0))?;
        let session = SessionParams {
            unencrypted_srtp: params.unencrypted_srtp,
            unencrypted_srtcp: params.unencrypted_srtcp,
            unauthenticated_srtp: params.unauthenticated_srtp,
        };
        let params = CryptoParams::new(suite, master_key, master_salt, mki, session).ok()?;
        Some(Self { tag: crypto.tag, params: Arc::new(params) })
    }

    /// The suite.
    #[must_use]
    pub fn suite(&self) -> Suite {
        self.params.suite()
    }

    /// The value of the `a=crypto` line.
    #[must_use]
    pub fn write(&self, format: LineFormat) -> impl fmt::Display + '_ {
        Written { line: self, format }
    }
}

/// New key material for a suite.
pub(super) fn generate(
    suite: Suite,
    session: SessionParams,
    keys: &mut dyn KeySource,
) -> Option<CryptoParams> {
    let mut secret = [0; MAX_KEY_LEN];
    let used = secret.get_mut(..suite.key_len() + suite.salt_len())?;
    keys.fill(used);
    let (master_key, master_salt) = used.split_at_checked(suite.key_len())?;
    let params = CryptoParams::new(suite, master_key, master_salt, Mki::NONE, session);
    secret.fill(0);
    params.ok()
}

/// The same key with other session parameters. `None`: they do not fit the suite.
pub(super) fn with_session(params: &Arc<CryptoParams>, session: SessionParams) -> Option<Arc<CryptoParams>> {
    if params.session() == session {
        return Some(params.clone());
    }
    let (key, salt) = (params.master_key(), params.master_salt());
    CryptoParams::new(params.suite(), key, salt, *params.mki(), session).ok().map(Arc::new)
}

/// How lines are written.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct LineFormat {
    /// Base64 with its padding.
    pub pad: bool,
    /// With a lifetime of 2^31 packets.
    pub lifetime: bool,
}

struct Written<'l> {
    line: &'l Line,
    format: LineFormat,
}

impl fmt::Display for Written<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let params = &*self.line.params;
        let secret = [params.master_key(), params.master_salt()].concat();
        let mut buffer = [0; MAX_BASE64];
        let encoded = match self.format.pad {
            true => Base64::encode(&secret, &mut buffer),
            false => Base64Unpadded::encode(&secret, &mut buffer),
        };
        write!(f, "{} {} inline:{}", self.line.tag, params.suite().name(), encoded.map_err(|_| fmt::Error)?)?;
        if self.format.lifetime {
            f.write_str("|2^31")?;
        }
        let mki = params.mki().as_bytes();
        if !mki.is_empty() {
            write!(f, "|{}", security::Mki(mki.iter().copied().collect()))?;
        }
        let session = params.session();
        let session = security::SessionParams {
            unencrypted_srtp: session.unencrypted_srtp,
            unencrypted_srtcp: session.unencrypted_srtcp,
            unauthenticated_srtp: session.unauthenticated_srtp,
            ..security::SessionParams::default()
        };
        session.fmt(f)
    }
}
