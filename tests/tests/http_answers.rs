//! HTTP, HTTPS and WebSocket of the real daemon.
#![expect(clippy::unwrap_used, reason = "helpers of tests fail the test")]

use std::fs;
use std::io::{Read, Write};
use std::net::{IpAddr, Ipv4Addr, SocketAddr, TcpStream};
use std::path::Path;
use std::time::Duration;

use openssl::asn1::Asn1Time;
use openssl::hash::MessageDigest;
use openssl::pkey::PKey;
use openssl::rsa::Rsa;
use openssl::ssl::{SslConnector, SslMethod, SslStream, SslVerifyMode};
use openssl::x509::{X509, X509NameBuilder};
use rtpengine_tests::daemon::{Builder, Daemon};
use rtpengine_tests::lease::Lease;
use rtpengine_tests::require::{Need, available};
use rtpengine_tests::sdp;
use serde_json::{Value, json};
use tungstenite::client::IntoClientRequest as _;
use tungstenite::{Message, WebSocket};

const LOCAL: IpAddr = IpAddr::V4(Ipv4Addr::LOCALHOST);
const WAIT: Duration = Duration::from_secs(10);

/// A daemon with its HTTP and HTTPS addresses.
struct Http {
    daemon: Daemon,
    plain: SocketAddr,
    tls: SocketAddr,
    files: tempfile::TempDir,
    _ports: Lease,
}

fn start() -> Option<Http> {
    if !available(&[Need::Daemon]) {
        return None;
    }
    let ports = Lease::ports().unwrap();
    let [plain, tls] = [0, 1].map(|offset| SocketAddr::new(LOCAL, ports.number() + offset));
    let files = tempfile::tempdir().unwrap();
    identity(files.path(), 1);
    let daemon = Builder::new()
        .arg("--interface=127.0.0.1")
        .args([format!("--listen-http={plain}"), format!("--listen-https={tls}")])
        .arg(format!("--https-cert={}", files.path().join("cert.pem").display()))
        .arg(format!("--https-key={}", files.path().join("key.pem").display()))
        .arg("--http-threads=2")
        .start()
        .unwrap();
    Some(Http { daemon, plain, tls, files, _ports: ports })
}

/// Writes a self-signed certificate with this serial number, and its key.
fn identity(folder: &Path, serial: u32) {
    let key = PKey::from_rsa(Rsa::generate(2048).unwrap()).unwrap();
    let mut name = X509NameBuilder::new().unwrap();
    name.append_entry_by_text("CN", "localhost").unwrap();
    let name = name.build();
    let mut builder = X509::builder().unwrap();
    builder
        .set_serial_number(&openssl::bn::BigNum::from_u32(serial).unwrap().to_asn1_integer().unwrap())
        .unwrap();
    builder.set_subject_name(&name).unwrap();
    builder.set_issuer_name(&name).unwrap();
    builder.set_not_before(&Asn1Time::days_from_now(0).unwrap()).unwrap();
    builder.set_not_after(&Asn1Time::days_from_now(1).unwrap()).unwrap();
    builder.set_pubkey(&key).unwrap();
    builder.sign(&key, MessageDigest::sha256()).unwrap();
    fs::write(folder.join("key.pem"), key.private_key_to_pem_pkcs8().unwrap()).unwrap();
    fs::write(folder.join("cert.pem"), builder.build().to_pem().unwrap()).unwrap();
}

fn connect(address: SocketAddr) -> TcpStream {
    let stream = TcpStream::connect(address).unwrap();
    stream.set_read_timeout(Some(WAIT)).unwrap();
    stream
}

fn connect_tls(address: SocketAddr) -> SslStream<TcpStream> {
    let mut builder = SslConnector::builder(SslMethod::tls()).unwrap();
    builder.set_verify(SslVerifyMode::NONE);
    builder.build().connect("localhost", connect(address)).unwrap()
}

/// Status, head and body of one exchange.
struct Answer {
    status: u16,
    head: String,
    body: Vec<u8>,
}

impl Answer {
    fn text(&self) -> &str {
        std::str::from_utf8(&self.body).unwrap()
    }
}

