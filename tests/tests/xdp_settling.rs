//! A flow new in the kernel hands packets up until the daemon has relayed them, in test runs of the real XDP object.
#![expect(clippy::unwrap_used, reason = "helpers of tests fail the test")]

use std::net::SocketAddr;

use rtpengine_common::abi::FlowStats;
use rtpengine_common::reason::Reason;
use rtpengine_common::settle;
use rtpengine_tests::xdp::{Rig, UdpFrame, action, flow, key, rtp, unavailable};

const SLOT: u32 = 3;
const SSRC: u32 = 0x1234_5678;
const TURN: u32 = 1 << 31 | 5;
/// `local`, `remote`, `from`, `to` over IPv4 and IPv6.
const ADDRESSES: [[&str; 4]; 2] = [
    ["10.0.0.1:30000", "10.0.0.2:4000", "10.0.0.1:30002", "10.1.0.2:5000"],
    ["[fd00::1]:30000", "[fd00::2]:4000", "[fd00::1]:30002", "[fd01::2]:5000"],
];

fn settling(rig: &mut Rig) -> FlowStats {
    rig.stats(SLOT).unwrap()
}

/// What the relay does when it has sent a packet on.
fn relayed(rig: &mut Rig, payload: &[u8]) {
    let stats = settling(rig);
    rig.set_stats(SLOT, FlowStats { relayed: settle::mark(payload).unwrap(), ..stats }).unwrap();
}

#[test]
fn packets_are_handed_up_until_the_newest_of_them_is_relayed() {
    if let Some(reason) = unavailable() {
        eprintln!("skipped: {reason}");
        return;
    }
    for addresses in ADDRESSES {
        let [local, remote, from, to] = addresses.map(|address| address.parse::<SocketAddr>().unwrap());
        let mut rig = Rig::load().unwrap();
        rig.install(key(local), flow(SLOT, remote, from, to)).unwrap();
        rig.set_stats(SLOT, FlowStats { settling: TURN, ..FlowStats::default() }).unwrap();
        let payload = |sequence| rtp(0, sequence, SSRC, 160);
        let run = |rig: &mut Rig, sequence| {
            let frame = UdpFrame::new(remote, local, payload(sequence)).bytes();
            let run = rig.run(&frame).unwrap();
            assert!(run.action != action::PASS || run.frame == frame, "handed up as it came");
            run.action
        };

        // The first packet, and the second while the relay has sent nothing on.
        assert_eq!([run(&mut rig, 1), run(&mut rig, 2)], [action::PASS; 2]);
        let stats = settling(&mut rig);
        assert_eq!((stats.punted, stats.packets(), stats.settling), (2, 0, TURN));
        assert_eq!(
            (stats.last_reason, stats.handed_up),
            (Reason::Settling as u32, settle::mark(&payload(2)).unwrap())
        );
        // The relay is a packet behind.
        relayed(&mut rig, &payload(1));
        assert_eq!(run(&mut rig, 3), action::PASS);
        // It has caught up: from here on the kernel forwards, whatever is relayed.
        relayed(&mut rig, &payload(3));
        assert_eq!([run(&mut rig, 4), run(&mut rig, 5)], [action::TX; 2]);
        let stats = settling(&mut rig);
        assert_eq!((stats.punted, stats.packets(), stats.settling), (3, 2, 0));
        assert_eq!(rig.reason(0, Reason::Settling).unwrap(), 3);
        assert_eq!(rig.reason(0, Reason::Forwarded).unwrap(), 2);
    }
}

#[test]
fn what_is_not_rtp_of_the_flow_does_not_settle_it() {
    if let Some(reason) = unavailable() {
        eprintln!("skipped: {reason}");
        return;
    }
    let [local, remote, from, to] = ADDRESSES[0].map(|address| address.parse::<SocketAddr>().unwrap());
    let mut rig = Rig::load().unwrap();
    rig.install(key(local), flow(SLOT, remote, from, to)).unwrap();
    rig.set_stats(SLOT, FlowStats { settling: TURN, ..FlowStats::default() }).unwrap();
    // A STUN binding request, and noise.
    let mut stun = vec![0, 1, 0, 0, 0x21, 0x12, 0xa4, 0x42];
    stun.extend([7; 12]);
    for payload in [stun, vec![0x40; 30]] {
        let frame = UdpFrame::new(remote, local, payload).bytes();
        assert_eq!(rig.run(&frame).unwrap().action, action::PASS);
        let stats = settling(&mut rig);
        assert_eq!((stats.settling, stats.handed_up), (TURN, 0));
    }
    assert_eq!(rig.reason(0, Reason::Settling).unwrap(), 0);
}
