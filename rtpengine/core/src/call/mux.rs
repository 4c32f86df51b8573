//! rtcp-mux (RFC 5761) towards each party. The sides are independent: where only one multiplexes, the relay translates.

use crate::ng::{NameSet, Request, RtcpMux};

/// The state towards one party, for one m-line.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) struct Mux {
    /// RTP and RTCP share a port; there is no RTCP socket.
    pub(super) active: bool,
    /// The last offer to the party proposed it.
    pub(super) proposed: bool,
    /// `rtcp-mux=require`: taken as accepted whatever the party answers.
    pub(super) required: bool,
}

/// The flags of a request. A party that is told to bundle is told rtcp-mux as well (RFC 9143 §9.3), unless that is refused.
pub(super) fn flags(request: &Request) -> NameSet<RtcpMux> {
    let mut flags = request.rtcp_mux;
    let refused = flags.has(RtcpMux::Reject) || flags.has(RtcpMux::Demux);
    if request.bundle.offers() && request.bundle.require && !refused {
        flags.insert(RtcpMux::Require);
    }
    flags
}

/// Whether a party in this state will be offered rtcp-mux.
pub(super) fn would_propose(mut receiver: Mux, offered: bool, request: &Request) -> bool {
    on_offer(&mut Mux::default(), &mut receiver, offered, flags(request));
    receiver.proposed
}

/// An offer arrived from `sender`: settles that side and decides what `receiver` is offered.
pub(super) fn on_offer(sender: &mut Mux, receiver: &mut Mux, offered: bool, flags: NameSet<RtcpMux>) {
    let reject = flags.has(RtcpMux::Reject);
    let passed_on = (offered || receiver.active) && !reject && !flags.has(RtcpMux::Demux);
    *sender = Mux { active: offered && !reject, ..Mux::default() };
    receiver.required = flags.has(RtcpMux::Require);
    receiver.proposed = receiver.required || flags.has(RtcpMux::Offer) || passed_on;
    receiver.active = receiver.required || (receiver.active && receiver.proposed);
}

/// An answer arrived from `sender` for `receiver`, the party that made the offer.
pub(super) fn on_answer(sender: &mut Mux, receiver: &mut Mux, accepted: bool, flags: NameSet<RtcpMux>) {
    sender.active = sender.required || (accepted && sender.proposed);
    if flags.has(RtcpMux::Reject) {
        receiver.active = false;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn offer(offered: bool, flags: &[RtcpMux]) -> (Mux, Mux) {
        let (mut sender, mut receiver) = (Mux::default(), Mux::default());
        on_offer(&mut sender, &mut receiver, offered, flags.iter().copied().collect());
        (sender, receiver)
    }

    #[test]
    fn each_flag_does_what_its_name_says() {
        for (offered, flags, accepted, proposed, active) in [
            (false, &[][..], false, false, false),
            (true, &[], true, true, false),
            (false, &[RtcpMux::Offer], false, true, false),
            (true, &[RtcpMux::Require], true, true, true),
            (true, &[RtcpMux::Demux], true, false, false),
            (true, &[RtcpMux::Accept], true, true, false),
            (true, &[RtcpMux::Reject], false, false, false),
            (true, &[RtcpMux::Reject, RtcpMux::Offer], false, true, false),
        ] {
            let (sender, receiver) = offer(offered, flags);
            assert_eq!(
                (sender.active, receiver.proposed, receiver.active),
                (accepted, proposed, active),
                "{flags:?}"
            );
        }
    }

    #[test]
    fn only_what_was_proposed_can_be_accepted() {
        let (mut caller, mut callee) = offer(false, &[]);
        on_answer(&mut callee, &mut caller, true, NameSet::default());
        assert!(!callee.active);
        let (mut caller, mut callee) = offer(true, &[]);
        on_answer(&mut callee, &mut caller, true, NameSet::default());
        assert!(callee.active && caller.active);
    }
}
