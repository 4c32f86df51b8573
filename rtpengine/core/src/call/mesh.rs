//! `mesh`: several parties of a call hear each other, every one all others.

use super::{
    engine::Engine,
    error::CallError,
    joins::Join,
    selection::{self, Selected},
};
use crate::{
    io::{MediaPlane, Now},
    ng::{AllMode, Reply, Request},
};

impl Engine {
    pub(super) fn mesh(
        &mut self,
        now: Now,
        request: &Request,
        plane: &mut dyn MediaPlane,
    ) -> Result<Reply, CallError> {
        self.change(now, request, plane, |call| {
            let named = selection::senders(call, &Request { is_unread: false, ..request.clone() })?;
            let parties = match named {
                Selected::Parties(parties) => parties,
                Selected::Everybody if request.all == AllMode::None => return Err(CallError::NoMesh),
                Selected::Everybody => {
                    let known = call.parties.iter().filter(|party| party.tag.is_some()).map(|party| party.id);
                    known.filter(|party| call.source_dialogue(*party).is_some()).collect()
                }
            };
            if parties.len() < 2 {
                return Err(CallError::NoMesh);
            }
            for &from in &parties {
                for &to in parties.iter().filter(|to| **to != from) {
                    let hears =
                        call.peers_of(from).iter().any(|(peer, subscribed)| *peer == to && !subscribed);
                    if !hears {
                        call.join(Join { from, to })?;
                    }
                }
            }
            Ok(())
        })
    }
}
