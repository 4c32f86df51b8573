use super::*;
use crate::ng::{AddressFamily, Command, Flag};

fn parsed(body: &str) -> Request {
    match udp::Parsed::of(body.as_bytes()) {
        udp::Parsed::Request(request) => *request,
        other => panic!("{body}: {other:?}"),
    }
}

/// The reply to a datagram where the engine gives this answer.
fn reply(datagram: &str, answer: Option<Answer>) -> String {
    let message = udp::Message::split(datagram.as_bytes()).expect("a cookie");
    let reply = udp::reply(message.cookie, &udp::Parsed::of(message.body), answer.as_ref());
    String::from_utf8(reply).unwrap()
}

fn address(text: &str) -> Option<Answer> {
    Some(Answer::Addresses(vec![Some(text.parse().unwrap())]))
}

#[test]
fn udp_replies_are_those_recorded_of_the_original() {
    let counts = || Some(Answer::Counts { remaining: 3600, rtp: 0, rtcp: 0 });
    for (datagram, answer, wanted) in [
        ("1 V", Some(Answer::Alive), "1 20040107\n"),
        ("1 v\r\n", Some(Answer::Alive), "1 20040107\n"),
        ("2 VF 20040107", None, "2 1\n"),
        ("3 VF 20050322", None, "3 1\n"),
        ("4 VF 20060704", None, "4 1\n"),
        ("5 VF 20081224", None, "5 0\n"),
        ("5 VF", None, "5 0\n"),
        ("6 U callx 127.0.0.1 23000 ft;1", address("127.0.0.1:40022"), "6 40022 127.0.0.1 4\n"),
        ("7 L callx 127.0.0.1 23002 ft;1 tt;1", address("127.0.0.1:40036"), "7 40036 127.0.0.1 4\n"),
        ("7 U callx ::1 23002 ft;1", address("[2001:db8::5]:40036"), "7 40036 2001:db8::5 6\n"),
        ("8 Q callx ft tt", counts(), "8 3600 0 0 0 0\n"),
        ("9 D callx ft tt", Some(Answer::Deleted), "9 0\n"),
        ("10 D nocall ft tt", None, "10 E8\n"),
        ("11 L nocall 127.0.0.1 23002 ft;1 tt;1", None, "11 0 0.0.0.0\n"),
        ("12 Uw6iei callz 127.0.0.1 23000 ft;1", address("127.0.0.1:40040"), "12 40040 127.0.0.1 4\n"),
        ("13 foo", None, "13 E8\n"),
        ("14 P callx", None, "14 E8\n"),
        ("garbage", None, "garbage E8\n"),
        ("15 U cally 127.0.0.1 23000 ft", None, "15 23000 127.0.0.1\n"),
        ("16 U cally 127.0.0.1 23000 ft;1", None, "16 E8\n"),
        ("17 Q nocall ft tt", None, "17 E8\n"),
        ("18 U callq 1.2.3.4 55", None, "18 55 1.2.3.4\n"),
        ("19 L callq 1.2.3.4", None, "19 E8\n"),
        ("20 U c 127.0.0.1 0 ft;1", Some(Answer::Addresses(vec![None])), "20 0 0.0.0.0\n"),
    ] {
        assert_eq!(reply(datagram, answer), wanted, "{datagram}");
    }
}

#[test]
fn a_datagram_without_a_cookie_is_no_message() {
    for datagram in [&b""[..], b" V", b"\n", &[b'x'; 300]] {
        assert_eq!(udp::Message::split(datagram), None);
    }
}

#[test]
fn udp_commands_name_the_call_the_tags_and_the_line() {
    let request = parsed("U call@x;z9hG4bK1 192.0.2.1 4000 a;b;2 t;2 xmlrpc:http://192.0.2.9 call@x");
    assert_eq!(request.ng.command, Command::Offer);
    assert_eq!(request.ng.call_id.as_deref(), Some("call@x"));
    assert_eq!(request.ng.via_branch.as_deref(), Some("z9hG4bK1"));
    assert_eq!((request.ng.from_tag.as_deref(), request.ng.to_tag.as_deref()), (Some("a;b"), Some("t")));
    assert_eq!(request.streams[0].line.index(), 1);
    assert_eq!(request.streams[0].endpoint, "192.0.2.1:4000".parse().unwrap());
    let request = parsed("d call; f");
    assert_eq!((request.ng.command, request.ng.via_branch, request.ng.to_tag), (Command::Delete, None, None));
    // What follows the from-tag without a number is for other proxies.
    assert_eq!(parsed("L call 192.0.2.1 4000 f;1 xmlrpc:http://x call").ng.to_tag, None);
    for line in ["0", "65", "256", "x", ""] {
        let body = format!("U call 192.0.2.1 4000 f;{line}");
        assert!(matches!(udp::Parsed::of(body.as_bytes()), udp::Parsed::Echo { .. }), "{body}");
    }
}

