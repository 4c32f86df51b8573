//! Checks an ng body before any recursive or allocating parser sees it, and finds where it ends.
//!
//! The scanner is iterative, allocates nothing, and can be continued when more bytes of a TCP stream have come.

/// Nesting allowed in a body. The deepest documented request (`sdp-attr`) needs 5.
pub const MAX_DEPTH: u32 = 32;
/// Largest body in bytes: an SDP with hundreds of candidates is below 64 kB.
pub const MAX_BODY: usize = 256 * 1024;
/// Digits in a declared string length; more than [`MAX_BODY`] has would be refused anyway.
const MAX_LENGTH_DIGITS: usize = 9;
/// Longest integer token with sign: `-9223372036854775808`, with room for leading zeros.
const MAX_INT_DIGITS: usize = 32;

/// Why a body was refused.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum GuardError {
    /// The first byte is neither `d` nor `{`.
    #[error("the body is neither a bencode dictionary nor a JSON object")]
    NotADictionary,
    /// Nested too deeply.
    #[error("nested deeper than {MAX_DEPTH} levels")]
    Depth,
    /// Too large.
    #[error("larger than {MAX_BODY} bytes")]
    Size,
    /// A declared string length that no body could hold.
    #[error("a string declares more bytes than a message may have")]
    Length,
    /// An integer outside of 64 bits, or without digits.
    #[error("an integer is malformed or does not fit 64 bits")]
    Integer,
    /// A dictionary key that is not a string, or a key without a value.
    #[error("a dictionary has a key that is not a string or a key without value")]
    Key,
    /// A byte that starts no token, or a bracket that closes nothing.
    #[error("unexpected byte at offset {0}")]
    Unexpected(usize),
}

/// The form of a body.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Encoding {
    /// bencode, starts with `d`.
    Bencode,
    /// JSON, starts with `{`.
    Json,
}

/// Finds the end of one body; keeps its place between calls with a growing buffer.
#[derive(Clone, Debug, Default)]
pub struct Scanner {
    /// Everything before this offset was checked.
    position: usize,
    /// Open lists and dictionaries.
    depth: u32,
    /// Bit n: level n is a dictionary.
    dictionaries: u32,
    /// Bit n: dictionary at level n waits for the value of a key.
    wants_value: u32,
    /// JSON: inside a string.
    in_string: bool,
}

const _: () = assert!(MAX_DEPTH <= u32::BITS, "one bit per level");

impl Scanner {
    /// Continues in `bytes`, which begins at the body's first byte and holds everything passed before.
    /// `Ok(Some(length))` once the body is complete, `Ok(None)` when more bytes are needed.
    ///
    /// # Errors
    /// [`GuardError`] for a body that could not be made valid by more bytes.
    pub fn advance(&mut self, bytes: &[u8]) -> Result<Option<usize>, GuardError> {
        let end = match bytes.first() {
            None => return Ok(None),
            Some(b'd') => self.bencode(bytes)?,
            Some(b'{') => self.json(bytes)?,
            Some(_) => return Err(GuardError::NotADictionary),
        };
        if end.unwrap_or(bytes.len()) > MAX_BODY {
            return Err(GuardError::Size);
        }
        Ok(end)
    }

    /// The bit of the innermost open level; 0 outside of all.
    fn top(&self) -> u32 {
        self.depth.checked_sub(1).map_or(0, |level| 1 << level)
    }

    /// Opens a level.
    fn open(&mut self, dictionary: bool) -> Result<(), GuardError> {
        if self.depth >= MAX_DEPTH {
            return Err(GuardError::Depth);
        }
        self.depth += 1;
        let bit = self.top();
        self.dictionaries = if dictionary { self.dictionaries | bit } else { self.dictionaries & !bit };
        self.wants_value &= !bit;
        Ok(())
    }

