//! Configuration: command line and file become one typed [`Config`].

pub mod command_line;
mod export;
pub mod file;
pub mod interfaces;
pub mod listeners;
pub mod options;
mod scheduling;
pub mod settings;
pub mod unavailable;

#[cfg(test)]
mod tests;

use std::ffi::OsString;
use std::net::SocketAddr;
use std::path::PathBuf;

use rtpengine_core::config::{CoreConfig, LocalAddress, LogicalInterface, MosFormula};
use rtpengine_core::io::Learning;
use rtpengine_core::ng::Templates;

use crate::callback::{self, CallbackOptions, Destination};
use crate::dtls::{CertCipher, CertSignature, CertificateOptions, DtlsOptions};
use crate::export::ExportOptions;
use crate::http::HttpOptions;
use crate::logging::{self, Facility, Format, Subsystem};
use crate::process::Scheduling;
use settings::{Origin, Settings, bad_value};

/// Why there is no configuration. Everything but [`ConfigError::Usage`] is one line that names the option,
/// its value and the remedy.
#[derive(Debug, thiserror::Error)]
pub enum ConfigError {
    /// From clap: an unknown argument, or the text of `--help` or `--version`.
    #[error(transparent)]
    Usage(#[from] clap::Error),
    /// The file cannot be read.
    #[error("configuration file {}: cannot be read: {source}", path.display())]
    FileRead {
        /// The file.
        path: PathBuf,
        /// The cause.
        source: std::io::Error,
    },
    /// The file is not an `.ini` file.
    #[error("configuration file {}, line {line}: {message}", path.display())]
    FileSyntax {
        /// The file.
        path: PathBuf,
        /// The line, from 1.
        line: usize,
        /// What is wrong with it.
        message: String,
    },
    /// The file lacks the section.
    #[error(
        "configuration file {}: there is no section [{section}]; sections found: {found}; choose one with --config-section",
        path.display()
    )]
    NoSection {
        /// The file.
        path: PathBuf,
        /// The section looked for.
        section: String,
        /// The sections there are.
        found: String,
    },
    /// The file lacks the section of templates.
    #[error(
        "configuration file {}: there is no section [{section}], which --templates names",
        path.display()
    )]
    NoTemplates {
        /// The file.
        path: PathBuf,
        /// The section looked for.
        section: String,
    },
    /// A key is no option.
    #[error("unknown option '{}' {origin}; options have their long names there, see --help", key.escape_debug())]
    UnknownKey {
        /// The key.
        key: String,
        /// File and section.
        origin: Origin,
    },
    /// A line without a value.
    #[error("option '{}' {origin}: the line has no '='; write '{} = true' for a flag", key.escape_debug(), key.escape_debug())]
    NoValue {
        /// The line.
        key: String,
        /// File and section.
        origin: Origin,
    },
    /// A key that makes no sense in a file.
    #[error("option '{key}' {origin}: allowed on the command line only")]
    CommandLineOnly {
        /// The key.
        key: String,
        /// File and section.
        origin: Origin,
    },
    /// A key is there twice.
    #[error("option '{key}' {origin}: given more than once; write it once, several values separated by ';'")]
    Repeated {
        /// The key.
        key: String,
        /// File and section.
        origin: Origin,
    },
    /// A value that is not allowed.
    #[error("option --{option} {origin}: value '{}' is not valid; allowed: {allowed}", value.escape_debug())]
    Value {
        /// Long name.
        option: String,
        /// The value.
        value: String,
        /// What would be.
        allowed: String,
        /// Where it was given.
        origin: Origin,
    },
    /// An option of a feature this release does not have.
    #[error("option --{option} {origin}: {feature} not available in this release; remove the option")]
    Unavailable {
        /// Long name.
        option: String,
        /// The missing feature, with its verb.
        feature: &'static str,
        /// Where it was given.
        origin: Origin,
    },
    /// A mandatory option was not given.
    #[error("{0}")]
    Missing(&'static str),
    /// The system's interfaces cannot be listed.
    #[error("cannot list the addresses of this host: {0}")]
    SystemAddresses(std::io::Error),
}

