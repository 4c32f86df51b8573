//! Negotiation of encrypted media towards each party of an m-line: who is to be spoken to in RTP or SRTP
//! ([`transport`]), with which keys where SDES carries them ([`Party`]), and with which certificates where DTLS does
//! ([`dtls`]).

pub mod dtls;
mod line;
mod negotiation;
mod options;
#[cfg(test)]
mod tests;
pub mod transport;

pub use line::{Line, LineFormat};
pub use negotiation::{Active, Party, same_keys};
pub use options::{DtlsOptions, OsrtpOptions, SdesOptions, SuiteSet};

/// Source of key material: cryptographically secure, passed in by the shell.
pub trait KeySource {
    /// Fills `bytes` with random bytes.
    fn fill(&mut self, bytes: &mut [u8]);
}

impl<F: FnMut(&mut [u8])> KeySource for F {
    fn fill(&mut self, bytes: &mut [u8]) {
        self(bytes);
    }
}
