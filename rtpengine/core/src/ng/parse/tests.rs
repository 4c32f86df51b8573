use proptest::prelude::*;

use super::*;
use crate::io::Learning;
use crate::ng::request::{IceMode, TransportProtocol};

fn parse(json: &str) -> Request {
    Request::parse(&crate::ng::json::decode(json.as_bytes()).unwrap()).unwrap()
}

fn refuse(json: &str) -> String {
    Request::parse(&crate::ng::json::decode(json.as_bytes()).unwrap()).unwrap_err().to_string()
}

#[test]
fn the_documented_offer_is_read_completely() {
    let request = parse(
        r#"{ "command": "offer", "call-id": "cfBXzDSZqhYNcXM", "from-tag": "mS9rSAn0Cr",
        "sdp": "v=0\r\no=...", "via-branch": "5KiTRPZHH1nL6",
        "flags": [ "trust address" ], "replace": [ "origin", "session connection" ],
        "address family": "IP6", "received-from": [ "IP4", "10.65.31.43" ],
        "ICE": "force", "transport protocol": "RTP/SAVPF", "media address": "2001:d8::6f24:65b",
        "DTLS": "passive" }"#,
    );
    assert_eq!(request.command, Command::Offer);
    assert_eq!(request.call_id.as_deref(), Some("cfBXzDSZqhYNcXM"));
    assert_eq!(request.from_tag.as_deref(), Some("mS9rSAn0Cr"));
    assert_eq!(request.via_branch.as_deref(), Some("5KiTRPZHH1nL6"));
    assert_eq!(request.sdp.as_deref(), Some(b"v=0\r\no=...".as_slice()));
    assert!(request.has(Flag::TrustAddress));
    assert_eq!(request.replace, [Replace::Origin, Replace::SessionConnection].into_iter().collect());
    assert_eq!(request.address_family, Some(AddressFamily::Ip6));
    assert_eq!(request.received_from, Some("10.65.31.43".parse().unwrap()));
    assert_eq!(request.transport_protocol, Some(TransportProtocol::RtpSavpf));
    assert_eq!(request.media_address, Some("2001:d8::6f24:65b".parse().unwrap()));
    assert_eq!(request.ice, Some(IceMode::Force));
    assert!(request.not_built.is_empty());
    assert_eq!(request.unknown, Vec::<String>::new());
    assert!(request.warnings().is_empty());
}

#[test]
fn spelling_does_not_matter() {
    let request = parse(
        r#"{"Command":"Start-Recording","CALL_ID":"c","From Tag":"f","rtcp mux":["DEMUX"],"Delete-Delay":"5",
        "flags":["SIP-source-address","Strict_Source","endpoint-learning-HEURISTIC","replace-zero-address","rtcp-mux-offer"]}"#,
    );
    assert_eq!(request.command, Command::StartRecording);
    assert_eq!((request.call_id.as_deref(), request.from_tag.as_deref()), (Some("c"), Some("f")));
    assert_eq!(request.rtcp_mux, [RtcpMux::Demux, RtcpMux::Offer].into_iter().collect());
    assert_eq!(request.delete_delay, Some(5));
    assert!(request.has(Flag::SipSourceAddress) && request.has(Flag::StrictSource));
    assert_eq!(request.endpoint_learning, Some(Learning::Heuristic));
    assert!(request.replace.has(Replace::ZeroAddress));
    assert_eq!(request.unknown, Vec::<String>::new());
}

#[test]
fn flags_may_be_one_string() {
    for key in ["rtpp_flags", "rtpp-flags", "flags"] {
        let request = parse(&format!(
            r#"{{"command":"offer","{key}":"replace-origin strict-source label=caller address-family=IP4 direction=[priv pub]  rtcp-mux=[offer require] TOS=184 codec-strip-all media-address=[2001:db8::1] foo bar=x"}}"#
        ));
        assert!(request.has(Flag::StrictSource) && request.replace.has(Replace::Origin));
        assert_eq!(request.label.as_deref(), Some("caller"));
        assert_eq!(request.address_family, Some(AddressFamily::Ip4));
        assert_eq!(
            (request.from_interface.as_deref(), request.to_interface.as_deref()),
            (Some("priv"), Some("pub"))
        );
        assert_eq!(request.rtcp_mux, [RtcpMux::Offer, RtcpMux::Require].into_iter().collect());
        assert_eq!(request.tos, TosRequest::Set(184));
        assert!(request.not_built.is_empty() && !request.codecs.is_empty());
        assert_eq!(request.unknown, ["foo", "bar"]);
    }
}

