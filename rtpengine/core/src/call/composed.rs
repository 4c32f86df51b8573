//! Bodies that no party has written: what a subscriber is offered, and what takes the place of an answer to a publisher.

use std::net::IpAddr;

use crate::sdp::{AttributeKind, Codec, Direction, Media, Session};

/// How a media section is written.
pub(super) struct Style {
    pub(super) direction: Direction,
    /// `a=label` in the place of that of the source.
    pub(super) label: Option<usize>,
    /// `a=mid` stays: there is no other body in which it could occur as well.
    pub(super) keeps_mid: bool,
}

/// The part of a body above its media sections. `name` is that of a session, `connection` is replaced by whoever writes
/// the body for its receiver.
pub(super) fn head(name: &str, session_id: u64, connection: IpAddr) -> Vec<u8> {
    let family = if connection.is_ipv4() { "IP4" } else { "IP6" };
    format!(
        "v=0\r\no=- {session_id} 1 IN {family} {connection}\r\ns={name}\r\nc=IN {family} {connection}\r\nt=0 0\r\n"
    )
    .into_bytes()
}

/// A section about the same media, in the clear and without anything that is between its author and us: addresses, keys,
/// ICE.
pub(super) fn copied(session: &Session<'_>, media: &Media<'_>, style: &Style) -> Vec<u8> {
    let protocol = media.protocol.unencrypted();
    let protocol = if protocol == media.protocol { None } else { protocol.name() };
    let protocol = protocol.unwrap_or(media.protocol_name);
    let mut section =
        format!("m={} 9 {protocol} {}\r\n", media.kind.as_str(), media.formats.join(" ")).into_bytes();
    for line in session.media_lines(media).iter().skip(1) {
        let keeps = match line.attribute {
            AttributeKind::NotAnAttribute => matches!(line.letter, b'i' | b'b') && !line.is_blank(),
            AttributeKind::RtpMap
            | AttributeKind::Fmtp
            | AttributeKind::RtcpMux
            | AttributeKind::RtcpMuxOnly
            | AttributeKind::RtcpFb
            | AttributeKind::Ptime
            | AttributeKind::MaxPtime
            | AttributeKind::Other => true,
            AttributeKind::Mid => style.keeps_mid,
            AttributeKind::Label => style.label.is_none(),
            AttributeKind::Direction
            | AttributeKind::Rtcp
            | AttributeKind::GroupBundle
            | AttributeKind::BundleOnly
            | AttributeKind::Ice
            | AttributeKind::Crypto
            | AttributeKind::Dtls => false,
        };
        if keeps {
            section.extend_from_slice(line.raw);
            section.extend_from_slice(b"\r\n");
        }
    }
    if let Some(label) = style.label {
        section.extend(format!("a=label:{label}\r\n").into_bytes());
    }
    section.extend(format!("a={}\r\n", style.direction.as_str()).into_bytes());
    section
}

/// A codec of ours.
#[derive(Clone, Debug)]
pub(super) struct Offered {
    /// Payload type.
    pub(super) number: u8,
    pub(super) name: String,
    /// In Hz.
    pub(super) clock_rate: u32,
    pub(super) channels: u16,
    pub(super) fmtp: Option<String>,
}

/// An audio section that offers these.
pub(super) fn offering(codecs: &[Offered], direction: Direction) -> Vec<u8> {
    let numbers: String = codecs.iter().map(|codec| format!(" {}", codec.number)).collect();
    let mut section = format!("m=audio 9 RTP/AVP{numbers}\r\n");
    for Offered { number, name, clock_rate, channels, fmtp } in codecs {
        let channels = if *channels > 1 { format!("/{channels}") } else { String::new() };
        section += &format!("a=rtpmap:{number} {name}/{clock_rate}{channels}\r\n");
        if let Some(fmtp) = fmtp {
            section += &format!("a=fmtp:{number} {fmtp}\r\n");
        }
    }
    section += &format!("a={}\r\n", direction.as_str());
    section.into_bytes()
}

/// A section that accepts `codec` of an offered one.
pub(super) fn accepting(media: &Media<'_>, codec: &Codec<'_>, direction: Direction) -> Vec<u8> {
    let protocol = media.protocol.unencrypted().name().unwrap_or(media.protocol_name);
    let number = codec.payload_type;
    let mut section =
        format!("m={} 9 {protocol} {number}\r\na=rtpmap:{number} {codec}\r\n", media.kind.as_str());
    if let Some(fmtp) = codec.fmtp {
        section += &format!("a=fmtp:{number} {fmtp}\r\n");
    }
    if let Some(mid) = media.mid {
        section += &format!("a=mid:{mid}\r\n");
    }
    if media.rtcp_mux || media.rtcp_mux_only {
        section += "a=rtcp-mux\r\n";
    }
    section += &format!("a={}\r\n", direction.as_str());
    section.into_bytes()
}

/// A section that has nothing any more.
pub(super) fn rejected(kind: &str, protocol: &str, formats: &str) -> Vec<u8> {
    format!("m={kind} 0 {protocol} {formats}\r\n").into_bytes()
}
