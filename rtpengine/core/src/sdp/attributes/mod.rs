//! Changes to the attribute lines of a finished body, as text: `sdp-attr`, `extmap` and the marker of `loop protect`.
//!
//! Nothing here is understood: the lines are those the receiver will read, and what the relay does is decided before.

mod apply;
mod extmap;
#[cfg(test)]
mod tests;

pub use apply::{Finish, Finished};
pub use extmap::ExtmapFilter;

/// Media types that `sdp-attr` may name (RFC 8866 §8.2.1).
const MEDIA_TYPES: [&str; 6] = ["audio", "video", "image", "message", "application", "text"];

/// Where attribute lines stand.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Scope {
    /// Above the first m-line: `none` or `global`.
    Session,
    /// In all sections of this media type.
    Media(&'static str),
}

impl Scope {
    /// The scope of this name.
    #[must_use]
    pub fn of(name: &[u8]) -> Option<Self> {
        if name.eq_ignore_ascii_case(b"none") || name.eq_ignore_ascii_case(b"global") {
            return Some(Self::Session);
        }
        let kind = MEDIA_TYPES.into_iter().find(|kind| kind.as_bytes().eq_ignore_ascii_case(name));
        kind.map(Self::Media)
    }
}

/// One change. Texts are what follows `a=`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Change {
    /// Adds a line at the end of its level unless it is there.
    Add(String),
    /// Removes the lines that match.
    Remove(String),
    /// Writes another line in the place of those that match.
    Substitute(String, String),
}

/// Why a change is not taken.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum ChangeError {
    /// A text is empty.
    #[error("is empty")]
    Empty,
    /// A text has a line break or NUL in it, or is longer than [`AttributeChanges::MAX_TEXT`].
    #[error("is not one line of at most {} bytes", AttributeChanges::MAX_TEXT)]
    NotALine,
    /// There are [`AttributeChanges::MAX_CHANGES`] already.
    #[error("is one of more than {}", AttributeChanges::MAX_CHANGES)]
    TooMany,
}

/// All changes a request asks for.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct AttributeChanges {
    changes: Vec<(Scope, Change)>,
}

impl AttributeChanges {
    /// Changes of one request: every line is compared with each.
    pub const MAX_CHANGES: usize = 128;
    /// Length of one text, bytes.
    pub const MAX_TEXT: usize = 1024;

    /// Adds one.
    ///
    /// # Errors
    /// [`ChangeError`]; the others stay.
    pub fn push(&mut self, scope: Scope, change: Change) -> Result<(), ChangeError> {
        let texts = match &change {
            Change::Add(text) | Change::Remove(text) => [Some(text), None],
            Change::Substitute(from, to) => [Some(from), Some(to)],
        };
        for text in texts.into_iter().flatten() {
            if text.trim().is_empty() {
                return Err(ChangeError::Empty);
            }
            if text.len() > Self::MAX_TEXT || text.bytes().any(|byte| matches!(byte, b'\r' | b'\n' | 0)) {
                return Err(ChangeError::NotALine);
            }
        }
        if self.changes.len() >= Self::MAX_CHANGES {
            return Err(ChangeError::TooMany);
        }
        self.changes.push((scope, change));
        Ok(())
    }

    /// Whether there is nothing to do.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.changes.is_empty()
    }

    fn of(&self, scope: Option<Scope>) -> impl Iterator<Item = &Change> {
        let named = self.changes.iter().filter(move |(own, _)| Some(*own) == scope);
        named.map(|(_, change)| change)
    }
}

/// Whether `pattern` means this attribute: its name (`foo` or `foo:`), its name and first word (`foo:bar`) or all of it.
fn matches(pattern: &[u8], attribute: &[u8]) -> bool {
    let Some(rest) = attribute.strip_prefix(pattern) else { return false };
    match (rest.first(), memchr::memchr(b':', pattern)) {
        (None, _) | (Some(b':'), None) => true,
        (Some(_), Some(colon)) if colon + 1 == pattern.len() => true,
        (Some(b' '), Some(colon)) => memchr::memchr(b' ', pattern.get(colon..).unwrap_or_default()).is_none(),
        (Some(_), _) => false,
    }
}
