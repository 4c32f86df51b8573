//! What a UDP payload is, by its first two bytes (RFC 7983, RFC 5761).

/// Protocol of a UDP payload on a media port.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Kind {
    /// STUN (RFC 8489).
    Stun,
    /// DTLS record.
    Dtls,
    /// RTCP on the RTP port.
    Rtcp,
    /// RTP version 2.
    Rtp,
    /// ZRTP, TURN channel data and what nobody knows.
    Other,
}

/// Sorts a payload by its first two bytes. `rtcp_mux`: RTCP may share the port, so payload types 64 to 95 (with the
/// marker bit RTCP packet types 192 to 223) are RTCP (RFC 5761 section 4).
#[inline(always)]
pub const fn classify(first: u8, second: u8, rtcp_mux: bool) -> Kind {
    match first {
        // Version 2 first: it is what nearly every packet is.
        128..=191 if rtcp_mux && second >= 192 && second <= 223 => Kind::Rtcp,
        128..=191 => Kind::Rtp,
        0..=3 => Kind::Stun,
        20..=63 => Kind::Dtls,
        _ => Kind::Other,
    }
}
