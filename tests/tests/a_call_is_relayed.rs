//! Plain calls through the real daemon: in the kernel, in userspace, over both IP versions.

use rtpengine_tests::daemon::{Builder, Daemon, Table};
use rtpengine_tests::ng::NgClient;
use rtpengine_tests::require::{NAMESPACES, XDP, available};
use rtpengine_tests::talk::{Call, Place, left_to_right};
use rtpengine_tests::topology::{CALLEE, CALLEE_V6, CALLER, CALLER_V6, Trio};
use serde_json::json;

/// Enough for the switch to the kernel to happen in the middle.
const PACKETS: u64 = 1000;

struct Setup {
    ng: NgClient,
    daemon: Daemon,
    trio: Trio,
}

fn setup(table: Table) -> Setup {
    let trio = Trio::new().unwrap();
    let daemon =
        Builder::new().netns(&trio.engine).table(table).args(Trio::interface_options()).start().unwrap();
    let ng = daemon.ng_in(&trio.engine).unwrap();
    Setup { ng, daemon, trio }
}

fn call(setup: &mut Setup, caller: &str, callee: &str, family: Option<&str>) -> Call {
    let caller = Place::within(&setup.trio.caller, caller).unwrap();
    let callee = Place::within(&setup.trio.callee, callee).unwrap();
    let (mut offer, mut answer) = (left_to_right(), json!({}));
    if let Some(family) = family {
        offer["address family"] = json!(family);
        answer["address family"] = json!(if caller.address.is_ipv4() { "IP4" } else { "IP6" });
    }
    Call::place(&mut setup.ng, caller, callee, &offer, &answer).unwrap()
}

fn talk_and_hang_up(mut setup: Setup, mut call: Call) {
    call.talk(PACKETS).unwrap();
    let reply = call.hang_up(&mut setup.ng).unwrap();
    assert_eq!(reply["totals"]["RTP"]["packets"], json!(2 * PACKETS), "{reply}");
    assert_eq!(setup.ng.list().unwrap(), Vec::<String>::new());
    setup.daemon.stop().unwrap();
}

#[test]
fn in_userspace() {
    if !available(NAMESPACES) {
        return;
    }
    let mut setup = setup(Table::Off);
    let call = call(&mut setup, CALLER, CALLEE, None);
    talk_and_hang_up(setup, call);
}

#[test]
fn by_native_xdp() {
    if !available(XDP) {
        return;
    }
    let mut setup = setup(Table::Own);
    for device in ["left", "right"] {
        let attached = setup.trio.engine.xdp(device).unwrap();
        assert!(attached.is_some_and(|xdp| xdp.native), "{device}: {attached:?}\n{}", setup.daemon.log());
    }
    let call = call(&mut setup, CALLER, CALLEE, None);
    talk_and_hang_up(setup, call);
}

#[test]
fn over_ipv6() {
    if !available(XDP) {
        return;
    }
    let mut setup = setup(Table::Own);
    let call = call(&mut setup, CALLER_V6, CALLEE_V6, Some("IP6"));
    talk_and_hang_up(setup, call);
}

#[test]
fn from_ipv4_to_ipv6() {
    if !available(XDP) {
        return;
    }
    let mut setup = setup(Table::Own);
    let call = call(&mut setup, CALLER, CALLEE_V6, Some("IP6"));
    talk_and_hang_up(setup, call);
}

#[test]
fn on_loopback_without_namespaces() {
    if !available(&[rtpengine_tests::require::Need::Daemon]) {
        return;
    }
    let daemon = Builder::new().arg("--interface=127.0.0.1").start().unwrap();
    let mut ng = daemon.ng().unwrap();
    let here = Place::here("127.0.0.1").unwrap();
    let mut call = Call::place(&mut ng, here, here, &json!({}), &json!({})).unwrap();
    call.talk(PACKETS).unwrap();
    call.hang_up(&mut ng).unwrap();
    daemon.stop().unwrap();
}
