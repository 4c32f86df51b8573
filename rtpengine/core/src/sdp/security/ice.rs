//! `a=ice-ufrag`, `a=ice-pwd`, `a=ice-options` and `a=remote-candidates` (RFC 8839, RFC 8840).

use std::{
    fmt,
    net::{IpAddr, SocketAddr},
};

use smallvec::SmallVec;

/// A username fragment: 4 to 256 characters (RFC 8839 §5.4). Besides the letters of the grammar, `-`, `_` and `=` are
/// accepted, which some stacks write; a colon never is, since it ends the fragment in a STUN USERNAME.
#[must_use]
pub fn valid_ufrag(value: &str) -> bool {
    (4..=256).contains(&value.len()) && value.bytes().all(is_ice_char)
}

/// A password: 22 to 256 characters of the same kind.
#[must_use]
pub fn valid_password(value: &str) -> bool {
    (22..=256).contains(&value.len()) && value.bytes().all(is_ice_char)
}

pub(super) fn is_ice_char(byte: u8) -> bool {
    byte.is_ascii_alphanumeric() || b"+/-_=".contains(&byte)
}

/// What `a=ice-options` declares.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct IceOptions {
    /// `trickle`: candidates may follow later (RFC 8840 §4.1.3).
    pub trickle: bool,
    /// `ice2`: RFC 8445 rather than RFC 5245, so no aggressive nomination.
    pub ice2: bool,
    /// `renomination`: nomination may move.
    pub renomination: bool,
}

impl IceOptions {
    /// Adds the options of one line.
    pub fn add(&mut self, value: &str) {
        for option in value.split_ascii_whitespace() {
            match option {
                "trickle" => self.trickle = true,
                "ice2" => self.ice2 = true,
                "renomination" => self.renomination = true,
                _ => {}
            }
        }
    }
}

/// One member of `a=remote-candidates`: the pair the controlling agent chose.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct RemoteCandidate {
    /// 1 = RTP, 2 = RTCP; up to 256.
    pub component: u16,
    /// The address it chose.
    pub address: SocketAddr,
}

impl fmt::Display for RemoteCandidate {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} {} {}", self.component, self.address.ip(), self.address.port())
    }
}

/// Reads `<component> <address> <port> ...` (RFC 8839 §5.2), at most `most` of them; those with host names are left out.
#[must_use]
pub fn remote_candidates(value: &str, most: usize) -> Option<SmallVec<[RemoteCandidate; 2]>> {
    let mut fields = value.split_ascii_whitespace();
    let mut found = SmallVec::new();
    while let Some(component) = fields.next() {
        let component = super::candidate::component(component)?;
        let (address, port) = (fields.next()?, super::candidate::port(fields.next()?)?);
        if found.len() == most {
            return None;
        }
        if let Ok(address) = address.parse::<IpAddr>() {
            found.push(RemoteCandidate { component, address: SocketAddr::new(address, port) });
        }
    }
    Some(found)
}
