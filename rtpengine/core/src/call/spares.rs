//! Sockets at further addresses of an interface: more candidates for ICE (*Interfaces* in the manual).

use smallvec::SmallVec;

use super::{
    draft::Draft,
    ice::LegSocket,
    interfaces::LocalIdx,
    media::{Face, Spare},
};
use crate::{ice::MAX_LOCAL_CANDIDATES, io::StreamId};

/// Opens the further sockets of a face that does ICE, or gives them up. An address without free ports is left out.
pub(super) fn fit(draft: &mut Draft<'_>, face: &mut Face, rtcp: bool, wanted: bool) {
    let (Some(local), true) = (face.local, wanted && face.rtp.is_some()) else {
        face.spares.clear();
        return;
    };
    let single = face.mux.active || !rtcp;
    if single {
        face.spares.iter_mut().for_each(|spare| spare.rtcp = None);
    } else {
        // Those without RTCP are of no use to a party that wants both.
        face.spares.retain(|spare| spare.rtcp.is_some());
    }
    if draft.config.save_interface_ports {
        return;
    }
    for other in draft.interfaces.others(local).into_iter().take(MAX_LOCAL_CANDIDATES - 1) {
        if face.spares.iter().all(|spare| spare.local != other)
            && let Ok((rtp, rtcp)) = draft.open(other, single)
        {
            face.spares.push(Spare { local: other, rtp, rtcp });
        }
    }
}

/// All sockets of a face with their components, best first.
pub(super) fn all(draft: &Draft<'_>, face: &Face) -> SmallVec<[LegSocket; 2]> {
    let first = face.local.zip(face.rtp).map(|(local, rtp)| Spare { local, rtp, rtcp: face.rtcp });
    let mut sockets = SmallVec::new();
    for Spare { local, rtp, rtcp } in first.into_iter().chain(face.spares.iter().copied()) {
        sockets.extend(socket(draft, local, rtp, 1));
        sockets.extend(rtcp.and_then(|rtcp| socket(draft, local, rtcp, 2)));
    }
    sockets
}

fn socket(draft: &Draft<'_>, local: LocalIdx, stream: StreamId, component: u16) -> Option<LegSocket> {
    let base = draft.call.socket(stream)?.local;
    let advertised = draft.interfaces.local(local)?.advertised;
    Some(LegSocket { component, stream, base, advertised })
}
