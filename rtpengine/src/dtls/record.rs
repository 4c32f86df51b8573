//! DTLS records as far as demultiplexing needs them (RFC 6347 sections 4.1 and 4.2).
//!
//! A reader of borrowed bytes without state. It decides only where a datagram belongs; OpenSSL judges the content.

/// Longest datagram taken, in bytes: more than any flight fragmented for a network, jumbo frames included.
pub const MAX_DATAGRAM: usize = 9216;
/// Content type, version, epoch, sequence number, length.
const RECORD_HEADER: usize = 13;
/// Message type, length, message sequence, fragment offset, fragment length.
const HANDSHAKE_HEADER: usize = 12;
/// RFC 6347 section 4.1: a plaintext of 2^14 bytes plus at most 2048 of expansion.
const MAX_RECORD: usize = (1 << 14) + 2048;
/// Length of the random in a hello.
const RANDOM: usize = 32;

/// Content types of RFC 5246 section 6.2.1.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Content {
    /// Switches to the negotiated keys.
    ChangeCipherSpec,
    /// Warnings, fatal errors, closing.
    Alert,
    /// Everything that leads to keys.
    Handshake,
    /// SCTP of data channels; this project relays none.
    ApplicationData,
}

/// One record of a datagram.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Record<'a> {
    /// What it carries; readable in epoch 0 only.
    pub content: Content,
    /// 0 before the first key change: nothing in it is authenticated.
    pub epoch: u16,
    /// The record without its header.
    pub fragment: &'a [u8],
}

/// What demultiplexing needs of the first fragment of a ClientHello.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct ClientHello {
    /// Identifies the attempt: both hellos around a cookie exchange and all retransmissions carry the same.
    pub random: [u8; RANDOM],
    /// 0 in the first flight, 1 after a HelloVerifyRequest.
    pub message_sequence: u16,
    /// Whether it returns a cookie.
    pub has_cookie: bool,
}

/// Where a datagram belongs.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Datagram {
    /// Asks for a new association, or repeats asking.
    ClientHello(ClientHello),
    /// Belongs to an association that exists, if to any.
    Association {
        /// Of the first record.
        epoch: u16,
    },
}

/// Why a datagram is dropped unread.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Malformed {
    /// More than [`MAX_DATAGRAM`] bytes.
    TooLong,
    /// Shorter than it says, or empty.
    Truncated,
    /// No content type of DTLS 1.0 to 1.2.
    ContentType,
    /// Not a DTLS version.
    Version,
    /// A ClientHello that cannot be one.
    ClientHello,
}

/// Reads the headers of all records and, where there is one, the head of a ClientHello.
///
/// # Errors
/// See [`Malformed`]; such a datagram is nobody's.
pub fn demultiplex(datagram: &[u8]) -> Result<Datagram, Malformed> {
    if datagram.len() > MAX_DATAGRAM {
        return Err(Malformed::TooLong);
    }
    let mut records = Records { rest: datagram };
    let first = records.next().unwrap_or(Err(Malformed::Truncated))?;
    for record in records {
        record?;
    }
    if first.epoch == 0
        && first.content == Content::Handshake
        && let Some(hello) = client_hello(first.fragment)?
    {
        return Ok(Datagram::ClientHello(hello));
    }
    Ok(Datagram::Association { epoch: first.epoch })
}

/// The records of a datagram; ends after the first error.
#[derive(Clone, Debug)]
pub struct Records<'a> {
    rest: &'a [u8],
}

impl<'a> Records<'a> {
    /// Reads from the first byte of a datagram.
    #[must_use]
    pub const fn new(datagram: &'a [u8]) -> Self {
        Self { rest: datagram }
    }

    fn read(&mut self) -> Result<Record<'a>, Malformed> {
        let Some((header, rest)) = self.rest.split_first_chunk::<RECORD_HEADER>() else {
            return Err(Malformed::Truncated);
        };
        let [kind, major, minor, epoch0, epoch1, _, _, _, _, _, _, length0, length1] = *header;
        let content = match kind {
            20 => Content::ChangeCipherSpec,
            21 => Content::Alert,
            22 => Content::Handshake,
            23 => Content::ApplicationData,
            _ => return Err(Malformed::ContentType),
        };
        // DTLS 1.0 is 254.255, 1.2 is 254.253; hellos of a 1.2 client carry either.
        if major != 254 || !matches!(minor, 253 | 255) {
            return Err(Malformed::Version);
        }
        let length = usize::from(u16::from_be_bytes([length0, length1]));
        if length > MAX_RECORD {
            return Err(Malformed::TooLong);
        }
        let (fragment, rest) = rest.split_at_checked(length).ok_or(Malformed::Truncated)?;
        self.rest = rest;
        Ok(Record { content, epoch: u16::from_be_bytes([epoch0, epoch1]), fragment })
    }
}

impl<'a> Iterator for Records<'a> {
    type Item = Result<Record<'a>, Malformed>;

