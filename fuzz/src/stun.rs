//! Datagrams at the sockets of an ICE agent.

use std::net::SocketAddr;
use std::time::Instant;

use rtpengine_core::ice::{Agent, Credentials, IceClock, Output, Remote, Settings};
use rtpengine_core::io::Now;
use rtpengine_core::sdp::security::Candidate;

/// What the messages of the corpus that are authentic were made with.
const OURS: (&str, &str) = ("ours", "the-password-of-our-side-ab");
const THEIRS: (&str, &str) = ("them", "the-password-of-their-side");
/// Time between two looks at the clock, microseconds.
const STEP_US: u64 = 500_000;

/// Reading never panics. One datagram is answered once at most, to where it came from, and moves media nowhere: that takes
/// a check of ours and its response, or for a lite agent an authentic request that nominates (RFC 8445 §7.3.2).
pub fn check(datagram: &[u8]) {
    for lite in [false, true] {
        for signalled in [false, true] {
            agent(datagram, lite, signalled);
        }
    }
}

fn agent(datagram: &[u8], lite: bool, signalled: bool) {
    let credentials = Credentials::new(OURS.0, OURS.1).zip(Credentials::new(THEIRS.0, THEIRS.1));
    assert!(credentials.is_some(), "they are valid");
    let Some((ours, theirs)) = credentials else { return };
    let mut now = Now { mono_us: 1_000_000, unix_us: 1_700_000_000_000_000 };
    let settings = Settings {
        credentials: ours,
        lite,
        offerer: true,
        software: "".into(),
        tie_breaker: 7,
        clock: IceClock::new(Instant::now(), now),
    };
    let local = SocketAddr::from(([192, 0, 2, 1], 4000));
    let (peer, stranger) =
        (SocketAddr::from(([192, 0, 2, 2], 5000)), SocketAddr::from(([192, 0, 2, 66], 6000)));
    let mut agent = Agent::new(settings, &[1]);
    assert!(agent.add_local(1, local, local.ip()));
    if signalled {
        let candidate = Candidate::parse("1 1 UDP 2130706431 192.0.2.2 5000 typ host");
        let candidates: Vec<_> = candidate.into_iter().collect();
        let remote = Remote { credentials: theirs, lite: false, trickle: false, candidates: &candidates };
        agent.set_remote(now, &remote);
        while agent.poll().is_some() {}
    }
    let mut authentic = false;
    for source in [peer, stranger] {
        for _ in 0..2 {
            let accepted = agent.handle_datagram(now, local, source, datagram);
            authentic |= accepted;
            let mut answers = 0;
            while let Some(output) = agent.poll() {
                match output {
                    Output::Transmit { to, bytes, .. } => {
                        // A success or an error; checks of ours go to the peer too.
                        let response = bytes.first().is_some_and(|kind| kind & 1 != 0);
                        assert!(!response || to == source, "an answer goes elsewhere");
                        answers += u32::from(response);
                    }
                    Output::Selected { .. } => assert!(lite && authentic, "media moved by a datagram alone"),
                    Output::Failed { .. } => {}
                }
            }
            assert!(answers <= 1, "{answers} answers to one datagram, accepted: {accepted}");
        }
    }
    for _ in 0..4 {
        now.mono_us += STEP_US;
        agent.handle_timeout(now);
        while let Some(output) = agent.poll() {
            assert!(!matches!(output, Output::Selected { .. }) || lite && authentic);
        }
    }
}