    /// Notes that the innermost level got an element that is not a string.
    fn value(&mut self) -> Result<(), GuardError> {
        let bit = self.top();
        if self.dictionaries & bit != 0 {
            if self.wants_value & bit == 0 {
                return Err(GuardError::Key);
            }
            self.wants_value &= !bit;
        }
        Ok(())
    }

    fn bencode(&mut self, bytes: &[u8]) -> Result<Option<usize>, GuardError> {
        while let Some(&byte) = bytes.get(self.position) {
            match byte {
                b'd' | b'l' => {
                    if self.position > 0 {
                        self.value()?;
                    }
                    self.open(byte == b'd')?;
                    self.position += 1;
                }
                b'e' => {
                    let bit = self.top();
                    if self.dictionaries & self.wants_value & bit != 0 {
                        return Err(GuardError::Key);
                    }
                    self.depth -= 1;
                    self.position += 1;
                    if self.depth == 0 {
                        return Ok(Some(self.position));
                    }
                }
                b'i' => {
                    let Some(length) = integer(bytes.get(self.position + 1..).unwrap_or_default())? else {
                        return Ok(None);
                    };
                    self.value()?;
                    self.position += length + 2;
                }
                b'0'..=b'9' => {
                    let Some(length) = string(bytes.get(self.position..).unwrap_or_default())? else {
                        return Ok(None);
                    };
                    let bit = self.top();
                    if self.dictionaries & bit != 0 {
                        self.wants_value ^= bit;
                    }
                    self.position += length;
                }
                _ => return Err(GuardError::Unexpected(self.position)),
            }
        }
        Ok(None)
    }

    /// Only brackets and strings matter here; `serde_json` judges the rest.
    fn json(&mut self, bytes: &[u8]) -> Result<Option<usize>, GuardError> {
        while let Some(&byte) = bytes.get(self.position) {
            if self.in_string {
                match byte {
                    // The escaped byte may not have come yet.
                    b'\\' if self.position + 1 >= bytes.len() => return Ok(None),
                    b'\\' => self.position += 1,
                    b'"' => self.in_string = false,
                    _ => {}
                }
            } else {
                match byte {
                    b'"' => self.in_string = true,
                    b'{' | b'[' => self.open(byte == b'{')?,
                    b'}' | b']' => {
                        if (self.dictionaries & self.top() != 0) != (byte == b'}') {
                            return Err(GuardError::Unexpected(self.position));
                        }
                        self.depth -= 1;
                        if self.depth == 0 {
                            return Ok(Some(self.position + 1));
                        }
                    }
                    _ => {}
                }
            }
            self.position += 1;
        }
        Ok(None)
    }
}

/// The number of bytes between `i` and `e`; `None` when the end has not come yet.
fn integer(bytes: &[u8]) -> Result<Option<usize>, GuardError> {
    let window = bytes.get(..bytes.len().min(MAX_INT_DIGITS)).unwrap_or_default();
    let Some(length) = window.iter().position(|byte| *byte == b'e') else {
        let digits =
            window.iter().enumerate().all(|(at, byte)| byte.is_ascii_digit() || (at == 0 && *byte == b'-'));
        return if digits && window.len() < MAX_INT_DIGITS { Ok(None) } else { Err(GuardError::Integer) };
    };
    let text = window.get(..length).unwrap_or_default();
    if text.first() == Some(&b'+') {
        return Err(GuardError::Integer);
    }
    std::str::from_utf8(text)
        .ok()
        .and_then(|text| text.parse::<i64>().ok())
        .map(|_| Some(length))
        .ok_or(GuardError::Integer)
}

