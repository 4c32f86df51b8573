//! Against real maps in a directory of their own below the BPF file system.

use std::path::PathBuf;

use aya::Pod;
use rtpengine_common::abi::{
    ABI_VERSION, FLOW_ACTIVE, FLOWS_MAP_FLAGS, FlowInfo, FlowStats, FlowValue, SsrcStats,
};

use super::*;
use crate::args::{TableSelection, What};
use crate::{Failure, table};

/// A directory of pins that is removed with them.
struct Pins(PathBuf);

impl Drop for Pins {
    fn drop(&mut self) {
        let _ = std::fs::remove_dir_all(&self.0);
    }
}

impl Pins {
    /// `None` without the right to make maps: the test has nothing to look at then.
    fn new(label: &str) -> Option<Self> {
        let root = Path::new(pins::BPF_FS).join(format!("rtpengine-ctl-{}-{label}", std::process::id()));
        if let Err(error) = std::fs::create_dir(&root) {
            eprintln!("skipped: {}: {error}", root.display());
            return None;
        }
        let pins = Self(root);
        if let Err(error) = HashMap::<MapData, u32, u32>::create(1, 0) {
            eprintln!("skipped: cannot create BPF maps: {error}");
            return None;
        }
        Some(pins)
    }

    fn directory(&self, name: &str) -> PathBuf {
        let directory = self.0.join(name);
        std::fs::create_dir(&directory).unwrap();
        directory
    }

    fn hash<K: Pod, V: Pod>(directory: &Path, name: &str, flags: u32, entries: &[(K, V)]) {
        let mut map = HashMap::<MapData, K, V>::create(16, flags).unwrap();
        for (key, value) in entries {
            map.insert(key, value, 0).unwrap();
        }
        map.pin(directory.join(name)).unwrap();
    }

    fn array<V: Pod>(directory: &Path, name: &str, values: &[V]) {
        let mut map = Array::<MapData, V>::create(16, 0).unwrap();
        for (index, value) in values.iter().enumerate() {
            map.set(u32::try_from(index).unwrap(), value, 0).unwrap();
        }
        map.pin(directory.join(name)).unwrap();
    }

    fn selection(&self, table: Option<u32>, what: Option<What>, call: Option<&str>) -> TableSelection {
        TableSelection { table, what, call: call.map(str::to_owned), json: true, root: self.0.clone() }
    }
}

fn key(port: u16) -> FlowKey {
    let addr = std::net::Ipv4Addr::new(127, 0, 0, 1).to_ipv6_mapped().octets();
    FlowKey { addr, port: port.to_be_bytes(), pad: [0; 6] }
}

fn info(call_id: &str) -> FlowInfo {
    let mut info = FlowInfo {
        call_id: [0; 256],
        tag: [0; 128],
        peer_tag: [0; 128],
        interface: [0; 32],
        peer_interface: [0; 32],
        kind: [0; 12],
        protocol: [0; 24],
        peer_protocol: [0; 24],
        advertised_port: [0; 2],
        peer_advertised_port: [0; 2],
        created_unix_us: 0,
        installed_ns: 1,
        endpoint_addr: [0; 16],
        advertised_addr: [0; 16],
        peer_advertised_addr: [0; 16],
        endpoint_port: [0; 2],
        media: 0,
        flags: 0,
    };
    info.call_id[..call_id.len()].copy_from_slice(call_id.as_bytes());
    info
}

fn stats(packets: u64) -> FlowStats {
    let mut stats = FlowStats::default();
    stats.ssrcs[0] = SsrcStats { packets, bytes: packets * 100, ..SsrcStats::default() };
    stats
}

#[test]
fn tables_and_flows_are_read_from_the_pins_alone() {
    let Some(pins) = Pins::new("read") else { return };
    let directory = pins.directory("5");
    let flow = |slot| FlowValue { flags: FLOW_ACTIVE, slot, table: 5, ..FlowValue::default() };
    let net = pins.directory("net1");
    let other = FlowValue { table: 6, ..flow(3) };
    let flows = [(key(30000), flow(1)), (key(30002), flow(2)), (key(30004), other)];
    Pins::hash(&net, pins::FLOWS, FLOWS_MAP_FLAGS, &flows);
    Pins::hash(&directory, pins::INFO, FLOWS_MAP_FLAGS, &[(key(30000), info("a")), (key(30002), info("b"))]);
    Pins::array(&net, pins::STATS, &[stats(0), stats(7), stats(9)]);
    Pins::array(
        &directory,
        pins::OWNER,
        &[Owner { abi_version: ABI_VERSION, pid: u32::MAX, net: 1, ..Owner::default() }],
    );
    // Not tables: another directory of the daemon's, and numbers out of range.
    pins.directory("64");
    Pins::hash(&net, pins::DEVICES, 0, &[(3_u32, 1_u64 << 5)]);

    let mut reasons = PerCpuArray::<MapData, u64>::create(65 * PACKET_REASONS, 0).unwrap();
    let cpus = aya::util::nr_cpus().unwrap();
    let counts = aya::maps::PerCpuValues::try_from(vec![3_u64; cpus]).unwrap();
    reasons.set(5 * PACKET_REASONS + 10, counts, 0).unwrap();
    reasons.pin(net.join(pins::REASONS)).unwrap();

    let list: serde_json::Value =
        serde_json::from_str(&table::run(&pins.selection(None, None, None), true).unwrap()).unwrap();
    assert_eq!(
        list,
        serde_json::json!([{
            "table": 5, "owner": "gone", "pid": u32::MAX, "flows": 2,
            "devices": [{"name": "if3@net1", "mode": "?"}],
        }])
    );
    let flows = table::run(&pins.selection(Some(5), Some(What::Flows), None), true).unwrap();
    let flows: serde_json::Value = serde_json::from_str(&flows).unwrap();
    assert_eq!(flows.as_array().unwrap().len(), 2);
    assert_eq!(flows[0]["local"], "127.0.0.1:30000");
    assert_eq!((flows[0]["packets"].as_u64(), flows[1]["packets"].as_u64()), (Some(7), Some(9)));
    let only = table::run(&pins.selection(Some(5), Some(What::Flows), Some("b")), true).unwrap();
    let only: serde_json::Value = serde_json::from_str(&only).unwrap();
    assert_eq!((only.as_array().unwrap().len(), only[0]["call_id"].as_str()), (1, Some("b")));
    let reasons = table::run(&pins.selection(Some(5), Some(What::Reasons), None), true).unwrap();
    assert_eq!(reasons, format!("{{\"Rtcp\":{}}}\n", 3 * cpus));
    assert!(matches!(table::run(&pins.selection(Some(6), None, None), true), Err(Failure::Refused(_))));
}

#[test]
fn maps_of_another_version_are_refused_with_a_hint() {
    let Some(pins) = Pins::new("version") else { return };
    let directory = pins.directory("1");
    Pins::array(&directory, pins::OWNER, &[1_u64]);
    let Err(Failure::Kernel(error)) = table::run(&pins.selection(None, None, None), false) else {
        panic!("accepted");
    };
    assert!(format!("{error:#}").contains("different versions"), "{error:#}");
}
