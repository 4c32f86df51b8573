//! A TLS connector from files.

use std::path::{Path, PathBuf};

use native_tls::{Certificate, Identity, TlsConnector};
use openssl::pkey::PKey;
use openssl::x509::X509;
use rumqttc::TlsConfiguration;

use super::TlsFiles;

/// Longest file that is read, bytes: a bundle of all public authorities has a quarter of it.
const LONGEST: u64 = 1024 * 1024;

/// Why there is no connector.
#[derive(Debug, thiserror::Error)]
pub enum TlsError {
    /// A file or folder cannot be read.
    #[error("{}: {_1}", _0.display())]
    Read(PathBuf, std::io::Error),
    /// What is in it is no certificate or key.
    #[error("{}: {_1}", _0.display())]
    Content(PathBuf, openssl::error::ErrorStack),
    /// There is nothing in it.
    #[error("{}: no certificate in PEM form", _0.display())]
    Empty(PathBuf),
    /// Certificate and key cannot be used.
    #[error("TLS: {0}")]
    Tls(#[from] native_tls::Error),
}

/// Trusts the authorities of the files alone, and shows the certificate if there is one.
pub(super) fn configuration(files: &TlsFiles) -> Result<TlsConfiguration, TlsError> {
    let mut connector = TlsConnector::builder();
    connector.disable_built_in_roots(true);
    for path in authorities(files)? {
        let found =
            X509::stack_from_pem(&read(&path)?).map_err(|error| TlsError::Content(path.clone(), error))?;
        if found.is_empty() {
            return Err(TlsError::Empty(path));
        }
        for authority in found {
            let der = authority.to_der().map_err(|error| TlsError::Content(path.clone(), error))?;
            connector.add_root_certificate(Certificate::from_der(&der)?);
        }
    }
    if let Some((certificate, key)) = &files.identity {
        let chain = read(certificate)?;
        // From any form of PEM to the only one that is taken.
        let key = PKey::private_key_from_pem_callback(&read(key)?, |_| Ok(0))
            .and_then(|key| key.private_key_to_pem_pkcs8())
            .map_err(|error| TlsError::Content(key.clone(), error))?;
        connector.identity(Identity::from_pkcs8(&chain, &key)?);
    }
    if let Some(alpn) = &files.alpn {
        connector.request_alpns(&[alpn]);
    }
    Ok(TlsConfiguration::NativeConnector(connector.build()?))
}

/// The file, and those of the folder.
fn authorities(files: &TlsFiles) -> Result<Vec<PathBuf>, TlsError> {
    let mut paths: Vec<PathBuf> = files.ca_file.iter().cloned().collect();
    if let Some(folder) = &files.ca_path {
        let read = |error| TlsError::Read(folder.clone(), error);
        for entry in std::fs::read_dir(folder).map_err(read)? {
            let path = entry.map_err(read)?.path();
            if path.is_file() {
                paths.push(path);
            }
        }
    }
    Ok(paths)
}

fn read(path: &Path) -> Result<Vec<u8>, TlsError> {
    let failed = |error| TlsError::Read(path.to_owned(), error);
    let length = std::fs::metadata(path).map_err(failed)?.len();
    if length > LONGEST {
        return Err(failed(std::io::Error::other(format!("longer than {LONGEST} bytes"))));
    }
    std::fs::read(path).map_err(failed)
}
