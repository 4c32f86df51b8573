use super::super::transport::{
    Means, Outgoing, Security, Signalled, acceptable, accepted, answered, offered,
};
use super::*;
use crate::sdp::Protocol;

#[test]
fn profiles_decide_which_keys_are_offered() {
    let plain = Signalled::of(Protocol::RtpAvp, false, false);
    let (all, none) = (Means { sdes: true, dtls: true }, Means { sdes: false, dtls: false });
    let osrtp = OsrtpOptions::default();
    let keys = |outgoing: Outgoing| (outgoing.sdes, outgoing.dtls);
    assert_eq!(keys(offered(plain, Protocol::RtpAvp, osrtp, all)), (false, false));
    assert_eq!(keys(offered(plain, Protocol::RtpSavp, osrtp, all)), (true, true));
    assert_eq!(keys(offered(plain, Protocol::UdpTlsRtpSavpf, osrtp, all)), (false, true));
    assert_eq!(keys(offered(plain, Protocol::RtpSavpf, osrtp, none)), (false, false));
    let make = OsrtpOptions { offer_rfc: true, ..osrtp };
    assert_eq!(keys(offered(plain, Protocol::RtpAvp, make, all)), (true, true));
    let twice = OsrtpOptions { offer_legacy: true, ..osrtp };
    assert!(offered(plain, Protocol::RtpSavp, twice, all).plain_too);
    for (protocol, means) in [(Protocol::RtpAvp, all), (Protocol::RtpSavp, none)] {
        assert!(!offered(plain, protocol, twice, means).plain_too, "{protocol:?}");
    }
    // An opportunistic offer is passed on as one.
    let given = Signalled::of(Protocol::RtpAvpf, true, false);
    assert!(given.is_opportunistic());
    assert_eq!(keys(offered(given, Protocol::RtpAvpf, osrtp, all)), (true, true));
    assert_eq!(keys(offered(given, Protocol::Udptl, make, all)), (false, false));
}

#[test]
fn what_an_offer_allows_and_an_answer_takes() {
    let sdes = Signalled::of(Protocol::RtpSavp, true, false);
    let both = Signalled::of(Protocol::RtpSavp, true, true);
    let tls = Signalled::of(Protocol::UdpTlsRtpSavp, true, false);
    let plain = Signalled::of(Protocol::RtpAvp, false, false);
    assert_eq!(acceptable(sdes, true), Security::Sdes);
    assert_eq!(acceptable(both, true), Security::Dtls);
    assert_eq!(acceptable(both, false), Security::Sdes);
    assert_eq!(acceptable(tls, true), Security::Opaque);
    assert_eq!(acceptable(plain, true), Security::Plain);
    let offer = |protocol, sdes, dtls| Outgoing { protocol, sdes, dtls, plain_too: false };
    assert_eq!(accepted(offer(Protocol::RtpSavp, true, true), both), Security::Dtls);
    assert_eq!(accepted(offer(Protocol::RtpSavp, true, false), both), Security::Sdes);
    assert_eq!(accepted(offer(Protocol::RtpSavp, true, false), plain), Security::Opaque);
    assert_eq!(accepted(offer(Protocol::RtpAvp, true, false), plain), Security::Plain);
    let twice = Outgoing { plain_too: true, ..offer(Protocol::RtpSavp, true, false) };
    assert_eq!(accepted(twice, plain), Security::Plain);
    assert_eq!(accepted(twice, sdes), Security::Sdes);
    assert_eq!(accepted(twice, tls), Security::Sdes);
    assert_eq!(accepted(twice, Signalled::of(Protocol::RtpSavp, false, false)), Security::Opaque);
}

#[test]
fn opportunistic_offers_are_accepted_where_the_other_side_encrypts_or_a_flag_says_so() {
    let offer = Signalled::of(Protocol::RtpAvp, true, false);
    let (osrtp, accept) =
        (OsrtpOptions::default(), OsrtpOptions { accept_rfc: true, ..OsrtpOptions::default() });
    assert_eq!(answered(offer, Security::Sdes, Security::Plain, osrtp), Security::Plain);
    assert_eq!(answered(offer, Security::Sdes, Security::Sdes, osrtp), Security::Sdes);
    assert_eq!(answered(offer, Security::Sdes, Security::Plain, accept), Security::Sdes);
    let required = Signalled::of(Protocol::RtpSavp, true, false);
    assert_eq!(answered(required, Security::Sdes, Security::Plain, osrtp), Security::Sdes);
}
