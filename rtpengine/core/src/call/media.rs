//! One m-line of a dialogue: two faces, one towards each party.

use std::net::SocketAddr;

use smallvec::SmallVec;

use super::{
    bundle::Bundling, encryption::Encryption, ice::FaceIce, interfaces::LocalIdx, media_flags::MediaFlags,
    mux::Mux, party::PartyId, silence, twins::Twin,
};
use crate::{
    codecs::Listing,
    io::{Payload, StreamId},
    sdp::{Direction, Media, Protocol},
};

/// Towards which party of a dialogue.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(super) enum Side {
    /// The one that made the first offer.
    Offerer,
    /// The one that answered it.
    Answerer,
}

impl Side {
    pub(super) const BOTH: [Self; 2] = [Self::Offerer, Self::Answerer];

    pub(super) const fn other(self) -> Self {
        match self {
            Self::Offerer => Self::Answerer,
            Self::Answerer => Self::Offerer,
        }
    }
}

/// One value for each side.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(super) struct Sides<T> {
    offerer: T,
    answerer: T,
}

impl<T> Sides<T> {
    pub(super) fn new(offerer: T, answerer: T) -> Self {
        Self { offerer, answerer }
    }

    pub(super) fn get(&self, side: Side) -> &T {
        match side {
            Side::Offerer => &self.offerer,
            Side::Answerer => &self.answerer,
        }
    }

    pub(super) fn get_mut(&mut self, side: Side) -> &mut T {
        match side {
            Side::Offerer => &mut self.offerer,
            Side::Answerer => &mut self.answerer,
        }
    }

    /// Exchanges the two.
    pub(super) fn swap(&mut self) {
        std::mem::swap(&mut self.offerer, &mut self.answerer);
    }

    pub(super) fn both_mut(&mut self) -> [&mut T; 2] {
        [&mut self.offerer, &mut self.answerer]
    }

    /// This side first, the other second.
    pub(super) fn split_mut(&mut self, side: Side) -> (&mut T, &mut T) {
        match side {
            Side::Offerer => (&mut self.offerer, &mut self.answerer),
            Side::Answerer => (&mut self.answerer, &mut self.offerer),
        }
    }
}

/// What an m-line carries, as far as relaying goes.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) enum Carries {
    /// RTP and RTCP.
    #[default]
    Rtp,
    /// Other datagrams.
    Raw,
    /// Nothing that a UDP port can relay: the m-line is passed on as it is.
    Foreign,
    /// Port 0: rejected or switched off.
    Nothing,
}

/// An m-line towards one party.
#[derive(Clone, Debug, Default)]
pub(super) struct Face {
    /// The party has signalled this m-line.
    pub(super) filled: bool,
    /// `audio`, `video`...
    pub(super) kind: String,
    pub(super) protocol: Option<Protocol>,
    /// As the party wrote it.
    pub(super) protocol_name: String,
    /// The codecs the party was last told, in their order.
    pub(super) codecs: Listing,
    /// Those it was offered, where they are not all of the offer: its answer is held to them.
    pub(super) confined: Listing,
    /// First codec, `NAME/RATE[/CHANNELS]`.
    pub(super) codec: String,
    pub(super) clock_rates: SmallVec<[(u8, u32); 8]>,
    /// Payload types that blocking and silencing need to know.
    pub(super) payloads: SmallVec<[(u8, Payload); 4]>,
    /// As the party signalled it, zero address included.
    pub(super) direction: Direction,
    /// The address in the party's SDP; where its RTP goes by that.
    pub(super) advertised: Option<SocketAddr>,
    /// The same for RTCP.
    pub(super) advertised_rtcp: Option<SocketAddr>,
    pub(super) mux: Mux,
    /// The party is not shown the m-line (`sdp-media-remove`).
    pub(super) hidden: bool,
    /// The m-line is two sections in the party's SDP.
    pub(super) twin: Option<Twin>,
    pub(super) encryption: Encryption,
    /// `asymmetric`: no learning.
    pub(super) asymmetric: bool,
    pub(super) strict_source: bool,
    pub(super) media_handover: bool,
    pub(super) flags: MediaFlags,
    pub(super) bundle: Bundling,
    /// The local address of the sockets.
    pub(super) local: Option<LocalIdx>,
    pub(super) rtp: Option<StreamId>,
    pub(super) rtcp: Option<StreamId>,
    /// Sockets at the other addresses of the interface, for ICE.
    pub(super) spares: SmallVec<[Spare; 0]>,
    pub(super) ice: FaceIce,
    /// `ptime-reverse` of the party's last offer, milliseconds.
    pub(super) ptime: Option<u32>,
    /// `a=mid`
    pub(super) mid: Option<String>,
}

