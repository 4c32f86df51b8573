//! What a datagram on a media socket is (RFC 7983 section 7, RFC 5761 section 4) and its RTP header (RFC 3550 section 5.1).

use crate::io::{Component, Reason};

/// Length of an RTP header without CSRCs and extension, bytes.
pub const RTP_HEADER: usize = 12;
/// Shortest RTCP packet, bytes: an empty receiver report.
pub const RTCP_HEADER: usize = 8;

/// The kind of a datagram.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Kind {
    /// RTP, with the fields the relay needs.
    Rtp(RtpHeader),
    /// RTCP, compound or reduced size.
    Rtcp,
    /// Not looked into (T.38 and other [`Component::Raw`] media).
    Raw,
    /// Not for the other party, or not valid.
    Refused(Reason),
}

/// The fixed fields of an RTP packet, host order.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct RtpHeader {
    /// Marker bit.
    pub marker: bool,
    /// Payload type, 0 to 127.
    pub payload_type: u8,
    /// Sequence number.
    pub sequence: u16,
    /// Timestamp in units of the payload type's clock.
    pub timestamp: u32,
    /// Synchronisation source.
    pub ssrc: u32,
}

impl RtpHeader {
    /// Reads and validates an RTP packet: version 2, and CSRCs and extension that fit in. What is told of padding is not
    /// read: its length may be encrypted (RFC 3711 section 3.1).
    #[must_use]
    pub fn parse(packet: &[u8]) -> Option<Self> {
        let (fixed, rest) = packet.split_first_chunk::<RTP_HEADER>()?;
        let [first, second, seq0, seq1, t0, t1, t2, t3, s0, s1, s2, s3] = *fixed;
        if first >> 6 != 2 {
            return None;
        }
        let payload = rest.get(usize::from(first & 0x0f) * 4..)?;
        if first & 0x10 != 0 {
            let (extension, after) = payload.split_first_chunk::<4>()?;
            let [_, _, words0, words1] = *extension;
            after.get(usize::from(u16::from_be_bytes([words0, words1])) * 4..)?;
        }
        Some(Self {
            marker: second & 0x80 != 0,
            payload_type: second & 0x7f,
            sequence: u16::from_be_bytes([seq0, seq1]),
            timestamp: u32::from_be_bytes([t0, t1, t2, t3]),
            ssrc: u32::from_be_bytes([s0, s1, s2, s3]),
        })
    }
}

/// Classifies a datagram that arrived on a socket of this component.
///
/// RTCP is recognised on the RTP port only with rtcp-mux: without it, payload types 64 to 95 are ordinary RTP.
#[must_use]
pub fn classify(component: Component, packet: &[u8]) -> Kind {
    if component == Component::Raw {
        return Kind::Raw;
    }
    let Some(&first) = packet.first() else { return Kind::Refused(Reason::Malformed) };
    match first {
        0..=3 => Kind::Refused(Reason::Stun),
        20..=63 => Kind::Refused(Reason::Dtls),
        128..=191 => match component {
            Component::Rtp => rtp(packet),
            Component::Rtcp => rtcp(packet),
            Component::Mux if is_rtcp(packet) => rtcp(packet),
            Component::Mux => rtp(packet),
            Component::Raw => Kind::Raw,
        },
        _ => Kind::Refused(Reason::NotRtp),
    }
}

/// RFC 5761 section 4: RTCP packet types 192 to 223, that is RTP payload types 64 to 95 with the marker set.
fn is_rtcp(packet: &[u8]) -> bool {
    packet.get(1).is_some_and(|kind| (192..=223).contains(kind))
}

fn rtp(packet: &[u8]) -> Kind {
    RtpHeader::parse(packet).map_or(Kind::Refused(Reason::Malformed), Kind::Rtp)
}

