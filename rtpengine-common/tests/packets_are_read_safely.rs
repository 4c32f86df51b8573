//! Whatever arrives, reading it ends in a verdict, and what is accepted lies within the frame.

use proptest::prelude::*;
use rtpengine_common::packet::{
    ETHERTYPE_IPV4, ETHERTYPE_IPV6, Frame as _, Ipv4Udp, Ipv6Udp, Kind, Link, RtpLayout, classify,
};

/// Payload offset and length of an accepted frame.
fn read(frame: &[u8]) -> Option<(usize, usize)> {
    let link = Link::parse(frame).ok()?;
    let available = frame.len() - link.len;
    match link.ethertype {
        ETHERTYPE_IPV4 => {
            let headers = frame.view::<Ipv4Udp>(link.len)?;
            Some((link.len + size_of::<Ipv4Udp>(), headers.check(available).ok()?))
        }
        ETHERTYPE_IPV6 => {
            let headers = frame.view::<Ipv6Udp>(link.len)?;
            Some((link.len + size_of::<Ipv6Udp>(), headers.check(available).ok()?))
        }
        _ => None,
    }
}

/// A valid IPv4 or IPv6 frame with up to two tags, whose bytes are then damaged.
fn frames() -> impl Strategy<Value = Vec<u8>> {
    let valid = (any::<bool>(), 0_usize..4, 0_usize..300).prop_map(|(v6, tags, payload)| {
        let mut frame = vec![2; 12];
        for _ in 0..tags {
            frame.extend([0x81, 0, 0, 5]);
        }
        let udp = (8 + payload) as u16;
        if v6 {
            frame.extend([0x86, 0xdd, 0x60, 0, 0, 0]);
            frame.extend(udp.to_be_bytes());
            frame.extend([17, 64]);
            frame.extend([1; 32]);
        } else {
            frame.extend([8, 0, 0x45, 0]);
            frame.extend((20 + udp).to_be_bytes());
            frame.extend([0, 0, 0x40, 0, 64, 17, 0, 0]);
            frame.extend([1; 8]);
        }
        frame.extend([0x75, 0x30, 0x75, 0x32]);
        frame.extend(udp.to_be_bytes());
        frame.extend([1, 1]);
        frame.extend(std::iter::repeat_n(0x80, payload));
        frame
    });
    (
        valid,
        prop::collection::vec((any::<prop::sample::Index>(), any::<u8>()), 0..4),
        any::<prop::sample::Index>(),
        any::<bool>(),
    )
        .prop_map(|(mut frame, damage, cut, truncate)| {
            for (at, value) in damage {
                let at = at.index(frame.len());
                frame[at] = value;
            }
            if truncate {
                frame.truncate(cut.index(frame.len()));
            }
            frame
        })
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(8192))]

    #[test]
    fn arbitrary_bytes(frame in prop::collection::vec(any::<u8>(), 0..200)) {
        if let Some((offset, len)) = read(&frame) {
            prop_assert!(offset + len <= frame.len());
        }
        if let Some(layout) = RtpLayout::parse(&frame) {
            let ((extension, extension_end), (payload, payload_end)) = (layout.extension, layout.payload);
            prop_assert!(extension <= extension_end && extension_end <= payload, "{:?}", layout);
            prop_assert!(payload <= payload_end && payload_end <= frame.len(), "{:?}", layout);
        }
    }

    #[test]
    fn damaged_frames(frame in frames()) {
        if let Some((offset, len)) = read(&frame) {
            prop_assert!(offset + len <= frame.len());
        }
    }

    #[test]
    fn every_first_byte_belongs_to_one_protocol(first: u8, second: u8, mux: bool) {
        // RFC 7983 section 7, and RFC 5761 section 4 for RTCP.
        let expected = match first {
            0..=3 => Kind::Stun,
            20..=63 => Kind::Dtls,
            128..=191 if mux && (192..=223).contains(&second) => Kind::Rtcp,
            128..=191 => Kind::Rtp,
            _ => Kind::Other,
        };
        prop_assert_eq!(classify(first, second, mux), expected);
    }
}
