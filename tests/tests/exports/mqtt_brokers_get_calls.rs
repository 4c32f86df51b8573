//! `--mqtt-…` with a real broker: mosquitto, with a password or with TLS and client certificates.

use std::fs;
use std::io::{BufRead as _, BufReader};
use std::net::{TcpListener, TcpStream};
use std::path::Path;
use std::process::{Child, ChildStdout, Command, Stdio};

use openssl::asn1::Asn1Time;
use openssl::bn::BigNum;
use openssl::ec::{EcGroup, EcKey};
use openssl::hash::MessageDigest;
use openssl::nid::Nid;
use openssl::pkey::{PKey, Private};
use openssl::x509::extension::{BasicConstraints, SubjectAlternativeName};
use openssl::x509::{X509, X509NameBuilder};
use rtpengine_tests::daemon::Table;
use rtpengine_tests::engine::Engine;
use rtpengine_tests::flows::wait_until;
use rtpengine_tests::netns::Netns;
use rtpengine_tests::require::{NAMESPACES, Need, available};
use rtpengine_tests::topology::{CALLEE, CALLER, Trio};
use serde_json::{Value, json};
use tempfile::TempDir;

use crate::WAIT;

const TOPIC: &str = "rtp/edge1";

/// Ends with the test.
struct Process(Child);

impl Drop for Process {
    fn drop(&mut self) {
        let _gone = self.0.kill();
        let _reaped = self.0.wait();
    }
}

/// A broker in the engine's namespace, listening once this returns.
fn broker(netns: &Netns, folder: &Path, port: u16, lines: &str) -> Process {
    let file = folder.join("mosquitto.conf");
    let port_text = format!("listener {port} 127.0.0.1\nuser root\npersistence false\n{lines}");
    fs::write(&file, port_text).unwrap();
    let mut command = Command::new("mosquitto");
    command.arg("-c").arg(&file).stdout(Stdio::null()).stderr(Stdio::null());
    let process = Process(netns.enter(&mut command).spawn().unwrap());
    wait_until("the broker", || netns.run(|| TcpStream::connect(("127.0.0.1", port)).is_ok())).unwrap();
    process
}

/// Messages as the broker passes them on.
struct Subscriber {
    _process: Process,
    lines: BufReader<ChildStdout>,
}

impl Subscriber {
    fn new(netns: &Netns, port: u16, arguments: &[&str]) -> Self {
        let mut command = Command::new("mosquitto_sub");
        command.args(["-h", "127.0.0.1", "-p", &port.to_string(), "-t", TOPIC, "-q", "2", "-W"]);
        command.arg(WAIT.as_secs().to_string()).args(arguments).stdout(Stdio::piped());
        let mut child = netns.enter(&mut command).spawn().unwrap();
        let lines = BufReader::new(child.stdout.take().unwrap());
        Self { _process: Process(child), lines }
    }

    /// The next message that is looked for.
    fn find(&mut self, wanted: impl Fn(&Value) -> bool) -> Value {
        loop {
            let mut line = String::new();
            assert!(self.lines.read_line(&mut line).unwrap() > 0, "no such message within {WAIT:?}");
            let message: Value = serde_json::from_str(&line).unwrap();
            if wanted(&message) {
                return message;
            }
        }
    }
}

fn ready() -> bool {
    available(NAMESPACES) && available(&[Need::Mosquitto])
}

/// What the caller of a call has sent, by its messages.
fn packets(call: &Value, tag: &str) -> u64 {
    let legs = call["legs"].as_array().unwrap();
    let leg = legs.iter().find(|leg| leg["tag"] == tag).unwrap();
    leg["medias"][0]["streams"][0]["packets"].as_u64().unwrap()
}

#[test]
fn with_a_password_and_after_a_time_without_broker() {
    if !ready() {
        return;
    }
    let (trio, folder) = (Trio::new().unwrap(), TempDir::new().unwrap());
    let passwords = folder.path().join("passwords");
    let made =
        Command::new("mosquitto_passwd").args(["-b", "-c"]).arg(&passwords).args(["edge", "secret"]).status();
    assert!(made.unwrap().success());
    let lines = format!("allow_anonymous false\npassword_file {}\n", passwords.display());
    let topic = format!("--mqtt-publish-topic={TOPIC}");
    let options = [
        "--mqtt-host=127.0.0.1",
        "--mqtt-user=edge",
        "--mqtt-pass=secret",
        "--mqtt-publish-interval=200",
        "--mqtt-publish-scope=call",
        &topic,
    ];
    // There is no broker yet.
    let mut engine = Engine::on(trio, Table::Off, &options).unwrap();
    let mut call = engine.call(CALLER, CALLEE).unwrap();
    call.talk(10).unwrap();
    let credentials = ["-u", "edge", "-P", "secret"];
    let first = broker(&engine.trio.engine, folder.path(), 1883, &lines);
    let mut subscriber = Subscriber::new(&engine.trio.engine, 1883, &credentials);
    let message =
        subscriber.find(|message| message["call_id"] == call.id && packets(message, &call.from) == 10);
    let media = &message["legs"][0]["medias"][0];
    assert_eq!(
        (&media["type"], &media["status"], &media["media_index"]),
        (&json!("audio"), &json!("sendrecv"), &json!(1))
    );
    let ingress = &media["streams"][0]["ingress"][0];
    assert_eq!((&ingress["codec"], &ingress["clock_rate"]), (&json!("PCMA"), &json!(8000)));
    assert_eq!(ingress["metrics"]["lost"], 0);
    drop((subscriber, first));
    // Another one in its place, and the call has gone on.
    call.talk(5).unwrap();
    let _second = broker(&engine.trio.engine, folder.path(), 1883, &lines);
    let mut subscriber = Subscriber::new(&engine.trio.engine, 1883, &credentials);
    subscriber.find(|message| packets(message, &call.from) == 15);
    engine.daemon.stop().unwrap();
}

