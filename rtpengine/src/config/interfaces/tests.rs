use super::super::settings::{Given, Origin};
use super::*;

fn system() -> SystemAddresses {
    let known = |device: &str, address: &str, scope: u32| SystemAddress {
        device: device.to_owned(),
        address: address.parse().unwrap(),
        scope,
        loopback: device == "lo",
    };
    SystemAddresses {
        devices: ["lo", "eth0", "eth1", "down0"].map(str::to_owned).to_vec(),
        addresses: vec![
            known("lo", "127.0.0.1", 0),
            known("lo", "::1", 0),
            known("eth0", "fe80::1", 2),
            known("eth0", "192.168.1.120", 0),
            known("eth0", "2001:db8:85a3::7334", 0),
            known("eth1", "10.65.76.2", 0),
        ],
    }
}

fn no_dns(host: &str) -> io::Result<Vec<IpAddr>> {
    match host {
        "media.example.com" => {
            Ok(vec!["192.168.1.120".parse().unwrap(), "2001:db8:85a3::7334".parse().unwrap()])
        }
        _ => Err(io::Error::other("no such name")),
    }
}

fn load(values: &[&str]) -> Result<(Vec<LogicalInterface>, Vec<String>), ConfigError> {
    let mut settings = Settings::default();
    let values = values.iter().map(|value| (*value).to_owned()).collect();
    settings.insert_below("interface", Given::Values(values), Origin::CommandLine);
    interfaces(&settings, &system(), &no_dns)
}

/// `name: local!advertised local ...` per interface, `!advertised` only where it differs.
fn shown(values: &[&str]) -> Vec<String> {
    let (interfaces, _) = load(values).unwrap();
    let address = |local: &LocalAddress| match local.address == local.advertised {
        true => local.address.to_string(),
        false => format!("{}!{}", local.address, local.advertised),
    };
    interfaces
        .iter()
        .map(|interface| {
            let addresses: Vec<String> = interface.addresses.iter().map(address).collect();
            format!("{}: {}", interface.name, addresses.join(" "))
        })
        .collect()
}

fn refusal(value: &str) -> String {
    load(&[value]).unwrap_err().to_string()
}

#[test]
fn addresses_without_a_name_form_the_default_interface() {
    assert_eq!(shown(&["10.65.76.2", "2001:db8:85a3::7334"]), ["default: 10.65.76.2 2001:db8:85a3::7334"]);
    assert_eq!(shown(&["[2001:db8:85a3::7334]"]), ["default: 2001:db8:85a3::7334"]);
}

#[test]
fn names_group_addresses_in_the_order_given() {
    assert_eq!(
        shown(&["pub/192.168.1.120", "priv/10.65.76.2", "pub/2001:db8:85a3::7334", "pub/192.168.1.120"]),
        ["pub: 192.168.1.120 2001:db8:85a3::7334", "priv: 10.65.76.2"]
    );
}

#[test]
fn base_and_suffix_make_separate_interfaces() {
    let (found, _) = load(&["pub:1/192.168.1.120", "pub:2/10.65.76.2", "x/10.65.76.2"]).unwrap();
    let bases: Vec<Option<&str>> = found.iter().map(LogicalInterface::base).collect();
    assert_eq!(bases, [Some("pub"), Some("pub"), None]);
}

#[test]
fn an_advertised_address_replaces_the_local_one_of_its_family() {
    assert_eq!(shown(&["10.65.76.2!192.0.2.4"]), ["default: 10.65.76.2!192.0.2.4"]);
    assert_eq!(shown(&["ext/eth0!192.0.2.4"]), ["ext: 192.168.1.120!192.0.2.4 2001:db8:85a3::7334 fe80::1"]);
    assert!(refusal("10.65.76.2!2001:db8::1").contains("same family"));
    assert!(refusal("10.65.76.2!eth0").contains("'eth0' after the exclamation point"));
}

#[test]
fn one_address_may_be_advertised_differently_by_two_interfaces() {
    assert_eq!(
        shown(&["a/10.65.76.2", "b/10.65.76.2!192.0.2.4"]),
        ["a: 10.65.76.2", "b: 10.65.76.2!192.0.2.4"]
    );
}

#[test]
fn a_device_stands_for_all_its_addresses() {
    assert_eq!(shown(&["ext/eth0"]), ["ext: 192.168.1.120 2001:db8:85a3::7334 fe80::1"]);
    assert!(refusal("down0").contains("down0 has none"));
}

#[test]
fn any_stands_for_all_devices_but_loopback() {
    assert_eq!(shown(&["any"]), ["default: 192.168.1.120 2001:db8:85a3::7334 10.65.76.2 fe80::1"]);
    let mut settings = Settings::default();
    settings.insert_below("interface", Given::Values(vec!["any".to_owned()]), Origin::CommandLine);
    let error = interfaces(&settings, &SystemAddresses::default(), &no_dns).unwrap_err().to_string();
    assert!(error.contains("only loopback"), "{error}");
}

#[test]
fn host_names_are_resolved() {
    assert_eq!(shown(&["x/media.example.com"]), ["x: 192.168.1.120 2001:db8:85a3::7334"]);
    let error = refusal("x/nowhere.example.com");
    assert!(error.contains("nowhere.example.com is no device and cannot be resolved"), "{error}");
}

#[test]
fn link_local_addresses_are_taken_with_and_without_a_device() {
    assert_eq!(shown(&["fe80::1%eth0"]), ["default: fe80::1"]);
    assert_eq!(shown(&["fe80::800:27ff:fe00:0"]), ["default: fe80::800:27ff:fe00:0"]);
}

#[test]
fn addresses_that_do_not_exist_yet_are_kept_with_a_warning() {
    let (found, warnings) = load(&["10.65.76.2", "198.51.100.7"]).unwrap();
    assert_eq!(found[0].addresses.len(), 2);
    assert_eq!(warnings.len(), 1);
    assert!(warnings[0].contains("198.51.100.7") && warnings[0].contains("(yet)"), "{warnings:?}");
}

#[test]
fn what_cannot_be_an_interface_is_refused() {
    for value in [
        "",
        "/10.0.0.1",
        "pub/",
        ":1/10.0.0.1",
        "pub:/10.0.0.1",
        "10.0.0.1/24",
        "1.2.3",
        "256.1.1.1",
        "a b/10.0.0.1",
        "0.0.0.0",
        "::",
        "224.0.0.1",
        "10.0.0.1!",
        "!10.0.0.1",
        "10.0.0.1!10.0.0.2!10.0.0.3",
    ] {
        assert!(load(&[value]).is_err(), "{value}");
    }
    assert!(refusal("0.0.0.0").contains("'any'"));
}

#[test]
fn no_interface_at_all_is_an_error() {
    assert!(load(&[]).unwrap_err().to_string().contains("--interface"));
}

/// On a host with an IPv6 link-local address, that it can be bound; in any case that others are left alone.
#[test]
fn link_local_addresses_get_the_scope_they_need_to_be_bound() {
    for address in ["127.0.0.1:0", "[::1]:0", "[fe80::dead:beef%99]:0"] {
        let address: SocketAddr = address.parse().unwrap();
        assert_eq!(bind_address(address), address);
    }
    for known in system_addresses().unwrap().addresses {
        if known.scope > 0 {
            let bound = bind_address(SocketAddr::new(known.address, 0));
            // EINVAL is the answer to a missing scope; the address itself may be going or still tentative.
            let error = std::net::UdpSocket::bind(bound).err().and_then(|error| error.raw_os_error());
            assert_ne!(error, Some(libc::EINVAL), "{bound}");
        }
    }
}
