//! Packets on media ports.

use rtpengine_common::packet::{
    self, ETHERTYPE_IPV4, ETHERTYPE_IPV6, Frame, Ipv4Udp, Ipv6Udp, Link, Rtp, RtpLayout,
};
use rtpengine_core::io::{Component, Reason};
use rtpengine_core::media::classify::{Kind, RtpHeader, classify};
use rtpengine_core::media::rtcp::{MAX_BLOCKS, Report, Reports, keep_feedback, write};

/// Reading never panics, and the relay and the XDP program see the same in a packet.
pub fn check(packet: &[u8]) {
    header(packet);
    kind(packet, Component::Rtp, false);
    kind(packet, Component::Mux, true);
    let _ = classify(Component::Rtcp, packet);
    assert_eq!(classify(Component::Raw, packet), Kind::Raw);
    frame(packet);
    reports(packet);
}

/// Reports are read in bounded space, and what is read of one is read again where it is written.
fn reports(packet: &[u8]) {
    if let Some(reports) = Reports::parse(packet) {
        assert!(reports.blocks.len() <= MAX_BLOCKS && reports.echoes.len() <= MAX_BLOCKS);
        let Reports { reporter: ssrc, sender, ref blocks, .. } = reports;
        let again = write(&Report { ssrc, sender, blocks, cname: "name" });
        let expected = Reports { reference: None, echoes: Default::default(), ..reports.clone() };
        assert_eq!(Reports::parse(&again), Some(expected));
    }
    let mut left = packet.to_vec();
    if let Some(length) = keep_feedback(&mut left) {
        assert!(length <= packet.len());
        assert!(Reports::parse(&left[..length]).is_none_or(|reports| reports.sender.is_none()));
    }
}

fn header(packet: &[u8]) {
    let (relay, kernel) = (RtpHeader::parse(packet), RtpLayout::parse(packet));
    // The relay does not read how much padding there is: in SRTP that is encrypted.
    let padded = packet.first().is_some_and(|first| first & 0x20 != 0);
    assert!(relay.is_some() || kernel.is_none(), "the relay alone refuses the packet");
    assert!(relay.is_none() || kernel.is_some() || padded, "the other reader alone refuses the packet");
    let (Some(relay), Some(layout), Some(rtp)) = (relay, kernel, packet.view::<Rtp>(0)) else { return };
    assert_eq!(relay.payload_type, rtp.payload_type());
    assert_eq!(relay.sequence, u16::from_be_bytes(rtp.sequence));
    assert_eq!(relay.ssrc, u32::from_be_bytes(rtp.ssrc));
    assert!(rtp.min_len() <= packet.len());
    assert!(layout.extension.0 <= layout.extension.1 && layout.extension.1 <= layout.payload.0);
    assert!(layout.payload.0 <= layout.payload.1 && layout.payload.1 <= packet.len());
}

fn kind(packet: &[u8], component: Component, mux: bool) {
    let [first, second, ..] = *packet else { return };
    let relay = classify(component, packet);
    match packet::classify(first, second, mux) {
        packet::Kind::Stun => assert_eq!(relay, Kind::Refused(Reason::Stun)),
        packet::Kind::Dtls => assert_eq!(relay, Kind::Refused(Reason::Dtls)),
        packet::Kind::Other => assert_eq!(relay, Kind::Refused(Reason::NotRtp)),
        packet::Kind::Rtcp => assert!(matches!(relay, Kind::Rtcp | Kind::Refused(Reason::Malformed))),
        packet::Kind::Rtp => assert!(matches!(relay, Kind::Rtp(_) | Kind::Refused(Reason::Malformed))),
    }
}

/// The same bytes as a whole frame: a payload that is accepted lies within it.
fn frame(frame: &[u8]) {
    let Ok(link) = Link::parse(frame) else { return };
    assert!(link.len <= frame.len(), "link header beyond the frame");
    let available = frame.len() - link.len;
    let (headers, payload) = match link.ethertype {
        ETHERTYPE_IPV4 => {
            (size_of::<Ipv4Udp>(), frame.view::<Ipv4Udp>(link.len).map(|ip| ip.check(available)))
        }
        ETHERTYPE_IPV6 => {
            (size_of::<Ipv6Udp>(), frame.view::<Ipv6Udp>(link.len).map(|ip| ip.check(available)))
        }
        _ => return,
    };
    if let Some(Ok(payload)) = payload {
        assert!(headers + payload <= available, "payload beyond the frame");
    }
}
