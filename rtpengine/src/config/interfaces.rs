//! `--interface` in every form of the manual's INTERFACES section: `[NAME/]IP[!IP]`, where the first `IP` may
//! also be a network device, a host name or `any`.

#[cfg(test)]
mod tests;

use std::io;
use std::net::{IpAddr, Ipv6Addr, SocketAddr, ToSocketAddrs};

use nix::ifaddrs::getifaddrs;
use nix::net::if_::InterfaceFlags;
use rtpengine_core::config::{LocalAddress, LogicalInterface};

use super::ConfigError;
use super::settings::{Settings, bad_value};

/// One address configured on a network device.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SystemAddress {
    /// The device.
    pub device: String,
    /// The address.
    pub address: IpAddr,
    /// The scope of an IPv6 link-local address (the device's index), 0 otherwise.
    pub scope: u32,
    /// The device is a loopback device.
    pub loopback: bool,
}

/// The network devices of the host and their addresses.
#[derive(Clone, Debug, Default)]
pub struct SystemAddresses {
    /// All devices, with or without addresses.
    pub devices: Vec<String>,
    /// All addresses, in the system's order.
    pub addresses: Vec<SystemAddress>,
}

/// Looks up a host name.
pub type Resolver<'a> = &'a dyn Fn(&str) -> io::Result<Vec<IpAddr>>;

/// Asks the system for its devices and addresses.
///
/// # Errors
/// Those of getifaddrs(3).
pub fn system_addresses() -> io::Result<SystemAddresses> {
    let mut system = SystemAddresses::default();
    for entry in getifaddrs()? {
        if !system.devices.contains(&entry.interface_name) {
            system.devices.push(entry.interface_name.clone());
        }
        let Some(storage) = entry.address else { continue };
        let (address, scope) = if let Some(v4) = storage.as_sockaddr_in() {
            (IpAddr::V4(v4.ip()), 0)
        } else if let Some(v6) = storage.as_sockaddr_in6() {
            (IpAddr::V6(v6.ip()), v6.scope_id())
        } else {
            continue;
        };
        let loopback = entry.flags.contains(InterfaceFlags::IFF_LOOPBACK);
        system.addresses.push(SystemAddress { device: entry.interface_name, address, scope, loopback });
    }
    Ok(system)
}

/// Looks up a host name once, with the system's resolver.
///
/// # Errors
/// Those of getaddrinfo(3).
pub fn resolve(host: &str) -> io::Result<Vec<IpAddr>> {
    Ok((host, 0).to_socket_addrs()?.map(|socket| socket.ip()).collect())
}

/// The address to bind for a media port: an IPv6 link-local address gets the scope of the device it is
/// configured on at this moment, without which the kernel refuses it.
#[must_use]
pub fn bind_address(address: SocketAddr) -> SocketAddr {
    let SocketAddr::V6(mut v6) = address else { return address };
    if v6.scope_id() == 0
        && v6.ip().is_unicast_link_local()
        && let Ok(system) = system_addresses()
        && let Some(found) = system.addresses.iter().find(|found| found.address == address.ip())
    {
        v6.set_scope_id(found.scope);
    }
    SocketAddr::V6(v6)
}

/// The logical interfaces in the order of their first mention, and warnings about addresses this host does
/// not have (yet).
///
/// # Errors
/// No interface at all, or one that cannot be understood or resolved.
pub fn interfaces(
    settings: &Settings,
    system: &SystemAddresses,
    resolve: Resolver<'_>,
) -> Result<(Vec<LogicalInterface>, Vec<String>), ConfigError> {
    let (values, origin) = settings.list("interface");
    let mut interfaces: Vec<LogicalInterface> = Vec::new();
    let mut warnings = Vec::new();
    for value in values {
        let (name, addresses) = parse(value, system, resolve)
            .map_err(|reason| bad_value("interface", value, reason, origin.clone()))?;
        for local in &addresses {
            if !system.addresses.iter().any(|known| known.address == local.address) {
                warnings.push(format!(
                    "option --interface {origin}: no device has the address {} (yet); calls that need it fail until one does",
                    local.address
                ));
            }
        }
        let interface = match interfaces.iter_mut().find(|interface| interface.name == name) {
            Some(interface) => interface,
            None => {
                interfaces.push(LogicalInterface { name: name.to_owned(), addresses: Vec::new() });
                // Just pushed.
                let Some(interface) = interfaces.last_mut() else { continue };
                interface
            }
        };
        for local in addresses {
            if !interface.addresses.contains(&local) {
                interface.addresses.push(local);
            }
        }
    }
    if interfaces.is_empty() {
        return Err(ConfigError::Missing(
            "no local interface is configured: give --interface, on the command line or in the configuration file",
        ));
    }
    Ok((interfaces, warnings))
}

