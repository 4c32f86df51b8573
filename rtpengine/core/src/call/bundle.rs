//! `bundle`: BUNDLE groups (RFC 9143). The m-lines of a group share one transport towards a party: ports, ICE, keys. It is
//! that of the group's head, the tagged m-line (§7.1.3) or the next one that lives; the other faces of the group have copies
//! of it, renewed with every offer and answer. So a face has a transport whether it shares one or not, and only [`merge`]
//! tells from equal sockets that several m-lines use them.

mod heads;
mod merge;

use smallvec::SmallVec;

pub(super) use heads::Heads;
pub(super) use merge::{leading, limited, line, merge};

use super::{
    media::{Carries, Face, MediaPair, Side},
    mids, mux,
    wording::MediaWording,
};
use crate::{
    ng::{Request, RtcpMux},
    sdp::{AttributeKind, Media, Session},
};

/// What is told apart by `a=ssrc` at most, in one m-line.
const MAX_SSRCS: usize = 16;
/// RFC 9143 §15.2.
const MID_EXTENSION: &str = "urn:ietf:params:rtp-hdrext:sdes:mid";

/// What an m-line of a party has to do with groups.
#[derive(Clone, Debug, Default)]
pub(super) struct Bundling {
    /// Where it stands in the groups of the party's last offer, if they may be accepted.
    accepted: Option<Place>,
    /// The party was offered it in a group last.
    offered: Option<Offered>,
    /// The party has it in a group, by its last answer.
    taken: bool,
    /// Of a call taken over: the payload types that the kernel forwards of it, one bit each; what else there is nobody knows.
    pub(super) adopted: Option<u128>,
    /// Number of the header extension that names the m-line (RFC 9143 §15).
    pub(super) mid_extension: Option<u8>,
    /// The SSRCs the party has announced for it.
    pub(super) ssrcs: SmallVec<[u32; 0]>,
}

