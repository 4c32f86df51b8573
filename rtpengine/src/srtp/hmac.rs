//! HMAC-SHA1 with a prepared key.

use hmac::{Hmac, KeyInit as _, Mac as _};
use rtpengine_common::srtp::kdf::AUTH_KEY;
use sha1::Sha1;
use zeroize::Zeroizing;

/// The state behind the key, copied for each packet.
pub(super) struct Authenticator(Hmac<Sha1>);

impl Authenticator {
    pub(super) fn new(key: &[u8; AUTH_KEY]) -> Self {
        // RFC 2104: a short key is filled up with zeros to a block.
        let mut block = Zeroizing::new([0; 64]);
        block[..AUTH_KEY].copy_from_slice(key);
        Self(Hmac::new((&*block).into()))
    }

    /// The code of `data` followed by `trailer`.
    pub(super) fn tag(&self, data: &[u8], trailer: [u8; 4]) -> [u8; 20] {
        let mut mac = self.0.clone();
        mac.update(data);
        mac.update(&trailer);
        mac.finalize().into_bytes().into()
    }
}
