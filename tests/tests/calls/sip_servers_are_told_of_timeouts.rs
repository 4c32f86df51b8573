//! `--b2b-url`: an XMLRPC server is told of calls that a timeout ended, and calls never wait for it.

use std::io::{Read as _, Write as _};
use std::net::TcpStream;
use std::path::Path;
use std::process::Command;

use anyhow::Context as _;
use rtpengine_tests::daemon::{Builder, Table};
use rtpengine_tests::engine::Engine;
use rtpengine_tests::flows::wait_until;
use rtpengine_tests::peer::Peer;
use rtpengine_tests::require::{NAMESPACES, Need, available};
use rtpengine_tests::topology::{CALLEE, CALLER, ENGINE_LEFT, Trio};
use serde_json::{Value, json};

/// Times a message is sent before it is given up.
const ATTEMPTS: u64 = 4;

fn start(format: u8) -> Option<(Engine, Peer)> {
    if !available(NAMESPACES) || !available(&[Need::Python]) {
        return None;
    }
    let trio = Trio::new().unwrap();
    let server = Peer::start_plain(&trio.engine, "xmlrpc_server.py", &["--port", "8204"]).unwrap();
    let format = format!("--xmlrpc-format={format}");
    let options = ["--timeout=1", "--b2b-url=http://%%:8204/RPC2", "--listen-http=127.0.0.1:2227", &format];
    Some((Engine::on(trio, Table::Off, &options).unwrap(), server))
}

/// What the daemon has counted: delivered, failed, dropped.
fn counted(engine: &Engine) -> [u64; 3] {
    let text = engine.trio.engine.run(|| {
        let mut stream = TcpStream::connect("127.0.0.1:2227").unwrap();
        stream.write_all(b"GET /metrics HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n").unwrap();
        let mut text = String::new();
        stream.read_to_string(&mut text).unwrap();
        text
    });
    let text = text.unwrap();
    ["delivered", "failed", "dropped"].map(|kind| {
        let name = format!("rtpengine_xmlrpc_callbacks_total{{type=\"{kind}\"}} ");
        let line = text.lines().find_map(|line| line.strip_prefix(&name));
        line.with_context(|| format!("no {name} in {text}")).unwrap().parse().unwrap()
    })
}

#[test]
fn in_the_words_of_its_kind() {
    for format in 0..=2 {
        let Some((mut engine, mut server)) = start(format) else { return };
        let call = engine.call(CALLER, CALLEE).unwrap();
        let told =
            |method: &str, params: &[&str]| json!({"at": "127.0.0.1", "method": method, "params": params});
        let wanted = match format {
            0 => [&call.from, &call.to]
                .map(|tag| told("di", &["sbc", "postControlCmd", tag, "teardown"]))
                .to_vec(),
            1 => vec![told("teardown", &[&call.id])],
            _ => vec![told("dlg.terminate_dlg", &[&call.id, &call.from, &call.to])],
        };
        let heard = server.ask(&json!({"do": "heard", "calls_wanted": wanted.len()})).unwrap();
        assert_eq!(heard["calls"], json!(wanted));
        wait_until("it is counted", || Ok(counted(&engine) == [wanted.len() as u64, 0, 0])).unwrap();
        assert!(engine.ng.list().unwrap().is_empty());
        engine.daemon.stop().unwrap();
    }
}

#[test]
fn at_the_address_of_xmlrpc_callback_and_not_of_what_was_deleted() {
    let Some((mut engine, mut server)) = start(1) else { return };
    let deleted = engine.call(CALLER, CALLEE).unwrap();
    engine.ng.expect_ok(&json!({"command": "delete", "call-id": deleted.id, "delete delay": 0})).unwrap();
    let call = engine.call_with(CALLER, CALLEE, &json!({"xmlrpc-callback": ENGINE_LEFT})).unwrap();
    let heard = server.ask(&json!({"do": "heard", "calls_wanted": 1})).unwrap();
    assert_eq!(heard["calls"], json!([{"at": ENGINE_LEFT, "method": "teardown", "params": [call.id]}]));
    engine.daemon.stop().unwrap();
}

