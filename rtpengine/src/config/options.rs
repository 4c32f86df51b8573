//! Every option of the daemon, declared once: the command line, the configuration file, `--help` and
//! `docs/options.md` are all made from this table and from [`super::unavailable`].

use crate::dtls::DtlsOptions;
use crate::logging::Subsystem;

/// How many values an option takes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Kind {
    /// Present or not on the command line; `true` or `false` in the file.
    Flag,
    /// One value; the last one on the command line counts.
    Value,
    /// Repeatable on the command line; one line with semicolons in the file.
    List,
}

/// One option.
#[derive(Clone, Copy, Debug)]
pub struct OptionSpec {
    /// Long name without dashes, also the key in the file.
    pub name: &'static str,
    /// One-letter form, command line only.
    pub short: Option<char>,
    /// Other spellings of the long name.
    pub aliases: &'static [&'static str],
    /// How many values it takes.
    pub kind: Kind,
    /// Placeholder of the value in `--help`, empty for flags.
    pub value: &'static str,
    /// What applies when neither the command line nor the file gives the option.
    pub default: Option<&'static str>,
    /// One sentence for `--help` and `docs/options.md`.
    pub help: &'static str,
}

const fn flag(name: &'static str, short: Option<char>, help: &'static str) -> OptionSpec {
    OptionSpec { name, short, aliases: &[], kind: Kind::Flag, value: "", default: None, help }
}

pub(super) const fn value(
    name: &'static str,
    short: Option<char>,
    value: &'static str,
    default: Option<&'static str>,
    help: &'static str,
) -> OptionSpec {
    OptionSpec { name, short, aliases: &[], kind: Kind::Value, value, default, help }
}

const fn list(
    name: &'static str,
    short: Option<char>,
    value: &'static str,
    help: &'static str,
) -> OptionSpec {
    OptionSpec { name, short, aliases: &[], kind: Kind::List, value, default: None, help }
}

/// Options that are given on the command line only: they say where the rest comes from, or print and exit.
pub const COMMAND_LINE_ONLY: &[OptionSpec] = &[
    flag("help", Some('h'), "Print the usage information and exit"),
    flag("version", Some('v'), "Print the version number and exit"),
    value(
        "config-file",
        None,
        "FILE",
        Some(super::file::DEFAULT_FILE),
        "Configuration file; `none` reads no file at all",
    ),
    value("config-section", None, "STRING", Some("rtpengine"), "Section of the configuration file"),
];

