//! The daemon's command line socket: one line out, the answer in until it closes.

use std::io::{Read as _, Write as _};
use std::net::{IpAddr, Ipv4Addr, SocketAddr, TcpStream, ToSocketAddrs as _};
use std::path::Path;
use std::time::Duration;

use anyhow::{Context as _, Result, bail};

use crate::args::Arguments;

/// Patience with connecting, sending, and each part of the answer.
const TIMEOUT: Duration = Duration::from_secs(3);
/// Port of `listen-cli` unless configured.
const DEFAULT_PORT: u16 = 9900;

/// The daemon's address: from the options, else from the configuration file, else 127.0.0.1:9900.
pub fn address(arguments: &Arguments) -> Result<SocketAddr> {
    let configured = configured(&arguments.config_file, &arguments.config_section)?;
    let (host, port) = match &arguments.ip {
        Some(text) => split(text).with_context(|| format!("--ip {text}: not an address or a host name"))?,
        None => match configured.as_deref() {
            Some(text) => split(text).with_context(|| {
                format!("{}: listen-cli = {text}: not [ADDRESS:]PORT", arguments.config_file.display())
            })?,
            None => ("127.0.0.1".to_owned(), None),
        },
    };
    let port = arguments.port.or(port).unwrap_or(DEFAULT_PORT);
    let mut found =
        (host.as_str(), port).to_socket_addrs().with_context(|| format!("cannot resolve {host}"))?;
    let mut address = found.next().with_context(|| format!("{host} has no address"))?;
    // A daemon that listens on all addresses is reached over loopback.
    if address.ip().is_unspecified() {
        address.set_ip(IpAddr::V4(Ipv4Addr::LOCALHOST));
    }
    Ok(address)
}

/// The first `listen-cli` of the configuration file, if there is one.
fn configured(path: &Path, section: &str) -> Result<Option<String>> {
    let text = match std::fs::read_to_string(path) {
        Ok(text) => text,
        Err(error)
            if matches!(
                error.kind(),
                std::io::ErrorKind::NotFound | std::io::ErrorKind::PermissionDenied
            ) =>
        {
            return Ok(None);
        }
        Err(error) => return Err(error).with_context(|| format!("cannot read {}", path.display())),
    };
    let options =
        ini::ParseOption { enabled_quote: false, enabled_escape: false, ..ini::ParseOption::default() };
    let Ok(file) = ini::Ini::load_from_str_opt(&text, options) else { return Ok(None) };
    let value = file.section(Some(section)).and_then(|section| section.get("listen-cli"));
    Ok(value
        .and_then(|value| value.split(';').next())
        .map(|value| value.trim().to_owned())
        .filter(|value| !value.is_empty()))
}

/// Host and port of `PORT`, `HOST`, `HOST:PORT`, `[IPV6]:PORT` or a bare IPv6 address.
fn split(text: &str) -> Result<(String, Option<u16>)> {
    if let Ok(port) = text.parse::<u16>() {
        return Ok(("127.0.0.1".to_owned(), Some(port)));
    }
    if let Ok(address) = text.trim_matches(['[', ']']).parse::<IpAddr>() {
        return Ok((address.to_string(), None));
    }
    match text.rsplit_once(':') {
        Some((host, port)) if !host.is_empty() => Ok((
            host.trim_matches(['[', ']']).to_owned(),
            Some(port.parse().context("the port is not a number")?),
        )),
        Some(_) => bail!("the host is missing"),
        None if text.is_empty() => bail!("it is empty"),
        None => Ok((text.to_owned(), None)),
    }
}

/// Sends one command; the daemon's answer.
pub fn ask(address: SocketAddr, command: &str) -> Result<String> {
    let trouble = || format!("cannot talk to rtpengine at {address} (is it running with --listen-cli?)");
    let mut stream = TcpStream::connect_timeout(&address, TIMEOUT).with_context(trouble)?;
    stream.set_read_timeout(Some(TIMEOUT)).with_context(trouble)?;
    stream.set_write_timeout(Some(TIMEOUT)).with_context(trouble)?;
    stream.write_all(format!("{command}\n").as_bytes()).with_context(trouble)?;
    let mut answer = Vec::new();
    stream.read_to_end(&mut answer).with_context(trouble)?;
    Ok(String::from_utf8_lossy(&answer).into_owned())
}

#[cfg(test)]
mod tests {
    use clap::Parser as _;

    use super::*;

    fn resolve(file: &str, words: &[&str]) -> SocketAddr {
        let directory = tempfile::tempdir().unwrap();
        let path = directory.path().join("rtpengine.conf");
        std::fs::write(&path, file).unwrap();
        let path = path.to_str().unwrap();
        let all = [&["rtpengine-ctl", "--config-file", path], words, &["help"]].concat();
        address(&Arguments::parse_from(all)).unwrap()
    }

    #[test]
    fn the_address_comes_from_options_then_file_then_default() {
        let file = "[rtpengine]\nlisten-cli = 127.0.0.5:9901 ; 9902\n[other]\nlisten-cli = 9903\n";
        assert_eq!(resolve("", &[]), "127.0.0.1:9900".parse().unwrap());
        assert_eq!(resolve(file, &[]), "127.0.0.5:9901".parse().unwrap());
        assert_eq!(resolve(file, &["--config-section", "other"]), "127.0.0.1:9903".parse().unwrap());
        assert_eq!(resolve(file, &["--port", "1"]), "127.0.0.5:1".parse().unwrap());
        assert_eq!(resolve(file, &["--ip", "127.0.0.6"]), "127.0.0.6:9900".parse().unwrap());
        assert_eq!(resolve(file, &["--ip", "[::1]:7"]), "[::1]:7".parse().unwrap());
        assert_eq!(resolve(file, &["--ip", "::1"]), "[::1]:9900".parse().unwrap());
        assert_eq!(resolve("[rtpengine]\nlisten-cli = 0.0.0.0:5\n", &[]), "127.0.0.1:5".parse().unwrap());
    }

    #[test]
    fn a_missing_file_is_no_error() {
        assert_eq!(configured(Path::new("/nonexistent/rtpengine.conf"), "rtpengine").unwrap(), None);
    }

    #[test]
    fn an_unreachable_daemon_is_named() {
        let closed = std::net::TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap();
        let error = format!("{:#}", ask(closed, "help").unwrap_err());
        assert!(error.starts_with(&format!("cannot talk to rtpengine at {closed} ")), "{error}");
    }
}
