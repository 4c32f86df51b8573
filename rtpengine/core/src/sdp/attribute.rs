//! The attributes the proxy reads, replaces or removes. All others are [`AttributeKind::Other`].

/// What an `a=` line is about. Names compare case-sensitively (RFC 8866 §9 makes them literal strings).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum AttributeKind {
    /// The line is no `a=` line.
    NotAnAttribute,
    /// `sendrecv`, `sendonly`, `recvonly` or `inactive` (RFC 8866 §6.7).
    Direction,
    /// `rtpmap` (RFC 8866 §6.6).
    RtpMap,
    /// `fmtp` (RFC 8866 §6.15).
    Fmtp,
    /// `rtcp-fb` (RFC 4585 §4.2).
    RtcpFb,
    /// `rtcp` (RFC 3605).
    Rtcp,
    /// `rtcp-mux` (RFC 5761 §5.1.1).
    RtcpMux,
    /// `rtcp-mux-only` (RFC 8858).
    RtcpMuxOnly,
    /// `ptime` (RFC 8866 §6.4).
    Ptime,
    /// `maxptime` (RFC 8866 §6.5).
    MaxPtime,
    /// `mid` (RFC 5888).
    Mid,
    /// `group:BUNDLE` (RFC 9143).
    GroupBundle,
    /// `bundle-only` (RFC 9143 §6).
    BundleOnly,
    /// `label` (RFC 4574).
    Label,
    /// Any ICE attribute (RFC 8839).
    Ice,
    /// `crypto` (SDES, RFC 4568).
    Crypto,
    /// `fingerprint`, `setup`, `connection`, `tls-id` or `dtls-id` (RFC 8842, RFC 4145).
    Dtls,
    /// Anything else.
    Other,
}

impl AttributeKind {
    /// Classifies what follows `a=`.
    pub(super) fn of(value: &[u8]) -> Self {
        let value = value.trim_ascii_end();
        let (name, rest) = match memchr::memchr(b':', value) {
            Some(at) => {
                let (name, rest) = value.split_at(at);
                (name, rest.get(1..).unwrap_or_default())
            }
            None => (value, &[][..]),
        };
        match name {
            b"sendrecv" | b"sendonly" | b"recvonly" | b"inactive" if value == name => Self::Direction,
            b"rtpmap" => Self::RtpMap,
            b"fmtp" => Self::Fmtp,
            b"rtcp-fb" => Self::RtcpFb,
            b"rtcp" => Self::Rtcp,
            b"rtcp-mux" => Self::RtcpMux,
            b"rtcp-mux-only" => Self::RtcpMuxOnly,
            b"ptime" => Self::Ptime,
            b"maxptime" => Self::MaxPtime,
            b"mid" => Self::Mid,
            b"group" if rest.trim_ascii_start().starts_with(b"BUNDLE") => Self::GroupBundle,
            b"bundle-only" => Self::BundleOnly,
            b"label" => Self::Label,
            b"candidate" | b"ice-ufrag" | b"ice-pwd" | b"ice-options" | b"ice-lite" | b"ice-mismatch"
            | b"ice-pacing" | b"end-of-candidates" | b"remote-candidates" => Self::Ice,
            b"crypto" => Self::Crypto,
            b"fingerprint" | b"setup" | b"connection" | b"tls-id" | b"dtls-id" => Self::Dtls,
            _ => Self::Other,
        }
    }
}
