//! `a=setup` (RFC 4145, RFC 5763), `a=connection` (RFC 4145) and `a=tls-id` (RFC 8842): who opens a DTLS association
//! and whether it is a new one.

use std::fmt;

/// Who takes the client role.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Setup {
    /// `active`: the writer is the DTLS client.
    Active,
    /// `passive`: the writer is the DTLS server.
    Passive,
    /// `actpass`: either; the answerer chooses.
    ActPass,
    /// `holdconn`: no association for now.
    HoldConn,
}

impl Setup {
    /// Reads the attribute's value.
    #[must_use]
    pub fn parse(value: &str) -> Option<Self> {
        [Self::Active, Self::Passive, Self::ActPass, Self::HoldConn]
            .into_iter()
            .find(|setup| setup.as_str().eq_ignore_ascii_case(value))
    }

    /// The attribute's value.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Active => "active",
            Self::Passive => "passive",
            Self::ActPass => "actpass",
            Self::HoldConn => "holdconn",
        }
    }

    /// The role an answer takes to an offer of this (RFC 5763 §5); `prefer_passive` decides where both are possible.
    #[must_use]
    pub const fn answered(self, prefer_passive: bool) -> Self {
        match self {
            Self::Active => Self::Passive,
            Self::Passive => Self::Active,
            Self::ActPass if prefer_passive => Self::Passive,
            Self::ActPass => Self::Active,
            Self::HoldConn => Self::HoldConn,
        }
    }
}

impl fmt::Display for Setup {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

/// Whether an association may be reused.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum ConnectionReuse {
    /// `new`
    New,
    /// `existing`
    Existing,
}

impl ConnectionReuse {
    /// Reads the attribute's value.
    #[must_use]
    pub fn parse(value: &str) -> Option<Self> {
        [Self::New, Self::Existing].into_iter().find(|reuse| reuse.as_str().eq_ignore_ascii_case(value))
    }

    /// The attribute's value.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::New => "new",
            Self::Existing => "existing",
        }
    }
}

impl fmt::Display for ConnectionReuse {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

/// The name of a DTLS association: a change asks for a new one.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct TlsId<'a>(&'a str);

impl<'a> TlsId<'a> {
    /// Reads the attribute's value: 20 to 255 characters (RFC 8842 §4).
    #[must_use]
    pub fn parse(value: &'a str) -> Option<Self> {
        let legal = |byte: u8| byte.is_ascii_alphanumeric() || b"+/-_".contains(&byte);
        ((20..=255).contains(&value.len()) && value.bytes().all(legal)).then_some(Self(value))
    }

    /// The attribute's value.
    #[must_use]
    pub const fn as_str(self) -> &'a str {
        self.0
    }
}

impl fmt::Display for TlsId<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.0)
    }
}
