//! DTLS datagrams on media ports.

use std::net::SocketAddr;
use std::sync::{Arc, LazyLock};
use std::time::Instant;

use rtpengine::dtls::record::{Datagram, Malformed, Records, demultiplex};
use rtpengine::dtls::{Association, DtlsOptions, Engine, Event, Identity, Limits, PROFILES, Role};
use rtpengine_core::io::{DtlsRoute, StreamId};

/// Reading never panics and covers every byte; an engine takes anything without giving out keys or growing.
pub fn check(datagram: &[u8]) {
    records(datagram);
    for role in [Role::Passive, Role::Active] {
        for verified in [false, true] {
            engine(datagram, role, verified);
        }
    }
}

fn records(datagram: &[u8]) {
    let read: Result<Vec<_>, Malformed> = Records::new(datagram).collect();
    let Ok(kind) = demultiplex(datagram) else { return };
    let Ok(read) = read else { panic!("demultiplexed in spite of a bad record") };
    let covered: usize = read.iter().map(|record| 13 + record.fragment.len()).sum();
    assert_eq!(covered, datagram.len());
    if let Datagram::ClientHello(hello) = kind {
        let Some(first) = read.first() else { panic!("a hello without a record") };
        assert_eq!(first.epoch, 0);
        assert!(first.fragment.windows(32).any(|window| window == hello.random));
    }
}

fn engine(datagram: &[u8], role: Role, verified: bool) {
    static IDENTITY: LazyLock<Option<Arc<Identity>>> =
        LazyLock::new(|| Identity::generate(&DtlsOptions::default(), 1_700_000_000).ok().map(Arc::new));
    let Some(identity) = IDENTITY.as_ref() else { panic!("no certificate") };
    let now = Instant::now();
    let Ok(mut engine) = Engine::new(Limits::default(), now) else { panic!("no engine") };
    let stream = StreamId(1);
    let source = DtlsRoute { socket: stream, peer: SocketAddr::from(([192, 0, 2, 1], 4000)) };
    let association = Association {
        epoch: 1,
        role,
        identity: Arc::clone(identity),
        remote: (role == Role::Active).then_some(source),
        fingerprints: Vec::new(),
        profiles: PROFILES.to_vec(),
    };
    engine.open(now, stream, association);
    while engine.poll_transmit().is_some() {}
    for _ in 0..2 {
        engine.receive(now, stream, source, verified, datagram);
        let answer: usize =
            std::iter::from_fn(|| engine.poll_transmit()).map(|sent| sent.payload.len()).sum();
        if role == Role::Passive && !verified {
            assert!(answer <= datagram.len(), "an answer to a stranger must not amplify");
        }
    }
    while let Some((_, _, event)) = engine.poll_event() {
        assert!(!matches!(event, Event::KeysReady { .. }));
    }
    assert!(engine.counters().snapshot().half_open <= 1);
    engine.close(stream);
}
