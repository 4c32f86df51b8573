//! The call of the recorded conversation with the original: same requests, same replies but for ports and times.

use rtpengine_core::{
    io::SsrcCounters,
    ng::{Command, Dict, Value},
};

use crate::pair::{Pair, audio};

#[test]
fn offer_and_answer_read_as_recorded() {
    let mut pair = Pair::new();
    let callee = pair.offer_with("ft", "", &audio("127.0.0.1", 23000), |request| {
        request.from_interface = Some("foo".to_owned());
        request.to_interface = Some("bar".to_owned());
        request.label = Some("lab".to_owned());
        request.metadata = Some("k:v|a:b".to_owned());
    });
    let port = callee.rtp.port();
    assert_eq!(port % 2, 0);
    let expected = |address: &str, port: u16| {
        format!(
            "v=0\r\no=- 1 1 IN IP4 127.0.0.1\r\ns=x\r\nc=IN IP4 {address}\r\nt=0 0\r\nm=audio {port} RTP/AVP 8 0 101\r\na=rtpmap:8 PCMA/8000\r\na=rtpmap:0 PCMU/8000\r\na=rtpmap:101 telephone-event/8000\r\na=sendrecv\r\na=rtcp:{}\r\n",
            port + 1
        )
    };
    assert_eq!(callee.text, expected("10.9.8.7", port));
    let caller = pair.answer("ft", "tt", &audio("127.0.0.1", 23002));
    assert_eq!(caller.text, expected("10.9.0.1", caller.rtp.port()));

    for (seen, ssrc) in [(&caller, 4660), (&callee, 39321)] {
        pair.packets(seen, 50);
        let stream = pair.stream(seen.rtp);
        let counters = pair.plane.counters.get_mut(&stream).unwrap();
        counters.packets_out = 50;
        counters.bytes_out = 8600;
        counters.ssrcs.push(SsrcCounters { ssrc, ..SsrcCounters::default() });
    }
    let query = pair.send(&Pair::request(Command::Query, "", "", "", |_| {})).into_dict();
    let body = json(&Value::Dict(query));
    let stream = |local: &str, port: u16, remote: u16, kind: &str, ssrc: &str, packets: u32| {
        let endpoint = format!(r#"{{"family":"IPv4","address":"127.0.0.1","port":{remote}}}"#);
        let stats = format!(r#"{{"packets":{packets},"bytes":{},"errors":0}}"#, packets * 172);
        format!(
            r#"{{"local port":{port},"local address":"{local}","family":"IPv4","endpoint":{endpoint},"advertised endpoint":{endpoint},"last packet":1795384091,"flags":["{kind}","filled"],{ssrc}"stats":{stats},"stats_out":{stats}}}"#
        )
    };
    let party = |tag: &str, peer: &str, label: &str, local: &str, port: u16, remote: u16, ssrc: u32| {
        format!(
            r#""{tag}":{{"tag":"{tag}",{label}"created":1795384091,"in dialogue with":"{peer}","subscriptions":[{{"tag":"{peer}","type":"offer/answer"}}],"subscribers":[{{"tag":"{peer}","type":"offer/answer"}}],"medias":[{{"index":1,"type":"audio","protocol":"RTP/AVP","codec":"PCMA/8000","streams":[{},{}],"flags":["initialized","send","recv"]}}]}}"#,
            stream(local, port, remote, "RTP", &format!(r#""SSRC":{ssrc},"#), 50),
            stream(local, port + 1, remote + 1, "RTCP", "", 0),
        )
    };
    let expected = format!(
        r#"{{"created":1795384091,"created_us":508178,"last signal":1795384091,"SSRC":{{}},"tags":{{{},{}}},"totals":{{"RTP":{{"packets":100,"bytes":17200,"errors":0}},"RTCP":{{"packets":0,"bytes":0,"errors":0}}}},"result":"ok"}}"#,
        party("ft", "tt", r#""label":"lab","#, "10.9.0.1", caller.rtp.port(), 23000, 4660),
        party("tt", "ft", "", "10.9.0.2", port, 23002, 39321),
    );
    assert_eq!(body, expected);

    let list = pair.send(&Pair::request(Command::List, "", "", "", |_| {})).into_dict();
    assert_eq!(json(&Value::Dict(list)), r#"{"calls":["call1"],"result":"ok"}"#);
    let deleted = json(&Value::Dict(pair.delete("ft", "").into_dict()));
    assert_eq!(deleted, expected, "delete tells what query told");
    pair.assert_empty();
}

#[test]
fn statistics_follow_the_call() {
    let mut pair = Pair::new();
    let (caller, callee) = pair.call();
    pair.wait(1);
    pair.packets(&caller, 50);
    pair.packets(&callee, 50);
    pair.wait(1);
    let get = |pair: &mut Pair, section: &str, key: &str| {
        let reply = pair.send(&Pair::request(Command::Statistics, "", "", "", |_| {}));
        let statistics = reply.body.get("statistics").and_then(Value::as_dict).unwrap();
        statistics.get(section).and_then(Value::as_dict).and_then(|dict| dict.get(key)).cloned().unwrap()
    };
    assert_eq!(get(&mut pair, "currentstatistics", "sessionsown"), Value::Int(1));
    assert_eq!(get(&mut pair, "currentstatistics", "packetrate_user"), Value::Int(100));
    assert_eq!(get(&mut pair, "currentstatistics", "media_userspace"), Value::Int(2));
    assert_eq!(get(&mut pair, "totalstatistics", "relayedpackets_user"), Value::Int(100));
    assert_eq!(get(&mut pair, "totalstatistics", "managedsessions"), Value::Int(0));
    assert_eq!(get(&mut pair, "totalstatistics", "uptime"), Value::from("2"));
    assert_eq!(get(&mut pair, "controlstatistics", "totaloffercount"), Value::Int(1));
    pair.delete("ft", "tt");
    assert_eq!(get(&mut pair, "totalstatistics", "regularterminatedsessions"), Value::Int(1));
    assert_eq!(
        get(&mut pair, "totalstatistics", "relayedpackets_user"),
        Value::Int(100),
        "kept after the end"
    );
    assert_eq!(get(&mut pair, "currentstatistics", "sessionsown"), Value::Int(0));
}

/// Compact JSON in the order of the entries.
fn json(value: &Value) -> String {
    let list = |items: Vec<String>| items.join(",");
    match value {
        Value::Int(number) => number.to_string(),
        Value::Str(_) => format!("\"{}\"", value.as_str().unwrap()),
        Value::List(items) => format!("[{}]", list(items.iter().map(json).collect())),
        Value::Dict(dict) => format!("{{{}}}", list(entries(dict))),
    }
}

fn entries(dict: &Dict) -> Vec<String> {
    dict.iter().map(|(key, value)| format!("\"{}\":{}", String::from_utf8_lossy(key), json(value))).collect()
}
