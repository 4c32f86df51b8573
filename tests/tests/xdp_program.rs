//! The real XDP object in test runs of the kernel, on crafted frames.

use rtpengine_tests::xdp::{Rig, UdpFrame, action, flow, key, rtp, unavailable};

#[test]
fn a_plain_rtp_packet_is_forwarded() {
    if let Some(reason) = unavailable() {
        eprintln!("skipped: {reason}");
        return;
    }
    let mut rig = Rig::load(&[0]).unwrap();
    let local = "10.0.0.1:30000".parse().unwrap();
    let caller = "10.0.0.2:4000".parse().unwrap();
    let callee = "10.1.0.2:5000".parse().unwrap();
    let out = "10.0.0.1:30002".parse().unwrap();
    rig.install(0, key(local), flow(3, caller, out, callee)).unwrap();
    let run = rig.run(&UdpFrame::new(caller, local, rtp(0, 17, 0x1234_5678, 160)).bytes()).unwrap();
    assert_eq!(run.action, action::TX);
    let stats = rig.stats(0, 3).unwrap();
    assert_eq!((stats.packets(), stats.bytes()), (1, 172));
}