/// Path MTU discovery on IPv4 UDP control sockets (`--control-pmtu`).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ControlPmtu {
    /// Discover it: `IP_PMTUDISC_WANT`.
    Want,
    /// Never set DF: `IP_PMTUDISC_DONT`.
    Dont,
}

/// Everything the daemon was told at its start.
#[derive(Clone, Debug)]
pub struct Config {
    /// `--table`, 0 to 63; `None` where a negative one asks for userspace only.
    pub table: Option<u32>,
    /// `--no-fallback`.
    pub no_fallback: bool,
    /// `--save-interface-ports`.
    pub save_interface_ports: bool,
    /// `--interface`, resolved; never empty.
    pub interfaces: Vec<LogicalInterface>,
    /// `--listen-ng`: UDP sockets to bind.
    pub listen_ng: Vec<SocketAddr>,
    /// `--listen-tcp-ng`.
    pub listen_tcp_ng: Vec<SocketAddr>,
    /// `--listen-udp`: UDP sockets for the protocol of rtpproxy.
    pub listen_udp: Vec<SocketAddr>,
    /// `--listen-tcp`: TCP sockets for that of mediaproxy.
    pub listen_tcp: Vec<SocketAddr>,
    /// `--listen-cli`.
    pub listen_cli: Vec<SocketAddr>,
    /// `--listen-http`, `--listen-https`, `--https-…`, `--http-threads`.
    pub http: HttpOptions,
    /// `--tos`.
    pub tos: Option<u8>,
    /// `--control-tos`.
    pub control_tos: Option<u8>,
    /// `--control-pmtu`; `None` leaves the system's default.
    pub control_pmtu: Option<ControlPmtu>,
    /// `--timeout` in seconds.
    pub timeout: u64,
    /// `--silent-timeout` in seconds.
    pub silent_timeout: u64,
    /// `--final-timeout` in seconds, 0 = off.
    pub final_timeout: u64,
    /// `--offer-timeout` in seconds.
    pub offer_timeout: u64,
    /// `--delete-delay` in seconds.
    pub delete_delay: u64,
    /// `--pidfile`, absolute.
    pub pidfile: Option<PathBuf>,
    /// `--foreground`.
    pub foreground: bool,
    /// `--port-min`.
    pub port_min: u16,
    /// `--port-max`, inclusive.
    pub port_max: u16,
    /// `--log-…`, `--split-logs`, `--max-log-line-length`.
    pub logging: logging::Settings,
    /// `--num-threads`, at least 1.
    pub num_threads: usize,
    /// `--thread-stack` in bytes; `None` leaves the system's default.
    pub thread_stack: Option<usize>,
    /// `--sip-source`.
    pub sip_source: bool,
    /// `--endpoint-learning`.
    pub endpoint_learning: Learning,
    /// `--max-sessions`, -1 = unlimited.
    pub max_sessions: i64,
    /// `--max-load`, 0 = unlimited.
    pub max_load: f64,
    /// `--max-cpu` in percent, 0 = unlimited.
    pub max_cpu: f64,
    /// `--max-bandwidth` in bytes per second, 0 = unlimited.
    pub max_bandwidth: u64,
    /// `--reject-invalid-sdp`.
    pub reject_invalid_sdp: bool,
    /// `--dtls-…`
    pub dtls: DtlsOptions,
    /// `--dtls-passive`
    pub dtls_passive: bool,
    /// `--mos`
    pub mos: MosFormula,
    /// `--measure-rtp`
    pub measure_rtp: bool,
    /// The section `--templates`.
    pub templates: Templates,
    /// `--b2b-url`, `--xmlrpc-format`
    pub callback: Option<CallbackOptions>,
    /// `--graphite…`, `--homer…`, `--mqtt-…`
    pub exports: ExportOptions,
    /// `--scheduling`, `--priority`
    pub scheduling: Option<Scheduling>,
    /// `--idle-scheduling`, `--idle-priority`
    pub idle_scheduling: Option<Scheduling>,
    /// `--socket-cpu-affinity`: CPUs to take in turn, 0 for none.
    pub socket_cpus: u32,
    /// `--software-id`, only letters, digits and dashes.
    pub software_id: String,
    /// What the operator should know, to be logged once logging runs.
    pub warnings: Vec<String>,
}

