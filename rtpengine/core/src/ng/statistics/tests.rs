use super::*;
use crate::ng::Dict;
use crate::ng::{Encoding, Reply, message};

/// The state in which the samples were recorded from the original: one call, 50 packets each way.
fn sample(duration_of_statistics: Option<f64>) -> Statistics {
    let sampled = |value: f64, samples: u64| Sampled {
        sum: value * samples as f64,
        sum_of_squares: value * value * samples as f64,
        samples,
    };
    let traffic = Traffic { packets: 50, bytes: 8600, errors: 0 };
    let interface = |name: &str, address: &str| InterfaceStatistics {
        name: name.to_owned(),
        address: address.parse().unwrap(),
        port_min: 40000,
        port_max: 40100,
        ports_used: 2,
        packets_lost: 0,
        duplicates: 0,
        voip: VoipMetrics { jitter_measured: sampled(4.0, 1), ..VoipMetrics::default() },
        ingress: traffic,
        egress: traffic,
    };
    let mut proxy = ProxyStatistics::new("127.0.0.1".parse().unwrap());
    for (command, duration) in [
        (Command::Ping, Some(0.000_001)),
        (Command::Offer, Some(0.000_735)),
        (Command::Answer, Some(0.000_381)),
        (Command::Query, Some(0.000_103)),
        (Command::List, Some(0.000_009)),
        (Command::Statistics, duration_of_statistics),
    ] {
        if let Some(duration) = duration {
            proxy.commands[command.index()] = CommandStatistics { count: 1, duration };
        }
    }
    Statistics {
        current: Current {
            sessions_own: 1,
            sessions_ipv4: 1,
            rate_user: Traffic { packets: 47, bytes: 8255, errors: 0 },
            media_userspace: 2,
            ..Current::default()
        },
        total: Total { uptime: 2, relayed_user: traffic + traffic, ..Total::default() },
        voip: VoipMetrics { jitter_measured: sampled(4.0, 2), ..VoipMetrics::default() },
        control: vec![proxy],
        interfaces: vec![interface("foo", "127.0.0.1"), interface("bar", "127.0.0.2")],
        ..Statistics::default()
    }
}

#[test]
fn the_ng_reply_has_the_bytes_of_the_original() {
    let reply = Reply::ok_with(Dict::new().with("statistics", sample(None).to_dict()));
    let wire = message::encode_reply(b"c", Encoding::Json, reply);
    assert_eq!(String::from_utf8(wire).unwrap(), format!("c {}", include_str!("sample_ng.json").trim_end()));
}

#[test]
fn jsonstats_has_the_bytes_of_the_original() {
    assert_eq!(sample(Some(0.000_493)).to_json(), include_str!("sample_cli.json").trim_end());
}

#[test]
fn no_samples_make_no_division_by_zero() {
    assert_eq!((Sampled::default().average(), Sampled::default().deviation()), (0.0, 0.0));
    let mut sampled = Sampled::default();
    for value in [2.0, 4.0, 4.0, 4.0, 5.0, 5.0, 7.0, 9.0] {
        sampled.add(value);
    }
    assert_eq!((sampled.average(), sampled.deviation()), (5.0, 2.0));
}
