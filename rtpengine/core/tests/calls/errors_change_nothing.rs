//! Requests that cannot be carried out.

use rtpengine_core::{
    call::SystemLoad,
    config::CoreConfig,
    ng::{Command, Flag, Outcome},
};

use crate::pair::{Pair, audio, config, error};

#[test]
fn the_words_of_the_original() {
    let mut pair = Pair::new();
    let reply = |pair: &mut Pair, command, from: &str, to: &str, body: &str| {
        pair.send(&Pair::request(command, from, to, body, |_| {}))
    };
    let sdp = audio("192.0.2.1", 2000);
    assert_eq!(reply(&mut pair, Command::Ping, "", "", "").outcome, Outcome::Pong);
    for (command, from, to, body, expected) in [
        (Command::Offer, "ft", "", "", "No SDP body in message"),
        (Command::Offer, "", "", &*sdp, "No from-tag in message"),
        (Command::Answer, "a", "", &*sdp, "No to-tag in message"),
        (Command::Answer, "a", "b", &*sdp, "Unknown call-id"),
        (Command::Query, "", "", "", "Unknown call-id"),
        (Command::PlayMedia, "a", "", "", "Command 'play media' is not available in this release"),
    ] {
        assert_eq!(error(&reply(&mut pair, command, from, to, body)), expected);
    }
    let garbage = reply(&mut pair, Command::Offer, "ft", "", "garbage");
    assert!(error(&garbage).starts_with("Failed to parse SDP: "), "{garbage:?}");
    let no_call = Pair::request(Command::Offer, "ft", "", &sdp, |request| request.call_id = None);
    assert_eq!(error(&pair.send(&no_call)), "No call-id in message");
    let deleted = reply(&mut pair, Command::Delete, "x", "", "");
    assert_eq!(
        (deleted.outcome, deleted.warnings),
        (Outcome::Ok, vec!["Call-ID not found or tags didn't match".to_owned()])
    );
    let fatal = Pair::request(Command::Delete, "x", "", "", |request| request.flags.insert(Flag::Fatal));
    assert_eq!(error(&pair.send(&fatal)), "Call-ID not found or tags didn't match");
    pair.assert_empty();
}

#[test]
fn a_failed_reoffer_leaves_the_call_as_it_was() {
    let mut pair = Pair::new();
    let (caller, callee) = pair.call();
    let (relay, open) = (pair.plane.relay.clone(), pair.open_ports());
    pair.plane.broken = Some(rtpengine_core::io::OpenError::Resources("too many open files".to_owned()));
    let video = crate::pair::audio_with("192.0.2.77", 2000, "m=video 4000 RTP/AVP 96\r\n");
    let reply = pair.send(&Pair::request(Command::Offer, "ft", "tt", &video, |_| {}));
    assert!(
        error(&reply).contains("interface 'foo' (10.9.0.1)") && error(&reply).contains("too many open files")
    );
    assert_eq!((&pair.plane.relay, pair.open_ports()), (&relay, open));
    pair.plane.broken = None;
    assert_eq!(pair.offer("ft", "tt", &audio("192.0.2.1", 2000)).rtp, callee.rtp);
    assert_eq!(pair.answer("ft", "tt", &audio("192.0.2.2", 3000)).rtp, caller.rtp);
}

#[test]
fn tags_that_do_not_match_delete_nothing() {
    let mut pair = Pair::new();
    pair.call();
    for (from, to) in [("other", ""), ("ft", "other"), ("other", "ft"), ("a", "b")] {
        assert_eq!(pair.delete(from, to).warnings, ["Call-ID not found or tags didn't match"], "{from} {to}");
    }
    assert_eq!(pair.engine.calls().count(), 1);
    assert!(pair.delete("tt", "ft").warnings.is_empty(), "the callee hangs up");
    pair.assert_empty();
}

#[test]
fn an_offer_that_was_refused_is_deleted_with_the_tag_of_the_refusal() {
    let mut pair = Pair::new();
    pair.offer("ft", "", &audio("192.0.2.1", 2000));
    pair.delete("ft", "tag-of-the-486");
    pair.assert_empty();
}

#[test]
fn sessions_are_limited_and_load_limit_is_honoured() {
    let mut pair = Pair::with(CoreConfig { max_sessions: 1, ..config() });
    pair.call();
    let offer = |pair: &mut Pair, load_limit: bool| {
        pair.send(&Pair::request(Command::Offer, "ft", "", &audio("192.0.2.1", 2000), |request| {
            request.call_id = Some("second".to_owned());
            request.supports_load_limit = load_limit;
        }))
    };
    assert!(error(&offer(&mut pair, false)).contains("Maximum number of sessions (1) reached"));
    assert!(matches!(offer(&mut pair, true).outcome, Outcome::LoadLimit(_)));
    assert_eq!(
        pair.offer("ft", "tt", &audio("192.0.2.1", 2000)).text.matches("m=audio").count(),
        1,
        "re-offers pass"
    );
    pair.delete("ft", "");
    assert_eq!(offer(&mut pair, false).outcome, Outcome::Ok);
    assert_eq!(pair.engine.statistics_model(pair.now, &pair.plane).total.rejected_sessions, 2);
}

#[test]
fn overlong_names_are_refused() {
    let mut pair = Pair::new();
    let offer = Pair::request(Command::Offer, &"x".repeat(2000), "", &audio("192.0.2.1", 2000), |_| {});
    assert_eq!(error(&pair.send(&offer)), "from-tag of more than 1024 bytes in message");
    pair.assert_empty();
}

#[test]
fn a_busy_machine_takes_no_new_calls_and_keeps_those_it_has() {
    let sdp = audio("192.0.2.1", 2000);
    let limited = CoreConfig { max_load: 4.0, max_cpu: 90.0, ..config() };
    let mut pair = Pair::with(limited);
    let offer = |pair: &mut Pair, call: &str| {
        let request =
            Pair::request(Command::Offer, "ft", "", &sdp, |request| request.call_id = Some(call.to_owned()));
        pair.send(&request)
    };
    for (load, expected) in [
        (SystemLoad { average: 4.5, cpu: 10.0 }, "Load average is above 4.00"),
        (SystemLoad { average: 1.0, cpu: 91.0 }, "CPU usage is above 90.0 %"),
    ] {
        pair.engine.set_system_load(SystemLoad { average: 4.0, cpu: 90.0 });
        assert_eq!(offer(&mut pair, expected).outcome, Outcome::Ok);
        pair.engine.set_system_load(load);
        assert!(error(&offer(&mut pair, "new")).contains(expected));
        assert_eq!(offer(&mut pair, expected).outcome, Outcome::Ok);
    }
    let mut polite =
        Pair::request(Command::Offer, "ft", "", &sdp, |request| request.supports_load_limit = true);
    polite.call_id = Some("new".to_owned());
    assert!(matches!(pair.send(&polite).outcome, Outcome::LoadLimit(reason) if reason.contains("CPU")));
}