impl Config {
    /// Reads the command line, program name first, and the file it names.
    ///
    /// # Errors
    /// See [`ConfigError`]; `--help` and `--version` come as [`ConfigError::Usage`] too.
    pub fn load<I, T>(arguments: I) -> Result<Self, ConfigError>
    where
        I: IntoIterator<Item = T>,
        T: Into<OsString> + Clone,
    {
        let line = command_line::parse(arguments)?;
        let mut settings = line.settings;
        if let Some(path) = &line.file {
            file::read(path, &line.section, line.explicit, &mut settings)?;
        }
        let system = interfaces::system_addresses().map_err(ConfigError::SystemAddresses)?;
        Self::build(&settings, &system, &interfaces::resolve)
    }

    /// Gives the settings their types.
    ///
    /// # Errors
    /// Values that are not allowed, mandatory options missing.
    pub fn build(
        settings: &Settings,
        system: &interfaces::SystemAddresses,
        resolve: interfaces::Resolver<'_>,
    ) -> Result<Self, ConfigError> {
        let (interfaces, mut warnings) = interfaces::interfaces(settings, system, resolve)?;
        let port_min = number(settings, "port-min", 1, 65535)?;
        let port_max = number(settings, "port-max", 1, 65535)?;
        if port_min >= port_max {
            let (text, origin) = settings.text("port-max").unwrap_or(("", Origin::BuiltIn));
            let allowed = format!("a port above --port-min, which is {port_min}");
            return Err(bad_value("port-max", text, allowed, origin));
        }
        let config = Self {
            table: u32::try_from(settings.number("table", i64::from(i32::MIN)..=63)?.unwrap_or(0)).ok(),
            no_fallback: settings.flag("no-fallback"),
            save_interface_ports: settings.flag("save-interface-ports"),
            interfaces,
            listen_ng: listeners::listeners(settings, "listen-ng")?,
            listen_tcp_ng: listeners::listeners(settings, "listen-tcp-ng")?,
            listen_udp: listeners::listeners(settings, "listen-udp")?,
            listen_tcp: listeners::listeners(settings, "listen-tcp")?,
            listen_cli: listeners::listeners(settings, "listen-cli")?,
            http: http(settings)?,
            tos: octet(settings, "tos")?,
            control_tos: octet(settings, "control-tos")?,
            control_pmtu: settings
                .choice("control-pmtu", &[("want", ControlPmtu::Want), ("dont", ControlPmtu::Dont)])?,
            timeout: seconds(settings, "timeout", 1)?,
            silent_timeout: seconds(settings, "silent-timeout", 1)?,
            final_timeout: seconds(settings, "final-timeout", 0)?,
            offer_timeout: seconds(settings, "offer-timeout", 1)?,
            delete_delay: seconds(settings, "delete-delay", 0)?,
            pidfile: pidfile(settings)?,
            foreground: settings.flag("foreground"),
            port_min,
            port_max,
            logging: logging(settings, &mut warnings)?,
            num_threads: num_threads(settings)?,
            thread_stack: thread_stack(settings)?,
            sip_source: settings.flag("sip-source"),
            endpoint_learning: endpoint_learning(settings)?,
            max_sessions: settings.number("max-sessions", -1..=i64::MAX)?.unwrap_or(-1),
            max_load: settings.decimal("max-load")?.unwrap_or(0.0),
            max_cpu: settings.decimal("max-cpu")?.unwrap_or(0.0),
            max_bandwidth: settings
                .number("max-bandwidth", 0..=i64::MAX)?
                .and_then(|bytes| u64::try_from(bytes).ok())
                .unwrap_or(0),
            reject_invalid_sdp: settings.flag("reject-invalid-sdp"),
            dtls: dtls(settings)?,
            dtls_passive: settings.flag("dtls-passive"),
            mos: settings
                .choice("mos", &[("CQ", MosFormula::Conversational), ("LQ", MosFormula::Listening)])?
                .unwrap_or_default(),
            measure_rtp: settings.flag("measure-rtp"),
            templates: templates(settings, &mut warnings)?,
            callback: callback(settings)?,
            exports: export::exports(settings)?,
            scheduling: scheduling::scheduling(settings, "scheduling", "priority")?,
            idle_scheduling: scheduling::scheduling(settings, "idle-scheduling", "idle-priority")?,
            socket_cpus: scheduling::socket_cpus(settings)?,
            software_id: software_id(settings),
            warnings,
        };
        let control = [
            &config.listen_ng,
            &config.listen_tcp_ng,
            &config.http.listen,
            &config.http.listen_tls,
            &config.listen_udp,
            &config.listen_tcp,
        ];
        if control.into_iter().all(Vec::is_empty) {
            return Err(ConfigError::Missing(
                "no control listener is configured: give --listen-ng, --listen-tcp-ng, --listen-http, --listen-https, --listen-udp or --listen-tcp, on the command line or in the configuration file",
            ));
        }
        Ok(config)
    }

