//! `replace`: origin, session connection, names and versions.

use rtpengine_core::ng::Replace;

use crate::pair::{Pair, audio};

fn line(text: &str, letter: char) -> String {
    text.lines().find(|line| line.starts_with(&format!("{letter}="))).unwrap().to_owned()
}

#[test]
fn the_origin_address_is_ours_only_on_request() {
    let mut pair = Pair::new();
    assert_eq!(line(&pair.offer("ft", "", &audio("192.0.2.1", 2000)).text, 'o'), "o=- 1 1 IN IP4 192.0.2.1");
    let replaced = pair
        .offer_with("ft", "", &audio("192.0.2.1", 2000), |request| request.replace.insert(Replace::Origin));
    assert_eq!(line(&replaced.text, 'o'), "o=- 1 1 IN IP4 10.9.0.1");
}

#[test]
fn the_session_connection_is_replaced_even_where_no_media_uses_it() {
    let body = "v=0\r\no=- 1 1 IN IP4 192.0.2.1\r\ns=x\r\nc=IN IP4 192.0.2.1\r\nt=0 0\r\nm=audio 2000 RTP/AVP 0\r\nc=IN IP4 192.0.2.1\r\n";
    let mut pair = Pair::new();
    let kept = pair.offer("ft", "", body);
    assert_eq!(line(&kept.text, 'c'), "c=IN IP4 192.0.2.1");
    let replaced =
        pair.offer_with("ft", "", body, |request| request.replace.insert(Replace::SessionConnection));
    assert_eq!(replaced.text.matches("c=IN IP4 10.9.0.1").count(), 2, "{}", replaced.text);
}

#[test]
fn user_and_session_names_stay_what_the_peer_saw_first() {
    let mut pair = Pair::new();
    let with = |pair: &mut Pair, user: &str, name: &str| {
        let body = audio("192.0.2.1", 2000)
            .replace("o=- ", &format!("o={user} "))
            .replace("s=x", &format!("s={name}"));
        pair.offer_with("ft", "", &body, |request| {
            request.replace.insert(Replace::Username);
            request.replace.insert(Replace::SessionName);
        })
    };
    with(&mut pair, "alice", "first");
    let second = with(&mut pair, "bob", "second");
    assert!(line(&second.text, 'o').starts_with("o=alice ") && line(&second.text, 's') == "s=first");
}

#[test]
fn the_version_grows_with_changes_only_unless_forced() {
    let mut pair = Pair::new();
    let version = |pair: &mut Pair, port: u16, flag: Replace| {
        let codec = if port == 2000 { "" } else { "a=ptime:30\r\n" };
        let seen = pair.offer_with("ft", "", &crate::pair::audio_with("192.0.2.1", port, codec), |request| {
            request.replace.insert(flag)
        });
        line(&seen.text, 'o').split(' ').nth(2).unwrap().parse::<u64>().unwrap()
    };
    assert_eq!(version(&mut pair, 2000, Replace::SdpVersion), 1);
    assert_eq!(version(&mut pair, 2000, Replace::SdpVersion), 1);
    assert_eq!(version(&mut pair, 2002, Replace::SdpVersion), 2);
    assert_eq!(version(&mut pair, 2002, Replace::ForceIncrementSdpVersion), 3);
}