impl Bundling {
    /// Whether the m-line may share a transport.
    fn is_any(&self) -> bool {
        self.accepted.is_some() || self.offered.is_some() || self.adopted.is_some()
    }
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Place {
    group: usize,
    rank: usize,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Offered {
    /// With a transport of its own, in case that the party knows no groups.
    Apart,
    /// With the transport of the group.
    Together,
}

/// The groups towards one party.
#[derive(Debug, Default)]
struct Grouping {
    /// By m-line.
    places: Vec<Option<Place>>,
    /// By group, the m-line whose transport it has: the first that lives.
    heads: Vec<Option<usize>>,
    /// `false`: they are on offer, and every m-line has its own transport meanwhile.
    together: bool,
}

impl Grouping {
    fn put(&mut self, group: usize, line: usize) {
        let rank = self.places.iter().flatten().filter(|place| place.group == group).count();
        self.place(line, Place { group, rank });
    }

    fn place(&mut self, line: usize, place: Place) {
        if self.places.len() <= line {
            self.places.resize(line + 1, None);
        }
        if self.heads.len() <= place.group {
            self.heads.resize(place.group + 1, None);
        }
        if let Some(slot) = self.places.get_mut(line) {
            *slot = Some(place);
        }
    }

    fn place_of(&self, line: usize) -> Option<Place> {
        self.places.get(line).copied().flatten()
    }

    /// The m-line whose transport this one takes over.
    fn head_of(&self, line: usize) -> Option<usize> {
        self.heads.get(self.place_of(line)?.group).copied().flatten().filter(|_| self.together)
    }

    fn is_several(&self, line: usize) -> bool {
        let group = self.place_of(line).map(|place| place.group);
        group.is_some() && self.places.iter().flatten().filter(|place| Some(place.group) == group).count() > 1
    }
}

/// The groups that one offer or answer is about, towards its sender and its receiver.
#[derive(Debug, Default)]
pub(super) struct Groups {
    sender: Grouping,
    receiver: Grouping,
    /// Those offered are for parties that are known to bundle: all but the head say `a=bundle-only`.
    only: bool,
}

impl Groups {
    /// Those of an offer. `opaque`: what is known of keys does not allow to put packets of this m-line elsewhere.
    pub(super) fn of_offer(
        request: &Request,
        session: &Session<'_>,
        medias: &[MediaPair],
        from: Side,
        mut opaque: impl FnMut(&Media<'_>) -> bool,
    ) -> Self {
        let mut groups = Self::default();
        let faces = |media: &Media<'_>, side: Side| medias.get(media.index).map(|pair| pair.faces.get(side));
        let is_single = |media: &Media<'_>, side| faces(media, side).is_none_or(|face| face.twin.is_none());
        if request.bundle.accepts() && !request.rtcp_mux.has(RtcpMux::Reject) {
            groups.sender.together = true;
            for (group, names) in session.bundle_groups.iter().enumerate() {
                let lines = named(session, names);
                let mut head: Option<&Media<'_>> = None;
                for media in lines.filter(|media| is_single(media, from) && media.protocol.is_rtp()) {
                    let fits = match head {
                        None => !media.is_disabled() && has_mux(media) && !opaque(media),
                        Some(head) => {
                            media.protocol.is_srtp() == head.protocol.is_srtp()
                                && (!media.is_disabled() || is_bundle_only(session, media))
                        }
                    };
                    if fits && groups.sender.place_of(media.index).is_none() {
                        head = head.or(Some(media));
                        groups.sender.put(group, media.index);
                    }
                }
            }
        }
        if request.bundle.offers() && !request.osrtp.offer_legacy {
            let to = from.other();
            groups.only = request.bundle.require;
            groups.receiver.together = groups.only || knows_groups(medias, to);
            let mut members: Vec<&Media<'_>> = Vec::new();
            for index in groups.order(session.medias.len()) {
                let Some(media) = session.medias.get(index) else { continue };
                let grouped = groups.sender.place_of(index).is_some();
                let lives = media.protocol.is_rtp() && (grouped || (!media.is_disabled() && !opaque(media)));
                let face = faces(media, to);
                let mux = mux::would_propose(
                    face.map(|face| face.mux).unwrap_or_default(),
                    grouped || has_mux(media),
                    request,
                );
                if lives
                    && mux
                    && is_single(media, to)
                    && members.iter().all(|other| agree(session, other, media))
                {
                    members.push(media);
                    groups.receiver.put(0, index);
                }
            }
        }
        groups
    }

    /// Those of an answer: what was offered before, as far as it is accepted.
    pub(super) fn of_answer(
        request: &Request,
        session: &Session<'_>,
        medias: &[MediaPair],
        from: Side,
    ) -> Self {
        let mut groups = Self::default();
        let faces = |index: usize, side: Side| medias.get(index).map(|pair| pair.faces.get(side));
        groups.sender.together = true;
        let offered = |media: &Media<'_>| {
            let face = faces(media.index, from)?;
            let mux = has_mux(media) || face.mux.required || face.bundle.offered == Some(Offered::Together);
            face.bundle.offered.filter(|_| mux && !media.is_disabled() && media.protocol.is_rtp())
        };
        for names in &session.bundle_groups {
            for media in named(session, names) {
                if offered(media).is_some() && groups.sender.place_of(media.index).is_none() {
                    groups.sender.put(0, media.index);
                }
            }
        }
        // What has no transport of its own is in the group, whatever the answer says of it.
        for media in session.medias.iter().filter(|media| offered(media) == Some(Offered::Together)) {
            if groups.sender.place_of(media.index).is_none() {
                groups.sender.put(0, media.index);
            }
        }
        groups.receiver.together = true;
        for media in session.medias.iter().filter(|media| !media.is_disabled()) {
            let place = faces(media.index, from.other()).and_then(|face| face.bundle.accepted);
            if let Some(place) = place.filter(|_| !request.rtcp_mux.has(RtcpMux::Reject)) {
                groups.receiver.place(media.index, place);
            }
        }
        groups
    }

    /// The order in which m-lines are to be taken in: heads before those that share their transports.
    pub(super) fn order(&self, count: usize) -> Vec<usize> {
        let mut order: Vec<usize> = (0..count).collect();
        let place = |line: usize| self.sender.place_of(line).or(self.receiver.place_of(line));
        order.sort_by_key(|line| place(*line).map_or((usize::MAX, *line), |place| (place.group, place.rank)));
        order
    }

    /// An m-line is taken out of the body, and of its groups.
    pub(super) fn leave(&mut self, index: usize, pair: &mut MediaPair) {
        for (grouping, side) in [(&mut self.sender, Side::Offerer), (&mut self.receiver, Side::Answerer)] {
            if let Some(place) = grouping.places.get_mut(index) {
                *place = None;
            }
            pair.faces.get_mut(side).bundle = Bundling::default();
        }
    }

    /// Notes on the faces what a body says of an m-line.
    pub(super) fn note(
        &self,
        offer: bool,
        session: &Session<'_>,
        media: &Media<'_>,
        pair: &mut MediaPair,
        from: Side,
    ) {
        let (sender, receiver) = pair.faces.split_mut(from);
        (sender.bundle.adopted, receiver.bundle.adopted) = (None, None);
        if offer {
            sender.bundle.accepted = self.sender.place_of(media.index);
            let offered = if self.receiver.together { Offered::Together } else { Offered::Apart };
            receiver.bundle.offered = self.receiver.place_of(media.index).map(|_| offered);
        } else {
            sender.bundle.taken = self.sender.place_of(media.index).is_some();
        }
        if sender.bundle.is_any() {
            sender.bundle.mid_extension = mid_extension(session, media);
            sender.bundle.ssrcs = ssrcs(session, media);
        }
    }

    /// What an m-line is left out for: it is for a group alone, and there is none.
    pub(super) fn left_out(
        &self,
        request: &Request,
        session: &Session<'_>,
        media: &Media<'_>,
    ) -> Option<String> {
        let wanted = request.bundle.accepts() || request.bundle.offers();
        let left_out = media.is_disabled()
            && is_bundle_only(session, media)
            && self.sender.place_of(media.index).is_none();
        let line = media.index + 1;
        (wanted && left_out).then(|| {
            format!("m-line {line} is left out: it is for a BUNDLE group alone, which is not accepted")
        })
    }

    /// What an m-line takes over from the heads of its groups.
    pub(super) fn heads<'a>(
        &self,
        index: usize,
        session: &'a Session<'a>,
        medias: &'a [MediaPair],
        plans: &[MediaWording],
        from: Side,
    ) -> Heads<'a> {
        let face = |head: Option<usize>, side: Side| Some(medias.get(head?)?.faces.get(side));
        let (sender, receiver) = (self.sender.head_of(index), self.receiver.head_of(index));
        Heads {
            sender: face(sender, from),
            receiver: face(receiver, from.other()),
            spoken: sender.and_then(|head| session.medias.get(head)),
            ice: receiver.and_then(|head| plans.get(head)).map(|plan| plan.ice).unwrap_or_default(),
            only: self.only && receiver.is_some(),
            own_keys: self.sender.is_several(index) || self.receiver.is_several(index),
        }
    }

