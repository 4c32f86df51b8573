//! Which lines of a media section are about a format.

use super::attribute::AttributeKind;
use super::codec;
use super::line::Line;

/// The payload type an `a=rtpmap`, `a=fmtp` or `a=rtcp-fb` line is about.
pub(super) fn payload_type_of(line: &Line<'_>) -> Option<u8> {
    match line.attribute {
        AttributeKind::RtpMap | AttributeKind::Fmtp | AttributeKind::RtcpFb => leading_number(line),
        AttributeKind::NotAnAttribute
        | AttributeKind::Direction
        | AttributeKind::Rtcp
        | AttributeKind::RtcpMux
        | AttributeKind::RtcpMuxOnly
        | AttributeKind::Ptime
        | AttributeKind::MaxPtime
        | AttributeKind::Mid
        | AttributeKind::GroupBundle
        | AttributeKind::BundleOnly
        | AttributeKind::Label
        | AttributeKind::Ice
        | AttributeKind::Crypto
        | AttributeKind::Dtls
        | AttributeKind::Other => None,
    }
}

/// Whether a line is about one payload type, and that is not in `formats`. Besides the attributes of
/// [`AttributeKind`] these are `imageattr` (RFC 6236) and `framesize` (RFC 6064).
pub(super) fn is_about_others(line: &Line<'_>, formats: &[String]) -> bool {
    let other = || {
        let named = [&b"a=imageattr:"[..], b"a=framesize:"].iter().any(|name| line.raw.starts_with(name));
        named.then(|| leading_number(line)).flatten()
    };
    let about = payload_type_of(line).or_else(other);
    about.is_some_and(|number| !formats.iter().any(|format| codec::payload_type(format) == Some(number)))
}

/// The payload type behind the colon; the rest of the line may be of any bytes.
fn leading_number(line: &Line<'_>) -> Option<u8> {
    let at = memchr::memchr(b':', line.raw)?;
    let value = line.raw.get(at + 1..)?.trim_ascii();
    let format = value.split(u8::is_ascii_whitespace).next()?;
    codec::payload_type(std::str::from_utf8(format).ok()?)
}
