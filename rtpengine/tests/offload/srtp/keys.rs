//! Where keys are, who can read them, and when they are gone.

use rtpengine_common::{
    abi::FlowInfo,
    pins,
    srtp::{Suite, abi::SrtpContext},
};
use rtpengine_core::io::{FlowCommand, Path, Reason, RelayCommand, StreamId};

use super::bridge::{Bridge, map, mode};
use crate::{
    relay_support::secure::keys,
    world::{FORWARD, SINK},
};

const CM: Suite = Suite::AesCm128HmacSha1_80;
const GCM: Suite = Suite::AeadAes256Gcm;

#[test]
fn keys_are_for_the_daemons_user_alone() {
    let Some(bridge) = Bridge::new((Some(keys(CM, 1)), Some(keys(GCM, 3)))) else { return };
    bridge.offload();
    assert_eq!(mode(bridge.folder()), 0o700);
    for name in [pins::SRTP_CONTEXTS, pins::SRTP_HASH_KEYS, pins::SRTP_STREAMS] {
        assert_eq!(mode(bridge.folder().join(name)), 0o600, "{name}");
    }
    assert_eq!(mode(bridge.net().join(pins::FLOWS)), 0o660, "as before, for rtpengine-ctl");
    bridge.shutdown();
}

#[test]
fn keys_are_wiped_once_nobody_uses_them() {
    let Some(bridge) = Bridge::new((Some(keys(CM, 1)), Some(keys(GCM, 3)))) else { return };
    bridge.offload();
    let flow = bridge.flow().unwrap();
    assert_eq!(bridge.contexts(), sorted([flow.receive_context, flow.transmit_context]));
    let info: FlowInfo = map(bridge.world.root.0.join("1").join(pins::INFO))
        .get(&rtpengine::xdp::flow::key(bridge.spec().local))
        .unwrap()
        .unwrap();
    assert_eq!([info.receive_suite(), info.transmit_suite()], [Some(CM), Some(GCM)]);
    // Out of the kernel and back: the same contexts, whose streams go on.
    bridge.withdraw();
    bridge.offload();
    let again = bridge.flow().unwrap();
    assert_eq!(
        (again.receive_context, again.transmit_context),
        (flow.receive_context, flow.transmit_context)
    );
    // With the sockets everything goes.
    bridge.manager.handle.command(FlowCommand::Remove { stream: FORWARD });
    for stream in [FORWARD, SINK] {
        bridge.relay.command(RelayCommand::Close { stream });
    }
    bridge.relay.flush();
    bridge.wait_for_contexts("the end of the contexts", <[u32]>::is_empty);
    let hash_keys: Vec<u32> =
        map::<u32, rtpengine_common::srtp::ghash::HashKey>(bridge.folder().join(pins::SRTP_HASH_KEYS))
            .keys()
            .unwrap();
    assert!(hash_keys.is_empty());
    bridge.shutdown();
}

#[test]
fn a_new_key_is_a_new_context_and_leaves_the_other_direction_alone() {
    let Some(mut bridge) = Bridge::new((Some(keys(CM, 1)), Some(keys(GCM, 3)))) else { return };
    bridge.offload();
    let before = bridge.flow().unwrap();
    bridge.keys.0 = Some(keys(CM, 77));
    bridge.configure();
    bridge.manager.install(bridge.spec());
    bridge.wait_for_contexts("the end of the old context", |contexts| {
        contexts.len() == 2 && !contexts.contains(&before.receive_context)
    });
    let after = bridge.flow().unwrap();
    assert_ne!(after.receive_context, before.receive_context);
    assert_eq!(after.transmit_context, before.transmit_context);
    bridge.shutdown();
}

#[test]
fn flows_to_one_party_encrypt_by_one_context() {
    let Some(bridge) = Bridge::new((None, Some(keys(GCM, 3)))) else { return };
    bridge.offload();
    let mut fork = bridge.spec();
    fork.stream = StreamId(9);
    fork.local.set_port(31_000);
    let port = rtpengine_core::io::OpenPort {
        stream: fork.stream,
        local: fork.local,
        affinity: rtpengine_core::io::Affinity(1),
    };
    bridge.world.engine.run(|| bridge.relay.open(port).unwrap()).unwrap();
    bridge.manager.install(fork);
    bridge.manager.wait_for(StreamId(9), Path::Kernel);
    assert_eq!(bridge.contexts(), [bridge.flow().unwrap().transmit_context]);
    // What is left of them still needs it.
    bridge.manager.handle.command(FlowCommand::Remove { stream: FORWARD });
    bridge.manager.wait_until("the removal", |handle| handle.status().kernel_flows == 1);
    assert_eq!(bridge.contexts().len(), 1);
    bridge.shutdown();
}

#[test]
fn a_flow_waits_until_the_relay_has_its_keys() {
    let Some(mut bridge) = Bridge::new((Some(keys(CM, 1)), None)) else { return };
    bridge.keys.0 = Some(keys(CM, 2));
    bridge.manager.install(bridge.spec());
    bridge.manager.wait_for(FORWARD, Path::Userspace(Reason::NotEstablished));
    assert_eq!(bridge.flow(), None);
    bridge.configure();
    bridge.manager.wait_for(FORWARD, Path::Kernel);
    bridge.shutdown();
}

#[test]
fn what_the_program_cannot_do_is_refused() {
    let Some(bridge) = Bridge::new((Some(keys(Suite::F8_128HmacSha1_80, 1)), None)) else { return };
    bridge.manager.install(bridge.spec());
    bridge.manager.wait_for(FORWARD, Path::Userspace(Reason::Srtp));
    let mut inherits = bridge.spec();
    (inherits.crypto, inherits.inherits_keys) = (None, true);
    bridge.manager.install(inherits);
    bridge.manager.wait_for(FORWARD, Path::Userspace(Reason::NoKeys));
    assert!(bridge.contexts().is_empty() && bridge.flow().is_none());
    bridge.shutdown();
}

#[test]
fn contexts_that_a_crash_left_without_a_flow_are_wiped() {
    let Some(bridge) = Bridge::new((Some(keys(CM, 1)), None)) else { return };
    bridge.offload();
    let kept = bridge.contexts();
    let contexts = map::<u32, SrtpContext>(bridge.folder().join(pins::SRTP_CONTEXTS));
    let left = contexts.get(&kept[0]).unwrap().unwrap();
    contexts.put(&(kept[0] + 5), &left).unwrap();
    let bridge = bridge.restart();
    assert_eq!(bridge.contexts(), kept);
    bridge.manager.handle.drop_unclaimed();
    bridge.wait_for_contexts("the end of a context that nobody claimed", <[u32]>::is_empty);
    bridge.shutdown();
}

fn sorted(mut numbers: [u32; 2]) -> [u32; 2] {
    numbers.sort_unstable();
    numbers
}