/// The first packet of a compound must be RTCP and fit; the rest is the receiving party's business.
fn rtcp(packet: &[u8]) -> Kind {
    let Some((&[_, kind, words0, words1, ..], _)) = packet.split_first_chunk::<RTCP_HEADER>() else {
        return Kind::Refused(Reason::Malformed);
    };
    let length = (usize::from(u16::from_be_bytes([words0, words1])) + 1) * 4;
    if (192..=223).contains(&kind) && length <= packet.len() {
        Kind::Rtcp
    } else {
        Kind::Refused(Reason::Malformed)
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn rtp_bytes(payload_type: u8) -> Vec<u8> {
        let mut packet = vec![0x80, payload_type, 0x12, 0x34, 0, 0, 0, 160, 0xde, 0xad, 0xbe, 0xef];
        packet.extend_from_slice(&[0xd5; 160]);
        packet
    }

    const REPORT: [u8; 8] = [0x80, 201, 0, 1, 1, 2, 3, 4];

    #[test]
    fn rtp_fields_are_read_in_network_order() {
        let Kind::Rtp(header) = classify(Component::Rtp, &rtp_bytes(0x88)) else { panic!("not RTP") };
        let expected =
            RtpHeader { marker: true, payload_type: 8, sequence: 0x1234, timestamp: 160, ssrc: 0xdead_beef };
        assert_eq!(header, expected);
    }

    #[test]
    fn rtcp_on_the_rtp_port_needs_mux() {
        assert_eq!(classify(Component::Mux, &REPORT), Kind::Rtcp);
        assert_eq!(classify(Component::Rtcp, &REPORT), Kind::Rtcp);
        assert!(matches!(classify(Component::Rtp, &rtp_bytes(200)), Kind::Rtp(_)));
        assert!(matches!(classify(Component::Mux, &rtp_bytes(96)), Kind::Rtp(_)));
        assert_eq!(classify(Component::Rtcp, &rtp_bytes(0)), Kind::Refused(Reason::Malformed));
    }

    #[test]
    fn other_protocols_are_named() {
        assert_eq!(classify(Component::Mux, &[0, 1, 0, 0]), Kind::Refused(Reason::Stun));
        assert_eq!(classify(Component::Rtp, &[22, 254, 253]), Kind::Refused(Reason::Dtls));
        assert_eq!(classify(Component::Rtp, b"\r\n\r\n"), Kind::Refused(Reason::NotRtp));
        assert_eq!(classify(Component::Rtp, &[]), Kind::Refused(Reason::Malformed));
        assert_eq!(classify(Component::Raw, &[]), Kind::Raw);
    }

    proptest! {
        #[test]
        fn agrees_with_rtp_types(mut packet in proptest::collection::vec(any::<u8>(), 0..80), v2 in any::<bool>()) {
            if let (true, Some(first)) = (v2, packet.first_mut()) {
                *first = (*first & 0x3f) | 0x80;
            }
            let ours = RtpHeader::parse(&packet);
            let oracle = rtp_types::RtpPacket::parse(&packet).ok();
            if let Some(ours) = ours {
                // The oracle reads the padding.
                let padded = packet[0] & 0x20 != 0;
                prop_assert!(oracle.is_some() || padded, "accepted for nothing: {:?}", packet);
                let Some(oracle) = oracle else { return Ok(()) };
                prop_assert_eq!(ours.sequence, oracle.sequence_number());
                prop_assert_eq!(ours.timestamp, oracle.timestamp());
                prop_assert_eq!(ours.ssrc, oracle.ssrc());
                prop_assert_eq!(ours.payload_type, oracle.payload_type());
                prop_assert_eq!(ours.marker, oracle.marker_bit());
            } else {
                prop_assert!(oracle.is_none(), "refused for nothing: {:?}", packet);
            }
        }

        #[test]
        fn accepts_every_rtcp_compound_the_oracle_accepts(packet in proptest::collection::vec(any::<u8>(), 8..64), kind in 200u8..=206, words in 1u16..16) {
            let mut packet = packet;
            packet[0] = (packet[0] & 0x1f) | 0x80;
            packet[1] = kind;
            packet[2..4].copy_from_slice(&words.to_be_bytes());
            if rtcp_types::Compound::parse(&packet).is_ok_and(|mut all| all.next().is_some_and(|first| first.is_ok())) {
                prop_assert_eq!(classify(Component::Mux, &packet), Kind::Rtcp);
            }
        }
    }
}