/// One value. The error is the text for "allowed".
fn parse<'a>(
    value: &'a str,
    system: &SystemAddresses,
    resolve: Resolver<'_>,
) -> Result<(&'a str, Vec<LocalAddress>), String> {
    let (name, rest) = match value.split_once('/') {
        Some((name, rest)) => (checked_name(name)?, rest),
        None => ("default", value),
    };
    let (local, advertised) = match rest.split_once('!') {
        Some((local, advertised)) => (
            local,
            Some(literal(advertised).ok_or_else(|| {
                format!("[NAME/]IP[!IP]; '{advertised}' after the exclamation point is not an IP address")
            })?),
        ),
        None => (rest, None),
    };
    let found = local_addresses(local, system, resolve)?;
    if let Some(address) = found.iter().find(|address| address.is_unspecified() || address.is_multicast()) {
        return Err(format!(
            "an address of one host instead of {address}; 'any' takes all addresses of this one"
        ));
    }
    let Some(advertised) = advertised else {
        return Ok((
            name,
            found.into_iter().map(|address| LocalAddress { address, advertised: address }).collect(),
        ));
    };
    // A device usually has addresses of both families, of which the advertised one can replace only one.
    if !found.iter().any(|address| address.is_ipv4() == advertised.is_ipv4()) {
        return Err(format!("an advertised address of the same family as {local}"));
    }
    let with_advertised = |address: IpAddr| {
        let same_family = address.is_ipv4() == advertised.is_ipv4();
        LocalAddress { address, advertised: if same_family { advertised } else { address } }
    };
    Ok((name, found.into_iter().map(with_advertised).collect()))
}

fn checked_name(name: &str) -> Result<&str, String> {
    let well_formed = match name.split_once(':') {
        Some((base, suffix)) => !base.is_empty() && !suffix.is_empty(),
        None => !name.is_empty(),
    };
    let printable = name.chars().all(|c| !c.is_whitespace() && !c.is_control() && c != '!');
    if well_formed && printable && literal(name).is_none() {
        return Ok(name);
    }
    Err("NAME/IP or BASE:SUFFIX/IP with a name that is not empty, without blanks, and not an address"
        .to_owned())
}

/// An address as such, in brackets, or with the name of a device (`fe80::1%eth0`), which is looked up when binding.
fn literal(text: &str) -> Option<IpAddr> {
    let bare = text.strip_prefix('[').and_then(|rest| rest.strip_suffix(']')).unwrap_or(text);
    if let Ok(address) = bare.parse::<IpAddr>() {
        return Some(address);
    }
    let (address, _device) = bare.split_once('%')?;
    let address: Ipv6Addr = address.parse().ok()?;
    address.is_unicast_link_local().then_some(IpAddr::V6(address))
}

fn local_addresses(
    text: &str,
    system: &SystemAddresses,
    resolve: Resolver<'_>,
) -> Result<Vec<IpAddr>, String> {
    if let Some(address) = literal(text) {
        return Ok(vec![address]);
    }
    if text == "any" {
        let found = by_usefulness(system.addresses.iter().filter(|known| !known.loopback));
        return if found.is_empty() {
            Err("an address; 'any' finds none, because only loopback devices have addresses".to_owned())
        } else {
            Ok(found)
        };
    }
    if system.devices.iter().any(|device| device == text) {
        let found = by_usefulness(system.addresses.iter().filter(|known| known.device == text));
        return if found.is_empty() {
            Err(format!("a device with an address; {text} has none"))
        } else {
            Ok(found)
        };
    }
    // The resolver would take "24" of a network in CIDR notation for the address 0.0.0.24.
    if !text.bytes().any(|byte| byte.is_ascii_alphabetic()) || text.contains([' ', '/', '!']) {
        return Err("[NAME/]IP[!IP] with IP an IPv4 or IPv6 address, a network device, a host name or 'any'"
            .to_owned());
    }
    match resolve(text) {
        Ok(found) if !found.is_empty() => {
            let mut unique: Vec<IpAddr> = Vec::new();
            for address in found {
                if !unique.contains(&address) {
                    unique.push(address);
                }
            }
            Ok(unique)
        }
        Ok(_) => Err(format!("an address, a network device or a host name; {text} has no address")),
        Err(error) => Err(format!(
            "an address, a network device or a host name; {text} is no device and cannot be resolved ({error})"
        )),
    }
}

/// The system's order with IPv6 link-local addresses last: the first of a family is its primary.
fn by_usefulness<'a>(known: impl Iterator<Item = &'a SystemAddress>) -> Vec<IpAddr> {
    let mut found: Vec<IpAddr> = Vec::new();
    for address in known.map(|known| known.address) {
        if !found.contains(&address) {
            found.push(address);
        }
    }
    found.sort_by_key(|address| matches!(address, IpAddr::V6(v6) if v6.is_unicast_link_local()));
    found
}
