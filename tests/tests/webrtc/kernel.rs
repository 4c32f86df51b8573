//! The kernel's part in a call.

use rtpengine_tests::engine::Engine;
use rtpengine_tests::flows;

/// Packets that the kernel has forwarded of what the parties `a` and `b` send, by whichever of its ways.
pub fn forwarded(engine: &Engine) -> [u64; 2] {
    let flows = flows::of_call(engine.daemon.table(), "c").unwrap();
    let of = |tag| {
        flows.iter().filter(move |flow| flow.tag == tag && flow.path == "kernel").map(|flow| flow.packets)
    };
    ["a", "b"].map(|tag| of(tag).sum())
}

/// Every packet is decrypted and encrypted on its way: both legs have keys of their own.
pub fn has_keys_on_both_legs(engine: &Engine) {
    let flows = flows::of_call(engine.daemon.table(), "c").unwrap();
    assert!(!flows.is_empty());
    assert!(flows.iter().all(|flow| flow.decrypt.is_some() && flow.encrypt.is_some()), "{flows:?}");
}

/// The parties talk, as `talk` has them, until the kernel forwards both directions.
pub fn takes_over(engine: &Engine, mut talk: impl FnMut()) {
    let start = forwarded(engine);
    flows::wait_until("the kernel forwards both directions", || {
        talk();
        Ok(forwarded(engine).iter().zip(start).all(|(now, start)| *now > start))
    })
    .unwrap();
}
