//! What offers and answers have in common: one party's SDP goes in, the other party's comes out.

use std::net::IpAddr;

use super::{
    address,
    bundle::{Groups, Heads},
    codecs::{self, Formats},
    direction::{Placement, wanted},
    draft::Draft,
    encryption::{Terms, Treatment, treatment},
    error::CallError,
    hidden,
    ice::{self, Signal, Wording},
    interfaces::{Family, LocalIdx, Wanted},
    media::{Carries, Face, MediaPair, Side, carries},
    media_flags, mids, mux, packet_time, spares,
    twins::{self, Twin},
    wording::{self, BodyWording, MediaWording},
};
use crate::{
    io::StreamId,
    ng::{DropTraffic, Flag, Request, TosRequest, TransportProtocol},
    sdp::{
        self, Direction, Media, MediaPlan, Protocol, RtcpMuxPlan, RtcpPlan, Session, Strip,
        security::{MediaSecurity, media_security},
    },
};

/// An offer or an answer, found its place in the call.
pub(super) struct Exchange<'r, 's> {
    pub(super) request: &'r Request,
    pub(super) session: &'r Session<'s>,
    pub(super) dialogue: usize,
    /// The side whose SDP this is.
    pub(super) from: Side,
    pub(super) offer: bool,
    pub(super) placement: Placement,
    /// The side that has no sockets, since nobody is there.
    pub(super) absent: Option<Side>,
}

/// The sender's ICE is not the receiver's business, nor are its groups.
const STRIP: Strip =
    Strip { ice: true, relay_candidates: false, sdes: false, dtls: false, bundle: true, feedback: false };
/// Where encryption is ours to negotiate, nothing of what the other party wrote about it is left.
const STRIP_KEYS: Strip = Strip { sdes: true, dtls: true, ..STRIP };

impl Exchange<'_, '_> {
    /// Takes the SDP into the call and yields the body for the other party.
    pub(super) fn run(self, draft: &mut Draft<'_>) -> Result<Vec<u8>, CallError> {
        let known = draft.call.dialogues.get(self.dialogue).map(|dialogue| dialogue.medias.as_slice());
        if let Some(body) = hidden::completed(self.session, known.unwrap_or_default(), self.from) {
            let session = sdp::parse(&body, sdp::ParseOptions::default())?;
            return Exchange { session: &session, ..self }.folded(draft);
        }
        self.folded(draft)
    }

    fn folded(self, draft: &mut Draft<'_>) -> Result<Vec<u8>, CallError> {
        let known = draft.call.dialogues.get(self.dialogue).map(|dialogue| dialogue.medias.as_slice());
        let accept = self.offer && self.request.osrtp.accept_legacy;
        match twins::fold(self.session, known.unwrap_or_default(), self.from, accept) {
            None => self.exchange(draft, &[]),
            Some(folded) => Exchange { session: &folded.session, ..self }.exchange(draft, &folded.twins),
        }
    }

    /// Takes over what holds for the call and the dialogue; yields the dialogue's m-lines, which are to be put back.
    pub(super) fn begin(&mut self, draft: &mut Draft<'_>) -> Result<Vec<MediaPair>, CallError> {
        self.call_settings(draft);
        draft.warnings.append(&mut self.placement.warnings);
        let Some(dialogue) = draft.call.dialogues.get_mut(self.dialogue) else {
            return Err(CallError::NotFound);
        };
        if self.offer {
            for (side, name) in
                [(self.from, &mut self.placement.from), (self.from.other(), &mut self.placement.to)]
            {
                if name.is_some() {
                    *dialogue.interfaces.get_mut(side) = name.clone();
                }
            }
        } else {
            dialogue.answered = true;
        }
        Ok(std::mem::take(&mut dialogue.medias))
    }

