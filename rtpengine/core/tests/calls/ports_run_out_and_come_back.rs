//! Exhaustion is an error that says so, and is over when calls end.

use rtpengine_core::{
    config::CoreConfig,
    ng::{Command, Outcome, Reply},
};

use crate::pair::{Pair, audio, config, error};

fn offer(pair: &mut Pair, number: usize) -> Reply {
    pair.send(&Pair::request(Command::Offer, "ft", "", &audio("192.0.2.1", 2000), |request| {
        request.call_id = Some(format!("call{number}"));
    }))
}

#[test]
fn the_last_port_and_the_one_after_it() {
    let mut pair = Pair::with(CoreConfig { port_max: 40007, ..config() });
    assert_eq!(offer(&mut pair, 1).outcome, Outcome::Ok);
    assert_eq!(offer(&mut pair, 2).outcome, Outcome::Ok);
    let before = pair.open_ports();
    let refused = offer(&mut pair, 3);
    assert!(
        error(&refused).starts_with("no ports available on interface 'foo' (40000 - 40007)"),
        "{refused:?}"
    );
    assert_eq!(pair.open_ports(), before);
    assert_eq!(pair.engine.calls().count(), 2);
    pair.engine.terminate(pair.now, "call1", &mut pair.plane);
    pair.flush();
    assert_eq!(offer(&mut pair, 3).outcome, Outcome::Ok);
    assert_eq!(pair.engine.terminate_all(pair.now, &mut pair.plane), 2);
    pair.flush();
    pair.assert_empty();
}

#[test]
fn half_an_offer_is_rolled_back() {
    let mut pair = Pair::with(CoreConfig { port_max: 40001, ..config() });
    let refused = offer(&mut pair, 1);
    assert!(error(&refused).contains("no ports available"), "one pair is left, two are needed");
    pair.assert_empty();
}

#[test]
fn ports_held_by_others_are_passed_over() {
    let mut pair = Pair::with(CoreConfig { port_max: 40015, ..config() });
    for port in 40004..40012 {
        pair.plane.busy.insert(format!("10.9.0.1:{port}").parse().unwrap());
    }
    assert_eq!(offer(&mut pair, 1).outcome, Outcome::Ok);
    assert_eq!(offer(&mut pair, 2).outcome, Outcome::Ok);
    assert!(error(&offer(&mut pair, 3)).contains("no ports available"));
    pair.plane.busy.clear();
    assert_eq!(offer(&mut pair, 3).outcome, Outcome::Ok, "what others held was not lost");
}

#[test]
fn rtcp_above_rtp_in_use_moves_the_pair() {
    let mut pair = Pair::with(CoreConfig { port_max: 40005, ..config() });
    pair.plane.busy.insert("10.9.0.1:40003".parse().unwrap());
    assert_eq!(offer(&mut pair, 1).outcome, Outcome::Ok);
    let open: Vec<u16> = pair.open_ports().iter().map(|open| open.port()).collect();
    assert_eq!(open, [40000, 40001, 40004, 40005]);
}

#[test]
fn a_member_whose_ports_are_all_in_use_by_others_is_passed_over() {
    let mut pair = Pair::with(CoreConfig { port_max: 40007, ..config() });
    for port in 40000..40008 {
        pair.plane.busy.insert(format!("10.9.1.1:{port}").parse().unwrap());
    }
    for call in ["one", "two"] {
        let seen = pair.offer_with("ft", "", &audio("192.0.2.1", 2000), |request| {
            request.call_id = Some(call.to_owned());
            request.to_interface = Some("lb".to_owned());
        });
        assert_eq!(seen.rtp.ip().to_string(), "10.9.1.2");
    }
}
