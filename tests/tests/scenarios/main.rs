//! The scenarios of `tests/scenarios` with the real daemon: every reply line by line, then media over sockets.
#![expect(clippy::unwrap_used, reason = "helpers of tests fail the test")]

mod body;
mod media;
mod play;

use std::collections::BTreeSet;
use std::net::IpAddr;
use std::path::Path;
use std::sync::Mutex;
use std::sync::atomic::{AtomicUsize, Ordering};

use rtpengine_tests::daemon::Builder;
use rtpengine_tests::dtls::Certificate;
use rtpengine_tests::netns::Netns;
use rtpengine_tests::ng::NgClient;
use rtpengine_tests::require::{NAMESPACES, available};
use rtpengine_tests::scenario::{self, Scenario, Surroundings};

/// Scenarios played at a time, each with 4000 ports of its own below 30000.
const WORKERS: u16 = 6;
/// Ports between those of two workers.
const SHIFT: u16 = 4000;
/// At least so many scenarios there are, and at least in so many of them media is sent.
const SCENARIOS: usize = 600;
const WITH_MEDIA: usize = 580;
/// The interfaces of the core's tests: name, address, and the one that is written.
const INTERFACES: &[(&str, &str, &str)] = &[
    ("foo", "10.9.0.1", "10.9.0.1"),
    ("bar", "10.9.0.2", "10.9.8.7"),
    ("both", "10.9.0.3", "10.9.0.3"),
    ("both", "fd00::3", "fd00::3"),
    ("lb:1", "10.9.1.1", "10.9.1.1"),
    ("lb:2", "10.9.1.2", "10.9.1.2"),
];

/// Where a party's packets for this address go: behind a NAT stands the daemon's own.
fn reached(written: IpAddr) -> IpAddr {
    let own = INTERFACES.iter().find(|(_, _, shown)| shown.parse() == Ok(written));
    let fallback = if written.is_ipv4() { "10.9.0.1" } else { "fd00::3" };
    own.map_or(fallback, |(_, address, _)| address).parse().unwrap()
}

/// Addresses that parties have in their bodies.
fn addresses(scenarios: &[Scenario]) -> BTreeSet<IpAddr> {
    let steps = scenarios.iter().flat_map(|scenario| &scenario.steps);
    let lines = steps.clone().filter_map(|step| step.body.as_ref()).flatten();
    let written = lines.filter_map(|line| line.strip_prefix("c=IN IP")?.get(2..).map(str::to_owned));
    let signalled = steps.filter_map(play::received_from);
    let mirrored = ["192.0.2.2", "2001:db8::2"].map(str::to_owned);
    let all = written.chain(mirrored).filter_map(|text| text.parse::<IpAddr>().ok()).chain(signalled);
    all.filter(|address| !address.is_unspecified()).collect()
}

#[test]
fn every_scenario_goes_as_it_is_written() {
    if !available(NAMESPACES) {
        return;
    }
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("scenarios");
    let mut scenarios = scenario::load(&folder).unwrap();
    // For work on some of them: a part of a title or a file's name.
    let chosen = std::env::var("SCENARIO").ok();
    if let Some(part) = &chosen {
        scenarios.retain(|scenario| scenario.title.contains(part) || scenario.place.contains(part));
    }
    rtpengine_tests::netns::sweep();
    let netns = Netns::new("scenarios").unwrap();
    let own = INTERFACES.iter().map(|(_, address, _)| address.parse().unwrap());
    let mut commands = Vec::new();
    for address in own.chain(addresses(&scenarios)) {
        let (length, nodad) = if address.is_ipv4() { (32, "") } else { (128, " nodad") };
        commands.push(format!("addr replace {address}/{length} dev lo{nodad}"));
    }
    netns.ip(&commands).unwrap();
    let options =
        INTERFACES.iter().map(|(name, address, shown)| format!("--interface={name}/{address}!{shown}"));
    let daemon = Builder::new().netns(&netns).log_level(6).args(options).start().unwrap();
    let certificates: Vec<Certificate> = (0..4).map(|_| Certificate::new().unwrap()).collect();

    let (next, with_media) = (AtomicUsize::new(0), AtomicUsize::new(0));
    let wrong: Mutex<Vec<(usize, String)>> = Mutex::default();
    let work = |worker: u16| {
        let fingerprints =
            certificates.iter().map(|own| own.line().unwrap()["a=fingerprint:".len()..].to_owned());
        let surroundings = Surroundings { shift: worker * SHIFT, fingerprints: fingerprints.collect() };
        let mut ng = NgClient::udp(daemon.ng_address()).unwrap();
        while let Some((index, scenario)) = {
            let index = next.fetch_add(1, Ordering::Relaxed);
            scenarios.get(index).map(|scenario| (index, scenario))
        } {
            match play::play(&mut ng, scenario, index, &surroundings, &certificates) {
                Ok(flows) => _ = with_media.fetch_add(usize::from(flows > 0), Ordering::Relaxed),
                Err(error) => {
                    let text = format!("{}: {}: {error:#}", scenario.place, scenario.title);
                    wrong.lock().unwrap().push((index, text));
                }
            }
        }
    };
    std::thread::scope(|scope| {
        for worker in 0..WORKERS {
            let (netns, work) = (&netns, &work);
            scope.spawn(move || netns.run(|| work(worker)).unwrap());
        }
    });
    let calls = daemon.ng_in(&netns).unwrap().list().unwrap();
    let mut wrong = wrong.into_inner().unwrap();
    wrong.sort();
    let wrong: Vec<String> = wrong.into_iter().map(|(_, text)| text).collect();
    let with_media = with_media.into_inner();
    println!("{} scenarios, {with_media} with media", scenarios.len());
    if wrong.is_empty() {
        assert_eq!(calls, Vec::<String>::new(), "calls are left");
        if chosen.is_some() {
            return daemon.stop().unwrap();
        }
        assert!(scenarios.len() >= SCENARIOS, "only {} scenarios", scenarios.len());
        assert!(with_media >= WITH_MEDIA, "media in {with_media} scenarios only");
        return daemon.stop().unwrap();
    }
    if chosen.is_some() {
        println!("{}", daemon.log());
    }
    drop(daemon);
    assert!(wrong.is_empty(), "{} of {} scenarios:\n{}", wrong.len(), scenarios.len(), wrong.join("\n"));
}