/// The length of a whole string token (digits, colon, content); `None` when it has not all come yet.
fn string(bytes: &[u8]) -> Result<Option<usize>, GuardError> {
    let window = bytes.get(..bytes.len().min(MAX_LENGTH_DIGITS + 1)).unwrap_or_default();
    let mut declared = 0_usize;
    for (digits, byte) in window.iter().enumerate() {
        match byte {
            b':' => {
                let total = digits + 1 + declared;
                return if declared > MAX_BODY {
                    Err(GuardError::Length)
                } else if total > bytes.len() {
                    Ok(None)
                } else {
                    Ok(Some(total))
                };
            }
            // At most nine digits: no overflow.
            b'0'..=b'9' if digits < MAX_LENGTH_DIGITS => declared = declared * 10 + usize::from(byte - b'0'),
            b'0'..=b'9' => return Err(GuardError::Length),
            _ => return Err(GuardError::Length),
        }
    }
    if declared > MAX_BODY { Err(GuardError::Length) } else { Ok(None) }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn scan(bytes: &[u8]) -> Result<Option<usize>, GuardError> {
        Scanner::default().advance(bytes)
    }

    #[test]
    fn complete_bodies_end_at_their_last_byte() {
        assert_eq!(scan(b"de"), Ok(Some(2)));
        assert_eq!(scan(b"d7:command4:pingeREST"), Ok(Some(17)));
        assert_eq!(scan(b"d1:ali1ei-2eee"), Ok(Some(14)));
        assert_eq!(scan(br#"{"a":"}\"}","b":[{}]} x"#), Ok(Some(21)));
    }

    #[test]
    fn incomplete_bodies_wait() {
        for body in ["d", "d7", "d7:", "d7:comm", "d1:ai", "d1:ai12", "{", "{\"a", "{\"a\\", "{\"a\":["] {
            assert_eq!(scan(body.as_bytes()), Ok(None), "{body}");
        }
    }

    #[test]
    fn hostile_bodies_are_refused() {
        assert_eq!(scan(b"x"), Err(GuardError::NotADictionary));
        assert_eq!(scan(b"d99999999999:abc"), Err(GuardError::Length));
        assert_eq!(scan(b"d999999999:abc"), Err(GuardError::Length));
        assert_eq!(scan(b"d1:ai18446744073709551615ee"), Err(GuardError::Integer));
        assert_eq!(scan(b"d1:aiee"), Err(GuardError::Integer));
        assert_eq!(scan(b"d1:ai+1ee"), Err(GuardError::Integer));
        assert_eq!(scan(b"di1e1:ae"), Err(GuardError::Key));
        assert_eq!(scan(b"d1:ae"), Err(GuardError::Key));
        assert_eq!(scan(b"d1:a}"), Err(GuardError::Unexpected(4)));
        assert_eq!(scan(b"{]"), Err(GuardError::Unexpected(1)));
        let mut deep = b"d1:a".to_vec();
        deep.extend(vec![b'l'; 10_000]);
        assert_eq!(scan(&deep), Err(GuardError::Depth));
        assert_eq!(scan(&[b"{\"a\":".as_slice(), &vec![b'['; 10_000]].concat()), Err(GuardError::Depth));
        assert_eq!(scan(&[b"{\"".as_slice(), &vec![b'a'; MAX_BODY]].concat()), Err(GuardError::Size));
    }

    proptest! {
        #[test]
        fn any_bytes_never_panic(bytes in proptest::collection::vec(any::<u8>(), 0..200)) {
            let _ = scan(&bytes);
            let _ = scan(&[b"d".as_slice(), &bytes].concat());
            let _ = scan(&[b"{".as_slice(), &bytes].concat());
        }

        #[test]
        fn byte_by_byte_finds_the_same_end(text in "[dlie0-9:a{}\\[\\]\"\\\\]{0,40}") {
            for start in ["d", "{"] {
                let body = format!("{start}{text}").into_bytes();
                let whole = scan(&body);
                let mut scanner = Scanner::default();
                let mut last = Ok(None);
                for end in 1..=body.len() {
                    last = scanner.advance(&body[..end]);
                    if last != Ok(None) {
                        break;
                    }
                }
                prop_assert_eq!(last, whole);
            }
        }
    }
}