    /// Gives an m-line that has left its group a transport of its own, by taking away what it shares with others; and one that
    /// is to be the head of its group, but has no transport, that of the others.
    pub(super) fn settle(
        &self,
        index: usize,
        medias: &[MediaPair],
        taken: &[bool],
        pair: &mut MediaPair,
        from: Side,
    ) {
        for (grouping, side) in [(&self.sender, from), (&self.receiver, from.other())] {
            let group =
                |line: usize| grouping.place_of(line).filter(|_| grouping.together).map(|place| place.group);
            let own = group(index);
            let face = pair.faces.get_mut(side);
            let others = medias.iter().enumerate().filter(|(line, _)| *line != index);
            let mut others = others.map(|(line, other)| (line, other.faces.get(side)));
            match (face.rtp, own) {
                (Some(rtp), None) => {
                    let keeps = |line: usize| group(line).is_some() || taken.get(line) == Some(&true);
                    if others.any(|(line, other)| other.rtp == Some(rtp) && keeps(line)) {
                        face.leave_group();
                    }
                }
                (None, Some(_)) if grouping.head_of(index).is_none() => {
                    if let Some((_, other)) =
                        others.find(|(line, other)| group(*line) == own && other.rtp.is_some())
                    {
                        face.join_group(other);
                    }
                }
                (Some(_), Some(_)) | (None, _) => {}
            }
        }
    }

    /// An m-line has been taken in: it is the head of its groups if they have none.
    pub(super) fn taken(&mut self, index: usize, pair: &MediaPair, from: Side) {
        if pair.carries != Carries::Rtp {
            return;
        }
        for (grouping, side) in [(&mut self.sender, from), (&mut self.receiver, from.other())] {
            let face = pair.faces.get(side);
            let Some(place) = grouping.place_of(index) else { continue };
            if let Some(head) = grouping.heads.get_mut(place.group)
                && face.rtp.is_some()
            {
                head.get_or_insert(index);
            }
        }
    }

    /// The groups to write for the receiver, the head of each first; adds `a=mid` where the body has none.
    pub(super) fn written(
        &self,
        offer: bool,
        session: &Session<'_>,
        medias: &[MediaPair],
        plans: &mut [MediaWording],
        to: Side,
    ) -> Vec<String> {
        let mut texts = Vec::new();
        for (group, head) in self.receiver.heads.iter().enumerate() {
            let lives = |line: &usize| {
                let face = medias.get(*line).map(|pair| pair.faces.get(to));
                let mux = face.is_some_and(|face| if offer { face.mux.proposed } else { face.mux.active });
                mux && plans
                    .get(*line)
                    .is_some_and(|plan| plan.bundle_only || plan.plan.port.is_some_and(|port| port != 0))
            };
            let place = |line: &usize| self.receiver.place_of(*line).filter(|place| place.group == group);
            let mut lines: Vec<usize> =
                (0..session.medias.len()).filter(|line| place(line).is_some() && lives(line)).collect();
            lines.sort_by_key(|line| (Some(*line) != *head, place(line).map(|place| place.rank)));
            let mut mids: Vec<String> = Vec::with_capacity(lines.len());
            for line in lines {
                let (Some(media), Some(wording)) = (session.medias.get(line), plans.get_mut(line)) else {
                    continue;
                };
                let own = media.mid.map(str::to_owned).or_else(|| wording.mid.clone());
                let mid = own.unwrap_or_else(|| mids::unused(session, line));
                if media.mid.is_none() {
                    wording.mid = Some(mid.clone());
                }
                mids.push(mid);
            }
            if !mids.is_empty() {
                texts.push(mids.join(" "));
            }
        }
        texts
    }
}

