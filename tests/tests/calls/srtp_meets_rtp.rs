//! A caller with SRTP, keyed by SDES, and a callee without: each hears the other, and nobody hears a forger. Without the
//! kernel.

use std::time::Duration;

use rtpengine_common::srtp::Suite;
use rtpengine_tests::daemon::Table;
use rtpengine_tests::engine::Engine;
use rtpengine_tests::flows;
use rtpengine_tests::require::{NAMESPACES, available};
use rtpengine_tests::srtp::{Key, SecureCall};
use rtpengine_tests::topology::{CALLEE, CALLER};
use serde_json::json;

const PACKETS: u64 = 100;

#[test]
fn in_both_directions() {
    if !available(NAMESPACES) {
        return;
    }
    let mut engine = Engine::start(Table::Off, &[]).unwrap();
    let key = Key::new(Suite::AesCm128HmacSha1_80, 1);
    let mut call = SecureCall::place(&mut engine, (CALLER, CALLEE), Some(key), None).unwrap();
    for index in 0..PACKETS {
        let (plain, sealed) = call.caller.seal().unwrap();
        let mut forged = sealed.clone();
        forged[40] ^= 1;
        for packet in [&forged, &sealed, &sealed] {
            call.caller.endpoint.send_raw(packet).unwrap();
        }
        assert_eq!(call.callee.hear().unwrap(), plain, "packet {index} at the callee");

        let (plain, sealed) = call.callee.seal().unwrap();
        assert_eq!(sealed, plain);
        call.callee.endpoint.send_raw(&sealed).unwrap();
        assert_eq!(call.caller.hear().unwrap(), plain, "packet {index} at the caller");
    }
    flows::wait_until("forged and repeated packets are counted", || {
        let query = engine.ng.query(&call.id)?;
        Ok(query["totals"]["RTP"]["errors"] == json!(2 * PACKETS))
    })
    .unwrap();
    assert_eq!(call.callee.endpoint.receive_raw(Duration::ZERO).unwrap(), None);
    let totals = call.hang_up(&mut engine.ng).unwrap();
    assert_eq!(totals["totals"]["RTP"]["packets"], json!(2 * PACKETS), "{totals}");
    engine.daemon.stop().unwrap();
}
