//! `o=` and `s=`: the version rises when and only when the body is not the one sent last; names stay what they were.

use super::{answer, offer, shown};
use crate::pair::Pair;

const VERSION: &str = r#""replace":["SDP version"]"#;
const FORCE: &str = r#""replace":["force-increment-sdp-ver"]"#;

#[test]
fn each_party_has_a_count_of_its_own() {
    let mut pair = Pair::new();
    let whole = |version: u32, port: u16| {
        format!(
            "v=0 / o=- 7 {version} IN IP4 192.0.2.1 / s=x / c=IN IP4 192.0.2.1 / t=0 0 / m=audio {port} RTP/AVP 0"
        )
    };
    let version = |text: &str| text.split(' ').nth(4).unwrap().to_owned();
    assert_eq!(version(&shown(&offer(&mut pair, VERSION, &whole(1, 2000)))), "1");
    assert_eq!(version(&shown(&answer(&mut pair, VERSION, &whole(100, 3000)))), "100");
    // A new port of theirs is none of ours, so the body is the same.
    assert_eq!(version(&shown(&offer(&mut pair, VERSION, &whole(2, 2002)))), "1");
    assert_eq!(version(&shown(&answer(&mut pair, FORCE, &whole(100, 3000)))), "101");
    assert_eq!(version(&shown(&offer(&mut pair, VERSION, &format!("{} / a=x", whole(2, 2002))))), "2");
}

#[test]
fn a_body_without_origin_gets_none() {
    let mut pair = Pair::new();
    let whole = "v=0 / s=x / c=IN IP4 192.0.2.1 / t=0 0 / m=audio 2000 RTP/AVP 0";
    let keys = r#""replace":["origin-full","SDP version","session name"]"#;
    let shown = shown(&offer(&mut pair, keys, whole));
    assert!(shown.starts_with("v=0 / s=x / c=IN IP4 10.9.0.1"), "{shown}");
}