    fn exchange(mut self, draft: &mut Draft<'_>, twins: &[Option<Twin>]) -> Result<Vec<u8>, CallError> {
        let mut medias = self.begin(draft)?;
        let known = medias.len();
        if medias.len() < self.session.medias.len() {
            medias.resize_with(self.session.medias.len(), || MediaPair {
                carries: if self.offer { Carries::Rtp } else { Carries::Nothing },
                ..MediaPair::default()
            });
        }
        let removed = if self.offer {
            hidden::removed(self.request, self.session, &mut draft.warnings)
        } else {
            Vec::new()
        };
        let mut groups = self.groups(draft, &medias);
        let mut plans: Vec<MediaWording> = Vec::new();
        plans.resize_with(self.session.medias.len(), MediaWording::default);
        let mut taken = vec![false; medias.len()];
        for index in groups.order(self.session.medias.len()) {
            let Some(media) = self.session.medias.get(index) else { continue };
            let Some(mut pair) = medias.get_mut(index).map(std::mem::take) else { continue };
            let is_removed = removed.get(index).copied().unwrap_or_default();
            if let Some(wording) = hidden::taken_out(&mut pair, self.from, media, is_removed, known) {
                groups.leave(index, &mut pair);
                settled(index, (pair, wording), &mut medias, &mut plans, &mut taken);
                continue;
            }
            if self.offer {
                pair.faces.get_mut(self.from).twin = twins.get(index).copied().flatten();
                draft.warnings.extend(groups.left_out(self.request, self.session, media));
            }
            groups.note(self.offer, self.session, media, &mut pair, self.from);
            groups.settle(index, &medias, &taken, &mut pair, self.from);
            let heads = groups.heads(index, self.session, &medias, &plans, self.from);
            let before = medias.get(..index).unwrap_or_default();
            let mut wording = self.media(draft, before, &mut pair, media, heads)?;
            let receiver = pair.faces.get_mut(self.from.other());
            wording.mid = mids::added(self.request, self.session, media, receiver);
            wording.plan.twin = twins::written(receiver, self.offer, media, &wording.plan);
            groups.taken(index, &pair, self.from);
            settled(index, (pair, wording), &mut medias, &mut plans, &mut taken);
        }
        let to = self.from.other();
        let bundle = groups.written(self.offer, self.session, &medias, &mut plans, to);
        let relayed = medias.iter().find_map(|pair| pair.faces.get(self.from.other()).local);
        let ours = relayed.and_then(|local| draft.interfaces.local(local)).map(|local| local.advertised);
        let shown = self.request.media_address.filter(|_| ours.is_some()).or(ours);
        // m-lines the body no longer has (against RFC 3264 §8, but it happens) carry nothing.
        for pair in medias.iter_mut().skip(self.session.medias.len()) {
            pair.carries = Carries::Nothing;
            pair.release();
        }
        if let Some(dialogue) = draft.call.dialogues.get_mut(self.dialogue) {
            dialogue.medias = medias;
        }
        draft.call.touch(self.dialogue, draft.now);
        let dialogue = draft.call.dialogues.get(self.dialogue).ok_or(CallError::NotFound)?;
        let receiver = *dialogue.parties.get(self.from.other());
        let mut sent = draft.call.party(receiver).map(|party| party.sent.clone()).unwrap_or_default();
        draft.check_keys()?;
        // What stands above the m-lines is for all of them.
        let ours = plans.iter().all(|wording| wording.plan.strip.dtls);
        let strip = Strip {
            ice: plans.iter().all(|wording| !wording.keeps_ice),
            ..if ours { STRIP_KEYS } else { STRIP }
        };
        let ice_lite = self.is_lite(draft);
        let whole =
            BodyWording { strip, ice_lite, bundle: &bundle, shown, request: self.request, mark: draft.mark };
        let finished = wording::body(self.session, &plans, &whole, &mut sent);
        if !finished.disturbed.is_empty() {
            let names = finished.disturbed.join(", ");
            draft.warnings.push(format!("sdp-attr changes what encryption and ICE rest on: {names}"));
        }
        if let Some(party) = draft.call.party_mut(receiver) {
            party.sent = sent;
        }
        Ok(finished.body)
    }

