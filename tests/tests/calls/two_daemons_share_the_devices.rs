//! Two daemons on one host, each with a kernel table of its own.

use rtpengine_tests::daemon::{Builder, Table};
use rtpengine_tests::engine::Engine;
use rtpengine_tests::flows;
use rtpengine_tests::require::{XDP, available};
use rtpengine_tests::talk::{Call, Place, left_to_right};
use rtpengine_tests::topology::{CALLEE, CALLER, Trio};
use serde_json::json;

const PACKETS: u64 = 300;

#[test]
fn the_kernel_forwards_for_both_and_goes_on_for_one_when_the_other_leaves() {
    if !available(XDP) {
        return;
    }
    let mut one = Engine::start(Table::Own, &["--port-min=30000", "--port-max=30999"]).unwrap();
    let two = Builder::new()
        .netns(&one.trio.engine)
        .table(Table::Own)
        .args(Trio::interface_options())
        .control_ports(3223)
        .media_ports(31_000, 31_999)
        .start()
        .unwrap();
    assert_ne!(one.daemon.table(), two.table());
    let attached = one.trio.engine.xdp("left").unwrap().unwrap();
    let mut ng = two.ng_in(&one.trio.engine).unwrap();
    let mut first = one.call(CALLER, CALLEE).unwrap();
    let caller = Place::within(&one.trio.caller, CALLER).unwrap();
    let callee = Place::within(&one.trio.callee, CALLEE).unwrap();
    let mut second = Call::place(&mut ng, caller, callee, &left_to_right(), &json!({})).unwrap();
    one.talk_in_kernel(&mut first, PACKETS).unwrap();
    flows::talk_in_kernel(two.table(), &mut second, PACKETS).unwrap();
    one.talk_in_kernel(&mut first, PACKETS).unwrap();
    // Neither has flows of the other's call.
    assert!(flows::of_call(one.daemon.table(), &second.id).unwrap().is_empty());
    assert!(flows::of_call(two.table(), &first.id).unwrap().is_empty());
    let packets = second.sent();
    let totals = second.hang_up(&mut ng).unwrap();
    assert_eq!(totals["totals"]["RTP"]["packets"], json!(packets));
    two.stop().unwrap();
    assert_eq!(one.trio.engine.xdp("left").unwrap(), Some(attached));
    one.talk_in_kernel(&mut first, PACKETS).unwrap();
    one.finish(first).unwrap();
}
