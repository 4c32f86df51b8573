use proptest::prelude::*;
use stun_types::{
    attribute::{RawAttribute, Username, XorMappedAddress},
    message::{
        BINDING, IntegrityAlgorithm, Message, MessageClass, MessageType, MessageWrite, MessageWriteExt,
        MessageWriteVec, ShortTermCredentials, TransactionId,
    },
};

use super::*;

pub(super) const LOCAL: &str = "192.0.2.1:4000";
pub(super) const PEER: &str = "198.51.100.1:6000";
/// Attribute numbers of RFC 8445 §16.1.
const PRIORITY: u16 = 0x0024;
const USE_CANDIDATE: u16 = 0x0025;
pub(super) const ICE_CONTROLLING: u16 = 0x802a;

/// An agent whose peer is known, and the credentials of both.
pub(super) fn agent() -> (Agent, Credentials, Credentials) {
    let mut random = Random(7);
    let (mine, theirs) = (settings(&mut random, false), Credentials::generate(&mut random));
    let ours = mine.credentials.clone();
    let mut peer = Peer::new(mine, &[1], &[LOCAL]);
    let candidates = [Candidate::parse("1 1 UDP 2130706431 198.51.100.1 6000 typ host").unwrap()];
    let remote = Remote { credentials: theirs.clone(), lite: false, trickle: false, candidates: &candidates };
    peer.agent.set_remote(at(1_000_000), &remote);
    while peer.agent.poll().is_some() {}
    (peer.agent, ours, theirs)
}

/// A check as the peer would send it.
fn check(to: &Credentials, from: &Credentials, password: &str, id: u128) -> Vec<u8> {
    check_as((ICE_CONTROLLING, 1), to, from, password, id)
}

/// The same in this role with this tie-breaker.
pub(super) fn check_as(
    (role, tie_breaker): (u16, u64),
    to: &Credentials,
    from: &Credentials,
    password: &str,
    id: u128,
) -> Vec<u8> {
    let kind = MessageType::from_class_method(MessageClass::Request, BINDING);
    let mut message = Message::builder(kind, TransactionId::from(id), MessageWriteVec::new());
    message.add_attribute(&Username::new(&format!("{}:{}", to.ufrag(), from.ufrag())).unwrap()).unwrap();
    message.add_attribute(&RawAttribute::new(PRIORITY.into(), &[0x6e, 0, 1, 0xff])).unwrap();
    message.add_attribute(&RawAttribute::new(role.into(), &tie_breaker.to_be_bytes())).unwrap();
    if role == ICE_CONTROLLING {
        message.add_attribute(&RawAttribute::new(USE_CANDIDATE.into(), &[])).unwrap();
    }
    let password = ShortTermCredentials::new(password.to_owned()).into();
    message.add_message_integrity(&password, IntegrityAlgorithm::Sha1).unwrap();
    message.add_fingerprint().unwrap();
    message.finish()
}

pub(super) fn transmissions(agent: &mut Agent) -> Vec<(SocketAddr, Vec<u8>)> {
    std::iter::from_fn(|| agent.poll())
        .filter_map(|output| match output {
            Output::Transmit { to, bytes, .. } => Some((to, bytes)),
            Output::Selected { .. } | Output::Failed { .. } => None,
        })
        .collect()
}

#[test]
fn a_check_with_the_right_password_is_answered_to_its_source() {
    let (mut agent, ours, theirs) = agent();
    let bytes = check(&ours, &theirs, ours.password(), 1);
    assert!(agent.handle_datagram(at(1_100_000), address(LOCAL), address(PEER), &bytes));
    let sent = transmissions(&mut agent);
    let (to, reply) = &sent[0];
    let reply = Message::from_bytes(reply).unwrap();
    assert_eq!((*to, reply.class()), (address(PEER), MessageClass::Success));
    let mapped = reply.attribute::<XorMappedAddress>().unwrap();
    assert_eq!(mapped.addr(reply.transaction_id()), address(PEER));
    assert!(reply.validate_integrity(&ShortTermCredentials::new(ours.password().to_owned()).into()).is_ok());
}

