//! `--log-facility-cdr`: one line for each call that has ended, with the fields of the original.

use std::fs;
use std::os::unix::fs::PermissionsExt as _;
use std::os::unix::net::UnixDatagram;
use std::time::Duration;

use rtpengine_tests::daemon::{Builder, Table, binary};
use rtpengine_tests::engine::Engine;
use rtpengine_tests::require::{NAMESPACES, available};
use rtpengine_tests::topology::{CALLEE, CALLER, Trio};
use tempfile::TempDir;

/// Gives the daemon a `/dev` of its own, for the sake of `/dev/log`.
const WRAPPER: &str = r#"#!/bin/sh
exec unshare --mount sh -c '
mount --make-rprivate / && cp -a /dev/null /dev/zero /dev/random /dev/urandom "$DEVICES" &&
mount --bind "$DEVICES" /dev && exec "$DAEMON" "$@"' sh "$@"
"#;

/// Of each party, then of each socket, in the order of the original; it has `in_tos_tclass` of each socket besides.
const OF_PARTY: [&str; 7] =
    ["start_time", "end_time", "duration", "termination", "local_tag", "local_tag_type", "remote_tag"];
const OF_SOCKET: [&str; 8] = [
    "endpoint_ip",
    "endpoint_port",
    "local_relay_ip",
    "local_relay_port",
    "relayed_packets",
    "relayed_bytes",
    "relayed_errors",
    "last_packet",
];

fn names() -> Vec<String> {
    let mut names: Vec<String> = ["ci", "created_from", "last_signal", "tos"].map(str::to_owned).to_vec();
    for party in 0..2 {
        names.extend(OF_PARTY.map(|name| format!("ml{party}_{name}")));
        names.push("payload_type".to_owned());
        for kind in ["rtp", "rtcp"] {
            names.extend(OF_SOCKET.map(|name| format!("ml{party}_midx1_{kind}_{name}")));
        }
    }
    names
}

#[test]
fn in_the_fields_of_the_original() {
    if !available(NAMESPACES) {
        return;
    }
    let devices = TempDir::new().unwrap();
    let log = UnixDatagram::bind(devices.path().join("log")).unwrap();
    log.set_read_timeout(Some(Duration::from_secs(10))).unwrap();
    let wrapper = devices.path().join("daemon");
    fs::write(&wrapper, WRAPPER).unwrap();
    fs::set_permissions(&wrapper, fs::Permissions::from_mode(0o755)).unwrap();
    let trio = Trio::new().unwrap();
    let daemon = Builder::new()
        .netns(&trio.engine)
        .table(Table::Off)
        .program(wrapper)
        .env("DEVICES", devices.path())
        .env("DAEMON", binary("rtpengine").unwrap())
        .args(Trio::interface_options())
        .args(["--log-facility-cdr=local2", "--delete-delay=0"])
        .start()
        .unwrap();
    let ng = daemon.ng_in(&trio.engine).unwrap();
    let mut engine = Engine { ng, daemon, trio };
    let mut call = engine.call(CALLER, CALLEE).unwrap();
    call.talk(50).unwrap();
    let (id, from, to) = (call.id.clone(), call.from.clone(), call.to.clone());
    let caller = call.caller.local().unwrap();
    call.hang_up(&mut engine.ng).unwrap();
    let mut buffer = [0; 8192];
    let length = log.recv(&mut buffer).unwrap();
    let line = std::str::from_utf8(&buffer[..length]).unwrap();
    // Facility local2, severity LOG_INFO.
    assert!(line.starts_with("<150>"), "{line}");
    let record = &line[line.find("ci=").unwrap()..];
    let fields: Vec<(&str, &str)> = record.split(", ").map(|field| field.split_once('=').unwrap()).collect();
    assert_eq!(fields.iter().map(|(name, _)| *name).collect::<Vec<_>>(), names());
    let value = |name: &str| fields.iter().find(|(found, _)| *found == name).unwrap().1;
    for (name, wanted) in [
        ("ci", id.as_str()),
        ("tos", "0"),
        ("ml0_termination", "REGULAR"),
        ("ml0_local_tag", &from),
        ("ml0_local_tag_type", "FROM_TAG"),
        ("ml0_remote_tag", &to),
        ("payload_type", "8"),
        ("ml0_midx1_rtp_endpoint_ip", &caller.ip().to_string()),
        ("ml0_midx1_rtp_endpoint_port", &caller.port().to_string()),
        ("ml0_midx1_rtp_relayed_packets", "50"),
        ("ml0_midx1_rtp_relayed_errors", "0"),
        ("ml0_midx1_rtcp_relayed_packets", "0"),
        ("ml1_local_tag_type", "TO_TAG"),
        ("ml1_midx1_rtp_relayed_packets", "50"),
    ] {
        assert_eq!(value(name), wanted, "{name} in {record}");
    }
    let number = |name: &str| value(name).parse::<f64>().unwrap();
    let lasted = number("ml0_end_time") - number("ml0_start_time");
    assert!((lasted - number("ml0_duration")).abs() < 1e-3 && lasted > 0.0, "{record}");
    engine.daemon.stop().unwrap();
}
