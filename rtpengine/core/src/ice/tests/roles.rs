//! What an agent makes of a request by a peer that claims the same role (RFC 8445 §7.3.1.1).

use stun_types::{attribute::ErrorCode, message::Message};

use super::{
    attacks::{ICE_CONTROLLING, LOCAL, PEER, agent, check_as, transmissions},
    *,
};

/// Attribute number of RFC 8445 §16.1.
const ICE_CONTROLLED: u16 = 0x8029;

/// Tie-breaker of the agent under test, as `settings` draws it.
fn own_tie_breaker() -> u64 {
    settings(&mut Random(7), false).tie_breaker
}

/// The agent's role after a request, and the error it answers with.
fn after(agent: &mut Agent, request: &[u8]) -> (bool, Option<u16>) {
    assert!(agent.handle_datagram(at(1_100_000), address(LOCAL), address(PEER), request));
    let sent = transmissions(agent);
    let code = sent
        .iter()
        .find_map(|(_, bytes)| Some(Message::from_bytes(bytes).ok()?.attribute::<ErrorCode>().ok()?.code()));
    (agent.controls(), code)
}

#[test]
fn of_two_controlled_sides_the_greater_one_takes_control() {
    let own = own_tie_breaker();
    let outcomes = [(own - 1, (true, None)), (own, (true, None)), (own + 1, (false, Some(487)))];
    for (theirs, expected) in outcomes {
        let (mut agent, ours, peer) = agent();
        assert!(!agent.controls());
        let request = check_as((ICE_CONTROLLED, theirs), &ours, &peer, ours.password(), 1);
        assert_eq!(after(&mut agent, &request), expected, "{own} against {theirs}");
    }
}

#[test]
fn of_two_controlling_sides_the_greater_one_keeps_control() {
    let own = own_tie_breaker();
    let outcomes = [(own - 1, (true, Some(487))), (own, (true, Some(487))), (own + 1, (false, None))];
    for (theirs, expected) in outcomes {
        let (mut agent, ours, peer) = agent();
        // It takes control from a peer that is controlled as well.
        let request = check_as((ICE_CONTROLLED, 1), &ours, &peer, ours.password(), 1);
        agent.handle_datagram(at(1_050_000), address(LOCAL), address(PEER), &request);
        transmissions(&mut agent);
        let request = check_as((ICE_CONTROLLING, theirs), &ours, &peer, ours.password(), 2);
        let (controls, code) = after(&mut agent, &request);
        assert_eq!((controls, code), expected, "{own} against {theirs}");
    }
}