/// A certificate with its key, signed by the authority or by itself.
struct Identity {
    certificate: X509,
    key: PKey<Private>,
}

impl Identity {
    fn new(name: &str, authority: Option<&Self>) -> Self {
        let group = EcGroup::from_curve_name(Nid::X9_62_PRIME256V1).unwrap();
        let key = PKey::from_ec_key(EcKey::generate(&group).unwrap()).unwrap();
        let mut subject = X509NameBuilder::new().unwrap();
        subject.append_entry_by_text("CN", name).unwrap();
        let subject = subject.build();
        let mut builder = X509::builder().unwrap();
        builder.set_version(2).unwrap();
        let serial = BigNum::from_u32(u32::try_from(name.len()).unwrap()).unwrap().to_asn1_integer().unwrap();
        builder.set_serial_number(&serial).unwrap();
        builder.set_subject_name(&subject).unwrap();
        builder
            .set_issuer_name(authority.map_or(&subject, |authority| authority.certificate.subject_name()))
            .unwrap();
        builder.set_not_before(&Asn1Time::days_from_now(0).unwrap()).unwrap();
        builder.set_not_after(&Asn1Time::days_from_now(1).unwrap()).unwrap();
        builder.set_pubkey(&key).unwrap();
        if authority.is_none() {
            builder.append_extension(BasicConstraints::new().critical().ca().build().unwrap()).unwrap();
        } else {
            let context = builder.x509v3_context(None, None);
            let names = SubjectAlternativeName::new().ip("127.0.0.1").build(&context).unwrap();
            builder.append_extension(names).unwrap();
        }
        builder.sign(authority.map_or(&key, |authority| &authority.key), MessageDigest::sha256()).unwrap();
        Self { certificate: builder.build(), key }
    }

    fn write(&self, folder: &Path, name: &str) -> [String; 2] {
        let paths = ["pem", "key"].map(|kind| folder.join(format!("{name}.{kind}")));
        fs::write(&paths[0], self.certificate.to_pem().unwrap()).unwrap();
        fs::write(&paths[1], self.key.private_key_to_pem_pkcs8().unwrap()).unwrap();
        paths.map(|path| path.to_str().unwrap().to_owned())
    }
}

#[test]
fn over_tls_with_client_certificates() {
    if !ready() {
        return;
    }
    let (trio, folder) = (Trio::new().unwrap(), TempDir::new().unwrap());
    let authority = Identity::new("authority", None);
    let [ca, _] = authority.write(folder.path(), "ca");
    let [server, server_key] = Identity::new("server", Some(&authority)).write(folder.path(), "server");
    let [client, client_key] = Identity::new("a client", Some(&authority)).write(folder.path(), "client");
    let lines = format!(
        "cafile {ca}\ncertfile {server}\nkeyfile {server_key}\nrequire_certificate true\nuse_identity_as_username true\nallow_anonymous false\n"
    );
    let _broker = broker(&trio.engine, folder.path(), 8883, &lines);
    let mut subscriber =
        Subscriber::new(&trio.engine, 8883, &["--cafile", &ca, "--cert", &client, "--key", &client_key]);
    let options = [
        "--mqtt-host=127.0.0.1".to_owned(),
        "--mqtt-port=8883".to_owned(),
        format!("--mqtt-cafile={ca}"),
        format!("--mqtt-certfile={client}"),
        format!("--mqtt-keyfile={client_key}"),
        "--mqtt-tls-alpn=mqtt".to_owned(),
        "--mqtt-publish-qos=2".to_owned(),
        "--mqtt-publish-interval=200".to_owned(),
        format!("--mqtt-publish-topic={TOPIC}"),
    ];
    let options: Vec<&str> = options.iter().map(String::as_str).collect();
    let mut engine = Engine::on(trio, Table::Off, &options).unwrap();
    let mut call = engine.call(CALLER, CALLEE).unwrap();
    call.talk(20).unwrap();
    let message = subscriber.find(|message| {
        let calls = message["calls"].as_array().unwrap();
        calls.first().is_some_and(|found| packets(found, &call.from) == 20)
    });
    assert_eq!(message["currentstatistics"]["sessionstotal"], 1);
    assert_eq!(message["totalstatistics"]["relayedpackets_user"], 40);
    engine.daemon.stop().unwrap();
}

#[test]
fn a_broker_that_says_nothing_slows_nothing() {
    if !ready() {
        return;
    }
    let trio = Trio::new().unwrap();
    let _silent = trio.engine.run(|| TcpListener::bind("127.0.0.1:1883").unwrap()).unwrap();
    let topic = format!("--mqtt-publish-topic={TOPIC}");
    let options =
        ["--mqtt-host=127.0.0.1", "--mqtt-publish-interval=1", "--mqtt-publish-scope=media", &topic];
    let mut engine = Engine::on(trio, Table::Off, &options).unwrap();
    let mut call = engine.call(CALLER, CALLEE).unwrap();
    call.talk(50).unwrap();
    call.hang_up(&mut engine.ng).unwrap();
    // Within the time an orderly stop may take.
    engine.daemon.stop().unwrap();
}
