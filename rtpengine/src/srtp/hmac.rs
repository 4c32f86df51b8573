//! HMAC-SHA1 with a prepared key.

use hmac::{Hmac, KeyInit as _, Mac as _};
use sha1::Sha1;

/// The state behind the key, copied for each packet.
pub(super) struct Authenticator(Hmac<Sha1>);

impl Authenticator {
    /// `None` never happens: HMAC takes keys of every length.
    pub(super) fn new(key: &[u8]) -> Option<Self> {
        Hmac::new_from_slice(key).ok().map(Self)
    }

    /// The code of `data` followed by `trailer`.
    pub(super) fn tag(&self, data: &[u8], trailer: [u8; 4]) -> [u8; 20] {
        let mut mac = self.0.clone();
        mac.update(data);
        mac.update(&trailer);
        mac.finalize().into_bytes().into()
    }
}
