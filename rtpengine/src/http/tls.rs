//! The certificate of `--https-cert` and `--https-key`, read again when a file changes; connections stay.

use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::{Duration, SystemTime};

use axum_server::tls_openssl::OpenSSLConfig;
use openssl::error::ErrorStack;
use openssl::ssl::{SslAcceptor, SslFiletype, SslMethod};

/// How often the files are looked at.
const CHECK: Duration = Duration::from_secs(10);

/// Why the certificate cannot be used.
#[derive(Debug, thiserror::Error)]
#[error("--https-cert {} with --https-key {}: {source}; both have to be PEM files that belong together", certificate.display(), key.display())]
pub struct TlsError {
    certificate: PathBuf,
    key: PathBuf,
    source: ErrorStack,
}

/// Certificate and key.
#[derive(Clone, Debug)]
pub(super) struct Identity {
    certificate: PathBuf,
    key: PathBuf,
    config: OpenSSLConfig,
}

impl Identity {
    /// Reads both files.
    pub(super) fn read(certificate: PathBuf, key: PathBuf) -> Result<Self, TlsError> {
        match acceptor(&certificate, &key) {
            Ok(acceptor) => {
                Ok(Self { certificate, key, config: OpenSSLConfig::from_acceptor(Arc::new(acceptor)) })
            }
            Err(source) => Err(TlsError { certificate, key, source }),
        }
    }

    pub(super) fn config(&self) -> OpenSSLConfig {
        self.config.clone()
    }

    /// Follows changes of the files. Never ends.
    pub(super) async fn follow(self) {
        let mut known = self.changed();
        loop {
            tokio::time::sleep(CHECK).await;
            let now = self.changed();
            if now == known {
                continue;
            }
            known = now;
            match acceptor(&self.certificate, &self.key) {
                Ok(acceptor) => {
                    self.config.reload_from_acceptor(Arc::new(acceptor));
                    tracing::info!(target: "http", "new certificate in use: {}", self.certificate.display());
                }
                // The key may be written a moment later.
                Err(error) => {
                    tracing::error!(target: "http", "certificate {} is not usable, the old one stays: {error}", self.certificate.display());
                }
            }
        }
    }

    fn changed(&self) -> [Option<SystemTime>; 2] {
        [&self.certificate, &self.key]
            .map(|path| path.metadata().and_then(|metadata| metadata.modified()).ok())
    }
}

fn acceptor(certificate: &Path, key: &Path) -> Result<SslAcceptor, ErrorStack> {
    let mut builder = SslAcceptor::mozilla_intermediate_v5(SslMethod::tls())?;
    builder.set_certificate_chain_file(certificate)?;
    builder.set_private_key_file(key, SslFiletype::PEM)?;
    builder.check_private_key()?;
    Ok(builder.build())
}