impl Face {
    /// Takes over the transport of the head of its group.
    pub(super) fn join_group(&mut self, head: &Self) {
        (self.advertised, self.advertised_rtcp) = (head.advertised, head.advertised_rtcp);
        (self.local, self.rtp, self.rtcp) = (head.local, head.rtp, head.rtcp);
        self.spares.clone_from(&head.spares);
        self.mux = head.mux;
        self.encryption.clone_from(&head.encryption);
        self.ice.clone_from(&head.ice);
    }

    /// Gives the transport of a group up, for one of its own.
    fn leave_group(&mut self) {
        (self.local, self.rtp, self.rtcp) = (None, None, None);
        self.spares.clear();
        self.ice.fork(None);
    }
}

/// The m-lines that a group names, in its order.
fn named<'m>(session: &'m Session<'m>, names: &'m str) -> impl Iterator<Item = &'m Media<'m>> {
    names.split_ascii_whitespace().filter_map(|mid| session.media_by_mid(mid))
}

fn has_mux(media: &Media<'_>) -> bool {
    media.rtcp_mux || media.rtcp_mux_only
}

/// The party has shown that it bundles.
fn knows_groups(medias: &[MediaPair], side: Side) -> bool {
    let mut faces = medias.iter().map(|pair| &pair.faces.get(side).bundle);
    faces.any(|known| known.taken || known.accepted.is_some())
}

/// Whether two m-lines may be in one group: both are encrypted or both are not, and a payload type that both have means the
/// same (RFC 9143 §9.1) and comes with the m-line's name.
fn agree(session: &Session<'_>, one: &Media<'_>, two: &Media<'_>) -> bool {
    let named = || [one, two].iter().all(|media| mid_extension(session, media).is_some());
    let same = one.codecs.iter().all(|codec| {
        two.codec(codec.payload_type).is_none_or(|other| {
            named()
                && codec.encoding.eq_ignore_ascii_case(other.encoding)
                && (codec.clock_rate, codec.channels) == (other.clock_rate, other.channels)
        })
    });
    same && one.protocol.is_srtp() == two.protocol.is_srtp()
}

pub(super) fn is_bundle_only(session: &Session<'_>, media: &Media<'_>) -> bool {
    session.media_lines(media).iter().any(|line| line.attribute == AttributeKind::BundleOnly)
}

fn values<'a>(
    session: &'a Session<'a>,
    media: &'a Media<'a>,
    name: &'a str,
) -> impl Iterator<Item = &'a str> {
    let lines = session.media_lines(media).iter().chain(session.session_lines());
    lines.filter_map(move |line| {
        std::str::from_utf8(line.raw).ok()?.strip_prefix("a=")?.strip_prefix(name)?.strip_prefix(':')
    })
}

/// `a=extmap` of the m-line or the session (RFC 8285 §5).
fn mid_extension(session: &Session<'_>, media: &Media<'_>) -> Option<u8> {
    let mut numbers = values(session, media, "extmap").filter_map(|value| {
        let (number, rest) = value.split_once(' ')?;
        let number = number.split_once('/').map_or(number, |(number, _)| number);
        let is_mid = rest.split_ascii_whitespace().next() == Some(MID_EXTENSION);
        number.parse::<u8>().ok().filter(|number| is_mid && *number != 0)
    });
    numbers.next()
}

/// `a=ssrc` (RFC 5576), each once.
fn ssrcs(session: &Session<'_>, media: &Media<'_>) -> SmallVec<[u32; 0]> {
    let mut ssrcs: SmallVec<[u32; 0]> = SmallVec::new();
    for value in values(session, media, "ssrc") {
        let number = value.split_once(' ').map_or(value, |(number, _)| number);
        if let Ok(number) = number.parse()
            && !ssrcs.contains(&number)
            && ssrcs.len() < MAX_SSRCS
        {
            ssrcs.push(number);
        }
    }
    ssrcs
}
