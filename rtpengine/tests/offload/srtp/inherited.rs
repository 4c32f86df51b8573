//! A daemon is gone and another one comes: the kernel goes on, with keys that nobody else has.

use rtpengine_common::srtp::Suite;
use rtpengine_core::io::{FlowSpec, Path};

use super::bridge::Bridge;
use crate::{
    relay_support::secure::keys,
    world::{ENGINE_A, FORWARD},
};

fn inherits(bridge: &Bridge) -> FlowSpec {
    let mut spec = bridge.spec();
    spec.inherits_keys = true;
    spec.crypto = None;
    spec.outputs[0].crypto = None;
    spec
}

/// A bridge whose streams have rolled over before the daemon was replaced, and the next sequence number.
fn replaced() -> Option<(Bridge, u16)> {
    let keys = (Some(keys(Suite::AesCm128HmacSha1_80, 1)), Some(keys(Suite::AeadAes128Gcm, 3)));
    let mut bridge = Bridge::new(keys)?;
    bridge.offload();
    bridge.assert_forwarded(65_500..=65_535);
    bridge.assert_forwarded(0..30);
    let mut bridge = bridge.restart();
    bridge.assert_forwarded(30..40);
    assert_eq!(bridge.manager.report.adopted.len(), 1);
    Some((bridge, 40))
}

#[test]
fn the_kernel_goes_on_with_the_keys_it_has() {
    let Some((mut bridge, next)) = replaced() else { return };
    let before = bridge.kernel_packets();
    bridge.manager.install(inherits(&bridge));
    bridge.manager.wait_for(FORWARD, Path::Kernel);
    bridge.manager.handle.drop_unclaimed();
    bridge.assert_forwarded(next..next + 20);
    assert_eq!(bridge.contexts().len(), 2);
    assert!(bridge.kernel_packets() >= before + 20);
    // Settings change, keys do not.
    let mut spec = inherits(&bridge);
    spec.outputs[0].tos = Some(184);
    bridge.manager.install(spec);
    bridge.manager.wait_until("the change", |_| bridge.flow().is_some_and(|flow| flow.tos == 184));
    bridge.assert_forwarded(next + 20..next + 40);
    bridge.shutdown();
}

#[test]
fn a_key_that_is_offered_again_goes_on_where_it_was() {
    let Some((mut bridge, next)) = replaced() else { return };
    bridge.manager.install(inherits(&bridge));
    bridge.manager.wait_for(FORWARD, Path::Kernel);
    let old = bridge.flow().unwrap();
    // Signalling has led to the same key of the caller, and to a new one towards the callee.
    bridge.keys.1 = Some(keys(Suite::AesCm256HmacSha1_80, 5));
    bridge.incoming = crate::relay_support::secure::Crypto::new(bridge.keys.1.as_deref());
    bridge.configure();
    bridge.manager.install(bridge.spec());
    bridge.manager.wait_until("the new key", |_| {
        bridge.flow().is_some_and(|flow| flow.transmit_context != old.transmit_context)
    });
    assert_eq!(bridge.flow().unwrap().receive_context, old.receive_context);
    bridge.assert_forwarded(next..next + 20);
    // The relay knows the rollover counter as well.
    bridge.withdraw();
    bridge.assert_forwarded(next + 20..next + 40);
    bridge.shutdown();
}

#[test]
fn a_replayed_packet_is_refused_by_whoever_comes_next() {
    let Some((mut bridge, next)) = replaced() else { return };
    let sealed = bridge.outgoing.protect(&crate::world::rtp(next));
    for _ in 0..2 {
        bridge.caller.send_to(&sealed, ENGINE_A).unwrap();
    }
    assert_eq!(bridge.receive(), crate::world::rtp(next));
    bridge.assert_forwarded([next + 1]);
    bridge.shutdown();
}
