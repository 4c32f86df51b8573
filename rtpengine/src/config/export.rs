//! `--graphite…`, `--homer…` and `--mqtt-…`.

use std::hash::{BuildHasher, RandomState};
use std::net::SocketAddr;
use std::path::PathBuf;
use std::time::Duration;

use rumqttc::QoS;

use super::options::{OptionSpec, value};
use super::settings::{Settings, bad_value};
use super::{ConfigError, listeners};
use crate::export::homer::{HomerOptions, Protocol};
use crate::export::mqtt::{MqttOptions, Scope, TlsFiles};
use crate::export::{ExportOptions, GraphiteOptions};

/// The options that are read here.
pub(super) const OPTIONS: &[OptionSpec] = &[
    value("graphite", Some('g'), "IP46:PORT", None, "Graphite server to send figures to"),
    value("graphite-interval", Some('G'), "SECS", Some("60"), "How often it gets them"),
    value("graphite-prefix", None, "STRING", None, "Put before every name of a figure"),
    value(
        "graphite-timeout",
        None,
        "SECS",
        Some("0"),
        "Longest wait for a connection; 0: the system's default",
    ),
    value("homer", None, "IP46:PORT", None, "Homer server to send the contents of RTCP to, as HEP version 3"),
    value("homer-protocol", None, "udp|tcp", Some("udp"), "How it is reached"),
    value("homer-id", None, "INT", Some("0"), "Capture ID, by which it knows this daemon"),
    value("mqtt-host", None, "HOST|IP", None, "MQTT broker to publish figures and calls to"),
    value("mqtt-port", None, "INT", Some("1883"), "Its port"),
    value("mqtt-id", None, "STRING", None, "Client ID; unset: a random one"),
    value("mqtt-keepalive", None, "SECS", Some("30"), "Keepalive interval"),
    value("mqtt-user", None, "USERNAME", None, "User name; unset: no authentication"),
    value("mqtt-pass", None, "PASSWORD", None, "Password of the user"),
    value("mqtt-cafile", None, "FILE", None, "TLS with the certificate authorities of this file"),
    value("mqtt-capath", None, "PATH", None, "TLS with those of all files in this folder"),
    value("mqtt-certfile", None, "FILE", None, "Client certificate"),
    value("mqtt-keyfile", None, "FILE", None, "Its private key"),
    value("mqtt-tls-alpn", None, "STRING", None, "Protocol to ask for by ALPN"),
    value("mqtt-publish-qos", None, "0|1|2", Some("0"), "Quality of service"),
    value("mqtt-publish-topic", None, "STRING", None, "Topic; mandatory with mqtt-host"),
    value("mqtt-publish-interval", None, "MILLISECONDS", Some("5000"), "How often is published"),
    value(
        "mqtt-publish-scope",
        None,
        "global|summary|call|media",
        Some("global"),
        "All figures with all calls, all figures, each call, or each medium of each call",
    ),
];

/// All exporters that were asked for.
pub(super) fn exports(settings: &Settings) -> Result<ExportOptions, ConfigError> {
    Ok(ExportOptions { graphite: graphite(settings)?, homer: homer(settings)?, mqtt: mqtt(settings)? })
}

/// The one server an option names.
fn server(settings: &Settings, name: &str) -> Result<Option<SocketAddr>, ConfigError> {
    let Some((text, origin)) = settings.text(name) else { return Ok(None) };
    let found = listeners::parse(text).map_err(|reason| bad_value(name, text, reason, origin.clone()))?;
    match found.into_iter().find(|address| !address.ip().is_unspecified()) {
        Some(address) => Ok(Some(address)),
        None => {
            let allowed = "IPV4:PORT, [IPV6]:PORT or HOSTNAME:PORT of a server";
            Err(bad_value(name, text, allowed, origin))
        }
    }
}

fn seconds(settings: &Settings, name: &str, low: i64) -> Result<Option<Duration>, ConfigError> {
    let number = settings.number(name, low..=86_400)?;
    Ok(number.and_then(|number| u64::try_from(number).ok()).map(Duration::from_secs))
}