#[test]
fn nobody_without_the_password_gets_an_answer() {
    let (mut agent, ours, theirs) = agent();
    let mut random = Random(99);
    let stranger = Credentials::generate(&mut random);
    for (to, from, password) in [
        (&ours, &theirs, stranger.password()),
        (&ours, &theirs, theirs.password()),
        (&ours, &stranger, ours.password()),
        (&stranger, &theirs, ours.password()),
        (&theirs, &ours, theirs.password()),
    ] {
        for source in [PEER, "203.0.113.9:5"] {
            let bytes = check(to, from, password, 2);
            assert!(!agent.handle_datagram(at(1_100_000), address(LOCAL), address(source), &bytes));
        }
    }
    // Right, but on a socket of somebody else.
    let bytes = check(&ours, &theirs, ours.password(), 3);
    assert!(!agent.handle_datagram(at(1_100_000), address("192.0.2.1:9"), address(PEER), &bytes));
    assert!(transmissions(&mut agent).is_empty());
    assert_eq!(agent.counters().refused, 10);
    assert_eq!(agent.counters().accepted, 0);
}

#[test]
fn a_truncated_or_altered_check_is_never_accepted() {
    let (mut agent, ours, theirs) = agent();
    let whole = check(&ours, &theirs, ours.password(), 4);
    for length in 0..whole.len() {
        assert!(!agent.handle_datagram(at(1_100_000), address(LOCAL), address(PEER), &whole[..length]));
    }
    // The fingerprint and its header are outside of what the password protects.
    for position in 0..whole.len() - 8 {
        let mut altered = whole.clone();
        altered[position] ^= 0x40;
        assert!(!agent.handle_datagram(at(1_100_000), address(LOCAL), address(PEER), &altered), "{position}");
    }
    assert!(transmissions(&mut agent).is_empty());
    assert!(!agent.handle_datagram(at(1_100_000), address(LOCAL), address(PEER), &[0; 9000]));
}

#[test]
fn responses_nobody_asked_for_change_nothing() {
    let (mut agent, _, theirs) = agent();
    for (class, source) in [
        (MessageClass::Success, PEER),
        (MessageClass::Success, "203.0.113.9:5"),
        (MessageClass::Error, PEER),
        (MessageClass::Indication, PEER),
    ] {
        let kind = MessageType::from_class_method(class, BINDING);
        let id = TransactionId::from(5);
        let mut message = Message::builder(kind, id, MessageWriteVec::new());
        message.add_attribute(&XorMappedAddress::new(address("203.0.113.1:1"), id)).unwrap();
        let password = ShortTermCredentials::new(theirs.password().to_owned()).into();
        message.add_message_integrity(&password, IntegrityAlgorithm::Sha1).unwrap();
        message.add_fingerprint().unwrap();
        assert!(!agent.handle_datagram(at(1_100_000), address(LOCAL), address(source), &message.finish()));
    }
    assert_eq!(agent.selected(1), None);
    assert!(transmissions(&mut agent).is_empty());
}

#[test]
fn a_flood_of_authentic_checks_from_everywhere_is_bounded() {
    let (mut agent, ours, theirs) = agent();
    let mut answered = 0;
    for port in 1..=5000u16 {
        let bytes = check(&ours, &theirs, ours.password(), u128::from(port));
        let source = SocketAddr::new(address("203.0.113.1:1").ip(), port);
        if agent.handle_datagram(at(1_100_000 + u64::from(port)), address(LOCAL), source, &bytes) {
            answered += 1;
        }
        assert!(transmissions(&mut agent).len() <= 2, "one check is answered once");
    }
    assert!(answered < MAX_REMOTE_ADDRESSES);
    assert_eq!(agent.counters().limited, 5000 - answered as u64);
    // The known peer is still served.
    let bytes = check(&ours, &theirs, ours.password(), 9999);
    assert!(agent.handle_datagram(at(2_000_000), address(LOCAL), address(PEER), &bytes));
}

