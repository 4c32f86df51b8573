//! `sdp-media-remove`: m-lines that one party is not shown. Within a call they are rejected ones.

use super::{
    media::{Carries, Face, MediaPair, Side},
    wording::MediaWording,
};
use crate::{
    ng::Request,
    sdp::{Line, Media, MediaPlan, Session},
};

/// By m-line, whether a request takes it out of an offer: none, if that would be all.
pub(super) fn removed(request: &Request, session: &Session<'_>, warnings: &mut Vec<String>) -> Vec<bool> {
    let wanted = &request.edits.removed_media;
    let removed: Vec<bool> = session.medias.iter().map(|media| wanted.has(media.kind)).collect();
    if !removed.is_empty() && removed.iter().all(|removed| *removed) {
        warnings.push("sdp-media-remove would leave no m-line: nothing is removed".to_owned());
        return Vec::new();
    }
    removed
}

/// Settles an m-line that the receiver of a body is not shown, or no longer: what it has seen once keeps its place
/// (RFC 3264 section 8) and is rejected. `known`: m-lines there were before this body.
pub(super) fn taken_out(
    pair: &mut MediaPair,
    from: Side,
    media: &Media<'_>,
    removed: bool,
    known: usize,
) -> Option<MediaWording> {
    let receiver = pair.faces.get_mut(from.other());
    receiver.hidden |= removed && media.index >= known;
    let omit = receiver.hidden;
    if !omit && !removed {
        return None;
    }
    pair.faces.get_mut(from).fill(media);
    pair.carries = Carries::Nothing;
    pair.release();
    Some(MediaPlan { port: Some(0), omit, ..MediaPlan::default() }.into())
}

/// The body of the party `from` with the m-lines it does not see; `None` where it sees all of them.
pub(super) fn completed(session: &Session<'_>, known: &[MediaPair], from: Side) -> Option<Vec<u8>> {
    if !known.iter().any(|pair| pair.faces.get(from).hidden) {
        return None;
    }
    let mut body = Vec::new();
    append(&mut body, session.session_lines());
    let mut own = session.medias.iter();
    for pair in known {
        if pair.faces.get(from).hidden {
            end_line(&mut body);
            body.extend(rejected(pair.faces.get(from.other())).into_bytes());
        } else if let Some(media) = own.next() {
            append(&mut body, session.media_lines(media));
        }
    }
    for media in own {
        append(&mut body, session.media_lines(media));
    }
    Some(body)
}

fn append(body: &mut Vec<u8>, lines: &[Line<'_>]) {
    for line in lines {
        end_line(body);
        body.extend_from_slice(line.raw);
        body.extend_from_slice(line.ending.as_bytes());
    }
}

fn end_line(body: &mut Vec<u8>) {
    if body.last().is_some_and(|last| *last != b'\n') {
        body.extend_from_slice(b"\r\n");
    }
}

/// What an m-line of the other party is answered with.
fn rejected(face: &Face) -> String {
    format!("m={} 0 {} 0\r\n", face.kind, face.protocol_name)
}