/// Reads to the end of the connection.
fn exchange(mut stream: impl Read + Write, request: &[u8]) -> Answer {
    stream.write_all(request).unwrap();
    let mut bytes = Vec::new();
    stream.read_to_end(&mut bytes).unwrap();
    let end = bytes.windows(4).position(|window| window == b"\r\n\r\n").unwrap();
    let head = String::from_utf8(bytes[..end].to_vec()).unwrap().to_lowercase();
    let status = head.split(' ').nth(1).unwrap().parse().unwrap();
    Answer { status, head, body: bytes[end + 4..].to_vec() }
}

fn get(path: &str) -> Vec<u8> {
    format!("GET {path} HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n").into_bytes()
}

fn post(path: &str, kind: &str, body: &[u8]) -> Vec<u8> {
    let length = body.len();
    let head = format!(
        "POST {path} HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\nContent-Type: {kind}\r\nContent-Length: {length}\r\n\r\n"
    );
    [head.as_bytes(), body].concat()
}

const NG: &str = "application/x-rtpengine-ng";

fn offer(cookie: &str, call: &str) -> Vec<u8> {
    let message =
        json!({"command": "offer", "call-id": call, "from-tag": "a", "sdp": sdp::audio(LOCAL, 4000)});
    format!("{cookie} {message}").into_bytes()
}

/// What `list` says through any channel that takes an *ng* message.
fn list(ask: impl FnOnce(&[u8]) -> Vec<u8>) -> Vec<String> {
    let reply =
        ask(format!("list-{} {}", rtpengine_tests::ng::cookie(), json!({"command": "list"})).as_bytes());
    let reply: Value =
        serde_json::from_slice(&reply[reply.iter().position(|byte| *byte == b' ').unwrap()..]).unwrap();
    serde_json::from_value(reply["calls"].clone()).unwrap()
}

#[test]
fn ping_commands_ng_and_figures_are_answered_over_http_and_https() {
    let Some(http) = start() else { return };
    let ask = |tls: bool, request: &[u8]| match tls {
        false => exchange(connect(http.plain), request),
        true => exchange(connect_tls(http.tls), request),
    };
    for (tls, call) in [(false, "plain"), (true, "secure")] {
        let pong = ask(tls, &get("/ping"));
        assert_eq!((pong.status, pong.text()), (200, "pong\n"));
        assert!(pong.head.contains("access-control-allow-origin: *"), "{}", pong.head);
        assert!(pong.head.contains("content-type: text/plain"), "{}", pong.head);

        let reply = ask(tls, &post("/ng", NG, &offer(call, call)));
        assert_eq!(reply.status, 200);
        assert!(reply.head.contains(&format!("content-type: {NG}")), "{}", reply.head);
        let body: Value = serde_json::from_slice(&reply.body[call.len()..]).unwrap();
        assert!(body["sdp"].as_str().unwrap().contains("m=audio"), "{body}");
        // A repeat gets the same bytes, and so it does over UDP.
        assert_eq!(ask(tls, &post("/ng", NG, &offer(call, call))).body, reply.body);
        let mut udp = http.daemon.ng().unwrap();
        udp.send_raw(&offer(call, call)).unwrap();
        assert_eq!(udp.receive_raw(WAIT).unwrap().unwrap(), reply.body);
        assert!(list(|message| ask(tls, &post("/ng", NG, message)).body).contains(&call.to_owned()));

        let bencode = ask(tls, &post("/ng", NG, b"b1 d7:command4:pinge"));
        assert_eq!(bencode.body, b"b1 d6:result4:ponge");
    }
    for path in ["/cli/list+numsessions", "/cli/list%20numsessions"] {
        let sessions = ask(false, &get(path));
        assert!(sessions.text().contains("Current sessions own: 2\n"), "{}", sessions.text());
    }
    let figures = ask(true, &get("/metrics"));
    assert!(figures.text().contains("\nrtpengine_sessions{type=\"own\"} 2\n"), "{}", figures.text());
    let offers = "rtpengine_requests_total{proxy=\"127.0.0.1\",request=\"offer\"} 2\n";
    assert!(figures.text().contains(offers), "{}", figures.text());
    http.daemon.stop().unwrap();
}