#[test]
fn checks_before_the_peer_is_known_are_kept_in_bounds() {
    let mut random = Random(7);
    let (mine, theirs) = (settings(&mut random, true), Credentials::generate(&mut random));
    let ours = mine.credentials.clone();
    let mut peer = Peer::new(mine, &[1], &[LOCAL]);
    for id in 0..1000u32 {
        let bytes = check(&ours, &theirs, ours.password(), u128::from(id));
        peer.agent.handle_datagram(at(1_000_000), address(LOCAL), address(PEER), &bytes);
    }
    assert!(transmissions(&mut peer.agent).is_empty());
    assert_eq!(peer.agent.next_timeout(), None);
    let remote = Remote { credentials: theirs, lite: false, trickle: true, candidates: &[] };
    peer.agent.set_remote(at(1_100_000), &remote);
    let mut sent = 0;
    for _ in 0..500 {
        let Some(next) = peer.agent.next_timeout() else { break };
        peer.agent.handle_timeout(at(next));
        sent += transmissions(&mut peer.agent).len();
    }
    assert!(sent > 0 && sent < 400, "{sent}");
}

#[test]
fn candidates_that_would_aim_checks_at_nobody_are_left_out() {
    let (mut agent, _, theirs) = agent();
    for text in [
        "0.0.0.0 6",
        "224.0.0.1 6",
        "255.255.255.255 6",
        "198.51.100.7 0",
        "ff02::1 6",
        ":: 6",
        "host.local 6",
    ] {
        let text = format!("1 1 UDP 1 {text} typ host");
        assert!(!agent.add_remote(at(1_000_000), &Candidate::parse(&text).unwrap()), "{text}");
    }
    for (text, added) in [("stale", false), (theirs.ufrag(), true)]
        .map(|(ufrag, added)| (format!("1 1 UDP 1 198.51.100.7 6 typ host ufrag {ufrag}"), added))
    {
        assert_eq!(agent.add_remote(at(1_000_000), &Candidate::parse(&text).unwrap()), added, "{text}");
    }
    for port in 1..2000 {
        let text = format!("1 1 UDP 5 198.51.100.9 {port} typ host");
        agent.add_remote(at(1_000_000), &Candidate::parse(&text).unwrap());
    }
    assert!(agent.counters().limited > 1800);
}

#[test]
fn nothing_secret_shows() {
    let (agent, ours, theirs) = agent();
    let shown = format!("{agent:?}");
    assert!(!shown.contains(ours.password()) && !shown.contains(theirs.password()));
    assert!(shown.contains(ours.ufrag()));
}

proptest! {
    #[test]
    fn any_datagram_is_taken_or_refused(bytes in proptest::collection::vec(any::<u8>(), 0..200)) {
        let (mut agent, ..) = agent();
        prop_assert!(!agent.handle_datagram(at(1_100_000), address(LOCAL), address(PEER), &bytes));
    }

    #[test]
    fn anything_like_stun_is_taken_or_refused(
        first in 0u8..4, second in any::<u8>(), attributes in proptest::collection::vec((prop_oneof![0u16..0x30, 0x8020u16..0x8030, any::<u16>()], proptest::collection::vec(any::<u8>(), 0..40)), 0..6),
    ) {
        let mut body = Vec::new();
        for (kind, value) in attributes {
            body.extend(kind.to_be_bytes());
            body.extend(u16::try_from(value.len()).unwrap().to_be_bytes());
            body.extend(&value);
            body.resize(body.len().next_multiple_of(4), 0);
        }
        let mut bytes = vec![first, second];
        bytes.extend(u16::try_from(body.len()).unwrap().to_be_bytes());
        bytes.extend([0x21, 0x12, 0xa4, 0x42, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 1]);
        bytes.extend(body);
        let (mut agent, ..) = agent();
        prop_assert!(!agent.handle_datagram(at(1_100_000), address(LOCAL), address(PEER), &bytes));
    }
}