    /// The groups that the body is about.
    fn groups(&self, draft: &mut Draft<'_>, medias: &[MediaPair]) -> Groups {
        if !self.offer {
            return Groups::of_answer(self.request, self.session, medias, self.from);
        }
        let bundle = &self.request.bundle;
        if !bundle.accepts() && !bundle.offers() {
            return Groups::default();
        }
        let opaque = |media: &Media<'_>| {
            let security = media_security(self.session, media);
            let mut tried = medias
                .get(media.index)
                .map(|pair| pair.faces.get(self.from).encryption.clone())
                .unwrap_or_default();
            self.terms(draft, &security, media.protocol).take_offer(&mut tried);
            tried.is_opaque()
        };
        Groups::of_offer(self.request, self.session, medias, self.from, opaque)
    }

    fn call_settings(&self, draft: &mut Draft<'_>) {
        let (request, call) = (self.request, &mut draft.call);
        let edits = &request.edits;
        if self.offer && (edits.ptime.is_some() || edits.ptime_reverse.is_some()) {
            draft.warnings.push(packet_time::WARNING.into());
        }
        match request.tos {
            TosRequest::Default => call.tos = draft.config.tos,
            TosRequest::Unchanged => {}
            TosRequest::Set(tos) => call.tos = Some(tos),
        }
        if request.endpoint_learning.is_some() {
            call.learning = request.endpoint_learning;
        }
        call.callback = request.xmlrpc_callback.or(call.callback);
        call.debug |= request.has(Flag::Debug);
        call.generate_rtcp = request.generate_rtcp.unwrap_or(call.generate_rtcp);
        match request.drop_traffic {
            Some(DropTraffic::Start) => call.drop_traffic = true,
            Some(DropTraffic::Stop) => call.drop_traffic = false,
            None => {}
        }
    }

    /// Takes one m-line in. `before`: those above it in the body; `heads`: whose transports it has.
    pub(super) fn media(
        &self,
        draft: &mut Draft<'_>,
        before: &[MediaPair],
        pair: &mut MediaPair,
        media: &Media<'_>,
        heads: Heads<'_>,
    ) -> Result<MediaWording, CallError> {
        let refused = !self.offer && pair.carries == Carries::Nothing;
        let foreign = !self.offer && pair.carries == Carries::Foreign;
        pair.carries = match (foreign, heads.sender) {
            (true, _) => Carries::Foreign,
            // Port 0 is that of `a=bundle-only`.
            (false, Some(_)) => Carries::Rtp,
            (false, None) => carries(media),
        };
        let spoken = heads.spoken.unwrap_or(media);
        let (rtp_endpoint, rtcp_endpoint) = address::endpoints(spoken, self.request, draft.config);
        let moved = {
            let sender = pair.faces.get_mut(self.from);
            let moved =
                sender.advertised.is_some() && rtp_endpoint.is_some() && sender.advertised != rtp_endpoint;
            sender.fill(media);
            sender.advertised = rtp_endpoint;
            sender.advertised_rtcp = rtcp_endpoint;
            moved
        };
        let formats = if pair.carries == Carries::Rtp && !refused {
            let settle = if self.offer { codecs::on_offer } else { codecs::on_answer };
            settle(self.request, pair, self.from, media, &mut draft.warnings)
        } else {
            Formats::AsWritten
        };
        formats.log(&draft.call.id, media);
        let refused = refused || matches!(formats, Formats::Rejected);
        match pair.carries {
            Carries::Foreign => {
                pair.release();
                return Ok(MediaWording::default());
            }
            Carries::Rtp | Carries::Raw if !refused => {}
            Carries::Rtp | Carries::Raw | Carries::Nothing => {
                pair.carries = Carries::Nothing;
                pair.release();
                let strip = if media.protocol.is_rtp() { STRIP_KEYS } else { STRIP };
                let direction = matches!(formats, Formats::Rejected).then_some(Direction::Inactive);
                let plan = MediaPlan { port: Some(0), strip, direction, ..MediaPlan::default() };
                return Ok(MediaWording { formats: formats.written(), ..plan.into() });
            }
        }
        let before_sockets = Side::BOTH.map(|side| sockets(pair.faces.get(side)));
        self.policies(pair);
        self.mux(pair, heads.sender.is_some() || media.rtcp_mux || media.rtcp_mux_only);
        let (from, to) = (self.from, self.from.other());
        let of_side = |side: Side| if side == from { heads.sender } else { heads.receiver };
        for side in Side::BOTH {
            if let Some(head) = of_side(side) {
                pair.faces.get_mut(side).join_group(head);
            }
        }
        let sender_family =
            media.connection.and_then(|connection| connection.ip).map_or(Family::V4, Family::of);
        if self.offer && moved && heads.sender.is_none() && self.request.has(Flag::NoPortLatching) {
            let sender = pair.faces.get_mut(self.from);
            (sender.rtp, sender.rtcp) = (None, None);
            sender.spares.clear();
        }
        let rtcp = pair.carries == Carries::Rtp;
        let hint = |side: Side| before.iter().rev().find_map(|pair| pair.faces.get(side).local);
        let place = |side: Side, wish: Option<Family>| Place {
            moved: self.offer && self.asked(side).is_some(),
            family: wish,
            hint: hint(side),
            side,
            rtcp,
        };
        let from_wish = if self.offer { self.placement.from_family.or(Some(sender_family)) } else { None };
        if self.absent != Some(from) && heads.sender.is_none() {
            self.ensure(draft, pair.faces.get_mut(from), place(from, from_wish), sender_family)?;
        }
        let known = pair.faces.get(to).advertised.map(|address| Family::of(address.ip()));
        let to_wish = if self.offer { self.placement.to_family } else { None };
        let to_default = known.unwrap_or(sender_family);
        if self.absent != Some(to) && heads.receiver.is_none() {
            self.ensure(draft, pair.faces.get_mut(to), place(to, to_wish), to_default)?;
        }
        for (side, before) in Side::BOTH.into_iter().zip(before_sockets) {
            let face = pair.faces.get_mut(side);
            if before != sockets(face) && of_side(side).is_none() {
                face.encryption.moved();
            }
            signal(draft, face);
        }
        let ice = self.ice(draft, pair, spoken, heads);
        if self.offer && self.request.has(Flag::Reset) {
            unlearn(draft, pair.faces.get(to));
        }
        if pair.carries == Carries::Rtp {
            let protocol = self.encryption(draft, pair, media, heads);
            let wording = self.written(draft, pair, media, protocol);
            let wording = self.with_ice(MediaWording { formats: formats.written(), ..wording }, pair, ice);
            Ok(if heads.only { wording.for_the_group_alone() } else { wording })
        } else {
            let plan = self.placed(draft, pair.faces.get(to), media);
            Ok(self.with_ice(plan.into(), pair, ice))
        }
    }

    /// Settles ICE on both sides; yields how it is written for the receiver.
    fn ice(
        &self,
        draft: &mut Draft<'_>,
        pair: &mut MediaPair,
        media: &Media<'_>,
        heads: Heads<'_>,
    ) -> Wording {
        let ice = media.security.ice.then(|| media_security(self.session, media).ice);
        let signal = ice.as_ref().and_then(Signal::of);
        let theirs = signal.as_ref().map(|signal| signal.credentials().clone());
        let (sender, receiver) = pair.faces.split_mut(self.from);
        let wording = if self.offer {
            ice::on_offer(self.request, signal, &mut sender.ice, &mut receiver.ice)
        } else {
            ice::on_answer(self.request, signal, &mut sender.ice, &receiver.ice)
        };
        let rtcp = pair.carries == Carries::Rtp;
        let wanted = [sender.ice.is_engaged(), wording != Wording::Without || receiver.ice.is_engaged()];
        let of_group = [heads.sender, heads.receiver];
        for ((face, wanted), head) in [&mut *sender, &mut *receiver].into_iter().zip(wanted).zip(of_group) {
            if let Some(head) = head {
                face.ice.clone_from(&head.ice);
                continue;
            }
            spares::fit(draft, face, rtcp, wanted);
            face.ice.shrink(&spares::all(draft, face));
        }
        if heads.receiver.is_some() {
            return heads.ice;
        }
        let sockets = spares::all(draft, receiver);
        if wording == Wording::Without {
            receiver.ice.disengage(self.offer, &sockets);
            spares::fit(draft, receiver, rtcp, receiver.ice.is_engaged());
        } else {
            let local = receiver.ice.credentials(wording, self.offer, &sockets, theirs.as_ref(), draft);
            receiver.ice.engage(self.offer, local, sockets, || draft.call.next_agent());
        }
        wording
    }

    fn with_ice(&self, mut wording: MediaWording, pair: &MediaPair, ice: Wording) -> MediaWording {
        wording.ice = ice;
        if let Some(leg) = &pair.faces.get(self.from.other()).ice.leg {
            wording.crypto.extend(ice::lines(leg, ice, self.request.has(Flag::TrickleIce)));
        }
        if let Wording::Beside { relay } = ice {
            wording.keeps_ice = true;
            wording.plan.strip.ice = false;
            wording.plan.strip.relay_candidates = relay;
            if relay {
                (wording.plan.address, wording.plan.port) = (None, None);
                wording.plan.rtcp = RtcpPlan::Keep;
            }
        }
        wording
    }

    /// Whether the receiver of the body faces a lite agent.
    fn is_lite(&self, draft: &Draft<'_>) -> bool {
        let medias = draft.call.dialogues.get(self.dialogue).map_or(&[][..], |dialogue| &dialogue.medias);
        medias.iter().any(|pair| {
            let face = &pair.faces.get(self.from.other()).ice;
            face.lite && face.leg.as_ref().is_some_and(|leg| leg.lite)
        })
    }

    fn asked(&self, side: Side) -> Option<&str> {
        let name = if side == self.from { &self.placement.from } else { &self.placement.to };
        name.as_deref()
    }

    /// `asymmetric` speaks of the sender; the source policies hold for both sides. An offer sets them anew, an answer adds.
    fn policies(&self, pair: &mut MediaPair) {
        let (sender, receiver) = pair.faces.split_mut(self.from);
        sender.asymmetric = self.request.has(Flag::Asymmetric);
        if self.offer {
            packet_time::on_offer(self.request, sender);
        }
        let (strict, handover) =
            (self.request.has(Flag::StrictSource), self.request.has(Flag::MediaHandover));
        media_flags::on_message(self.request, self.offer, sender, receiver);
        for face in [sender, receiver] {
            face.strict_source = strict || (face.strict_source && !self.offer);
            face.media_handover = handover || (face.media_handover && !self.offer);
        }
    }

    fn mux(&self, pair: &mut MediaPair, asked: bool) {
        let rtp = pair.carries == Carries::Rtp;
        let (sender, receiver) = pair.faces.split_mut(self.from);
        if !rtp {
            (sender.mux, receiver.mux) = Default::default();
        } else if self.offer {
            mux::on_offer(&mut sender.mux, &mut receiver.mux, asked, mux::flags(self.request));
        } else {
            mux::on_answer(&mut sender.mux, &mut receiver.mux, asked, self.request.rtcp_mux);
        }
    }

    /// Sees to it that a face has the sockets it needs, on the interface and of the family asked for.
    fn ensure(
        &self,
        draft: &mut Draft<'_>,
        face: &mut Face,
        place: Place,
        default_family: Family,
    ) -> Result<(), CallError> {
        let name = draft
            .call
            .dialogues
            .get(self.dialogue)
            .and_then(|dialogue| dialogue.interfaces.get(place.side).clone());
        let wanted = wanted(name.as_deref());
        if let Some(local) = face.local {
            let elsewhere = place.moved && !draft.interfaces.matches(local, &wanted);
            let other_family = place.family.is_some_and(|family| draft.interfaces.could_move(local, family));
            if elsewhere || other_family {
                (face.rtp, face.rtcp, face.local) = (None, None, None);
                face.spares.clear();
            }
        }
        let single = face.mux.active || !place.rtcp;
        let Some(rtp) = face.rtp else {
            let family = place.family.unwrap_or(default_family);
            let (local, rtp, rtcp) = self.open(draft, &wanted, family, single, face.local.or(place.hint))?;
            (face.local, face.rtp, face.rtcp) = (Some(local), Some(rtp), rtcp);
            return Ok(());
        };
        if single {
            face.rtcp = None;
        } else if let (None, Some(local)) = (face.rtcp, face.local) {
            let port = draft.call.socket(rtp).map_or(0, |socket| socket.local.port());
            face.rtcp = Some(draft.open_rtcp(local, port)?);
        }
        Ok(())
    }

    /// Opens sockets next to those of the other m-lines if possible, else wherever the interface has room.
    fn open(
        &self,
        draft: &mut Draft<'_>,
        wanted: &Wanted<'_>,
        family: Family,
        single: bool,
        hint: Option<LocalIdx>,
    ) -> Result<(LocalIdx, StreamId, Option<StreamId>), CallError> {
        let first_only = draft.config.save_interface_ports;
        let near = hint.filter(|&local| {
            draft.interfaces.matches(local, wanted)
                && draft.interfaces.local(local).is_some_and(|found| Family::of(found.address) == family)
        });
        if let Some(local) = near
            && let Ok((rtp, rtcp)) = draft.open(local, single)
        {
            return Ok((local, rtp, rtcp));
        }
        // Ports of an interface may be free by our books and all in use by others: then the next one has its turn.
        let mut tried = Vec::new();
        let mut failure = None;
        loop {
            let local = match draft.interfaces.choose(wanted, family, single, first_only, &tried) {
                Ok(local) => local,
                Err(error) => return Err(failure.unwrap_or(error.into())),
            };
            match draft.open(local, single) {
                Ok((rtp, rtcp)) => return Ok((local, rtp, rtcp)),
                Err(error @ CallError::Interface(_)) => {
                    tried.push(local);
                    failure.get_or_insert(error);
                }
                Err(error) => return Err(error),
            }
        }
    }

    /// Settles how media is encrypted on both sides; yields the profile to write for the receiver.
    fn encryption(
        &self,
        draft: &mut Draft<'_>,
        pair: &mut MediaPair,
        media: &Media<'_>,
        heads: Heads<'_>,
    ) -> Protocol {
        let security = media_security(self.session, heads.spoken.unwrap_or(media));
        let terms = Terms { own_keys: heads.own_keys, ..self.terms(draft, &security, media.protocol) };
        let (sender, receiver) = pair.faces.split_mut(self.from);
        if self.offer {
            if heads.sender.is_none() {
                terms.take_offer(&mut sender.encryption);
            }
            let (protocol, warning) = self.offered_protocol(sender, media, terms.has_dtls());
            draft.warnings.extend(warning.map(String::from));
            if heads.receiver.is_some() {
                sender.encryption.begin();
            } else {
                if receiver.mux.proposed != receiver.mux.active {
                    receiver.encryption.renew();
                }
                terms.compose_offer(&mut sender.encryption, &mut receiver.encryption, protocol, draft);
            }
            if !sender.encryption.is_opaque() && receiver.encryption.is_without_keys() {
                draft
                    .warnings
                    .push("SRTP is offered without keys: neither SDES nor DTLS-SRTP may be used".into());
            }
            protocol
        } else {
            if heads.sender.is_none() {
                terms.take_answer(&mut sender.encryption);
            }
            if heads.receiver.is_none() {
                terms.compose_answer(&sender.encryption, &mut receiver.encryption, draft);
            }
            let (protocol, warning) = self.answered_protocol(receiver, media);
            draft.warnings.extend(warning.map(String::from));
            if treatment(pair) == Treatment::NoKeys {
                draft.warnings.push("No media can flow: SRTP was answered without usable keys".into());
            }
            protocol
        }
    }

    /// What the request says of encryption, and the body of an m-line with this profile.
    fn terms<'t, 's>(
        &'t self,
        draft: &mut Draft<'_>,
        security: &'t MediaSecurity<'s>,
        protocol: Protocol,
    ) -> Terms<'t, 's> {
        Terms {
            request: self.request,
            security,
            protocol,
            identity: draft.identity(),
            dtls_passive: draft.config.dtls_passive,
            own_keys: false,
        }
    }

    /// The profile of an offer: that of `transport protocol` if it can be had, else that of the body.
    fn offered_protocol(
        &self,
        sender: &Face,
        media: &Media<'_>,
        has_dtls: bool,
    ) -> (Protocol, Option<&'static str>) {
        let asked = self.request.transport_protocol.as_ref().and_then(TransportProtocol::sdp_name);
        let wanted = asked.map_or(media.protocol, Protocol::of);
        let opaque = sender.encryption.is_opaque();
        match wanted {
            wanted if wanted == media.protocol => (wanted, None),
            Protocol::RtpAvp | Protocol::RtpAvpf if opaque => (
                media.protocol,
                Some("transport protocol not changed: the keys of the offered SRTP are not known"),
            ),
            Protocol::UdpTlsRtpSavp | Protocol::UdpTlsRtpSavpf if !opaque && !has_dtls => {
                (media.protocol, Some("transport protocol not changed: DTLS-SRTP is switched off"))
            }
            wanted if wanted.is_rtp() => (wanted, None),
            _ => {
                (media.protocol, Some("transport protocol not changed: RTP is not converted in this release"))
            }
        }
    }

    /// The profile of an answer. It is that of the offer (RFC 3264 §6), whatever the answerer wrote, as far as the request
    /// does not ask for another one; it never changes between plain and encrypted.
    fn answered_protocol(&self, receiver: &Face, media: &Media<'_>) -> (Protocol, Option<&'static str>) {
        let offered = receiver.protocol.unwrap_or(media.protocol);
        let asked = self.request.transport_protocol.as_ref();
        let wanted = match asked {
            None => return (offered, None),
            Some(asked) => asked.sdp_name().map_or(media.protocol, Protocol::of),
        };
        if wanted.is_rtp() && wanted.is_srtp() == offered.is_srtp() {
            return (wanted, None);
        }
        let accept = asked == Some(&TransportProtocol::Accept);
        let warning = "transport protocol not changed: an answer does not change between RTP and SRTP";
        (offered, (!accept).then_some(warning))
    }

    /// Where the receiver is to send an m-line.
    fn placed(&self, draft: &Draft<'_>, face: &Face, media: &Media<'_>) -> MediaPlan<'static> {
        let port = face.rtp.and_then(|stream| draft.call.socket(stream)).map(|socket| socket.local.port());
        let ours = face.local.and_then(|local| draft.interfaces.local(local)).map(|local| local.advertised);
        let shown: Option<IpAddr> = ours.map(|ours| address::written(ours, media, self.request));
        MediaPlan { address: shown, port, strip: STRIP, ..MediaPlan::default() }
    }

    /// How an RTP m-line is written for the receiver.
    fn written(
        &self,
        draft: &Draft<'_>,
        pair: &MediaPair,
        media: &Media<'_>,
        protocol: Protocol,
    ) -> MediaWording {
        let (sender, face) = (pair.faces.get(self.from), pair.faces.get(self.from.other()));
        let mut plan = self.placed(draft, face, media);
        let rtcp_port = face
            .rtcp
            .and_then(|stream| draft.call.socket(stream))
            .map(|socket| socket.local.port())
            .or(plan.port);
        let ours = face.local.and_then(|local| draft.interfaces.local(local)).map(|local| local.advertised);
        plan.complete_rtpmaps = true;
        plan.rtcp = match (rtcp_port, ours) {
            _ if self.request.has(Flag::NoRtcpAttribute) => RtcpPlan::Omit,
            (Some(port), Some(ours)) if self.request.has(Flag::FullRtcpAttribute) => {
                RtcpPlan::Full(self.request.media_address.unwrap_or(ours), port)
            }
            (Some(port), _) => RtcpPlan::Port(port),
            (None, _) => RtcpPlan::Omit,
        };
        let mux = if self.offer { face.mux.proposed } else { face.mux.active };
        plan.rtcp_mux = if mux { RtcpMuxPlan::Add } else { RtcpMuxPlan::Remove };
        if !self.request.has(Flag::OriginalSendrecv) {
            plan.direction = Some(media.effective_direction());
        }
        plan.ptime = packet_time::written(self.request, self.offer, media, face);
        let changed = protocol != media.protocol;
        plan.protocol = protocol.name().filter(|_| changed);
        let offerer = if self.offer { sender } else { face };
        let opaque = offerer.encryption.is_opaque();
        plan.strip =
            Strip { feedback: changed && !protocol.is_feedback(), ..if opaque { STRIP } else { STRIP_KEYS } };
        let crypto = if opaque { Vec::new() } else { face.encryption.written(self.request) };
        MediaWording { plan, crypto, ..MediaWording::default() }
    }
}

