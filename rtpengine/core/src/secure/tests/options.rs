use super::*;

#[test]
fn members_come_in_any_spelling() {
    let mut sdes = SdesOptions::default();
    for member in [
        "OFF",
        "No-NULL_HMAC_SHA1_32",
        "no-null-hmac-sha1-80",
        "UNENCRYPTED_SRTP",
        "authenticated-srtp",
        "static",
    ] {
        assert!(sdes.apply(member.as_bytes()), "{member}");
    }
    assert!(
        sdes.off && sdes.keep && sdes.no.has(Suite::NullHmacSha1_32) && sdes.no.has(Suite::NullHmacSha1_80)
    );
    assert_eq!((sdes.unencrypted_srtp, sdes.unauthenticated_srtp), (Some(true), Some(false)));
    for unknown in ["", "no-SUCH_SUITE", "only-", "order:AES_CM_128_HMAC_SHA1_80;NOPE", "nothing"] {
        assert!(!sdes.apply(unknown.as_bytes()), "{unknown}");
    }
    let mut osrtp = OsrtpOptions::default();
    assert!(osrtp.apply(b"accept") && osrtp.apply(b"offer-rfc") && osrtp.apply(b"offer_legacy"));
    assert!(osrtp.accept_rfc && osrtp.accept_legacy && osrtp.offer_rfc && osrtp.offer_legacy);
    assert!(!osrtp.apply(b"reject"));
}