    /// The part of the configuration that belongs to the core.
    #[must_use]
    pub fn core(&self) -> CoreConfig {
        CoreConfig {
            interfaces: self.interfaces.clone(),
            port_min: self.port_min,
            port_max: self.port_max,
            save_interface_ports: self.save_interface_ports,
            tos: self.tos,
            timeout: self.timeout,
            silent_timeout: self.silent_timeout,
            final_timeout: self.final_timeout,
            offer_timeout: self.offer_timeout,
            delete_delay: self.delete_delay,
            endpoint_learning: self.endpoint_learning,
            sip_source: self.sip_source,
            max_sessions: self.max_sessions,
            max_load: self.max_load,
            max_cpu: self.max_cpu,
            max_bandwidth: self.max_bandwidth,
            reject_invalid_sdp: self.reject_invalid_sdp,
            software_id: self.software_id.clone(),
            dtls_passive: self.dtls_passive,
            mos: self.mos,
            measure_rtp: self.measure_rtp,
            capture_rtcp: self.exports.homer.is_some(),
            offload: self.table.is_some(),
        }
    }

    /// All local media addresses, each once.
    #[must_use]
    pub fn local_addresses(&self) -> Vec<LocalAddress> {
        let mut all: Vec<LocalAddress> = Vec::new();
        for address in self.interfaces.iter().flat_map(|interface| &interface.addresses) {
            if !all.contains(address) {
                all.push(address.clone());
            }
        }
        all
    }
}

/// A mandatory number: the table of options has a default for it.
fn number(settings: &Settings, name: &str, low: u16, high: u16) -> Result<u16, ConfigError> {
    let number = settings.number(name, i64::from(low)..=i64::from(high))?;
    Ok(number.and_then(|number| u16::try_from(number).ok()).unwrap_or(low))
}

fn octet(settings: &Settings, name: &str) -> Result<Option<u8>, ConfigError> {
    Ok(settings.number(name, 0..=255)?.and_then(|number| u8::try_from(number).ok()))
}

/// Seconds up to ten years: whatever is longer is a typing error, and sums of times cannot overflow.
fn seconds(settings: &Settings, name: &str, low: u32) -> Result<u64, ConfigError> {
    let number = settings.number(name, i64::from(low)..=315_360_000)?;
    Ok(number.and_then(|number| u64::try_from(number).ok()).unwrap_or(u64::from(low)))
}

