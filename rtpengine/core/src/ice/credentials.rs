//! Username fragment and password.

use std::fmt;

use crate::{
    sdp::security::{valid_password, valid_ufrag},
    secure::KeySource,
};

/// Letters of a fragment we make: 48 bits (RFC 8445 §5.3 asks for 24).
const UFRAG_LEN: usize = 8;
/// Letters of a password we make: 192 bits (RFC 8445 §5.3 asks for 128).
const PASSWORD_LEN: usize = 32;
/// The grammar's alphabet; of 64 letters every random byte gives one without bias.
const ALPHABET: &[u8; 64] = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";

/// What one side authenticates checks with. The password does not show in `Debug`.
#[derive(Clone, PartialEq, Eq)]
pub struct Credentials {
    ufrag: String,
    password: String,
}

impl Credentials {
    /// Takes over what a peer signalled. `None`: not of the form RFC 8839 §5.4 prescribes.
    #[must_use]
    pub fn new(ufrag: &str, password: &str) -> Option<Self> {
        let valid = valid_ufrag(ufrag) && valid_password(password);
        valid.then(|| Self { ufrag: ufrag.to_owned(), password: password.to_owned() })
    }

    /// New ones for our side.
    pub fn generate(keys: &mut dyn KeySource) -> Self {
        let mut random = [0; UFRAG_LEN + PASSWORD_LEN];
        keys.fill(&mut random);
        let letters = random.map(|byte| char::from(ALPHABET[usize::from(byte & 63)]));
        let (ufrag, password) = letters.split_at(UFRAG_LEN);
        Self { ufrag: ufrag.iter().collect(), password: password.iter().collect() }
    }

    /// `a=ice-ufrag`
    #[must_use]
    pub fn ufrag(&self) -> &str {
        &self.ufrag
    }

    /// `a=ice-pwd`
    #[must_use]
    pub fn password(&self) -> &str {
        &self.password
    }

    pub(super) fn to_is(&self) -> is::IceCreds {
        is::IceCreds { ufrag: self.ufrag.clone(), pass: self.password.clone() }
    }
}

impl fmt::Debug for Credentials {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Credentials").field("ufrag", &self.ufrag).finish_non_exhaustive()
    }
}
