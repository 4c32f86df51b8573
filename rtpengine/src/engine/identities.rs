//! The certificates in use: the one for new calls, and those that calls have signalled.

use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use rtpengine_core::io::DtlsIdentity;
use rtpengine_core::sdp::security::{Fingerprint, HashFunction};

use crate::dtls::{DtlsOptions, Identity, IdentityError, IdentityStore};

/// How often the certificate's age is looked at, unless it lives for less than two days.
const RENEWAL_CHECK: Duration = Duration::from_secs(3600);

/// A certificate as the core knows it and as the DTLS thread does.
struct Known {
    public: Arc<DtlsIdentity>,
    private: Arc<Identity>,
}

/// All certificates somebody uses.
pub struct Identities {
    store: IdentityStore,
    check: Duration,
    known: Mutex<(u64, Vec<Known>)>,
}

impl Identities {
    /// Makes the first certificate.
    ///
    /// # Errors
    /// See [`IdentityError`].
    pub fn new(options: DtlsOptions) -> Result<Self, IdentityError> {
        let lifetime = Duration::from_secs(options.certificate.lifetime.into());
        let check = RENEWAL_CHECK.min(lifetime / 48);
        Ok(Self { store: IdentityStore::new(options, unix_seconds())?, check, known: Mutex::default() })
    }

    /// The one for new calls; `None` where OpenSSL cannot compute any of its fingerprints.
    #[must_use]
    pub fn current(&self) -> Option<Arc<DtlsIdentity>> {
        let private = self.store.current();
        let mut known = self.known.lock().unwrap_or_else(PoisonError::into_inner);
        let (last, list) = &mut *known;
        if let Some(found) = list.iter().find(|known| Arc::ptr_eq(&known.private, &private)) {
            return Some(Arc::clone(&found.public));
        }
        // Once a renewal: those that no call has any more are forgotten.
        list.retain(|known| Arc::strong_count(&known.public) > 1);
        let fingerprints = HashFunction::ALL
            .into_iter()
            .filter_map(|hash| Some(Fingerprint::from(&private.fingerprint(hash).ok()?)))
            .collect::<smallvec::SmallVec<[_; 5]>>();
        if fingerprints.is_empty() {
            return None;
        }
        *last += 1;
        let public = Arc::new(DtlsIdentity { id: *last, fingerprints });
        list.push(Known { public: Arc::clone(&public), private });
        Some(public)
    }

    /// The key behind a name.
    #[must_use]
    pub fn find(&self, id: u64) -> Option<Arc<Identity>> {
        let known = self.known.lock().unwrap_or_else(PoisonError::into_inner);
        known.1.iter().find(|known| known.public.id == id).map(|known| Arc::clone(&known.private))
    }

    /// How often [`Identities::renew_if_due`] is to be called.
    #[must_use]
    pub const fn check(&self) -> Duration {
        self.check
    }

    /// Makes a new certificate shortly before the current one expires. May take seconds.
    pub fn renew_if_due(&self) {
        match self.store.renew_if_due(unix_seconds()) {
            Ok(true) => tracing::info!(target: "crypto", "the DTLS certificate for new calls was renewed"),
            Ok(false) => {}
            Err(error) => {
                tracing::error!(target: "crypto", "the DTLS certificate was not renewed: {error}");
            }
        }
    }
}

fn unix_seconds() -> i64 {
    let since = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
    i64::try_from(since.as_secs()).unwrap_or(i64::MAX)
}
