//! Retransmissions and hostile messages against the real daemon: one call per cookie, one clear error each, no harm.
#![expect(clippy::unwrap_used, reason = "helpers of tests fail the test")]

use std::io::{Read as _, Write as _};
use std::net::{IpAddr, Ipv4Addr, Shutdown, TcpStream};
use std::path::Path;
use std::time::Duration;

use rtpengine_tests::daemon::{Builder, Daemon};
use rtpengine_tests::ng::{Encoding, NgClient, cookie};
use rtpengine_tests::require::{Need, available};
use rtpengine_tests::{ctl, sdp};
use serde_json::{Value, json};

const LOCAL: IpAddr = IpAddr::V4(Ipv4Addr::LOCALHOST);

fn start() -> Option<Daemon> {
    available(&[Need::Daemon]).then(|| Builder::new().arg("--interface=127.0.0.1").start().unwrap())
}

fn offer(call: &str) -> Value {
    json!({"command": "offer", "call-id": call, "from-tag": "a", "sdp": sdp::audio(LOCAL, 4000)})
}

/// Sends one message and returns the bytes that come back.
fn raw(client: &mut NgClient, message: &[u8]) -> Vec<u8> {
    client.send_raw(message).unwrap();
    client.receive_raw(Duration::from_secs(5)).unwrap().unwrap()
}

#[test]
fn a_retransmitted_offer_gets_the_same_bytes_and_opens_no_second_call() {
    let Some(daemon) = start() else { return };
    let (mut first, mut second) = (daemon.ng().unwrap(), daemon.ng().unwrap());
    let message = first.message("same-cookie", &offer("one")).unwrap();
    let reply = raw(&mut first, &message);
    assert_eq!(raw(&mut first, &message), reply);
    // From another socket, as a proxy does that opens one per request, and with another command.
    assert_eq!(raw(&mut second, &message), reply);
    let other = second.message("same-cookie", &json!({"command": "list"})).unwrap();
    assert_eq!(raw(&mut second, &other), reply);
    assert_eq!(first.list().unwrap(), ["one"]);
    // Under a new cookie it is an offer again: the same call with the same ports.
    let again = first.message("new-cookie", &offer("one")).unwrap();
    assert_eq!(raw(&mut first, &again)["new-cookie ".len()..], reply["same-cookie ".len()..]);
    assert_eq!(first.list().unwrap(), ["one"]);
    daemon.stop().unwrap();
}

#[test]
fn repeats_sent_before_the_reply_make_one_call() {
    let Some(daemon) = start() else { return };
    let mut client = daemon.ng().unwrap();
    let message = client.message("burst", &offer("one")).unwrap();
    for _ in 0..8 {
        client.send_raw(&message).unwrap();
    }
    let replies: Vec<Vec<u8>> =
        (0..8).map(|_| client.receive_raw(Duration::from_secs(5)).unwrap().unwrap()).collect();
    assert!(replies.iter().all(|reply| *reply == replies[0]), "{replies:?}");
    assert_eq!(client.list().unwrap(), ["one"]);
    daemon.stop().unwrap();
}

#[test]
fn udp_and_tcp_bencode_and_json_say_the_same() {
    let Some(daemon) = start() else { return };
    for encoding in [Encoding::Bencode, Encoding::Json] {
        let mut udp = daemon.ng().unwrap().with_encoding(encoding);
        let mut tcp = NgClient::tcp(daemon.tcp_ng_address()).unwrap().with_encoding(encoding);
        udp.ping().unwrap();
        tcp.ping().unwrap();
        let body = udp.offer("one", "a", &sdp::audio(LOCAL, 4000), &json!({})).unwrap();
        assert_eq!(tcp.offer("one", "a", &sdp::audio(LOCAL, 4000), &json!({})).unwrap(), body);
        assert_eq!(tcp.query("one").unwrap(), udp.query("one").unwrap());
        udp.delete("one", "a").unwrap();
        assert_eq!(tcp.list().unwrap(), Vec::<String>::new());
    }
    daemon.stop().unwrap();
}

