//! One stream on several CPUs at once, and in userspace at the same time.

use std::collections::HashSet;
use std::sync::Mutex;
use std::thread;

use rtpengine_common::abi::FlowValue;
use rtpengine_common::reason::Reason;
use rtpengine_common::srtp::Suite;
use rtpengine_tests::xdp::{UdpFrame, action, key, rtp};

use super::srtp::{TRANSMIT, Userspace, install};
use super::{LOCAL, SLOT, SSRC, at, frame, rig, usual};

const THREADS: usize = 4;
const PACKETS: u16 = 600;

/// Every thread sends every packet; each passes once, whoever is first.
#[test]
fn of_the_same_packet_on_several_cpus_one_passes() {
    let Some(mut rig) = rig() else { return };
    for suite in [Suite::AesCm128HmacSha1_80, Suite::AeadAes128Gcm] {
        let (mut receive, mut transmit) = (Userspace::usual(suite, 1), Userspace::usual(suite, 2));
        let (receive_context, transmit_context) = install(&mut rig, Some(&receive), Some(&transmit));
        let value = FlowValue { receive_context, transmit_context, ..usual(0, 0) };
        rig.install(key(at(LOCAL[0])), value).unwrap();
        let plain: Vec<_> = (0..PACKETS).map(|at| rtp(0, 65_300_u16.wrapping_add(at), SSRC, 40)).collect();
        let frames: Vec<_> = plain
            .iter()
            .map(|packet| UdpFrame { payload: receive.protect(packet), ..frame(0) }.bytes())
            .collect();
        let expected: Vec<_> = plain.iter().map(|packet| transmit.protect(packet)).collect();

        let (passed, dropped) = (Mutex::new(Vec::new()), Mutex::new(0));
        let runner = rig.runner().unwrap();
        thread::scope(|scope| {
            for _ in 0..THREADS {
                let (runner, frames, passed, dropped) = (&runner, &frames, &passed, &dropped);
                scope.spawn(move || {
                    for frame in frames {
                        let run = runner.run(frame).unwrap();
                        if run.action == action::TX {
                            passed.lock().unwrap().push(run.frame[42..].to_vec());
                        } else {
                            assert_eq!(run.action, action::DROP);
                            *dropped.lock().unwrap() += 1;
                        }
                    }
                });
            }
        });
        let passed = passed.into_inner().unwrap();
        assert_eq!(passed.iter().collect::<HashSet<_>>(), expected.iter().collect::<HashSet<_>>());
        assert_eq!(passed.len(), expected.len(), "{suite:?}");
        let repeated = (THREADS - 1) * usize::from(PACKETS);
        assert_eq!(dropped.into_inner().unwrap(), repeated);
        assert_eq!(rig.reason(0, Reason::SrtpReplay).unwrap() as usize % repeated, 0);
        assert_eq!(rig.streams(TRANSMIT).unwrap().streams[0].state.next, transmit.state.next);
        assert_eq!(rig.stats(SLOT).unwrap().packets(), u64::from(PACKETS));
        rig.set_stats(SLOT, Default::default()).unwrap();
    }
}