/// Sockets at one more local address.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Spare {
    pub(super) local: LocalIdx,
    pub(super) rtp: StreamId,
    pub(super) rtcp: Option<StreamId>,
}

impl Face {
    /// Takes over what the party's SDP says, addresses aside.
    pub(super) fn fill(&mut self, media: &Media<'_>) {
        self.filled = true;
        self.kind = media.kind.as_str().to_owned();
        self.protocol = Some(media.protocol);
        self.protocol_name = media.protocol_name.to_owned();
        self.mid = media.mid.map(str::to_owned);
        self.codec = media.primary_codec().map_or_else(String::new, |codec| {
            let stereo = if codec.channels > 1 { format!("/{}", codec.channels) } else { String::new() };
            format!("{}/{}{stereo}", codec.encoding, codec.clock_rate)
        });
        self.clock_rates =
            media.codecs.iter().map(|codec| (codec.payload_type, codec.clock_rate)).take(32).collect();
        self.payloads = silence::payloads(media);
        self.direction = media.effective_direction();
    }

    /// Forgets the sockets; the call closes those nothing refers to.
    pub(super) fn release(&mut self) {
        self.rtp = None;
        self.rtcp = None;
        self.local = None;
        self.mux = Mux::default();
        self.encryption = Encryption::default();
        self.spares.clear();
        self.ice.release();
    }

    /// Forgets ICE.
    pub(super) fn release_ice(&mut self) {
        self.ice = FaceIce::default();
    }

    /// The sockets in use: one for RTP, and one for RTCP unless it shares that.
    pub(super) fn streams(&self) -> impl Iterator<Item = StreamId> {
        self.way_out().into_iter().chain(self.rtcp_way_out())
    }

    /// The sockets of a component, by its number in ICE: 1 = RTP, 2 = RTCP where it has some of its own. The first one's
    /// name is the component's.
    pub(super) fn component(&self, number: u16) -> impl Iterator<Item = StreamId> {
        let rtp = number == 1;
        let first = if rtp { self.rtp } else { self.rtcp };
        let spares =
            self.spares.iter().filter_map(move |spare| if rtp { Some(spare.rtp) } else { spare.rtcp });
        first.into_iter().flat_map(move |first| std::iter::once(first).chain(spares.clone()))
    }

    /// The first socket of the component that a socket belongs to.
    pub(super) fn first_of(&self, stream: StreamId) -> Option<StreamId> {
        let mut components = [1, 2].into_iter().map(|number| self.component(number));
        components.find_map(|mut sockets| {
            let first = sockets.next()?;
            (first == stream || sockets.any(|other| other == stream)).then_some(first)
        })
    }

    /// All sockets.
    pub(super) fn sockets(&self) -> impl Iterator<Item = StreamId> {
        let spares = self.spares.iter().flat_map(|spare| std::iter::once(spare.rtp).chain(spare.rtcp));
        self.rtp.into_iter().chain(self.rtcp).chain(spares)
    }
}

/// The m-line of a party that a subscriber gets a copy of.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Source {
    pub(super) party: PartyId,
    /// What the party is sent, instead of what it sends.
    pub(super) egress: bool,
    /// Its index in the dialogue of the party.
    pub(super) media: usize,
    /// Payload types offered to the subscriber, those aside that only accompany media.
    pub(super) formats: SmallVec<[u8; 8]>,
}

/// One m-line.
#[derive(Clone, Debug, Default)]
pub(super) struct MediaPair {
    pub(super) carries: Carries,
    /// In a subscription: whose media this is.
    pub(super) source: Option<Source>,
    pub(super) faces: Sides<Face>,
    /// The codecs of the last answer, for `reuse codecs`.
    pub(super) agreed: Listing,
}

impl MediaPair {
    /// Closes both sides.
    pub(super) fn release(&mut self) {
        for side in Side::BOTH {
            self.faces.get_mut(side).release();
        }
    }
}

/// How a media section is to be treated.
pub(super) fn carries(media: &Media<'_>) -> Carries {
    if !media.protocol.is_udp() {
        Carries::Foreign
    } else if media.is_disabled() {
        Carries::Nothing
    } else if media.protocol.is_rtp() {
        Carries::Rtp
    } else {
        Carries::Raw
    }
}