#[test]
fn what_is_not_understood_is_refused_and_changes_nothing() {
    let Some(http) = start() else { return };
    for (request, status) in [
        (get("/foo"), 404),
        (get("/"), 404),
        (get("/ng"), 405),
        (get("/cli/%zz"), 400),
        (post("/ng", "text/plain", &offer("c1", "x")), 415),
        (post("/ng", NG, b"nospace"), 400),
        (post("/ng", NG, &vec![b'a'; 300 * 1024]), 413),
    ] {
        assert_eq!(exchange(connect(http.plain), &request).status, status, "{}", request.escape_ascii());
    }
    let error = exchange(connect(http.plain), &post("/ng", NG, b"c2 d7:commandi1ee"));
    assert!(error.status == 200 && error.text().starts_with("c2 d"), "{}", error.text());
    // A connection that says nothing, and one that speaks something else, take nothing away from others.
    let silent = connect(http.plain);
    let mut other = connect(http.tls);
    other.write_all(&[0; 512]).unwrap();
    let mut rest = Vec::new();
    // An alert or a reset, but an end.
    let _ended = other.read_to_end(&mut rest);
    assert_eq!(exchange(connect_tls(http.tls), &get("/ping")).text(), "pong\n");
    drop(silent);
    assert!(list(|message| exchange(connect(http.plain), &post("/ng", NG, message)).body).is_empty());
    http.daemon.stop().unwrap();
}

fn socket<S: Read + Write>(stream: S, protocol: &str) -> WebSocket<S> {
    let mut request = "ws://localhost/any".into_client_request().unwrap();
    request.headers_mut().insert("Sec-WebSocket-Protocol", protocol.parse().unwrap());
    let (socket, response) = tungstenite::client(request, stream).unwrap();
    assert_eq!(response.headers()["Sec-WebSocket-Protocol"], protocol);
    socket
}

fn say<S: Read + Write>(socket: &mut WebSocket<S>, message: Message) -> Message {
    socket.send(message).unwrap();
    socket.read().unwrap()
}

#[test]
fn websockets_speak_ng_commands_and_echo() {
    let Some(http) = start() else { return };
    let mut ng = socket(connect(http.plain), "ng.rtpengine.com");
    for call in ["one", "two"] {
        let reply = say(&mut ng, Message::text(String::from_utf8(offer(call, call)).unwrap()));
        assert!(reply.to_text().unwrap().starts_with(call), "{reply}");
    }
    let binary = say(&mut ng, Message::binary(b"b1 d7:command4:pinge".to_vec()));
    assert_eq!(binary, Message::binary(b"b1 d6:result4:ponge".to_vec()));
    let mut calls =
        list(|message| say(&mut ng, Message::text(str::from_utf8(message).unwrap())).into_data().to_vec());
    calls.sort();
    assert_eq!(calls, ["one", "two"]);

    let mut cli = socket(connect_tls(http.tls), "cli.rtpengine.com");
    for _ in 0..2 {
        let answer = say(&mut cli, Message::text("list numsessions"));
        assert!(answer.to_text().unwrap().contains("Current sessions own: 2\n"), "{answer}");
    }
    let mut echo = socket(connect(http.plain), "echo.rtpengine.com");
    assert_eq!(say(&mut echo, Message::text("hello")), Message::text("hello"));
    assert_eq!(say(&mut echo, Message::Ping(vec![1, 2].into())), Message::Pong(vec![1, 2].into()));

    let mut request = "ws://localhost/".into_client_request().unwrap();
    request.headers_mut().insert("Sec-WebSocket-Protocol", "janus-protocol".parse().unwrap());
    assert!(tungstenite::client(request, connect(http.plain)).is_err());
    http.daemon.stop().unwrap();
}

/// The serial number of the certificate a new connection gets.
fn serial(address: SocketAddr) -> String {
    let certificate = connect_tls(address).ssl().peer_certificate().unwrap();
    certificate.serial_number().to_bn().unwrap().to_dec_str().unwrap().to_string()
}

#[test]
fn a_new_certificate_is_used_and_open_connections_stay() {
    let Some(http) = start() else { return };
    let mut before = socket(connect_tls(http.tls), "echo.rtpengine.com");
    assert_eq!(serial(http.tls), "1");
    // A key that does not belong to the certificate changes nothing.
    fs::write(http.files.path().join("key.pem"), "").unwrap();
    http.daemon.wait_for_log("not usable", Duration::from_secs(30)).unwrap();
    assert_eq!(serial(http.tls), "1");
    identity(http.files.path(), 2);
    http.daemon.wait_for_log("new certificate", Duration::from_secs(30)).unwrap();
    assert_eq!(serial(http.tls), "2");
    assert_eq!(say(&mut before, Message::text("still here")), Message::text("still here"));
    http.daemon.stop().unwrap();
}
