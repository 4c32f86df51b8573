//! Marks around private data, so that a filter behind syslog can find it.

use std::fmt;
use std::sync::OnceLock;

/// `--log-mark-prefix` and `--log-mark-suffix`.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(super) struct Marks {
    /// Before the value.
    pub prefix: String,
    /// After it.
    pub suffix: String,
}

static MARKS: OnceLock<Marks> = OnceLock::new();

/// The first call counts: logging starts once.
pub(super) fn set(marks: Marks) {
    let _already_set = MARKS.set(marks);
}

/// Private data inside a log message: written between the marks the operator chose.
#[derive(Clone, Copy, Debug)]
pub struct Marked<T>(pub T);

impl<T: fmt::Display> fmt::Display for Marked<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match MARKS.get() {
            Some(marks) => write!(f, "{}{}{}", marks.prefix, self.0, marks.suffix),
            None => self.0.fmt(f),
        }
    }
}