#[test]
fn udp_modifiers_choose_interfaces_family_and_learning() {
    let of = |modifiers: &str| parsed(&format!("U{modifiers} call 192.0.2.1 4000 f;1")).ng;
    let sides = |modifiers: &str| {
        let request = of(modifiers);
        (request.from_interface.unwrap_or_default(), request.to_interface.unwrap_or_default())
    };
    let pair = |from: &str, to: &str| (from.to_owned(), to.to_owned());
    assert_eq!(sides("ie"), pair("internal", "external"));
    assert_eq!(sides("EI"), pair("external", "internal"));
    assert_eq!(sides("wee"), pair("external", "external"));
    assert_eq!(sides("i"), pair("internal", ""));
    assert_eq!(sides("iei"), pair("internal", "external"));
    assert!(of("a").has(Flag::Asymmetric) && !of("sw").has(Flag::Asymmetric));
    assert_eq!(of("6").address_family, Some(AddressFamily::Ip6));
    assert_eq!(of("ie6").address_family, Some(AddressFamily::Ip6));
    // Values of other modifiers are none of these.
    assert_eq!(of("z60c8,0,6t6").address_family, None);
    assert!(of("z20a").has(Flag::Asymmetric));
    assert_eq!(parsed("U6 call 2001:db8::1 4000 f;1").ng.address_family, None);
}

#[test]
fn tcp_lines_name_every_m_line_and_the_tags() {
    let of = |line: &str| match tcp::Parsed::of(line.as_bytes()) {
        tcp::Parsed::Request(request) => *request,
        other => panic!("{line}: {other:?}"),
    };
    let tail = "192.0.2.9 fromdom remote todom unknown agent";
    let request = of(&format!(
        "request call 192.0.2.1:4000:audio,[2001:db8::1]:4002:image,192.0.2.1:0 {tail} info=from:a@x,fromtag:ft,to:b@y,totag:,asymmetric"
    ));
    assert_eq!(request.ng.command, Command::Offer);
    assert_eq!((request.ng.from_tag.as_deref(), request.ng.to_tag), (Some("ft"), None));
    assert!(request.ng.flags.has(Flag::Asymmetric));
    let mut body = String::new();
    for (index, stream) in request.streams.iter().enumerate() {
        assert_eq!(stream.line.index(), index);
        stream.describe(&mut body);
    }
    assert_eq!(
        body,
        "m=audio 4000 RTP/AVP *\r\nc=IN IP4 192.0.2.1\r\nm=image 4002 udptl t38\r\nc=IN IP6 2001:db8::1\r\n\
         m=unknown 0 RTP/AVP *\r\nc=IN IP4 192.0.2.1\r\n"
    );
    let request = of(&format!("LOOKUP call 192.0.2.1:4000:audio {tail} info=from:ft,to:tt,domain:foo.com"));
    assert_eq!((request.ng.from_tag.as_deref(), request.ng.to_tag.as_deref()), (Some("ft"), Some("tt")));
    assert_eq!(of("delete call info=").ng.from_tag, None);
    assert_eq!(of("delete call").ng.call_id.as_deref(), Some("call"));
    let many = vec!["192.0.2.1:4000"; 65].join(",");
    for line in
        ["", "request", "request call x info=fromtag:f", "delete", "foo", "request call 192.0.2.1:4000:audio"]
            .map(str::to_owned)
            .into_iter()
            .chain([format!("request call {many} info=fromtag:f")])
    {
        assert_eq!(tcp::Parsed::of(line.as_bytes()), tcp::Parsed::Unknown, "{line}");
    }
}

#[test]
fn tcp_replies_are_those_of_the_original() {
    let two = Answer::Addresses(vec!["192.0.2.5:40050".parse().ok(), "192.0.2.5:40088".parse().ok()]);
    assert_eq!(tcp::reply(Some(&two), ""), "192.0.2.5 40050 40088\n");
    assert_eq!(tcp::reply(address("127.0.0.1:40000").as_ref(), ""), "127.0.0.1 40000\n");
    assert_eq!(tcp::reply(Some(&Answer::Alive), "1.2"), "Version: 1.2\n");
    let sessions = Answer::Sessions { calls: vec!["a".into(), "b".into()], bytes: 17 };
    assert_eq!(tcp::reply(Some(&sessions), ""), "proxy 2 17/0/0\nsession a - - - - 0\nsession b - - - - 0\n");
    assert_eq!(tcp::reply(Some(&Answer::Deleted), ""), "");
    assert_eq!(tcp::reply(None, ""), "");
    assert_eq!(tcp::controls(&["192.0.2.1:5".parse().unwrap()]), "192.0.2.1:5\nEnd.\n");
}
