//! The URL of `--b2b-url`, with a place for the address.

use std::net::{IpAddr, Ipv4Addr};

use reqwest::Url;

/// Stands for the address of the SIP server.
const PLACEHOLDER: &str = "%%";

/// Why a URL cannot be used.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error(
    "a URL that begins with http:// or https://, with %% in the place of an address if it differs from call to call"
)]
pub struct DestinationError;

/// Where callbacks go.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Destination(String);

impl Destination {
    /// Checks a URL.
    ///
    /// # Errors
    /// [`DestinationError`].
    pub fn new(url: &str) -> Result<Self, DestinationError> {
        let this = Self(url.to_owned());
        let sample = this.url(Some(Ipv4Addr::LOCALHOST.into())).ok_or(DestinationError)?;
        let usable = matches!(sample.scheme(), "http" | "https") && sample.has_host();
        usable.then_some(this).ok_or(DestinationError)
    }

    /// The URL for a server at this address; `None` where it needs one.
    #[must_use]
    pub fn url(&self, server: Option<IpAddr>) -> Option<Url> {
        if !self.0.contains(PLACEHOLDER) {
            return Url::parse(&self.0).ok();
        }
        // RFC 3986 section 3.2.2: an IPv6 address stands in brackets, which may be there already.
        let address = match server? {
            IpAddr::V4(address) => address.to_string(),
            IpAddr::V6(address) => format!("[{address}]"),
        };
        let text = self.0.replace("[%%]", PLACEHOLDER).replace(PLACEHOLDER, &address);
        Url::parse(&text).ok()
    }
}
