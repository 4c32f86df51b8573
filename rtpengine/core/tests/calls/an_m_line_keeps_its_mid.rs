//! `a=mid`: a party that has it reads it again, whoever is at the other end.

use rtpengine_core::ng::Flag;

use crate::pair::{Pair, Seen, audio, audio_with};

fn mids(seen: &Seen) -> Vec<&str> {
    seen.text.lines().filter_map(|line| line.strip_prefix("a=mid:")).collect()
}

#[test]
fn in_answers_and_reoffers_of_a_party_that_has_none() {
    let mut pair = Pair::new();
    let callee = pair.offer("ft", "", &audio_with("192.0.2.1", 2000, "a=mid:audio\r\n"));
    assert_eq!(mids(&callee), ["audio"]);
    let caller = pair.answer("ft", "tt", &audio("192.0.2.2", 3000));
    assert_eq!(mids(&caller), ["audio"]);
    let again = pair.offer("tt", "ft", &audio("192.0.2.2", 3000));
    assert_eq!(mids(&again), ["audio"]);
}

#[test]
fn and_the_answerers_own_stays() {
    let mut pair = Pair::new();
    pair.offer("ft", "", &audio_with("192.0.2.1", 2000, "a=mid:0\r\n"));
    let caller = pair.answer("ft", "tt", &audio_with("192.0.2.2", 3000, "a=mid:0\r\n"));
    assert_eq!(mids(&caller), ["0"]);
}

#[test]
fn and_is_generated_on_request() {
    let generate = |request: &mut rtpengine_core::ng::Request| {
        request.flags.insert(Flag::GenerateMid);
    };
    let mut pair = Pair::new();
    let video = "m=video 2002 RTP/AVP 96\r\na=mid:0\r\n";
    let callee = pair.offer_with("ft", "", &audio_with("192.0.2.1", 2000, video), generate);
    assert_eq!(mids(&callee), ["0x", "0"], "each is unique");
    let mut pair = Pair::new();
    let callee = pair.offer("ft", "", &audio("192.0.2.1", 2000));
    assert!(mids(&callee).is_empty(), "not unasked");
}