/// Made absolute, as a daemon changes its directory.
fn pidfile(settings: &Settings) -> Result<Option<PathBuf>, ConfigError> {
    let Some((text, origin)) = settings.text("pidfile") else { return Ok(None) };
    match std::path::absolute(text) {
        Ok(path) if path.file_name().is_some() => Ok(Some(path)),
        Ok(_) | Err(_) => Err(bad_value("pidfile", text, "the name of a file", origin)),
    }
}

fn num_threads(settings: &Settings) -> Result<usize, ConfigError> {
    let given = settings.number("num-threads", 1..=1024)?.and_then(|number| usize::try_from(number).ok());
    Ok(given.unwrap_or_else(|| std::thread::available_parallelism().map_or(4, usize::from).max(4)))
}

fn http(settings: &Settings) -> Result<HttpOptions, ConfigError> {
    let listen_tls = listeners::listeners(settings, "listen-https")?;
    let file = |name: &str| settings.text(name).map(|(text, _)| PathBuf::from(text));
    let identity = match (file("https-cert"), file("https-key")) {
        (Some(certificate), Some(key)) => Some((certificate, key)),
        (None, _) | (_, None) if listen_tls.is_empty() => None,
        (None, _) | (_, None) => {
            return Err(ConfigError::Missing("--listen-https needs --https-cert and --https-key"));
        }
    };
    let threads = settings.number("http-threads", 1..=1024)?;
    Ok(HttpOptions {
        listen: listeners::listeners(settings, "listen-http")?,
        listen_tls,
        identity,
        threads: match threads.and_then(|threads| usize::try_from(threads).ok()) {
            Some(threads) => threads,
            None => num_threads(settings)?,
        },
    })
}

fn thread_stack(settings: &Settings) -> Result<Option<usize>, ConfigError> {
    let Some(kilobytes) = settings.number("thread-stack", -1..=1_048_576)? else { return Ok(None) };
    match usize::try_from(kilobytes) {
        Err(_) => Ok(None),
        // Less than this cannot run a worker.
        Ok(kilobytes) if kilobytes >= 256 => Ok(Some(kilobytes * 1024)),
        Ok(_) => {
            let (text, origin) = settings.text("thread-stack").unwrap_or(("", Origin::BuiltIn));
            Err(bad_value("thread-stack", text, "-1 or a whole number from 256 to 1048576", origin))
        }
    }
}

fn endpoint_learning(settings: &Settings) -> Result<Learning, ConfigError> {
    let choices = [
        ("delayed", Learning::Delayed),
        ("immediate", Learning::Immediate),
        ("off", Learning::Off),
        ("heuristic", Learning::Heuristic),
    ];
    Ok(settings.choice("endpoint-learning", &choices)?.unwrap_or_default())
}

/// A certificate is looked at 48 times in its life, and making one takes a second or two with RSA.
const MIN_CERTIFICATE_LIFETIME: i64 = 8;
/// A hundred years: certificates have room for dates up to 9999, but nobody needs one for so long.
const MAX_CERTIFICATE_LIFETIME: i64 = 100 * 365 * 24 * 3600;

fn dtls(settings: &Settings) -> Result<DtlsOptions, ConfigError> {
    let default = DtlsOptions::default();
    let ciphers = [("prime256v1", CertCipher::Prime256v1), ("RSA", CertCipher::Rsa)];
    let signatures = [("SHA-256", CertSignature::Sha256), ("SHA-1", CertSignature::Sha1)];
    let rsa_bits = settings.number("dtls-rsa-key-size", 1024..=16_384)?;
    let lifetime =
        settings.number("dtls-cert-lifetime", MIN_CERTIFICATE_LIFETIME..=MAX_CERTIFICATE_LIFETIME)?;
    let mtu = settings.number("dtls-mtu", i64::from(DtlsOptions::MIN_MTU)..=i64::from(u16::MAX))?;
    Ok(DtlsOptions {
        certificate: CertificateOptions {
            cipher: settings.choice("dtls-cert-cipher", &ciphers)?.unwrap_or_default(),
            signature: settings.choice("dtls-signature", &signatures)?.unwrap_or_default(),
            rsa_bits: rsa_bits.and_then(|bits| bits.try_into().ok()).unwrap_or(default.certificate.rsa_bits),
            lifetime: lifetime
                .and_then(|lifetime| lifetime.try_into().ok())
                .unwrap_or(default.certificate.lifetime),
        },
        ciphers: settings.text("dtls-ciphers").map_or(default.ciphers, |(text, _)| text.to_owned()),
        mtu: mtu.and_then(|mtu| mtu.try_into().ok()).unwrap_or(default.mtu),
    })
}

