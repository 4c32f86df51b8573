//! Where keys are, who can read them, and when they are gone.

use rtpengine_common::{
    abi::FlowInfo,
    pins,
    srtp::{Suite, abi::SrtpContext},
};
use rtpengine_core::io::{Component, FlowCommand, Path, Reason, RelayCommand, RelayStream, StreamId};

use super::bridge::{Bridge, map, mode};
use crate::{
    relay_support::{
        secure::{Crypto, keys},
        settings,
    },
    world::{CALLEE, ENGINE_B, FORWARD, SINK, rtp, wait_until},
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
    let rekey = |bridge: &mut Bridge, seed| {
        bridge.keys.0 = Some(keys(CM, seed));
        bridge.configure();
        bridge.manager.install(bridge.spec());
    };
    rekey(&mut bridge, 77);
    bridge.wait_for_contexts("the new context", |contexts| contexts.len() == 3);
    // The relay keeps what is known under the last keys but one by itself.
    rekey(&mut bridge, 78);
    bridge.wait_for_contexts("the end of the old context", |contexts| {
        contexts.len() == 3 && !contexts.contains(&before.receive_context)
    });
    let after = bridge.flow().unwrap();
    assert_ne!(after.receive_context, before.receive_context);
    assert_eq!(after.transmit_context, before.transmit_context);
    bridge.shutdown();
}

/// Encrypts with other keys from now on; what the callee is to decrypt with.
fn encrypt_with(bridge: &mut Bridge, seed: u8) -> Crypto {
    let before = bridge.flow().unwrap().transmit_context;
    bridge.keys.1 = Some(keys(GCM, seed));
    bridge.configure();
    bridge.manager.install(bridge.spec());
    wait_until("the flow has the new keys", || {
        bridge.flow().is_some_and(|flow| flow.transmit_context != before)
    });
    std::mem::replace(&mut bridge.incoming, Crypto::new(bridge.keys.1.as_deref()))
}

#[test]
fn keys_that_come_back_go_on_where_they_were() {
    let Some(mut bridge) = Bridge::new((None, Some(keys(GCM, 3)))) else { return };
    bridge.offload();
    let first = bridge.settle(65_000);
    bridge.assert_forwarded((first..=65_535).chain(0..10));
    let kernel = bridge.kernel_packets();
    let old = encrypt_with(&mut bridge, 5);
    bridge.assert_forwarded(10..20);
    encrypt_with(&mut bridge, 7);
    bridge.assert_forwarded(20..30);
    encrypt_with(&mut bridge, 3);
    // By a rollover counter of one, or the callee would not understand it, and by no index used before.
    bridge.incoming = old;
    bridge.assert_forwarded(30..100);
    assert!(bridge.kernel_packets() > kernel);
    let again = rtp(5);
    bridge.send(&again);
    bridge.assert_forwarded([100]);
    bridge.shutdown();
}

/// As when ICE chooses another of our addresses.
#[test]
fn another_socket_of_the_m_line_goes_on_where_the_first_was() {
    let Some(mut bridge) = Bridge::new((None, Some(keys(GCM, 3)))) else { return };
    bridge.offload();
    let first = bridge.settle(65_000);
    bridge.assert_forwarded((first..=65_535).chain(0..10));
    let context = bridge.flow().unwrap().transmit_context;
    let (stream, mut local) = (StreamId(9), ENGINE_B.parse::<std::net::SocketAddr>().unwrap());
    local.set_port(31_000);
    let port = rtpengine_core::io::OpenPort { stream, local, affinity: rtpengine_core::io::Affinity(1) };
    bridge.world.engine.run(|| bridge.relay.open(port).unwrap()).unwrap();
    let config = RelayStream {
        endpoint_settled: true,
        keyring: SINK,
        transmit_crypto: bridge.keys.1.clone(),
        ..settings(Component::Rtp, Some(CALLEE.parse().unwrap()), &[])
    };
    bridge.relay.command(RelayCommand::Configure { stream, config: Box::new(config) });
    let mut spec = bridge.spec();
    (spec.outputs[0].stream, spec.outputs[0].from) = (stream, local);
    bridge.manager.install(spec);
    bridge.engine_b = local;
    wait_until("the flow leaves by the other socket", || {
        bridge.flow().is_some_and(|flow| flow.src_port == 31_000_u16.to_be_bytes())
    });
    bridge.assert_forwarded(10..100);
    assert_eq!(bridge.flow().unwrap().transmit_context, context);
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