#[test]
fn a_server_that_fails_is_asked_a_few_times() {
    let Some((mut engine, mut server)) = start(1) else { return };
    server.ask(&json!({"do": "behave", "how": "error"})).unwrap();
    engine.call(CALLER, CALLEE).unwrap();
    let heard = |server: &mut Peer, attempts: u64, wait: u64| -> Value {
        server.ask(&json!({"do": "heard", "attempts_wanted": attempts, "wait_s": wait})).unwrap()
    };
    assert_eq!(heard(&mut server, ATTEMPTS, 20)["attempts"], ATTEMPTS);
    wait_until("it is counted", || Ok(counted(&engine) == [0, 1, 0])).unwrap();
    // One that refuses is not asked again.
    server.ask(&json!({"do": "behave", "how": "fault"})).unwrap();
    engine.call(CALLER, CALLEE).unwrap();
    wait_until("it is counted", || Ok(counted(&engine) == [0, 2, 0])).unwrap();
    assert_eq!(heard(&mut server, ATTEMPTS + 1, 20)["attempts"], ATTEMPTS + 1);
    engine.daemon.stop().unwrap();
}

#[test]
fn a_server_that_hangs_slows_nothing() {
    let Some((mut engine, mut server)) = start(1) else { return };
    server.ask(&json!({"do": "behave", "how": "hang"})).unwrap();
    // More than are told of at a time.
    for _ in 0..20 {
        engine.call(CALLER, CALLEE).unwrap();
    }
    wait_until("all have ended", || Ok(engine.ng.list()?.is_empty())).unwrap();
    server.ask(&json!({"do": "heard", "attempts_wanted": 16})).unwrap();
    let mut call = engine.call(CALLER, CALLEE).unwrap();
    call.talk(200).unwrap();
    assert_eq!(counted(&engine), [0, 0, 0]);
    engine.hang_up(call).unwrap();
    engine.daemon.stop().unwrap();
}

/// Makes a certificate for an address, with its key in the same file.
fn certificate(file: &Path, address: &str) {
    let mut command = Command::new("openssl");
    command.args([
        "req",
        "-x509",
        "-newkey",
        "ec",
        "-pkeyopt",
        "ec_paramgen_curve:prime256v1",
        "-nodes",
        "-days",
        "2",
    ]);
    command.args(["-subj", "/CN=sip server", "-addext", &format!("subjectAltName=IP:{address}")]);
    command.arg("-keyout").arg(file).arg("-out").arg(file.with_extension("crt"));
    let made = command.output().unwrap();
    assert!(made.status.success(), "{}", String::from_utf8_lossy(&made.stderr));
    let mut text = std::fs::read_to_string(file).unwrap();
    text += &std::fs::read_to_string(file.with_extension("crt")).unwrap();
    std::fs::write(file, text).unwrap();
}

/// A server with a certificate for `name` is reached at 127.0.0.1 by a daemon that trusts it.
fn over_https(name: &str) -> Option<(Engine, Peer, tempfile::TempDir)> {
    if !available(NAMESPACES) || !available(&[Need::Python, Need::Openssl]) {
        return None;
    }
    let files = tempfile::tempdir().unwrap();
    let file = files.path().join("server.pem");
    certificate(&file, name);
    let trio = Trio::new().unwrap();
    let arguments = ["--port", "8204", "--certificate", file.to_str().unwrap()];
    let server = Peer::start_plain(&trio.engine, "xmlrpc_server.py", &arguments).unwrap();
    let builder = Builder::new().netns(&trio.engine).table(Table::Off);
    let daemon = builder
        .args(Trio::interface_options())
        .args([
            "--timeout=1",
            "--b2b-url=https://%%:8204/RPC2",
            "--listen-http=127.0.0.1:2227",
            "--xmlrpc-format=1",
        ])
        .env("SSL_CERT_FILE", file.with_extension("crt"))
        .start()
        .unwrap();
    let ng = daemon.ng_in(&trio.engine).unwrap();
    Some((Engine { ng, daemon, trio }, server, files))
}

#[test]
fn over_https_to_a_server_whose_certificate_is_good() {
    let Some((mut engine, mut server, _files)) = over_https("127.0.0.1") else { return };
    let call = engine.call(CALLER, CALLEE).unwrap();
    let heard = server.ask(&json!({"do": "heard", "calls_wanted": 1})).unwrap();
    assert_eq!(heard["calls"], json!([{"at": "127.0.0.1", "method": "teardown", "params": [call.id]}]));
    wait_until("it is counted", || Ok(counted(&engine) == [1, 0, 0])).unwrap();
    engine.daemon.stop().unwrap();
}

#[test]
fn not_over_https_to_a_server_whose_certificate_is_for_another() {
    let Some((mut engine, mut server, _files)) = over_https("192.0.2.1") else { return };
    engine.call(CALLER, CALLEE).unwrap();
    wait_until("it is counted", || Ok(counted(&engine) == [0, 1, 0])).unwrap();
    let heard = server.ask(&json!({"do": "heard", "calls_wanted": 1, "wait_s": 0})).unwrap();
    assert_eq!(heard["calls"], json!([]), "nothing is said before the certificate is seen to be good");
    engine.daemon.stop().unwrap();
}