/// All files of the committed corpus: name and content.
fn corpus() -> Vec<(String, Vec<u8>)> {
    let directory = Path::new(env!("CARGO_MANIFEST_DIR")).join("../fuzz/corpus/ng");
    let mut files: Vec<(String, Vec<u8>)> = std::fs::read_dir(directory)
        .unwrap()
        .map(|entry| entry.unwrap())
        .map(|entry| (entry.file_name().to_string_lossy().into_owned(), std::fs::read(entry.path()).unwrap()))
        .filter(|(name, _)| ["ignored-", "refused-", "error-"].iter().any(|kind| name.starts_with(kind)))
        .collect();
    files.sort();
    assert!(files.len() >= 50, "{} files", files.len());
    files
}

#[test]
fn malformed_datagrams_get_one_error_each_and_change_nothing() {
    let Some(daemon) = start() else { return };
    let mut client = daemon.ng().unwrap();
    client.offer("one", "a", &sdp::audio(LOCAL, 4000), &json!({})).unwrap();
    let before = client.query("one").unwrap();
    for (name, datagram) in corpus() {
        if name.starts_with("ignored-") {
            client.send_raw(&datagram).unwrap();
            continue;
        }
        // Files share a cookie, which would be answered from the cache.
        let space = datagram.iter().position(|byte| *byte == b' ').unwrap();
        let cookie = cookie();
        client.send_raw(&[cookie.as_bytes(), &datagram[space..]].concat()).unwrap();
        let (answered, reply) = client.receive().unwrap();
        assert_eq!(answered, cookie, "{name}");
        assert_eq!(reply["result"], "error", "{name}: {reply}");
        assert!(reply["error-reason"].as_str().is_some_and(|reason| !reason.is_empty()), "{name}: {reply}");
    }
    // Nothing else came, so ignored messages got no reply.
    client.ping().unwrap();
    assert_eq!(client.query("one").unwrap(), before);
    assert_eq!(client.list().unwrap(), ["one"]);
    daemon.stop().unwrap();
}

#[test]
fn malformed_tcp_streams_are_closed_and_change_nothing() {
    let Some(daemon) = start() else { return };
    let mut client = daemon.ng().unwrap();
    for (name, stream) in corpus() {
        let mut connection = TcpStream::connect(daemon.tcp_ng_address()).unwrap();
        connection.set_read_timeout(Some(Duration::from_secs(5))).unwrap();
        // The daemon may close before all of it is sent.
        let _ = connection.write_all(&stream);
        let _ = connection.shutdown(Shutdown::Write);
        let mut reply = Vec::new();
        if let Err(error) = connection.read_to_end(&mut reply) {
            assert_eq!(error.kind(), std::io::ErrorKind::ConnectionReset, "{name}");
        }
        assert!(reply.len() < 1000, "{name}");
    }
    client.ping().unwrap();
    assert_eq!(client.list().unwrap(), Vec::<String>::new());
    daemon.stop().unwrap();
}

#[test]
fn the_command_line_client_shows_and_ends_a_call() {
    if !available(&[Need::Daemon, Need::Ctl]) {
        return;
    }
    let daemon = Builder::new().arg("--interface=127.0.0.1").start().unwrap();
    let mut client = daemon.ng().unwrap();
    client.offer("one", "a", &sdp::audio(LOCAL, 4000), &json!({"label": "caller"})).unwrap();
    client.answer("one", "a", "b", &sdp::audio(LOCAL, 4002), &json!({})).unwrap();
    let address = daemon.cli_address().to_string();
    let run = |words: &[&str]| ctl::run(&[&["--ip", &address], words].concat());
    assert!(run(&["list", "numsessions"]).unwrap().starts_with("Current sessions own: 1\n"));
    let text = run(&["list", "sessions", "one"]).unwrap();
    assert!(text.contains("--- Tag 'a', type: FROM_TAG, label 'caller', branch '', callduration "), "{text}");
    assert!(text.contains("------ Media #1 (audio over RTP/AVP) using PCMA/8000\n"), "{text}");
    let call: Value = serde_json::from_str(&run(&["--json", "call", "one", "info"]).unwrap()).unwrap();
    assert_eq!(call["tags"][1]["subscribers"], json!(["a"]));
    assert_eq!(call["tags"][0]["medias"][0]["streams"][0]["path"], "userspace");
    assert_eq!(run(&["set", "timeout", "61"]).unwrap(), "Success setting timeout to 61\n");
    assert!(run(&["params", "diff"]).unwrap().contains("timeout: 60 => 61\n"));
    run(&["terminate", "one"]).unwrap();
    assert!(run(&["terminate", "one"]).is_err());
    assert_eq!(client.list().unwrap(), Vec::<String>::new());
    daemon.stop().unwrap();
}
