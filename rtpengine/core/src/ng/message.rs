//! One message on the wire: `cookie SP body`.

use super::guard::{Encoding, GuardError, Scanner};
use super::reply::Reply;
use super::value::Dict;
use super::{bencode, json};

/// Longest cookie in bytes; Kamailio's are about 20.
pub const MAX_COOKIE: usize = 255;

/// A message cut into its parts.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Message<'a> {
    /// Identifies the request; echoed in the reply.
    pub cookie: &'a [u8],
    /// The dictionary, encoded.
    pub body: &'a [u8],
}

impl<'a> Message<'a> {
    /// Cuts a datagram at its first space. `None`, which means no reply at all, where there is no space or the cookie
    /// is empty or overlong. White space after the body, as typed by people, is cut off.
    #[must_use]
    pub fn split(datagram: &'a [u8]) -> Option<Self> {
        let space = memchr::memchr(b' ', datagram)?;
        let (cookie, rest) = datagram.split_at_checked(space)?;
        if cookie.is_empty() || cookie.len() > MAX_COOKIE {
            return None;
        }
        Some(Self { cookie, body: rest.trim_ascii() })
    }
}

/// Why a body could not be read. The reply says no more than the original's does; the log gets the cause.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum DecodeError {
    /// Refused by the guard.
    #[error(transparent)]
    Guard(#[from] GuardError),
    /// The body ends too early.
    #[error("the body is truncated")]
    Truncated,
    /// Something follows the body.
    #[error("{0} bytes follow the body")]
    Trailing(usize),
    /// Refused by the bencode parser.
    #[error("the bencode parser refuses the body")]
    Bencode,
    /// Refused by the JSON parser.
    #[error("the JSON parser refuses the body: {0}")]
    Json(String),
}

/// The `error-reason` of a body that cannot be read and does not begin like JSON.
pub const INVALID_FORMAT: &str = "Invalid NG data format";
/// The `error-reason` of a body that begins like JSON and cannot be read.
pub const INVALID_JSON: &str = "Failed to parse JSON document";

/// The reply to a body that cannot be read.
#[must_use]
pub fn invalid(body: &[u8]) -> Reply {
    Reply::error(match encoding_of(body) {
        Encoding::Bencode => INVALID_FORMAT,
        Encoding::Json => INVALID_JSON,
    })
}

/// The encoding a reply to `body` is due in: JSON for what begins like JSON, bencode for everything else.
#[must_use]
pub fn encoding_of(body: &[u8]) -> Encoding {
    if body.first() == Some(&b'{') { Encoding::Json } else { Encoding::Bencode }
}

/// Decodes a body.
///
/// # Errors
/// [`DecodeError`]; [`invalid`] is the reply then.
pub fn decode(body: &[u8]) -> Result<Dict, DecodeError> {
    let length = Scanner::default().advance(body)?.ok_or(DecodeError::Truncated)?;
    if length < body.len() {
        return Err(DecodeError::Trailing(body.len() - length));
    }
    match encoding_of(body) {
        Encoding::Bencode => bencode::decode(body).ok_or(DecodeError::Bencode),
        Encoding::Json => json::decode(body).map_err(DecodeError::Json),
    }
}

/// Encodes `cookie SP dict`.
#[must_use]
pub fn encode(cookie: &[u8], encoding: Encoding, dict: &Dict) -> Vec<u8> {
    let mut out = Vec::with_capacity(cookie.len() + 256);
    out.extend_from_slice(cookie);
    out.push(b' ');
    match encoding {
        Encoding::Bencode => bencode::encode(dict, &mut out),
        Encoding::Json => json::encode(dict, &mut out),
    }
    out
}

/// Encodes the reply to a message with `cookie`.
#[must_use]
pub fn encode_reply(cookie: &[u8], encoding: Encoding, reply: Reply) -> Vec<u8> {
    encode(cookie, encoding, &reply.into_dict())
}

/// What a TCP stream begins with.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Framed {
    /// More bytes are needed.
    Incomplete,
    /// A message: skip `start` bytes, take those up to `end`.
    Message {
        /// First byte of the cookie.
        start: usize,
        /// One past the last byte of the body.
        end: usize,
    },
}

/// A stream that cannot be followed any further; the connection has to be closed.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum FrameError {
    /// No space where the cookie should have ended.
    #[error("no space within the first {MAX_COOKIE} bytes of a message")]
    Cookie,
    /// The body's end cannot be found.
    #[error("the end of a message cannot be found: {error}")]
    Body {
        /// Why.
        error: GuardError,
        /// First byte of the cookie, for the error reply.
        start: usize,
    },
}

/// Finds messages in a TCP stream, which has no length prefix: the body's own syntax tells its end.
#[derive(Clone, Debug, Default)]
pub struct Framer {
    scanner: Scanner,
}