#[test]
fn values_that_change_nothing_are_not_warned_about() {
    let request = parse(
        r#"{"command":"offer","ICE":"remove","DTLS":"off","SDES":["off"],"codec":{},"generate RTCP":"off","record call":"no",
        "flags":["SDES-off","reject ICE","symmetric","trust-address"]}"#,
    );
    assert_eq!(request.warnings(), Vec::<String>::new());
    assert_eq!(request.unknown, Vec::<String>::new());
}

#[test]
fn things_to_come_are_named_in_the_warning() {
    let request = parse(
        r#"{"command":"offer","OSRTP":["accept-legacy"],"T.38":["force"],"codec":{"strip":["all"]},"flags":["inject DTMF","SIPREC"]}"#,
    );
    assert_eq!(request.not_built, ["T.38", "inject DTMF"]);
}

#[test]
fn sdes_and_osrtp_come_as_lists_and_as_flags() {
    let list = parse(
        r#"{"command":"offer","SDES":["only-AES_CM_128_HMAC_SHA1_32","order:AES_256_CM_HMAC_SHA1_80;AES_CM_128_HMAC_SHA1_32;","pad"],
        "OSRTP":["offer","accept"]}"#,
    );
    let flags = parse(
        "{\"command\":\"offer\",\"rtpp_flags\":\"SDES-only-AES_CM_128_HMAC_SHA1_32 pad-crypto OSRTP-offer-RFC OSRTP-accept \
         SDES-order:AES_256_CM_HMAC_SHA1_80;AES_CM_128_HMAC_SHA1_32;\"}",
    );
    assert_eq!((&list.sdes, list.osrtp), (&flags.sdes, flags.osrtp));
    assert!(list.osrtp.accept_legacy);
    assert!(list.sdes.pad && list.sdes.order.len() == 2 && list.osrtp.offer_rfc && list.osrtp.accept_rfc);
    assert_eq!((list.warnings(), flags.warnings()), Default::default());
    let off = parse(r#"{"command":"offer","SDES":"off"}"#);
    assert!(off.sdes.off && off.warnings().is_empty());
    let wrong = parse(r#"{"command":"offer","flags":["SDES-only-ROT13","OSRTP-sometimes"]}"#);
    assert_eq!(wrong.warnings(), ["Key \"SDES\": \"only-ROT13\" is not known or names unknown suites"]);
    assert_eq!(wrong.unknown, ["OSRTP-sometimes"]);
}

#[test]
fn errors_have_the_texts_of_the_original() {
    assert_eq!(refuse("{}"), "Dictionary contains no key \"command\"");
    assert_eq!(refuse(r#"{"command":"bogus"}"#), "Unrecognized command");
    assert_eq!(refuse(r#"{"command":["ping"]}"#), "Unrecognized command");
    assert_eq!(refuse(r#"{"command":"offer","call-id":["x"]}"#), "Key \"call-id\" must be a string in UTF-8");
    assert_eq!(refuse(r#"{"command":"offer","sdp":{}}"#), "Key \"sdp\" must be a string in UTF-8");
}

#[test]
fn senseless_values_are_ignored_and_named() {
    let request = parse(
        r#"{"command":"offer","media address":"foo","direction":["a"],"address family":"IP5","TOS":"x","received from":"IP4"}"#,
    );
    assert_eq!(request.media_address, None);
    assert_eq!(
        request.invalid,
        [
            "Key \"media address\" ignored: \"foo\" is not an IP address",
            "Key \"direction\" ignored: this kind of value is not two interface names",
            "Key \"address family\" ignored: \"IP5\" is not one of IP4, IP6",
            "Key \"TOS\" ignored: \"x\" is not an integer",
            "Key \"received from\" ignored: \"IP4\" is not a family and an IP address",
        ]
    );
}

#[test]
fn tos_is_set_kept_or_reset() {
    assert_eq!(parse(r#"{"command":"offer","TOS":184}"#).tos, TosRequest::Set(184));
    assert_eq!(parse(r#"{"command":"offer","TOS":-1}"#).tos, TosRequest::Unchanged);
    assert_eq!(parse(r#"{"command":"offer","TOS":256}"#).tos, TosRequest::Default);
    assert_eq!(parse(r#"{"command":"offer"}"#).tos, TosRequest::Default);
}

#[test]
fn all_comes_as_key_or_flag() {
    assert_eq!(parse(r#"{"command":"block media","flags":["all"]}"#).all, AllMode::All);
    assert_eq!(parse(r#"{"command":"block media","flags":["all=flows"]}"#).all, AllMode::Flows);
    assert_eq!(
        parse(r#"{"command":"block media","all":"non-offer-answer"}"#).all,
        AllMode::ExceptOfferAnswer
    );
}

#[test]
fn the_load_limit_extension_is_recognised() {
    assert!(parse(r#"{"command":"offer","supports":["load limit"]}"#).supports_load_limit);
}

#[test]
fn every_known_name_is_found_and_unambiguous() {
    for key in Key::ALL {
        for name in key.spellings() {
            assert_eq!(Key::find(name.as_bytes()), Some(*key), "{name}");
        }
    }
    for flag in Flag::ALL {
        for name in flag.spellings() {
            assert_eq!(Flag::find(name.as_bytes()), Some(*flag), "{name}");
            for (prefix, _) in FLAG_PREFIXES {
                assert_eq!(
                    spelling::strip_prefix(name.as_bytes(), prefix),
                    None,
                    "{name} looks like {prefix}"
                );
            }
        }
    }
    for command in Command::ALL {
        assert_eq!(Command::from_wire(command.wire_name().as_bytes()), Some(*command));
    }
    assert_eq!(Command::listed().len(), 25);
}

proptest! {
    #[test]
    fn any_flag_string_is_read(text in ".{0,80}") {
        let dict = Dict::new().with("command", "offer").with("flags", text.as_str());
        let _ = Request::parse(&dict);
    }

    #[test]
    fn any_bracketed_flag_string_is_read(text in "[a-c=\\[\\] ]{0,40}") {
        let dict = Dict::new().with("command", "offer").with("flags", text.as_str());
        prop_assert!(Request::parse(&dict).is_ok());
    }
}

#[test]
fn brackets_may_stand_in_brackets() {
    let read = |text: &str| {
        let mut found = Vec::new();
        flags::items(&Value::from(text), &mut |item| found.push(format!("{item:?}")));
        found
    };
    let dict = |text: &str| match read(text).as_slice() {
        [one] => one.clone(),
        other => panic!("{other:?}"),
    };
    let flat = dict("x=[a=[b c] d=[e] f g=[h=[i] j]]");
    assert_eq!(flat.matches("Dict(").count(), 2, "{flat}");
    assert_eq!(read("x=[a b] y z=[c=[d e] f=[g]] h").len(), 4);
    assert_eq!(read("x=[a=[b c] y=[unclosed z").len(), 1);
    assert_eq!(read("x=]a b]] c").len(), 3);
    let deep = "x=[".repeat(1000) + &"]".repeat(1000);
    assert_eq!(read(&deep).len(), 1);
}

#[test]
fn words_that_tell_a_proxy_where_to_find_a_branch_are_none() {
    for word in ["auto", "extra", "next", "auto-next", "auto_extra", "1", "2"] {
        let request = parse(&format!(
            r#"{{"command":"offer","via-branch":"z9hG4bK1","rtpp_flags":"via-branch={word} strict-source"}}"#
        ));
        assert_eq!(request.via_branch.as_deref(), Some("z9hG4bK1"), "{word}");
        assert!(request.warnings().is_empty() && request.unknown.is_empty());
    }
    assert_eq!(parse(r#"{"command":"offer","via-branch":"auto"}"#).via_branch, None);
    assert_eq!(parse(r#"{"command":"offer","via-branch":"1"}"#).via_branch.as_deref(), Some("1"));
    let request = parse(r#"{"command":"offer","flags":["via-branch=z9hG4bK2"]}"#);
    assert_eq!(request.via_branch.as_deref(), Some("z9hG4bK2"));
}

#[test]
fn a_string_of_flags_may_have_profiles_and_directions_by_themselves() {
    let request = parse(
        r#"{"command":"offer","rtpp_flags":"UDP/TLS/RTP/SAVPF direction=priv direction=pub ICE=force trust-address"}"#,
    );
    assert_eq!(request.transport_protocol, Some(TransportProtocol::DtlsSavpf));
    assert_eq!(
        (request.from_interface.as_deref(), request.to_interface.as_deref()),
        (Some("priv"), Some("pub"))
    );
    assert!(request.warnings().is_empty() && request.unknown.is_empty(), "{request:?}");
    assert_eq!(
        parse(r#"{"command":"offer","flags":["rtp/avp"]}"#).transport_protocol,
        Some(TransportProtocol::RtpAvp)
    );
    assert_eq!(parse(r#"{"command":"offer","flags":["accept"]}"#).unknown, ["accept"]);
}

/// Every form that proxies pass through, in one string: all understood, those to come named.
#[test]
fn no_prefix_or_flag_of_proxies_is_unknown() {
    let flags = "codec-strip-opus codec-offer-PCMA codec-except-PCMU codec-transcode-G722 codec-mask-G729 \
                 codec-set-opus/48000/2/16000 codec-accept-GSM codec-consume-speex codec-ignore-EVS transcode-PCMU \
                 SDES-off SDES-only-AES_CM_128_HMAC_SHA1_80 SDES-no-NULL_HMAC_SHA1_32 SDES-nonew SDES-pad SDES-lifetime \
                 SDES-static SDES-unencrypted_srtp SDES-UNENCRYPTED_SRTCP SDES-authenticated_srtp SDES-encrypted_srtp \
                 SDES-order:AES_CM_128_HMAC_SHA1_80; SDES-offerer_pref:AES_CM_128_HMAC_SHA1_80; \
                 OSRTP-offer OSRTP-offer-RFC OSRTP-offer-legacy OSRTP-accept OSRTP-accept-RFC OSRTP-accept-legacy \
                 T38-decode T.38-force T38-no-ECM endpoint-learning-immediate from-tags-a \
                 replace-origin replace-session-connection replace-SDP-version replace-username replace-session-name \
                 replace-zero-address replace-origin-full replace-force-increment-sdp-ver rtcp-mux-offer \
                 sdp-attr-add-none-x:1 sdp-attr-remove-audio-ptime:20 sdp-attr-substitude-none-sendrecv>sendonly \
                 sdp-attr-substitute-audio-x>y sdp-media-remove-video sdp-media-remove=[image] DTLS=passive \
                 DTLS-reverse=active DTLS-fingerprint=sha-256 ICE=force ICE-lite=both TOS=184 ptime=20 ptime-reverse=30 \
                 media-address=192.0.2.1 address-family=IP4 label=a set-label=b to-label=c metadata=x delete-delay=0 \
                 xmlrpc-callback=192.0.2.9 record-call=no delay-buffer=0 audio-player=off DTMF-security=off \
                 generate-mid strict-source symmetric asymmetric no-redis-update new-branch provisional SIP-code=200 \
                 SIP-message-type=reply mirror-RTCP ICE-reject reorder-codecs symmetric-codecs asymmetric-codecs early-media \
                 unidirectional port-latching pad-crypto supports=[load-limit]";
    let request = parse(&format!(r#"{{"command":"offer","rtpp_flags":"{flags}"}}"#));
    assert_eq!(request.unknown, Vec::<String>::new());
    assert_eq!(request.not_built, ["T38-decode", "T.38-force", "T38-no-ECM"]);
    assert_eq!(request.invalid, Vec::<String>::new());
    assert!(request.supports_load_limit);
    // What belongs to other commands is named.
    assert_eq!(request.misplaced(), ["from-tags", "RTCP mirror"]);
}

#[test]
fn what_is_for_a_later_version_is_named_by_its_name() {
    let request = parse(
        r#"{"command":"offer","delay-buffer":20,"alias":"x","inbound-peer":"a","outbound-peer":"b","peer":"c",
        "output-destination":"/x","T.38 version":3,"passthrough":"on","DTMF-delay":50,"flags":["block egress",
        "skip-recording-db","exclude recording","recording announcement","passthrough","mix","bidirectional"]}"#,
    );
    assert_eq!(
        request.not_built,
        [
            "delay-buffer",
            "alias",
            "inbound-peer",
            "outbound-peer",
            "peer",
            "output-destination",
            "T.38 version",
            "passthrough",
            "DTMF-delay",
            "block egress",
            "skip-recording-db",
            "exclude recording",
            "recording announcement",
            "mix",
            "bidirectional"
        ]
    );
    assert_eq!(request.unknown, Vec::<String>::new());
}

#[test]
fn numbers_have_bounds() {
    assert_eq!(parse(r#"{"command":"list","limit":1}"#).limit, Some(1));
    let request = parse(r#"{"command":"list","limit":0}"#);
    assert_eq!(
        (request.limit, request.warnings()),
        (None, vec!["Key \"limit\" ignored: 0 is less than 1".to_owned()])
    );
    let request = parse(r#"{"command":"delete","delete delay":-1}"#);
    assert_eq!(request.delete_delay, None);
    assert_eq!(
        request.warnings(),
        ["Key \"delete-delay\" ignored: -1 is less than 0".replace("delete-delay", "delete delay")]
    );
}
