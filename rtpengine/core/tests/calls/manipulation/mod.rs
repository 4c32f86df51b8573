//! What keys and flags make of a body: tables of requests, bodies and the bodies that must come out.
//!
//! Bodies are written without their head ([`HEAD`]), lines separated by ` / `. In what comes out ports, keys and names made
//! by chance are words: `PORT`, `KEY`, `UFRAG`, `PWD`, `CANDIDATE`, `MARK`, `FINGERPRINT`, `TLS-ID`.

mod arbitrary;
mod attributes;
mod bundles;
mod directions;
mod extensions;
mod loops;
mod media_flags;
mod packet_times;
mod versions;
mod webrtc;

use rtpengine_core::ng::{Reply, Request, json};

use crate::pair::{Pair, seen};

/// What every body begins with.
pub const HEAD: &str = "v=0 / o=- 7 1 IN IP4 192.0.2.1 / s=x / c=IN IP4 192.0.2.1 / t=0 0";
/// The head as the receiver gets it.
pub const OURS: &str = "v=0 / o=- 7 1 IN IP4 192.0.2.1 / s=x / c=IN IP4 10.9.0.1 / t=0 0";

/// Name, further keys of the request in JSON, body, and the body that must come out.
pub type Scenario = (&'static str, &'static str, &'static str, &'static str);

/// Lines separated by ` / ` as a body.
pub fn body(lines: &str) -> String {
    lines.split(" / ").map(|line| format!("{line}\r\n")).collect()
}

/// A request with these keys.
pub fn request(command: &str, tags: &str, keys: &str, body: &str) -> Request {
    let comma = if keys.is_empty() { "" } else { "," };
    let text = format!(r#"{{"command":"{command}","call-id":"call1",{tags}{comma}{keys}}}"#);
    let dict = json::decode(text.as_bytes()).unwrap_or_else(|error| panic!("{error}: {text}"));
    let mut request = Request::parse(&dict).unwrap();
    request.sdp = Some(body.as_bytes().to_vec());
    request
}

/// The reply to an offer of the caller.
pub fn offer(pair: &mut Pair, keys: &str, whole: &str) -> Reply {
    pair.send(&request("offer", r#""from-tag":"ft""#, keys, &body(whole)))
}

/// The reply to an answer of the callee.
pub fn answer(pair: &mut Pair, keys: &str, whole: &str) -> Reply {
    pair.send(&request("answer", r#""from-tag":"ft","to-tag":"tt""#, keys, &body(whole)))
}

/// The body of a reply with words for what chance made.
pub fn shown(reply: &Reply) -> String {
    let text = seen(reply).text;
    let lines = text.lines().map(word);
    lines.collect::<Vec<_>>().join(" / ")
}

fn word(line: &str) -> String {
    let mut fields: Vec<&str> = line.split(' ').collect();
    if line.starts_with("m=") && fields[1] != "0" && fields[1] != "9" {
        fields[1] = "PORT";
        return fields.join(" ");
    }
    let Some((name, value)) = line.split_once(':') else { return line.to_owned() };
    let first = fields[0].to_owned();
    match name {
        "a=rtcp" => {
            fields[0] = "a=rtcp:PORT";
            fields.join(" ")
        }
        "a=crypto" => format!("{first} {} KEY", fields[1]),
        "a=ice-ufrag" => "a=ice-ufrag:UFRAG".to_owned(),
        "a=ice-pwd" => "a=ice-pwd:PWD".to_owned(),
        "a=candidate" => "a=candidate:CANDIDATE".to_owned(),
        "a=fingerprint" => format!("{first} FINGERPRINT"),
        "a=tls-id" => "a=tls-id:TLS-ID".to_owned(),
        "a=rtpengine" if value.len() == 16 => "a=rtpengine:MARK".to_owned(),
        _ => line.to_owned(),
    }
}

/// Holds every scenario to its word, each in a call of its own.
pub fn offers_become(scenarios: &[Scenario]) {
    let mut wrong = Vec::new();
    for (name, keys, offered, wanted) in scenarios {
        let mut pair = Pair::new();
        let reply = offer(&mut pair, keys, &format!("{HEAD} / {offered}"));
        let shown = shown(&reply);
        let wanted = format!("{OURS} / {wanted}");
        if shown != wanted {
            wrong.push(format!("{name}\n  got    {shown}\n  wanted {wanted}\n  {:?}", reply.warnings));
        }
    }
    assert!(wrong.is_empty(), "{} of {}:\n{}", wrong.len(), scenarios.len(), wrong.join("\n"));
}
