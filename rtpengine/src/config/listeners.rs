//! Addresses of control listeners: `[IP46:]PORT` and `HOSTNAME:PORT`.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr, ToSocketAddrs};

use super::ConfigError;
use super::settings::{Settings, bad_value};

const ALLOWED: &str = "PORT, IPV4:PORT, [IPV6]:PORT or HOSTNAME:PORT with a port from 1 to 65535";

/// All sockets a listener option asks for. A bare port means 0.0.0.0 and `[::]`; a host name means all its addresses.
///
/// # Errors
/// Malformed or unresolvable values.
pub fn listeners(settings: &Settings, name: &str) -> Result<Vec<SocketAddr>, ConfigError> {
    let (values, origin) = settings.list(name);
    let mut sockets: Vec<SocketAddr> = Vec::new();
    for value in values {
        let found = parse(value).map_err(|reason| bad_value(name, value, reason, origin.clone()))?;
        for socket in found {
            if !sockets.contains(&socket) {
                sockets.push(socket);
            }
        }
    }
    Ok(sockets)
}

/// The addresses one value names; the error says what is allowed.
pub(super) fn parse(value: &str) -> Result<Vec<SocketAddr>, String> {
    if value.bytes().all(|byte| byte.is_ascii_digit()) {
        let port = port(value)?;
        let (v4, v6) = (IpAddr::V4(Ipv4Addr::UNSPECIFIED), IpAddr::V6(Ipv6Addr::UNSPECIFIED));
        return Ok(vec![SocketAddr::new(v4, port), SocketAddr::new(v6, port)]);
    }
    let (host, port_text) = value.rsplit_once(':').ok_or(ALLOWED)?;
    let port = port(port_text)?;
    if let Some(inner) = host.strip_prefix('[').and_then(|rest| rest.strip_suffix(']')) {
        let address: Ipv6Addr = inner.parse().map_err(|_| ALLOWED)?;
        return Ok(vec![SocketAddr::new(IpAddr::V6(address), port)]);
    }
    if host.contains(':') {
        return Err(format!("{ALLOWED}; an IPv6 address needs brackets"));
    }
    if let Ok(address) = host.parse::<Ipv4Addr>() {
        return Ok(vec![SocketAddr::new(IpAddr::V4(address), port)]);
    }
    // The resolver would take "10.1" or "7" for an address in the notation of inet_aton.
    if !host.bytes().any(|byte| byte.is_ascii_alphabetic()) {
        return Err(ALLOWED.to_owned());
    }
    match (host, port).to_socket_addrs() {
        Ok(found) => Ok(found.collect()),
        Err(error) => Err(format!("{ALLOWED}; the host name cannot be resolved ({error})")),
    }
}

fn port(text: &str) -> Result<u16, String> {
    match text.parse::<u16>() {
        Ok(port) if port > 0 => Ok(port),
        Ok(_) | Err(_) => Err(ALLOWED.to_owned()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn texts(value: &str) -> Vec<String> {
        parse(value).unwrap().iter().map(ToString::to_string).collect()
    }

    #[test]
    fn every_notation_is_understood() {
        assert_eq!(texts("2223"), ["0.0.0.0:2223", "[::]:2223"]);
        assert_eq!(texts("127.0.0.1:2223"), ["127.0.0.1:2223"]);
        assert_eq!(texts("[::1]:2223"), ["[::1]:2223"]);
        assert!(texts("localhost:2223").contains(&"127.0.0.1:2223".to_owned()));
    }

    #[test]
    fn everything_else_is_refused() {
        for value in
            ["", "0", "65536", "x", "127.0.0.1", "127.0.0.1:", "127.0.0.1:0", "[::1]", "10.1:22", ":22"]
        {
            assert!(parse(value).is_err(), "{value}");
        }
        assert!(parse("::1:2223").unwrap_err().contains("brackets"));
        assert!(parse("no-such-host.invalid:2223").unwrap_err().contains("cannot be resolved"));
    }
}
