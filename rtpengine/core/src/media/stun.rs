//! What a relay thread must know of a STUN message (RFC 8489) before it hands it up: whether it can be meant for us at
//! all. Whether it is authentic is decided above, with the password.

/// Length of the header, bytes.
const HEADER: usize = 20;
const COOKIE: [u8; 4] = 0x2112_a442_u32.to_be_bytes();
/// Longest message handed up, bytes: checks stay far below, and STUN over UDP keeps to the MTU (RFC 8489 §6.1).
const MAX_MESSAGE: usize = 1500;
/// USERNAME (RFC 8489 §14.3).
const USERNAME: u16 = 0x0006;
/// A Binding request.
const BINDING_REQUEST: u16 = 0x0001;
/// The class bits of a message type (RFC 8489 §5): set in responses.
const RESPONSE: u16 = 0x0100;

/// A message that may be one of ICE.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Stun<'a> {
    /// A Binding request; it is for the agent with this username fragment.
    Request(&'a [u8]),
    /// A response to something that was sent from here, by its own account.
    Response,
}

impl<'a> Stun<'a> {
    /// Reads header and USERNAME. `None`: not STUN, or of no use to ICE (indications, requests without a name).
    #[must_use]
    pub fn parse(datagram: &'a [u8]) -> Option<Self> {
        let (header, attributes) = datagram.split_first_chunk::<HEADER>()?;
        let [t0, t1, l0, l1, c0, c1, c2, c3, ..] = *header;
        let kind = u16::from_be_bytes([t0, t1]);
        let length = usize::from(u16::from_be_bytes([l0, l1]));
        let fits = length == attributes.len() && length.is_multiple_of(4) && datagram.len() <= MAX_MESSAGE;
        if kind >> 14 != 0 || [c0, c1, c2, c3] != COOKIE || !fits {
            return None;
        }
        if kind == BINDING_REQUEST {
            let username = attribute(attributes, USERNAME)?;
            let colon = memchr::memchr(b':', username)?;
            return username.get(..colon).map(Self::Request);
        }
        (kind & RESPONSE != 0).then_some(Self::Response)
    }
}

/// The value of the first attribute of a kind.
fn attribute(mut rest: &[u8], wanted: u16) -> Option<&[u8]> {
    loop {
        let (&[k0, k1, l0, l1], after) = rest.split_first_chunk::<4>()?;
        let length = usize::from(u16::from_be_bytes([l0, l1]));
        if u16::from_be_bytes([k0, k1]) == wanted {
            return after.get(..length);
        }
        rest = after.get(length.next_multiple_of(4)..)?;
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn message(kind: u16, attributes: &[u8]) -> Vec<u8> {
        let mut message = kind.to_be_bytes().to_vec();
        message.extend((attributes.len() as u16).to_be_bytes());
        message.extend(COOKIE);
        message.extend([7; 12]);
        message.extend(attributes);
        message
    }

    /// PRIORITY, then a USERNAME of nine bytes with its padding.
    const NAMED: &[u8] = &[
        0, 0x24, 0, 4, 1, 2, 3, 4, 0, 6, 0, 9, b'u', b's', b'e', b'r', b':', b'p', b'e', b'e', b'r', 0, 0, 0,
    ];

    #[test]
    fn requests_name_their_agent_and_the_rest_is_responses() {
        assert_eq!(Stun::parse(&message(1, NAMED)), Some(Stun::Request(b"user")));
        assert_eq!(Stun::parse(&message(0x0101, &[])), Some(Stun::Response));
        assert_eq!(Stun::parse(&message(0x0111, &[])), Some(Stun::Response));
    }

    #[test]
    fn whatever_is_of_no_use_is_not_handed_up() {
        assert_eq!(Stun::parse(&message(1, &[])), None, "no name");
        assert_eq!(Stun::parse(&message(0x0011, NAMED)), None, "an indication");
        assert_eq!(Stun::parse(&message(0x8001, NAMED)), None, "RTP");
        assert_eq!(Stun::parse(&message(1, &NAMED[..22])), None, "no multiple of four");
        let mut cut = message(1, NAMED);
        cut.pop();
        assert_eq!(Stun::parse(&cut), None, "truncated");
        let mut old = message(1, NAMED);
        old[4] = 0;
        assert_eq!(Stun::parse(&old), None, "no cookie");
        assert_eq!(Stun::parse(&message(1, &[0; 1484])), None, "too long");
    }

    proptest! {
        #[test]
        fn hostile_attributes_never_panic(kind in 0u16..0x200, attributes in proptest::collection::vec(any::<u8>(), 0..80)) {
            let _ = Stun::parse(&message(kind, &attributes));
            let _ = Stun::parse(&attributes);
        }
    }
}
