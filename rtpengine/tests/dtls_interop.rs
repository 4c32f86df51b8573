//! Handshakes with the `openssl` command over UDP: the keys are the ones it exports.

#![expect(
    clippy::panic,
    clippy::unwrap_used,
    reason = "helpers of tests: a failed expectation is a failed test"
)]

mod dtls_support;

use std::io::{BufRead, BufReader, Write};
use std::net::{Ipv4Addr, SocketAddr, UdpSocket};
use std::path::{Path, PathBuf};
use std::process::{Child, ChildStdin, Command, Stdio};
use std::sync::mpsc::{Receiver, channel};
use std::thread;
use std::time::{Duration, Instant};

use dtls_support::{PATIENCE, STREAM, identity, route};
use rtpengine::dtls::{
    Association, Engine, Event, Fingerprint, Limits, PROFILES, Role, SrtpKeys, Statistics,
};
use rtpengine_common::srtp::Suite;
use rtpengine_tests::require::{Need, available};
use tempfile::TempDir;

/// Two keys and two salts of the largest profile; shorter exports are a prefix of it.
const EXPORTED: usize = 92;

fn profile_name(suite: Suite) -> &'static str {
    match suite {
        Suite::AeadAes256Gcm => "SRTP_AEAD_AES_256_GCM",
        Suite::AeadAes128Gcm => "SRTP_AEAD_AES_128_GCM",
        Suite::AesCm128HmacSha1_80 => "SRTP_AES128_CM_SHA1_80",
        Suite::AesCm128HmacSha1_32 => "SRTP_AES128_CM_SHA1_32",
        other => panic!("{other:?} is no profile"),
    }
}

/// The `openssl` command with a certificate of its own.
struct Peer {
    folder: TempDir,
    fingerprint: Fingerprint,
}

/// One that runs.
struct Running {
    child: Child,
    stdin: Option<ChildStdin>,
    lines: Receiver<String>,
}

impl Peer {
    fn new(key: &[&str]) -> Self {
        let folder = tempfile::tempdir().unwrap();
        let made = Command::new("openssl")
            .args(["req", "-x509", "-nodes", "-subj", "/CN=peer", "-days", "2", "-newkey"])
            .args(key)
            .args(["-keyout", "key.pem", "-out", "certificate.pem"])
            .current_dir(folder.path())
            .output()
            .unwrap();
        assert!(made.status.success(), "{made:?}");
        let shown = Command::new("openssl")
            .args(["x509", "-in", "certificate.pem", "-noout", "-fingerprint", "-sha256"])
            .current_dir(folder.path())
            .output()
            .unwrap();
        let shown = String::from_utf8(shown.stdout).unwrap();
        let digits = shown.trim().split_once('=').unwrap().1;
        Self { folder, fingerprint: format!("sha-256 {digits}").parse().unwrap() }
    }

    fn path(&self, name: &str) -> PathBuf {
        Path::new(self.folder.path()).join(name)
    }

    fn run(&self, program: &str, arguments: &[&str], profiles: &str) -> Running {
        let mut child = Command::new("openssl")
            .args([program, "-dtls1_2", "-use_srtp", profiles, "-keymatexport", "EXTRACTOR-dtls_srtp"])
            .args(["-keymatexportlen", &EXPORTED.to_string(), "-cert"])
            .arg(self.path("certificate.pem"))
            .arg("-key")
            .arg(self.path("key.pem"))
            .args(arguments)
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .stderr(Stdio::null())
            .spawn()
            .unwrap();
        let (to_test, lines) = channel();
        let output = BufReader::new(child.stdout.take().unwrap());
        thread::spawn(move || output.lines().map_while(Result::ok).try_for_each(|line| to_test.send(line)));
        let stdin = child.stdin.take();
        Running { child, stdin, lines }
    }
}

impl Running {
    /// What follows these words in a line of its output.
    fn line(&self, words: &str) -> String {
        loop {
            let line = self.lines.recv_timeout(PATIENCE).unwrap();
            if let Some((_, rest)) = line.split_once(words) {
                return rest.trim().to_owned();
            }
        }
    }
}

impl Drop for Running {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// An engine on a socket.
struct Host {
    engine: Engine,
    socket: UdpSocket,
}

impl Host {
    fn new() -> Self {
        let socket = UdpSocket::bind((Ipv4Addr::LOCALHOST, 0)).unwrap();
        Self { engine: Engine::new(Limits::default(), Instant::now()).unwrap(), socket }
    }

    fn open(&mut self, role: Role, remote: Option<SocketAddr>, peer: &Peer, profiles: &[Suite]) {
        let association = Association {
            epoch: 1,
            role,
            identity: identity(),
            remote: remote.map(|peer| route(STREAM, peer)),
            fingerprints: vec![peer.fingerprint.clone()],
            profiles: profiles.to_vec(),
        };
        self.engine.open(Instant::now(), STREAM, association);
    }

    fn event(&mut self) -> Event {
        self.until(|engine| engine.poll_event()).2
    }

    fn keys(&mut self) -> SrtpKeys {
        match self.event() {
            Event::KeysReady { keys, .. } => *keys,
            other => panic!("{other:?}"),
        }
    }

