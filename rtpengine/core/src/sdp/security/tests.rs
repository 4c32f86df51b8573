use std::net::{Ipv4Addr, SocketAddr};

use proptest::prelude::*;

use super::*;
use crate::sdp::{ParseOptions, parse};

const KEY: &str = "WVNfX19zZW1jdGwgKCkgewkyMjA7fQp9CnVubGVz";

#[test]
fn the_crypto_lines_of_the_standard_are_read() {
    // RFC 4568 §6.1 and §9.3.
    let line =
        format!("1 AES_CM_128_HMAC_SHA1_80 inline:{KEY}|2^20|1:4;inline:{KEY}|2^20|2:4 FEC_ORDER=FEC_SRTP");
    let crypto = Crypto::parse(&line).unwrap();
    assert_eq!((crypto.tag, crypto.suite), (1, "AES_CM_128_HMAC_SHA1_80"));
    assert_eq!(crypto.keys.len(), 2);
    assert_eq!(crypto.keys[1].lifetime, Some(1 << 20));
    assert_eq!(crypto.keys[1].mki, Some(Mki([0, 0, 0, 2].into_iter().collect())));
    assert_eq!(crypto.keys[0].decode().unwrap().0.len(), 30);
    assert_eq!(crypto.params.fec_order, Some(FecOrder::FecSrtp));

    let line = format!(
        "2 F8_128_HMAC_SHA1_80 inline:{KEY}|1:4 KDR=16 UNENCRYPTED_SRTCP UNENCRYPTED_SRTP WSH=128 -x=y"
    );
    let params = Crypto::parse(&line).unwrap().params;
    assert_eq!((params.key_derivation_rate, params.window_size_hint), (Some(16), Some(128)));
    assert!(params.unencrypted_srtp && params.unencrypted_srtcp && !params.unauthenticated_srtp);
    assert!(!params.unknown_mandatory);
    assert_eq!(params.to_string(), " KDR=16 UNENCRYPTED_SRTP UNENCRYPTED_SRTCP WSH=128");
}

#[test]
fn padding_is_optional_in_keys() {
    let text = "1 AES_256_CM_HMAC_SHA1_80 inline:";
    let bare = "MTIzNDU2Nzg5QUJDREUwMTIzNDU2Nzg5QUJDREUwMTIzNDU2Nzg5QUJDREUwMQ";
    let key = |line: &str| Crypto::parse(line).unwrap().keys[0].decode().unwrap();
    assert_eq!(key(&format!("{text}{bare}")), key(&format!("{text}{bare}==")));
    assert_eq!(key(&format!("{text}{bare}")).0.len(), 46);
}

#[test]
fn broken_crypto_lines_are_refused() {
    for line in [
        "",
        "1",
        "1 S",
        "x S inline:KEY",
        "1234567890 S inline:AAAA",
        "1 S outline:AAAA",
        "1 S inline:",
        "1 S inline:AAAA|",
        "1 S inline:AAAA|0",
        "1 S inline:AAAA|2^x",
        "1 S inline:AAAA|+5",
        "1 S inline:AAAA|1:0",
        "1 S inline:AAAA|1:129",
        "1 S inline:AAAA|256:1",
        "1 S inline:AAAA|1:4|2^20",
        "1 S inline:AAAA|1:4|1:4",
        "1 S inline:A*AA",
        "1 S inline:AAAA;inline:AAAA",
        "1 S inline:AAAA|1:1;inline:AAAA|1:2",
        "1 S inline:AAAA KDR=25",
        "1 S inline:AAAA KDR",
        "1 S inline:AAAA WSH=63",
        "1 S inline:AAAA UNENCRYPTED_SRTP UNENCRYPTED_SRTP",
        "1 S inline:AAAA UNENCRYPTED_SRTP=1",
        "1 S inline:AAAA FEC_KEY=outline",
        "1 S inline:AAAA FEC_ORDER=X",
    ] {
        assert_eq!(Crypto::parse(line), None, "{line:?}");
    }
    let long = format!("1 S inline:{}", "A".repeat(4 * MAX_KEY_LEN));
    assert_eq!(Crypto::parse(&long), None);
    let many = format!("1 S {}", "inline:AAAA|1:1;".repeat(MAX_CRYPTO_KEYS + 1));
    assert_eq!(Crypto::parse(&many), None);
    assert!(Crypto::parse("1 S inline:AAAA NEW_THING").unwrap().params.unknown_mandatory);
}