fn graphite(settings: &Settings) -> Result<Option<GraphiteOptions>, ConfigError> {
    let (interval, timeout) =
        (seconds(settings, "graphite-interval", 1)?, seconds(settings, "graphite-timeout", 0)?);
    let prefix = settings.text("graphite-prefix").map_or_else(String::new, |(text, _)| text.to_owned());
    if let Some((text, origin)) = settings.text("graphite-prefix")
        && text.contains(|c: char| c.is_whitespace() || c.is_control())
    {
        return Err(bad_value("graphite-prefix", text, "a text without spaces", origin));
    }
    let Some(server) = server(settings, "graphite")? else { return Ok(None) };
    let interval = interval.unwrap_or(Duration::from_secs(60));
    Ok(Some(GraphiteOptions {
        server,
        interval,
        prefix,
        timeout: timeout.filter(|timeout| !timeout.is_zero()),
    }))
}

fn homer(settings: &Settings) -> Result<Option<HomerOptions>, ConfigError> {
    let protocol = settings.choice("homer-protocol", &[("udp", Protocol::Udp), ("tcp", Protocol::Tcp)])?;
    let id = settings.number("homer-id", 0..=i64::from(u32::MAX))?;
    let Some(server) = server(settings, "homer")? else { return Ok(None) };
    let id = id.and_then(|id| u32::try_from(id).ok()).unwrap_or_default();
    Ok(Some(HomerOptions { server, protocol: protocol.unwrap_or_default(), id }))
}

fn mqtt(settings: &Settings) -> Result<Option<MqttOptions>, ConfigError> {
    let text =
        |name: &str| settings.text(name).map(|(text, _)| text.to_owned()).filter(|text| !text.is_empty());
    let port = settings.number("mqtt-port", 1..=65_535)?.and_then(|port| u16::try_from(port).ok());
    let keepalive = seconds(settings, "mqtt-keepalive", 1)?;
    let qos = [("0", QoS::AtMostOnce), ("1", QoS::AtLeastOnce), ("2", QoS::ExactlyOnce)];
    let qos = settings.choice("mqtt-publish-qos", &qos)?;
    let interval = settings.number("mqtt-publish-interval", 1..=86_400_000)?;
    let scopes = [
        ("global", Scope::Global),
        ("summary", Scope::Summary),
        ("call", Scope::Call),
        ("media", Scope::Media),
    ];
    let scope = settings.choice("mqtt-publish-scope", &scopes)?;
    let tls = tls(settings)?;
    let Some(host) = text("mqtt-host") else { return Ok(None) };
    let Some(topic) = text("mqtt-publish-topic") else {
        return Err(ConfigError::Missing("--mqtt-host needs --mqtt-publish-topic"));
    };
    if topic.contains(['+', '#']) {
        let (text, origin) = settings.text("mqtt-publish-topic").unwrap_or(("", super::Origin::BuiltIn));
        return Err(bad_value("mqtt-publish-topic", text, "a topic without '+' and '#'", origin));
    }
    let random = || format!("rtpengine-{:016x}", RandomState::new().hash_one(std::process::id()));
    Ok(Some(MqttOptions {
        host,
        port: port.unwrap_or(1883),
        id: text("mqtt-id").unwrap_or_else(random),
        keepalive: keepalive.unwrap_or(Duration::from_secs(30)),
        credentials: text("mqtt-user").map(|user| (user, text("mqtt-pass").unwrap_or_default())),
        tls,
        qos: qos.unwrap_or(QoS::AtMostOnce),
        topic,
        interval: Duration::from_millis(interval.and_then(|ms| u64::try_from(ms).ok()).unwrap_or(5000)),
        scope: scope.unwrap_or_default(),
    }))
}

