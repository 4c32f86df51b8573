//! Which address a party's media go to, and which of ours it is told.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr};

use crate::{
    config::CoreConfig,
    ng::{Flag, Replace, Request},
    sdp::Media,
};

/// Where a party's RTP and RTCP go according to its SDP and the request's opinion of it. `None` for a zero address,
/// port 0 and host names.
pub(super) fn endpoints(
    media: &Media<'_>,
    request: &Request,
    config: &CoreConfig,
) -> (Option<SocketAddr>, Option<SocketAddr>) {
    let distrusted =
        request.has(Flag::SipSourceAddress) || (config.sip_source && !request.has(Flag::TrustAddress));
    let instead = request.received_from.filter(|address| distrusted && !address.is_unspecified());
    let translate = |address: SocketAddr| {
        if address.ip().is_unspecified() || address.port() == 0 {
            None
        } else {
            Some(SocketAddr::new(instead.unwrap_or(address.ip()), address.port()))
        }
    };
    (media.endpoint().and_then(translate), media.rtcp_endpoint().and_then(translate))
}

/// The address written into a body: ours, unless `media address` says otherwise or the sender holds with a zero address.
pub(super) fn written(ours: IpAddr, media: &Media<'_>, request: &Request) -> IpAddr {
    let shown = request.media_address.unwrap_or(ours);
    if !media.has_zero_address() || request.replace.has(Replace::ZeroAddress) {
        shown
    } else if shown.is_ipv4() {
        Ipv4Addr::UNSPECIFIED.into()
    } else {
        Ipv6Addr::UNSPECIFIED.into()
    }
}