#[test]
fn secrets_do_not_show() {
    let line = format!("1 AES_CM_128_HMAC_SHA1_80 inline:{KEY}");
    let crypto = Crypto::parse(&line).unwrap();
    assert!(!format!("{crypto:?} {:?}", crypto.keys[0].decode()).contains("WVNf"));
    let ice = Ice { password: Some("verysecretverysecretverysecret"), ..Ice::default() };
    assert!(!format!("{ice:?}").contains("verysecret"));
}

proptest! {
    #[test]
    fn an_mki_is_written_as_it_was_read(bytes in proptest::collection::vec(any::<u8>(), 1..=MAX_MKI_LEN)) {
        let mki = Mki(bytes.iter().copied().collect());
        prop_assert_eq!(Mki::parse(&mki.to_string()), Some(mki));
    }

    #[test]
    fn any_text_is_read_or_refused(text in "\\PC{0,80}") {
        let _ = (Crypto::parse(&text), Fingerprint::parse(&text), Candidate::parse(&text), Mki::parse(&text));
        let _ = (remote_candidates(&text, 4), TlsId::parse(&text), Setup::parse(&text));
    }

    #[test]
    fn anything_like_a_candidate_is_read_or_refused(
        text in "[a-z0-9]{0,3} [0-9]{1,3} (UDP|tcp) [0-9]{1,11} [0-9.a:]{1,12} [0-9]{1,6} typ (host|relay)( raddr [0-9.]{1,9})?"
    ) {
        if let Some(candidate) = Candidate::parse(&text) {
            let again = candidate.to_string();
            prop_assert_eq!(Candidate::parse(&again).map(|again| again.to_string()), Some(again));
        }
    }
}

#[test]
fn fingerprints_have_the_length_of_their_hash() {
    let text = "sha-1 4A:AD:B9:B1:3F:82:18:3B:54:02:12:DF:3E:5D:49:6B:19:E5:7C:AB";
    let fingerprint = Fingerprint::parse(text).unwrap();
    assert_eq!(fingerprint.to_string(), text);
    assert_eq!(Fingerprint::parse(&text.to_lowercase()), Some(fingerprint));
    for broken in [
        "",
        "sha-1",
        "sha-1 4A",
        "sha-256 4A:AD",
        "md5 00",
        "sha-1 4A:AD:B9:B1:3F:82:18:3B:54:02:12:DF:3E:5D:49:6B:19:E5:7C:AB:00",
    ] {
        assert_eq!(Fingerprint::parse(broken), None, "{broken}");
    }
}

#[test]
fn roles_are_answered_as_the_standard_says() {
    assert_eq!(Setup::parse("ACTPASS"), Some(Setup::ActPass));
    assert_eq!(Setup::ActPass.answered(false), Setup::Active);
    assert_eq!(Setup::ActPass.answered(true), Setup::Passive);
    assert_eq!(Setup::Active.answered(false), Setup::Passive);
    assert_eq!(Setup::Passive.answered(true), Setup::Active);
    assert_eq!(Setup::HoldConn.answered(true), Setup::HoldConn);
    assert_eq!(ConnectionReuse::parse("existing"), Some(ConnectionReuse::Existing));
    assert_eq!(TlsId::parse("abc3de65cddef001be82").map(|id| id.as_str()), Some("abc3de65cddef001be82"));
    assert_eq!(TlsId::parse("tooshort"), None);
}

