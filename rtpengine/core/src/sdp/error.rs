//! Why a body was refused.

use super::parse::{MAX_BODY_LEN, MAX_FORMATS, MAX_LINE_LEN, MAX_LINES, MAX_MEDIAS};

/// Why [`super::parse`] refused a body. Line numbers count from 1.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum SdpError {
    /// No bytes at all.
    #[error("SDP body is empty; send a session description starting with v=0")]
    Empty,
    /// The first line is not `v=0`.
    #[error("SDP body does not start with v=0; send the session description alone, without other MIME parts")]
    NotSdp,
    /// Longer than [`MAX_BODY_LEN`].
    #[error("SDP body of {0} bytes exceeds the limit of {MAX_BODY_LEN}")]
    BodyTooLong(usize),
    /// More lines than [`MAX_LINES`].
    #[error("SDP body has more than {MAX_LINES} lines")]
    TooManyLines,
    /// A line longer than [`MAX_LINE_LEN`].
    #[error("SDP line {line} is longer than {MAX_LINE_LEN} bytes")]
    LineTooLong {
        /// Where.
        line: usize,
    },
    /// More `m=` lines than [`MAX_MEDIAS`].
    #[error("SDP line {line}: more than {MAX_MEDIAS} media sections")]
    TooManyMedias {
        /// Where.
        line: usize,
    },
    /// More formats in one `m=` line than [`MAX_FORMATS`].
    #[error("SDP line {line}: more than {MAX_FORMATS} formats in one media section")]
    TooManyFormats {
        /// Where.
        line: usize,
    },
    /// A blank line, refused because `--reject-invalid-sdp` is set.
    #[error("SDP line {line} is blank; remove it or run without --reject-invalid-sdp")]
    BlankLine {
        /// Where.
        line: usize,
    },
    /// Not of the form `<letter>=<value>`.
    #[error("SDP line {line} is not of the form <letter>=<value>")]
    NotALine {
        /// Where.
        line: usize,
    },
    /// A line that must be understood could not be.
    #[error("SDP line {line}: cannot read {what}; expected {expected}")]
    Malformed {
        /// Where.
        line: usize,
        /// Which part.
        what: &'static str,
        /// Its grammar.
        expected: &'static str,
    },
}