/// The sockets of a face, once it has any.
fn sockets(face: &Face) -> Option<(StreamId, Option<StreamId>)> {
    face.rtp.map(|rtp| (rtp, face.rtcp))
}

/// Where a face's sockets belong.
struct Place {
    /// The request names an interface for this side.
    moved: bool,
    /// The request or the body fixes the family.
    family: Option<Family>,
    hint: Option<LocalIdx>,
    side: Side,
    rtcp: bool,
}

/// Tells the sockets of a face where its party is.
fn signal(draft: &mut Draft<'_>, face: &Face) {
    let now = draft.now;
    for (stream, address) in [(face.rtp, face.advertised), (face.rtcp, face.advertised_rtcp)] {
        if let Some(socket) = stream.and_then(|stream| draft.call.socket_mut(stream)) {
            socket.signal(address);
            socket.alive_mono_us = now.mono_us;
            socket.since_unix_us = now.unix_us;
        }
    }
}

/// `reset`: there may be somebody else behind the receiver's tag.
fn unlearn(draft: &mut Draft<'_>, face: &Face) {
    for stream in face.streams() {
        if let Some(socket) = draft.call.socket_mut(stream) {
            socket.unlearn();
        }
    }
}

/// Puts an m-line that has been taken in where it belongs.
fn settled(
    index: usize,
    (pair, wording): (MediaPair, MediaWording),
    medias: &mut [MediaPair],
    plans: &mut [MediaWording],
    taken: &mut [bool],
) {
    if let (Some(media), Some(plan), Some(done)) =
        (medias.get_mut(index), plans.get_mut(index), taken.get_mut(index))
    {
        (*media, *plan, *done) = (pair, wording, true);
    }
}