#[test]
fn candidates_of_browsers_and_phones_are_read() {
    let text = "842163049 1 udp 1677729535 203.0.113.7 46154 typ srflx raddr 10.0.0.1 rport 46154 generation 0 ufrag 4ZcD network-cost 999";
    let candidate = Candidate::parse(text).unwrap();
    assert_eq!(candidate.udp_address(), Some("203.0.113.7:46154".parse().unwrap()));
    assert_eq!(candidate.kind, CandidateKind::ServerReflexive);
    assert_eq!(candidate.related, Some(SocketAddr::from((Ipv4Addr::new(10, 0, 0, 1), 46154))));
    assert_eq!(candidate.ufrag, Some("4ZcD"));
    let hidden = Candidate::parse("1 1 UDP 2122262783 8f7e.local 54609 typ host").unwrap();
    assert_eq!((hidden.address, hidden.udp_address()), (CandidateAddress::Name("8f7e.local"), None));
    let tcp = Candidate::parse("1 1 TCP 2105458943 192.0.2.3 9 typ host tcptype active").unwrap();
    assert_eq!((tcp.transport, tcp.udp_address()), (Transport::Other("TCP"), None));
    for broken in [
        "",
        "1 0 UDP 1 192.0.2.3 9 typ host",
        "1 257 UDP 1 192.0.2.3 9 typ host",
        "1 1 UDP 0 192.0.2.3 9 typ host",
        "1 1 UDP 2147483648 192.0.2.3 9 typ host",
        "1 1 UDP 1 192.0.2.3 65536 typ host",
        "1 1 UDP 1 192.0.2.3 9 host",
        "1 1 UDP 1 192.0.2.3 9 typ magic",
        "123456789012345678901234567890123 1 UDP 1 192.0.2.3 9 typ host",
    ] {
        assert_eq!(Candidate::parse(broken), None, "{broken}");
    }
}

#[test]
fn a_section_has_its_own_attributes_and_else_those_of_the_session() {
    let fingerprint = format!("sha-256 {}00", "AB:".repeat(31));
    let body = format!(
        "v=0\r\na=ice-lite\r\na=ice-options:trickle\r\na=ice-ufrag:sess\r\na=ice-pwd:sessionsessionsession1\r\n\
         a=fingerprint:{fingerprint}\r\na=setup:actpass\r\n\
         m=audio 9 UDP/TLS/RTP/SAVPF 0\r\na=ice-ufrag:audi\r\na=ice-pwd:audioaudioaudioaudio123\r\n\
         a=candidate:1 1 UDP 2130706431 192.0.2.1 4000 typ host\r\na=candidate:broken\r\na=end-of-candidates\r\n\
         a=remote-candidates:1 192.0.2.9 4000 2 192.0.2.9 4001\r\na=setup:active\r\n\
         m=video 9 UDP/TLS/RTP/SAVPF 96\r\na=crypto:1 S inline:AAAA\r\na=crypto:1 T inline:BBBB\r\n"
    );
    let session = parse(body.as_bytes(), ParseOptions::default()).unwrap();
    let audio = media_security(&session, &session.medias[0]);
    assert_eq!(audio.ice.credentials(), Some(("audi", "audioaudioaudioaudio123")));
    assert!(audio.ice.lite && audio.ice.options.trickle && audio.ice.end_of_candidates);
    assert_eq!((audio.ice.candidates.len(), audio.ignored, audio.setup), (1, 1, Some(Setup::Active)));
    assert_eq!(audio.ice.remote_candidates[1].to_string(), "2 192.0.2.9 4001");
    assert_eq!(audio.fingerprints[0].to_string(), fingerprint);
    let video = media_security(&session, &session.medias[1]);
    assert_eq!(video.ice.credentials(), Some(("sess", "sessionsessionsession1")));
    assert_eq!(video.setup, Some(Setup::ActPass));
    // A repeated tag names nothing (RFC 4568 §4.1).
    assert_eq!((video.crypto.len(), video.crypto[0].suite, video.ignored), (1, "S", 1));
}

#[test]
fn opportunistic_offers_of_both_kinds_are_found() {
    let body = "v=0\r\nm=audio 4000 RTP/AVP 0 8\r\na=crypto:1 S inline:AAAA\r\n\
                m=video 4002 RTP/AVP 96\r\nm=video 4004 RTP/SAVP 96\r\na=crypto:1 S inline:AAAA\r\n\
                m=audio 4006 RTP/SAVP 0\r\nm=audio 4008 RTP/AVP 8\r\nm=text 4010 RTP/AVP 99\r\n";
    let session = parse(body.as_bytes(), ParseOptions::default()).unwrap();
    let found: Vec<_> = session.medias.iter().map(|media| osrtp(&session, media)).collect();
    assert_eq!(
        found,
        [
            Some(Osrtp::Rfc),
            Some(Osrtp::LegacyPlain { secure: 2 }),
            Some(Osrtp::LegacySecure { plain: 1 }),
            None,
            None,
            None
        ]
    );
}
