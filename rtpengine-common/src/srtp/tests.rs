//! Packets of RFC 7714, which gives session keys, and what no RFC has an example of.

use super::{
    CryptoParams, Mki, Refused, SessionParams, Suite,
    abi::StreamState,
    kdf::{Purpose, SessionKeys},
    session::{Keys, Session},
};

fn hex(text: &str) -> Vec<u8> {
    (0..text.len() / 2).map(|at| u8::from_str_radix(&text[2 * at..2 * at + 2], 16).unwrap()).collect()
}

/// Key and salt of RFC 7714 section 16 and 17 as session keys.
fn rfc_7714(suite: Suite, session: SessionParams) -> Session {
    let key: [u8; 32] = std::array::from_fn(|index| if index < suite.key_len() { index as u8 } else { 0 });
    let params =
        CryptoParams::new(suite, &key[..suite.key_len()], b"Quid pro quo", Mki::NONE, session).unwrap();
    let keys = || SessionKeys { cipher_key: key, salt: *b"Quid pro quo\0\0", auth_key: [0; 20] };
    Session {
        rtp: Keys::from_session_keys(&params, &keys(), Purpose::Rtp),
        rtcp: Keys::from_session_keys(&params, &keys(), Purpose::Rtcp),
    }
}

const RTP: &str =
    "8040f17b8041f8d35501a0b247616c6c696120657374206f6d6e69732064697669736120696e207061727465732074726573";
const RTCP: &str = "81c8000d4d6172734e5450314e545032525450200000042a0000e9304c756e61deadbeefdeadbeefdeadbeefdeadbeefdeadbeef";
/// The SRTCP index of the examples.
const RTCP_INDEX: u64 = 0x5d4;

fn check_rtp(session: &Session, protected: &str) {
    let (plain, protected) = (hex(RTP), hex(protected));
    let mut buffer = [0; 100];
    buffer[..plain.len()].copy_from_slice(&plain);
    let len = session.protect_rtp(&mut StreamState::default(), &mut buffer, plain.len()).unwrap();
    assert_eq!(buffer[..len], protected);
    let len = session.unprotect_rtp(&mut StreamState::default(), &mut buffer[..len]).unwrap();
    assert_eq!(buffer[..len], plain);
}

fn check_rtcp(session: &Session, protected: &str) {
    let (plain, protected) = (hex(RTCP), hex(protected));
    let mut buffer = [0; 100];
    buffer[..plain.len()].copy_from_slice(&plain);
    let mut state = StreamState::resume(RTCP_INDEX - 1);
    let len = session.protect_rtcp(&mut state, &mut buffer, plain.len()).unwrap();
    assert_eq!(buffer[..len], protected);
    let len = session.unprotect_rtcp(&mut StreamState::default(), &mut buffer[..len]).unwrap();
    assert_eq!(buffer[..len], plain);
}

#[test]
fn rfc_7714_section_16() {
    let encrypted = SessionParams::default();
    check_rtp(
        &rfc_7714(Suite::AeadAes128Gcm, encrypted),
        "8040f17b8041f8d35501a0b2f24de3a3fb34de6cacba861c9d7e4bcabe633bd50d294e6f42a5f47a51c7d19b36de3adf8833\
         899d7f27beb16a9152cf765ee4390cce",
    );
    check_rtp(
        &rfc_7714(Suite::AeadAes256Gcm, encrypted),
        "8040f17b8041f8d35501a0b232b1de78a822fe12ef9f78fa332e33aab18012389a58e2f3b50b2a0276ffae0f1ba63799b87b\
         7aa3db36dfffd6b0f9bb7878d7a76c13",
    );
    let plain = SessionParams { unencrypted_srtp: true, ..encrypted };
    check_rtp(&rfc_7714(Suite::AeadAes128Gcm, plain), &[RTP, "22493f82d2bce397e9d79e3b19aa4216"].concat());
    check_rtp(&rfc_7714(Suite::AeadAes256Gcm, plain), &[RTP, "a866d5910f887463067ceefec45215d4"].concat());
}

