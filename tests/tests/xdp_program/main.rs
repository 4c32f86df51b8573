//! The real XDP object in test runs of the kernel, on crafted frames.
#![expect(clippy::unwrap_used, reason = "helpers of tests fail the test")]

mod plain;
mod restraint;
mod srtp;
mod srtp_contention;
mod srtp_refuses;
mod srtp_translates;

use std::net::SocketAddr;

use rtpengine_common::abi::FlowValue;
use rtpengine_common::reason::Reason;
use rtpengine_tests::xdp::{Rig, UdpFrame, flow, rtp, unavailable};

const SLOT: u32 = 3;
const SSRC: u32 = 0x1234_5678;
const LOCAL: [&str; 2] = ["10.0.0.1:30000", "[fd00::1]:30000"];
const CALLER: [&str; 2] = ["10.0.0.2:4000", "[fd00::2]:4000"];
const OUT: [&str; 2] = ["10.0.0.1:30002", "[fd00::1]:30002"];
const CALLEE: [&str; 2] = ["10.1.0.2:5000", "[fd01::2]:5000"];

fn at(text: &str) -> SocketAddr {
    text.parse().unwrap()
}

/// A rig, unless this machine has none to offer.
fn rig() -> Option<Rig> {
    match unavailable() {
        Some(reason) => {
            eprintln!("skipped: {reason}");
            None
        }
        None => Some(Rig::load().unwrap()),
    }
}

/// The usual flow from `family` in to `family` out (0: IPv4, 1: IPv6).
fn usual(input: usize, output: usize) -> FlowValue {
    flow(SLOT, at(CALLER[input]), at(OUT[output]), at(CALLEE[output]))
}

fn frame(family: usize) -> UdpFrame {
    UdpFrame::new(at(CALLER[family]), at(LOCAL[family]), rtp(0, 17, SSRC, 160))
}

/// Runs `bytes` and expects `verdict` for `reason`, counted in `row`, with the frame as it came.
fn expect(rig: &mut Rig, name: &str, bytes: &[u8], verdict: u32, row: u32, reason: Reason) {
    let before = rig.reason(row, reason).unwrap();
    let run = rig.run(bytes).unwrap();
    assert_eq!(run.action, verdict, "{name}; counted: {:?}", rig.reasons().unwrap());
    assert_eq!(run.frame, bytes, "{name}");
    assert_eq!(rig.reason(row, reason).unwrap(), before + 1, "{name}: {:?}", rig.reasons().unwrap());
}
