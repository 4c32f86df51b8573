//! Packets on media ports.

use rtpengine_core::io::Component;
use rtpengine_core::media::classify::{Kind, RtpHeader, classify};

/// Reading never panics, and a packet taken for RTP has a header that was there to read.
pub fn check(packet: &[u8]) {
    let header = RtpHeader::parse(packet);
    for component in [Component::Rtp, Component::Rtcp, Component::Mux, Component::Raw] {
        match classify(component, packet) {
            Kind::Rtp(read) => assert_eq!(Some(read), header, "{component:?}"),
            Kind::Rtcp => assert!(packet.len() >= 8, "{component:?}"),
            Kind::Raw => assert_eq!(component, Component::Raw),
            Kind::Refused(_) => {}
        }
    }
}