fn tls(settings: &Settings) -> Result<Option<TlsFiles>, ConfigError> {
    let path = |name: &str| {
        settings.text(name).filter(|(text, _)| !text.is_empty()).map(|(text, _)| PathBuf::from(text))
    };
    let identity = match (path("mqtt-certfile"), path("mqtt-keyfile")) {
        (Some(certificate), Some(key)) => Some((certificate, key)),
        (None, None) => None,
        (Some(_), None) | (None, Some(_)) => {
            return Err(ConfigError::Missing("--mqtt-certfile and --mqtt-keyfile need each other"));
        }
    };
    let alpn =
        settings.text("mqtt-tls-alpn").map(|(text, _)| text.to_owned()).filter(|text| !text.is_empty());
    let (ca_file, ca_path) = (path("mqtt-cafile"), path("mqtt-capath"));
    if ca_file.is_none() && ca_path.is_none() {
        if identity.is_some() || alpn.is_some() {
            return Err(ConfigError::Missing(
                "--mqtt-certfile and --mqtt-tls-alpn are for TLS, which needs --mqtt-cafile or --mqtt-capath",
            ));
        }
        return Ok(None);
    }
    Ok(Some(TlsFiles { ca_file, ca_path, identity, alpn }))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::config::Config;

    fn load(more: &[&str]) -> Result<ExportOptions, String> {
        let always = ["rtpengine", "--config-file=none", "--interface=127.0.0.1", "--listen-ng=2223"];
        Config::load(always.iter().chain(more))
            .map(|config| config.exports)
            .map_err(|error| error.to_string())
    }

    #[test]
    fn nothing_is_exported_unless_asked_for() {
        let none = load(&["--graphite-interval=5", "--homer-id=7", "--mqtt-port=1"]).unwrap();
        assert!(none.graphite.is_none() && none.homer.is_none() && none.mqtt.is_none());
    }

    #[test]
    fn every_option_is_taken_over() {
        let exports = load(&[
            "-g",
            "[::1]:2003",
            "-G",
            "5",
            "--graphite-prefix=a.",
            "--graphite-timeout=3",
            "--homer=127.0.0.1:9060",
            "--homer-protocol=TCP",
            "--homer-id=4294967295",
            "--mqtt-host=broker",
            "--mqtt-port=8883",
            "--mqtt-id=me",
            "--mqtt-keepalive=9",
            "--mqtt-user=u",
            "--mqtt-pass=p",
            "--mqtt-cafile=/ca",
            "--mqtt-capath=/cas",
            "--mqtt-certfile=/cert",
            "--mqtt-keyfile=/key",
            "--mqtt-tls-alpn=mqtt",
            "--mqtt-publish-qos=2",
            "--mqtt-publish-topic=t",
            "--mqtt-publish-interval=100",
            "--mqtt-publish-scope=media",
        ])
        .unwrap();
        let graphite = GraphiteOptions {
            server: "[::1]:2003".parse().unwrap(),
            interval: Duration::from_secs(5),
            prefix: "a.".to_owned(),
            timeout: Some(Duration::from_secs(3)),
        };
        assert_eq!(exports.graphite, Some(graphite));
        let server = "127.0.0.1:9060".parse().unwrap();
        assert_eq!(exports.homer, Some(HomerOptions { server, protocol: Protocol::Tcp, id: u32::MAX }));
        let mqtt = exports.mqtt.unwrap();
        assert_eq!(
            (&*mqtt.host, mqtt.port, &*mqtt.id, mqtt.keepalive),
            ("broker", 8883, "me", Duration::from_secs(9))
        );
        assert_eq!(mqtt.credentials.clone(), Some(("u".to_owned(), "p".to_owned())));
        assert_eq!(
            (mqtt.qos, &*mqtt.topic, mqtt.interval),
            (QoS::ExactlyOnce, "t", Duration::from_millis(100))
        );
        assert_eq!(mqtt.scope, Scope::Media);
        let tls = TlsFiles {
            ca_file: Some("/ca".into()),
            ca_path: Some("/cas".into()),
            identity: Some(("/cert".into(), "/key".into())),
            alpn: Some("mqtt".to_owned()),
        };
        assert_eq!(mqtt.tls, Some(tls));
    }

    #[test]
    fn what_cannot_work_is_refused_by_name() {
        for (arguments, wanted) in [
            (&["--graphite=2003"][..], "--graphite"),
            (&["--graphite=127.0.0.1:2003", "--graphite-prefix=a b"], "without spaces"),
            (&["--graphite=127.0.0.1:2003", "--graphite-interval=0"], "--graphite-interval"),
            (&["--homer=127.0.0.1"], "--homer"),
            (&["--homer-protocol=sctp"], "udp, tcp"),
            (&["--mqtt-host=h"], "--mqtt-publish-topic"),
            (&["--mqtt-host=h", "--mqtt-publish-topic=a/#"], "without '+' and '#'"),
            (&["--mqtt-host=h", "--mqtt-publish-topic=t", "--mqtt-publish-qos=3"], "0, 1, 2"),
            (&["--mqtt-certfile=/c"], "need each other"),
            (&["--mqtt-certfile=/c", "--mqtt-keyfile=/k"], "--mqtt-cafile or --mqtt-capath"),
        ] {
            let error = load(arguments).unwrap_err();
            assert!(error.contains(wanted), "{arguments:?}: {error}");
        }
    }

    #[test]
    fn the_password_is_not_shown() {
        let exports =
            load(&["--mqtt-host=h", "--mqtt-publish-topic=t", "--mqtt-user=u", "--mqtt-pass=geheim"]);
        assert!(!format!("{:?}", exports.unwrap()).contains("geheim"));
    }
}