/// Those read from the file; what they say in vain is known at the start.
fn templates(settings: &Settings, warnings: &mut Vec<String>) -> Result<Templates, ConfigError> {
    match (settings.templates(), settings.text("templates")) {
        (None, Some((text, origin))) if !text.is_empty() => {
            Err(bad_value("templates", text, "a section of a configuration file, and none was read", origin))
        }
        (entries, _) => {
            let templates = Templates::new(entries.unwrap_or_default().iter().cloned());
            warnings.extend(templates.complaints());
            Ok(templates)
        }
    }
}

fn callback(settings: &Settings) -> Result<Option<CallbackOptions>, ConfigError> {
    let format = settings.number("xmlrpc-format", 0..=2)?.and_then(callback::Format::of).unwrap_or_default();
    let Some((url, origin)) = settings.text("b2b-url") else { return Ok(None) };
    match Destination::new(url) {
        Ok(destination) => Ok(Some(CallbackOptions { destination, format })),
        Err(error) => Err(bad_value("b2b-url", url, error.to_string(), origin)),
    }
}

fn software_id(settings: &Settings) -> String {
    let default = concat!("rtpengine-", env!("CARGO_PKG_VERSION"));
    let text = settings.text("software-id").map_or(default, |(text, _)| text);
    text.chars().map(|c| if c.is_ascii_alphanumeric() { c } else { '-' }).collect()
}

fn logging(settings: &Settings, warnings: &mut Vec<String>) -> Result<logging::Settings, ConfigError> {
    let level = |name: &str| -> Result<Option<i8>, ConfigError> {
        let range = i64::from(logging::LOWEST_LEVEL)..=i64::from(logging::HIGHEST_LEVEL);
        Ok(settings.number(name, range)?.and_then(|number| i8::try_from(number).ok()))
    };
    let mut levels = Vec::new();
    for subsystem in Subsystem::ALL {
        if let Some(level) = level(subsystem.option())? {
            levels.push((subsystem, level));
        }
    }
    let foreground = settings.flag("foreground");
    let wants_stderr = settings.flag("log-stderr");
    if wants_stderr && !foreground {
        warnings.push("--log-stderr works with --foreground only: logging to syslog".to_owned());
    }
    let length = settings.number("max-log-line-length", i64::MIN..=i64::MAX)?.unwrap_or(0);
    let text = |name| settings.text(name).map_or_else(String::new, |(text, _)| text.to_owned());
    Ok(logging::Settings {
        level: level("log-level")?.unwrap_or(logging::DEFAULT_LEVEL),
        levels,
        stderr: wants_stderr && foreground,
        foreground,
        facility: settings.choice("log-facility", &Facility::NAMES)?.unwrap_or_default(),
        rtcp_facility: settings.choice("log-facility-rtcp", &Facility::NAMES)?,
        cdr_facility: settings.choice("log-facility-cdr", &Facility::NAMES)?,
        format: settings
            .choice("log-format", &[("default", Format::Default), ("parsable", Format::Parsable)])?
            .unwrap_or_default(),
        split: settings.flag("split-logs"),
        line_length: match length {
            0 => logging::LineLength::Automatic,
            _ => usize::try_from(length)
                .map_or(logging::LineLength::Unlimited, logging::LineLength::Characters),
        },
        timestamps: !settings.flag("no-log-timestamps"),
        name: text("log-name"),
        mark_prefix: text("log-mark-prefix"),
        mark_suffix: text("log-mark-suffix"),
    })
}