#[test]
fn rfc_7714_section_17() {
    let encrypted = SessionParams::default();
    check_rtcp(
        &rfc_7714(Suite::AeadAes128Gcm, encrypted),
        "81c8000d4d61727363e94885dcdab67ca727d7662f6b7e997ff5c0f76c06f32dc676a5f1730d6fda4ce09b4686303ded\
         0bb9275bc84aa45896cf4d2fc5abf87245d9eade800005d4",
    );
    check_rtcp(
        &rfc_7714(Suite::AeadAes256Gcm, encrypted),
        "81c8000d4d617273d50ae4d1f5ce5d304ba297e47d470c282c3ece5dbffe0a50a2eaa5c1110555be8415f658c61de047\
         6f1b6fad1d1eb30c4446839f57ff6f6cb26ac3be800005d4",
    );
    let plain = SessionParams { unencrypted_srtcp: true, ..encrypted };
    let tagged = |tag: &str| [RTCP, tag, "000005d4"].concat();
    check_rtcp(&rfc_7714(Suite::AeadAes128Gcm, plain), &tagged("841dd9683dd78ec92ae58790125f62b3"));
    check_rtcp(&rfc_7714(Suite::AeadAes256Gcm, plain), &tagged("91db4afbfeee5a978fab4393ed2615fe"));
}

/// A session of a suite with an identifier of four bytes.
fn with_mki(suite: Suite, mki: &[u8], session: SessionParams) -> Session {
    let (key, salt) = (&[0x11; 32][..suite.key_len()], &[0x22; 14][..suite.salt_len()]);
    Session::new(&CryptoParams::new(suite, key, salt, Mki::new(mki).unwrap(), session).unwrap())
}

fn protected(session: &Session, state: &mut StreamState, plain: &str) -> Vec<u8> {
    let plain = hex(plain);
    let mut buffer = [&plain[..], &[0; 200]].concat();
    let rtcp = (192..=223).contains(&plain[1]);
    let len = if rtcp {
        session.protect_rtcp(state, &mut buffer, plain.len())
    } else {
        session.protect_rtp(state, &mut buffer, plain.len())
    };
    buffer.truncate(len.unwrap());
    buffer
}

#[test]
fn the_identifier_stands_where_its_rfc_puts_it_and_must_match() {
    for suite in Suite::ALL {
        let bare = with_mki(suite, &[], SessionParams::default());
        let marked = with_mki(suite, b"mki!", SessionParams::default());
        let other = with_mki(suite, b"mki?", SessionParams::default());
        let gcm = suite.salt_len() == 12;
        for (plain, tag_len) in [(RTP, suite.srtp_tag_len()), (RTCP, suite.srtcp_tag_len())] {
            let without = protected(&bare, &mut StreamState::default(), plain);
            let with = protected(&marked, &mut StreamState::default(), plain);
            let at = if gcm { without.len() } else { without.len() - tag_len };
            assert_eq!(with, [&without[..at], b"mki!", &without[at..]].concat(), "{suite:?}");
            let unprotect = |session: &Session| {
                let mut packet = with.clone();
                let mut state = StreamState::default();
                if plain == RTP {
                    session.unprotect_rtp(&mut state, &mut packet)
                } else {
                    session.unprotect_rtcp(&mut state, &mut packet)
                }
            };
            assert_eq!(unprotect(&marked), Ok(plain.len() / 2));
            assert_eq!(unprotect(&other), Err(Refused::Mki));
        }
    }
}

