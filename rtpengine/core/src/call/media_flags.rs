//! `media echo`, `NAT-wait`, `pierce NAT` and `block short`: how the packets of a party are handled.

use std::num::NonZeroU32;

use smallvec::SmallVec;

use super::{
    encryption::Treatment,
    engine::{CallKey, Engine},
    media::{Carries, Face, Side},
    model::Call,
};
use crate::{
    io::{Handling, Learning, MediaPlane, Output, Reason, RelayCommand, RelayStream, StreamId},
    ng::{Flag, MediaEcho, Request},
};

/// What becomes of the media of a party.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) enum Echo {
    /// It goes to the other party.
    #[default]
    Off,
    /// It is discarded.
    Discard,
    /// It goes back.
    Back,
}

/// What was asked for a party.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) struct MediaFlags {
    echo: Echo,
    nat_wait: bool,
    pierce_nat: bool,
    block_short: bool,
}

/// Takes over what a message says. An offer sets it anew for both parties, an answer adds to it; short packets are the
/// sender's own.
pub(super) fn on_message(request: &Request, offer: bool, sender: &mut Face, receiver: &mut Face) {
    let (wait, pierce) = (request.has(Flag::NatWait), request.has(Flag::PierceNat));
    for flags in [&mut sender.flags, &mut receiver.flags] {
        flags.nat_wait = wait || (flags.nat_wait && !offer);
        flags.pierce_nat = pierce || (flags.pierce_nat && !offer);
    }
    sender.flags.block_short = request.has(Flag::BlockShort);
    let (of_sender, of_receiver) = match request.media_echo {
        None if offer => (Echo::Off, Echo::Off),
        None => return,
        Some(MediaEcho::Blackhole) => (Echo::Discard, Echo::Discard),
        Some(MediaEcho::Forward) => (Echo::Discard, Echo::Back),
        Some(MediaEcho::Backwards) => (Echo::Back, Echo::Discard),
        Some(MediaEcho::Both) => (Echo::Back, Echo::Back),
    };
    (sender.flags.echo, receiver.flags.echo) = (of_sender, of_receiver);
}

/// Makes it part of the settings of a party's socket.
pub(super) fn apply(
    call: &Call,
    face: &Face,
    treatment: Treatment,
    stream: StreamId,
    relay: &mut RelayStream,
) {
    let flags = &face.flags;
    let learns = call.socket(stream).is_some_and(|socket| socket.learns());
    relay.handling = Handling {
        awaits_packets: flags.nat_wait && learns,
        block_short: flags.block_short,
        ..Handling::default()
    };
    if flags.echo == Echo::Off {
        return;
    }
    relay.handling.no_rtcp = true;
    let keyless = relay.discard == Some(Reason::NoKeys) && treatment != Treatment::Inherited;
    match (flags.echo, treatment) {
        _ if keyless => {}
        (Echo::Back, Treatment::Clear | Treatment::Bridged) => {
            let held = face.filled && !face.direction.receives();
            relay.discard = held.then_some(Reason::Hold);
            relay.sinks = [stream].into_iter().collect();
            relay.rtcp_sinks = SmallVec::new();
            relay.handling.echo = Some(turned_over(stream));
        }
        // The keys are the parties' own: nothing can be changed and sent back.
        (Echo::Back, Treatment::Unread | Treatment::Inherited | Treatment::NoKeys) => {
            relay.discard = Some(Reason::NoKeys);
            relay.sinks.clear();
            relay.rtcp_sinks.clear();
            relay.passes_dtls = false;
        }
        (Echo::Off | Echo::Discard, _) => relay.discard = Some(Reason::Blackhole),
    }
}

/// Bits that make another SSRC of the one that came.
fn turned_over(stream: StreamId) -> NonZeroU32 {
    // Streams are numbered; neighbours are to differ in more than one bit.
    let folded = (stream.0 ^ (stream.0 >> 32)) as u32;
    NonZeroU32::MIN | folded.wrapping_mul(0x9e37_79b1)
}

/// Whether something has come from the party to a socket since its address was last signalled.
pub(super) fn has_heard(call: &Call, stream: StreamId, relay: &RelayStream) -> bool {
    if relay.learning != Learning::Off {
        return relay.endpoint_settled;
    }
    call.socket(stream).is_some_and(|socket| socket.packets_seen > socket.packets_before)
}

impl Engine {
    /// Sends empty datagrams to parties from whom nothing has come yet, and sees who has been heard meanwhile.
    pub(super) fn open_nats(&mut self, key: CallKey, plane: &dyn MediaPlane) {
        let Some(call) = self.calls.get(key) else { return };
        for pair in call.dialogues.iter().flat_map(|dialogue| &dialogue.medias) {
            if pair.carries != Carries::Rtp && pair.carries != Carries::Raw {
                continue;
            }
            for face in Side::BOTH.map(|side| pair.faces.get(side)) {
                let Some(socket) = face.rtp.and_then(|stream| call.socket(stream)) else { continue };
                let wanted = face.flags.pierce_nat && !face.ice.is_engaged() && socket.learns();
                if let Some(to) = socket.endpoint.filter(|_| wanted)
                    && plane.counters(socket.stream).packets == 0
                {
                    let send = RelayCommand::Send { stream: socket.stream, to, bytes: Vec::new() };
                    self.outputs.push(Output::Relay(send));
                }
            }
        }
        if call.sockets.iter().any(|socket| socket.kept_up == Some(Reason::NatWait)) {
            self.plan(key);
        }
    }
}
