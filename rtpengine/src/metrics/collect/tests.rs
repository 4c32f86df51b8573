use std::collections::BTreeMap;

use rtpengine_core::ng::statistics::ProxyStatistics;

use super::*;
use crate::metrics::text;
use crate::xdp::{AttachMode, DeviceStatus};

/// Names, kinds and label names of the original, as recorded from a running one.
const RECORDED: &str = include_str!("recorded.txt");

fn source() -> Source {
    let interface = InterfaceStatistics {
        name: "foo".to_owned(),
        address: [127, 0, 0, 1].into(),
        port_min: 40_000,
        port_max: 40_100,
        ports_used: 2,
        packets_lost: 0,
        duplicates: 0,
        ingress: Default::default(),
        egress: Default::default(),
        voip: Default::default(),
    };
    Source {
        statistics: Statistics {
            control: vec![ProxyStatistics::new([127, 0, 0, 1].into())],
            interfaces: vec![interface],
            ..Statistics::default()
        },
        kernel: Status {
            table: Some(3),
            devices: vec![DeviceStatus {
                ifindex: 2,
                name: "eth0".into(),
                mode: AttachMode::Native,
                reason: String::new(),
            }],
            ..Status::default()
        },
        ..Source::default()
    }
}

#[test]
fn every_recorded_metric_is_there_with_its_kind_and_labels() {
    let ours: BTreeMap<_, _> = collect(&source())
        .into_iter()
        .map(|family| (family.name.clone(), (family.kind.name(), family.labels)))
        .collect();
    for line in RECORDED.lines() {
        let mut words = line.split(' ');
        let (name, kind) = (words.next().unwrap(), words.next().unwrap());
        let labels: Vec<_> = words.collect();
        let (our_kind, our_labels) = ours.get(name).unwrap_or_else(|| panic!("{name} is missing"));
        assert_eq!((*our_kind, our_labels.to_vec()), (kind, labels), "{name}");
    }
}

#[test]
fn every_sample_has_a_value_for_each_label_and_every_name_is_there_once() {
    let families = collect(&source());
    let mut names = std::collections::BTreeSet::new();
    for family in &families {
        assert!(names.insert(&family.name), "{} twice", family.name);
        for (values, _) in &family.samples {
            assert_eq!(values.len(), family.labels.len(), "{}", family.name);
        }
    }
    let text = text(families.clone()).unwrap();
    assert!(text.contains("rtpengine_ports_free{name=\"foo\",address=\"127.0.0.1\"} 99\n"), "{text}");
    assert!(text.contains("rtpengine_kernel_device_info{device=\"eth0\",mode=\"native\"} 1\n"), "{text}");
    assert!(text.contains("rtpengine_requests_total{proxy=\"127.0.0.1\",request=\"offer\"} 0\n"), "{text}");
}