    fn counted(&mut self, reached: impl Fn(&Statistics) -> bool) {
        self.until(|engine| reached(&engine.counters().snapshot()).then_some(()));
    }

    /// Serves the socket and the timers until there is what is waited for.
    fn until<T>(&mut self, mut ready: impl FnMut(&mut Engine) -> Option<T>) -> T {
        let (start, mut buffer) = (Instant::now(), [0; 4096]);
        loop {
            while let Some(transmit) = self.engine.poll_transmit() {
                self.socket.send_to(&transmit.payload, transmit.destination).unwrap();
            }
            if let Some(found) = ready(&mut self.engine) {
                return found;
            }
            assert!(start.elapsed() < PATIENCE, "{:?}", self.engine.counters().snapshot());
            self.socket.set_read_timeout(Some(Duration::from_millis(20))).unwrap();
            if let Ok((length, source)) = self.socket.recv_from(&mut buffer) {
                self.engine.receive(Instant::now(), STREAM, route(STREAM, source), false, &buffer[..length]);
            }
            self.engine.handle_timeout(Instant::now());
        }
    }
}

/// What the command exported is what we use, each key in its direction.
fn assert_same(keys: &SrtpKeys, role: Role, exported: &str) {
    let exported: Vec<u8> = (0..EXPORTED)
        .map(|index| u8::from_str_radix(&exported[2 * index..2 * index + 2], 16).unwrap())
        .collect();
    let suite = keys.send.suite();
    let (client, server) = match role {
        Role::Active => (&keys.send, &keys.receive),
        Role::Passive => (&keys.receive, &keys.send),
    };
    let used =
        [client.master_key(), server.master_key(), client.master_salt(), server.master_salt()].concat();
    assert_eq!(used.len(), 2 * (suite.key_len() + suite.salt_len()));
    assert!(exported.starts_with(&used), "{suite:?}");
}

const EC: &[&str] = &["ec", "-pkeyopt", "ec_paramgen_curve:prime256v1"];

#[test]
fn openssl_as_the_client_gets_the_same_keys_in_every_profile() {
    if !available(&[Need::Openssl]) {
        return;
    }
    let peer = Peer::new(EC);
    for suite in PROFILES {
        let mut host = Host::new();
        // Its address is not known beforehand, so it has to return a cookie.
        host.open(Role::Passive, None, &peer, &PROFILES);
        let address = host.socket.local_addr().unwrap().to_string();
        let client = peer.run("s_client", &["-connect", &address], profile_name(suite));
        let keys = host.keys();
        assert_eq!(keys.send.suite(), suite);
        assert_eq!(client.line("SRTP Extension negotiated, profile="), profile_name(suite));
        assert_same(&keys, Role::Passive, &client.line("Keying material: "));
        assert_eq!(host.engine.counters().snapshot().cookies_accepted, 1);
    }
}

#[test]
fn openssl_as_the_server_gets_the_same_keys_with_and_without_a_cookie() {
    if !available(&[Need::Openssl]) {
        return;
    }
    let peer = Peer::new(&["rsa:2048"]);
    for extra in [None, Some("-listen")] {
        let mut arguments = vec!["-accept", "127.0.0.1:0", "-Verify", "1"];
        arguments.extend(extra);
        let server = peer.run("s_server", &arguments, "SRTP_AEAD_AES_128_GCM:SRTP_AES128_CM_SHA1_80");
        let address = server.line("ACCEPT ").parse().unwrap();
        let mut host = Host::new();
        host.open(Role::Active, Some(address), &peer, &PROFILES);
        let keys = host.keys();
        assert_eq!(keys.send.suite(), Suite::AeadAes128Gcm);
        assert_same(&keys, Role::Active, &server.line("Keying material: "));
    }
}

#[test]
fn data_is_counted_and_closing_is_told() {
    if !available(&[Need::Openssl]) {
        return;
    }
    let peer = Peer::new(EC);
    let mut host = Host::new();
    host.open(Role::Passive, None, &peer, &PROFILES);
    let address = host.socket.local_addr().unwrap().to_string();
    let mut client = peer.run("s_client", &["-connect", &address], "SRTP_AES128_CM_SHA1_80");
    host.keys();
    client.line("Keying material: ");
    client.stdin.as_mut().unwrap().write_all(b"not for us\n").unwrap();
    host.counted(|statistics| statistics.application_data == 1);
    drop(client.stdin.take());
    assert_eq!(host.event(), Event::Closed { reason: None });
}

#[test]
fn a_client_without_the_extension_gets_no_keys() {
    if !available(&[Need::Openssl]) {
        return;
    }
    let peer = Peer::new(EC);
    let mut host = Host::new();
    host.open(Role::Passive, None, &peer, &PROFILES[..1]);
    let address = host.socket.local_addr().unwrap().to_string();
    let client = peer.run("s_client", &["-connect", &address], profile_name(PROFILES[1]));
    let Event::Failed { verified: false, reason, .. } = host.event() else { panic!("no failure") };
    assert_eq!(reason, rtpengine::dtls::FailureReason::NoSrtpProfile);
    drop(client);
}