#[test]
fn session_parameters_leave_out_what_they_name() {
    for suite in Suite::ALL {
        let gcm = suite.salt_len() == 12;
        let open = with_mki(
            suite,
            &[],
            SessionParams { unencrypted_srtp: true, unencrypted_srtcp: true, unauthenticated_srtp: !gcm },
        );
        let rtp = protected(&open, &mut StreamState::default(), RTP);
        assert_eq!(rtp[..RTP.len() / 2], hex(RTP), "{suite:?}");
        assert_eq!(rtp.len(), RTP.len() / 2 + if gcm { 16 } else { 0 });
        let rtcp = protected(&open, &mut StreamState::default(), RTCP);
        assert_eq!(rtcp[..RTCP.len() / 2], hex(RTCP));
        assert_eq!(rtcp.len(), RTCP.len() / 2 + 4 + suite.srtcp_tag_len(), "SRTCP is always authenticated");
        let mut state = StreamState::default();
        // Without authentication nobody can tell a replayed packet.
        assert_eq!(open.unprotect_rtp(&mut state, &mut rtp.clone()), Ok(RTP.len() / 2));
        let again = open.unprotect_rtp(&mut state, &mut rtp.clone());
        assert_eq!(again, if gcm { Err(Refused::Replayed) } else { Ok(RTP.len() / 2) });
    }
}

#[test]
fn with_gcm_an_index_is_used_once() {
    for suite in Suite::ALL {
        let session = with_mki(suite, &[], SessionParams::default());
        let mut state = StreamState::default();
        let first = protected(&session, &mut state, RTP);
        let mut buffer = [&hex(RTP)[..], &[0; 30]].concat();
        let again = session.protect_rtp(&mut state, &mut buffer, RTP.len() / 2);
        if suite.salt_len() == 12 {
            assert_eq!(again, Err(Refused::Replayed));
            assert_eq!(buffer[..RTP.len() / 2], hex(RTP));
        } else {
            assert_eq!(buffer[..again.unwrap()], first);
        }
    }
}

#[test]
fn keys_run_out() {
    let session = with_mki(Suite::AesCm128HmacSha1_80, &[], SessionParams::default());
    let mut buffer = [0; 100];
    let mut last = StreamState { next: 1 << 31, ..StreamState::default() };
    buffer[..2].copy_from_slice(&[0x80, 200]);
    assert_eq!(session.protect_rtcp(&mut last, &mut buffer, 28), Err(Refused::NoIndex));
    let mut last = StreamState::resume((1 << 48) - 1);
    assert_eq!(session.protect_rtp(&mut last, &mut buffer, 28), Err(Refused::NoIndex));
}

#[test]
fn a_context_for_the_kernel_has_what_the_program_can_do() {
    for suite in Suite::ALL {
        let context = |mki: &[u8]| with_mki(suite, mki, SessionParams::default()).kernel_context().is_some();
        let f8 = suite.name().starts_with("F8");
        assert_eq!((context(&[]), context(&[1; 16]), context(&[1; 17])), (!f8, !f8, false));
    }
}

/// What libsrtp's own test program expects; for AES-GCM the only published packets that begin with a master key.
#[test]
fn packets_of_libsrtp() {
    const RTP: &str = "800f1234decafbadcafebabeabababababababababababababababab";
    let session = |suite, key: &str, salt: &str| {
        let (key, salt) = (hex(key), hex(salt));
        Session::new(&CryptoParams::new(suite, &key, &salt, Mki::NONE, SessionParams::default()).unwrap())
    };
    let cm_128 = session(
        Suite::AesCm128HmacSha1_80,
        "e1f97a0d3e018be0d64fa32c06de4139",
        "0ec675ad498afeebb6960b3aabe6",
    );
    let cm_256 = session(
        Suite::AesCm256HmacSha1_80,
        "f0f04914b513f2763a1b1fa130f10e2998f6f6e43e4309d1e622a0e332b9f1b6",
        "3b04803de51ee7c96423ab5b78d2",
    );
    let gcm = session(Suite::AeadAes128Gcm, "000102030405060708090a0b0c0d0e0f", "a0a1a2a3a4a5a6a7a8a9aaab");
    for (session, expected) in [
        (cm_128, "4e55dc4ce79978d88ca4d215949d2402b78d6acc99ea179b8dbb"),
        (cm_256, "f1d9de17ff251ff1aa007774b0b4b40da08d9d9a5b3a55d8873b"),
        (gcm, "c5002ede04cfdd2eb91159e0880aa06ed2976826f796b201df3131a127e8a392"),
    ] {
        let packet = protected(&session, &mut StreamState::default(), RTP);
        assert_eq!(packet, hex(&[&RTP[..24], expected].concat()));
    }
}