impl Framer {
    /// Looks for one message at the beginning of `buffer`, which begins where the previous message ended and only
    /// grows between calls that answer [`Framed::Incomplete`].
    ///
    /// # Errors
    /// [`FrameError`].
    pub fn next(&mut self, buffer: &[u8]) -> Result<Framed, FrameError> {
        // Line ends after a body are typed by people.
        let start = buffer.iter().position(|byte| !byte.is_ascii_whitespace()).unwrap_or(buffer.len());
        let message = buffer.get(start..).unwrap_or_default();
        let window = message.get(..message.len().min(MAX_COOKIE + 1)).unwrap_or_default();
        let Some(space) = memchr::memchr(b' ', window) else {
            return if window.len() > MAX_COOKIE { Err(FrameError::Cookie) } else { Ok(Framed::Incomplete) };
        };
        let body_at = start + space + 1;
        let body = buffer.get(body_at..).unwrap_or_default();
        match self.scanner.advance(body) {
            Ok(None) => Ok(Framed::Incomplete),
            Ok(Some(length)) => {
                self.scanner = Scanner::default();
                Ok(Framed::Message { start, end: body_at + length })
            }
            Err(error) => Err(FrameError::Body { error, start }),
        }
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;
    use crate::ng::value::Value;

    fn values() -> impl Strategy<Value = Value> {
        let leaf = prop_oneof![
            any::<i64>().prop_map(Value::Int),
            proptest::collection::vec(any::<u8>(), 0..20).prop_map(Value::Str),
        ];
        leaf.prop_recursive(4, 32, 6, |inner| {
            prop_oneof![
                proptest::collection::vec(inner.clone(), 0..6).prop_map(Value::List),
                proptest::collection::btree_map(proptest::collection::vec(any::<u8>(), 0..6), inner, 0..6)
                    .prop_map(|entries| Value::Dict(entries.into_iter().collect())),
            ]
        })
    }

    proptest! {
        #[test]
        fn bencode_survives_the_round_trip(value in values()) {
            let dict = Dict::new().with("k", value);
            let wire = encode(b"c", Encoding::Bencode, &dict);
            let message = Message::split(&wire).unwrap();
            prop_assert_eq!(decode(&wire[2..]), Ok(dict));
            prop_assert_eq!(message.cookie, b"c");
        }

        #[test]
        fn json_text_survives_the_round_trip(text in any::<String>(), number in any::<i64>()) {
            let dict = Dict::new().with("k\"\n", text).with("n", number);
            prop_assert_eq!(decode(&encode(b"c", Encoding::Json, &dict)[2..]), Ok(dict));
        }

        #[test]
        fn any_body_is_read_or_refused(bytes in proptest::collection::vec(any::<u8>(), 0..200)) {
            let _ = decode(&bytes);
            let _ = Message::split(&bytes);
            let _ = Framer::default().next(&bytes);
        }

        #[test]
        fn anything_like_bencode_is_read_or_refused(text in "d[dlie0-9:ab-]{0,60}e?") {
            let _ = decode(text.as_bytes());
        }
    }

    #[test]
    fn replies_have_the_bytes_of_the_original() {
        assert_eq!(encode_reply(b"tc1", Encoding::Bencode, Reply::pong()), b"tc1 d6:result4:ponge");
        assert_eq!(encode_reply(b"dup1", Encoding::Json, Reply::pong()), br#"dup1 {"result":"pong"}"#);
        assert_eq!(
            encode_reply(b"ck", Encoding::Bencode, Reply::error(INVALID_FORMAT)),
            b"ck d6:result5:error12:error-reason22:Invalid NG data formate"
        );
    }

    #[test]
    fn unsorted_and_repeated_keys_are_accepted() {
        let dict = decode(b"d1:b1:x1:a1:y1:b1:ze").unwrap();
        assert_eq!(dict.get("b").and_then(Value::as_str), Some("z"));
        assert_eq!(dict.get("a").and_then(Value::as_str), Some("y"));
        let dict = decode(br#"{"b":"x","a":"y","b":"z"}"#).unwrap();
        assert_eq!(dict.get("b").and_then(Value::as_str), Some("z"));
    }

    #[test]
    fn a_datagram_without_cookie_is_no_message() {
        assert_eq!(Message::split(b"garbage"), None);
        assert_eq!(Message::split(b" d7:command4:pinge"), None);
        assert_eq!(Message::split(b""), None);
        assert_eq!(Message::split(b"c de\r\n"), Some(Message { cookie: b"c", body: b"de" }));
    }

    #[test]
    fn a_stream_is_cut_into_messages() {
        let stream = b"a d7:command4:pinge\r\nb {\"x\":1}c d";
        let mut framer = Framer::default();
        assert_eq!(framer.next(stream), Ok(Framed::Message { start: 0, end: 19 }));
        assert_eq!(framer.next(&stream[19..]), Ok(Framed::Message { start: 2, end: 11 }));
        assert_eq!(framer.next(&stream[30..]), Ok(Framed::Incomplete));
        assert_eq!(Framer::default().next(&[b'x'; 300]), Err(FrameError::Cookie));
        assert_eq!(
            Framer::default().next(b"c x"),
            Err(FrameError::Body { error: GuardError::NotADictionary, start: 0 })
        );
    }
}