/// Options that work, in the order of the manual page. The manual prints a few short forms twice; the
/// first option named keeps the letter and the other one takes its capital: `-t` table, `-T` tos,
/// `-n` listen-ng, `-N` listen-tcp-ng, `-w` redis-write, `-G` graphite-interval.
const AVAILABLE: &[OptionSpec] = &[
    value("table", Some('t'), "INT", Some("0"), "Kernel table for forwarding; negative: userspace only"),
    flag("no-fallback", Some('F'), "Fail to start when the kernel table cannot be used"),
    flag(
        "save-interface-ports",
        Some('S'),
        "Open ports on the first usable address of a family only (breaks ICE)",
    ),
    list("interface", Some('i'), "[NAME/]IP[!IP]", "Local network interface for media"),
    list(
        "listen-tcp",
        Some('l'),
        "[IP46:]PORT",
        "Obsolete control protocol of OpenSER's mediaproxy over TCP",
    ),
    list("listen-udp", Some('u'), "[IP46:]PORT", "Control protocol of rtpproxy over UDP"),
    list("listen-ng", Some('n'), "[IP46:]PORT", "ng control protocol over UDP"),
    list("listen-tcp-ng", Some('N'), "[IP46:]PORT", "ng control protocol over TCP"),
    list("listen-cli", Some('c'), "[IP46:]PORT", "Command line interface over TCP, used by rtpengine-ctl"),
    list("listen-http", None, "[IP46:]PORT", "HTTP and WebSocket: ng, command line, metrics"),
    list("listen-https", None, "[IP46:]PORT", "The same over TLS; needs https-cert and https-key"),
    value("https-cert", None, "FILE", None, "Certificate chain in PEM form; read again when it changes"),
    value("https-key", None, "FILE", None, "Its private key in PEM form"),
    value("http-threads", None, "INT", None, "Threads for HTTP; unset: as many as num-threads"),
    value("tos", Some('T'), "INT", None, "TOS / traffic class byte of outgoing media; unset: left alone"),
    value("control-tos", None, "INT", None, "TOS / traffic class byte of ng replies; unset: left alone"),
    value("control-pmtu", None, "want|dont", None, "Path MTU discovery on IPv4 UDP control sockets"),
    value("timeout", Some('o'), "SECS", Some("60"), "A stream without packets is dead after this time"),
    value("silent-timeout", Some('s'), "SECS", Some("3600"), "The same for muted or inactive streams"),
    value("final-timeout", Some('a'), "SECS", Some("0"), "Longest life of a call; 0: no limit"),
    value("offer-timeout", None, "SECS", Some("3600"), "Longest life of a call without an answer"),
    value("pidfile", Some('p'), "FILE", None, "Where to write the process id"),
    flag("foreground", Some('f'), "Do not daemonize"),
    value("port-min", Some('m'), "INT", Some("30000"), "First media port"),
    value("port-max", Some('M'), "INT", Some("40000"), "Last media port"),
    value(
        "log-level",
        Some('L'),
        "INT",
        Some("6"),
        "Highest syslog severity logged, 0 to 7; 8 adds one message per packet",
    ),
    OptionSpec {
        name: "log-facility",
        short: None,
        aliases: &["log-facilty"],
        kind: Kind::Value,
        value: "daemon|local0|...|local7|...",
        default: Some("daemon"),
        help: "Syslog facility",
    },
    OptionSpec {
        name: "log-facility-rtcp",
        short: None,
        aliases: &["log-facilty-rtcp"],
        kind: Kind::Value,
        value: "daemon|local0|...|local7|...",
        default: None,
        help: "Syslog facility for the contents of RTCP; unset: not logged",
    },
    OptionSpec {
        name: "log-facility-cdr",
        short: None,
        aliases: &["log-facilty-cdr"],
        kind: Kind::Value,
        value: "daemon|local0|...|local7|...",
        default: None,
        help: "Syslog facility for the records of ended calls; unset: not logged",
    },
    value("log-format", None, "default|parsable", Some("default"), "Style of the call-id prefix"),
    flag("log-stderr", Some('E'), "Log to stderr instead of syslog; needs --foreground"),
    flag("split-logs", None, "One log message per line of a multi-line message"),
    value(
        "max-log-line-length",
        None,
        "INT",
        Some("0"),
        "Split longer lines, in characters; negative: never; 0: 500 for syslog, never for stderr",
    ),
    flag("no-log-timestamps", None, "No timestamps on stderr; only with --log-stderr"),
    value("log-name", None, "STRING", Some("rtpengine"), "Program name in syslog"),
    value("log-mark-prefix", None, "STRING", Some(""), "Written before private data in log lines"),
    value("log-mark-suffix", None, "STRING", Some(""), "Written after private data in log lines"),
    value("num-threads", None, "INT", None, "Worker threads; unset: one per CPU core, at least four"),
    value("thread-stack", None, "INT", Some("2048"), "Stack of each thread in kB; -1: the system's default"),
    flag("sip-source", None, "Send media to the source of the SIP message instead of the SDP's address"),
    value("delete-delay", Some('d'), "INT", Some("30"), "Keep a deleted call this many seconds; 0: none"),
    value(
        "b2b-url",
        Some('b'),
        "URL",
        None,
        "XMLRPC server to tell of calls that time out; %% stands for the address of the call's proxy",
    ),
    value(
        "xmlrpc-format",
        Some('x'),
        "INT",
        Some("0"),
        "What it is told: 0 for SEMS, 1 the Call-ID alone, 2 for Kamailio",
    ),
    value("max-sessions", None, "INT", Some("-1"), "Most calls at one time; -1: no limit"),
    value(
        "max-load",
        None,
        "FLOAT",
        Some("0"),
        "No new calls above this load average of one minute; 0: no limit",
    ),
    value(
        "max-cpu",
        None,
        "FLOAT",
        Some("0"),
        "No new calls above this use of the CPUs in percent; 0: no limit",
    ),
    value(
        "max-bandwidth",
        None,
        "INT",
        Some("0"),
        "No new calls while more bytes per second are received; 0: no limit",
    ),
    value(
        "endpoint-learning",
        None,
        "delayed|immediate|off|heuristic",
        Some("delayed"),
        "How the address of a party is learned from its packets",
    ),
    value(
        "templates",
        None,
        "STRING",
        None,
        "Section of the configuration file with signalling templates, for the ng key `template`",
    ),
    flag("reject-invalid-sdp", None, "Refuse SDP bodies that end in a blank line"),
    value("software-id", None, "STRING", None, "Name shown to other systems; unset: rtpengine-VERSION"),
    flag("dtls-passive", None, "Prefer the passive DTLS role in all calls, as DTLS=passive does in one"),
    value(
        "dtls-cert-cipher",
        None,
        "prime256v1|RSA",
        Some("prime256v1"),
        "Kind of key of the DTLS certificate",
    ),
    value(
        "dtls-signature",
        None,
        "SHA-256|SHA-1",
        Some("SHA-256"),
        "Hash of the DTLS certificate's signature",
    ),
    value(
        "dtls-cert-lifetime",
        None,
        "INT",
        Some("2592000"),
        "Seconds the DTLS certificate is valid, at least 8; new calls get the next one when a quarter is left",
    ),
    value("dtls-rsa-key-size", None, "INT", Some("2048"), "Bits of the key with --dtls-cert-cipher=RSA"),
    value(
        "dtls-ciphers",
        None,
        "STRING",
        Some(DtlsOptions::CIPHERS),
        "Ciphers allowed in DTLS handshakes, an OpenSSL cipher list",
    ),
    value(
        "dtls-mtu",
        None,
        "INT",
        Some("1200"),
        "Longest IP datagram of a DTLS handshake in bytes, at least 576",
    ),
    value(
        "mos",
        None,
        "CQ|LQ",
        Some("CQ"),
        "Scores of conversations, which need the round-trip time, or of listening",
    ),
    flag("measure-rtp", None, "Rate media by what is measured here where a party sends no RTCP"),
    flag("poller-per-thread", None, "Accepted; one thread per socket is how this daemon always works"),
];

/// Every option that works and may stand in the file, but for [`log_levels`].
pub fn general() -> impl Iterator<Item = OptionSpec> {
    AVAILABLE.iter().chain(super::export::OPTIONS).chain(super::scheduling::OPTIONS).copied()
}

/// `log-level-SUBSYSTEM`, one for each.
pub fn log_levels() -> impl Iterator<Item = OptionSpec> {
    Subsystem::ALL.into_iter().map(|subsystem| {
        let default = if subsystem.is_silent_by_default() { Some("-1") } else { None };
        value(subsystem.option(), None, "INT", default, subsystem.description())
    })
}

/// Every option that works and may stand in the file.
pub fn available() -> impl Iterator<Item = OptionSpec> {
    general().chain(log_levels())
}

/// The option of this long name or alias among those that work.
#[must_use]
pub fn find(name: &str) -> Option<OptionSpec> {
    available().find(|spec| spec.name == name || spec.aliases.contains(&name))
}