    fn next(&mut self) -> Option<Self::Item> {
        if self.rest.is_empty() {
            return None;
        }
        let record = self.read();
        if record.is_err() {
            self.rest = &[];
        }
        Some(record)
    }
}

/// The head of a ClientHello; `None` for other messages and for later fragments of a ClientHello, which belong to
/// the association that the first fragment made.
fn client_hello(fragment: &[u8]) -> Result<Option<ClientHello>, Malformed> {
    let Some((header, body)) = fragment.split_first_chunk::<HANDSHAKE_HEADER>() else {
        return Err(Malformed::ClientHello);
    };
    let [kind, l0, l1, l2, sequence0, sequence1, o0, o1, o2, f0, f1, f2] = *header;
    if kind != 1 {
        return Ok(None);
    }
    let length = u32::from_be_bytes([0, l0, l1, l2]);
    let offset = u32::from_be_bytes([0, o0, o1, o2]);
    let here = u32::from_be_bytes([0, f0, f1, f2]);
    if offset.checked_add(here).is_none_or(|end| end > length) {
        return Err(Malformed::ClientHello);
    }
    if offset != 0 {
        return Ok(None);
    }
    let head = hello_head(body).ok_or(Malformed::ClientHello)?;
    let (random, has_cookie) = head;
    Ok(Some(ClientHello { random, message_sequence: u16::from_be_bytes([sequence0, sequence1]), has_cookie }))
}

/// Random, and whether a cookie follows (RFC 6347 section 4.2.1).
fn hello_head(body: &[u8]) -> Option<([u8; RANDOM], bool)> {
    let (_version, rest) = body.split_first_chunk::<2>()?;
    let (random, rest) = rest.split_first_chunk::<RANDOM>()?;
    let (&session_id, rest) = rest.split_first()?;
    let (&cookie, _) = rest.get(usize::from(session_id)..)?.split_first()?;
    (session_id <= 32).then_some((*random, cookie != 0))
}

#[cfg(test)]
mod tests {
    use super::*;

    /// A record in epoch 0.
    fn record(kind: u8, fragment: &[u8]) -> Vec<u8> {
        let length = u16::try_from(fragment.len()).unwrap().to_be_bytes();
        let mut bytes = vec![kind, 254, 255, 0, 0, 0, 0, 0, 0, 0, 0];
        bytes.extend_from_slice(&length);
        bytes.extend_from_slice(fragment);
        bytes
    }

    /// A ClientHello of which `here` bytes from `offset` are in this fragment.
    fn hello(offset: u8, cookie: &[u8]) -> Vec<u8> {
        let mut body = vec![254, 253];
        body.extend_from_slice(&[7; 32]);
        body.push(0);
        body.push(u8::try_from(cookie.len()).unwrap());
        body.extend_from_slice(cookie);
        let length = u8::try_from(body.len()).unwrap();
        let mut message = vec![1, 0, 0, length + offset, 0, 1, 0, 0, offset, 0, 0, length];
        message.extend_from_slice(&body);
        message
    }

    #[test]
    fn a_client_hello_is_told_by_its_random_and_cookie() {
        let without = demultiplex(&record(22, &hello(0, &[])));
        let expected = ClientHello { random: [7; 32], message_sequence: 1, has_cookie: false };
        assert_eq!(without, Ok(Datagram::ClientHello(expected)));
        let with = demultiplex(&record(22, &hello(0, &[1, 2])));
        assert_eq!(with, Ok(Datagram::ClientHello(ClientHello { has_cookie: true, ..expected })));
    }

    #[test]
    fn later_fragments_and_other_messages_belong_to_an_association() {
        for datagram in [record(22, &hello(40, &[])), record(21, &[2, 40]), record(20, &[1])] {
            assert_eq!(demultiplex(&datagram), Ok(Datagram::Association { epoch: 0 }));
        }
    }

    #[test]
    fn every_truncation_of_a_hello_is_refused() {
        let datagram = record(22, &hello(0, &[1, 2]));
        for length in 0..datagram.len() {
            assert!(demultiplex(&datagram[..length]).is_err(), "{length} bytes");
        }
    }

    #[test]
    fn a_bad_record_behind_a_good_one_spoils_the_datagram() {
        let mut datagram = record(20, &[1]);
        datagram.push(22);
        assert_eq!(demultiplex(&datagram), Err(Malformed::Truncated));
    }

    #[test]
    fn other_protocols_and_giants_are_refused() {
        assert_eq!(demultiplex(&[]), Err(Malformed::Truncated));
        assert_eq!(demultiplex(&record(24, &[])), Err(Malformed::ContentType));
        let mut tls = record(22, &[]);
        tls[1] = 3;
        assert_eq!(demultiplex(&tls), Err(Malformed::Version));
        assert_eq!(demultiplex(&vec![22; MAX_DATAGRAM + 1]), Err(Malformed::TooLong));
    }
}
