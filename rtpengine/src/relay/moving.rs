//! Streams change over to another relay thread, with everything known of them: their call has become a part of one that is
//! served there.
//!
//! Both threads are told at once, the old one to part with the streams, the new one to take them over, and every later
//! command for them goes to the new one. That waits for the old one when it comes to its command, for as long as that
//! needs to come to its own: two such waits never wait for each other, as all threads are told of moves in the same order.
//! Packets wait in the sockets meanwhile.

use std::sync::mpsc::{Receiver, SyncSender};

use rtpengine_core::io::StreamId;

use super::keyring::MovedRing;
use super::shard::{Shard, watch};
use super::stream::Stream;

/// What changes over.
pub(super) struct Moved {
    streams: Vec<Stream>,
    rings: Vec<MovedRing>,
}

/// Told to the thread that the streams leave.
pub(super) struct Departure {
    pub streams: Vec<StreamId>,
    pub to: SyncSender<Moved>,
}

/// Told to the thread that they come to.
pub(super) struct Arrival {
    pub from: Receiver<Moved>,
}

impl Shard {
    pub(super) fn depart(&mut self, departure: &Departure) {
        let streams: Vec<Stream> =
            departure.streams.iter().filter_map(|stream| self.take_out(*stream)).collect();
        let mut rings: Vec<StreamId> = streams.iter().filter_map(Stream::keyring).collect();
        rings.sort_unstable();
        rings.dedup();
        let rings = rings.into_iter().filter_map(|ring| self.keyrings.take_out(ring)).collect();
        // The other thread is gone only when the daemon ends.
        let _stopped = departure.to.send(Moved { streams, rings });
    }

    pub(super) fn arrive(&mut self, arrival: &Arrival) {
        let Ok(moved) = arrival.from.recv() else { return };
        let places: Vec<_> = moved.rings.into_iter().flat_map(|ring| self.keyrings.put_in(ring)).collect();
        for mut stream in moved.streams {
            stream.moved(|old| places.iter().find(|(known, _)| *known == old).map(|(_, new)| *new));
            if let Err(error) = watch(&self.epoll(), stream.id, stream.socket.socket()) {
                tracing::error!(
                    target: "core",
                    "a media socket that changes threads cannot be watched: {error}; raise fs.epoll.max_user_watches",
                );
            }
            self.put_in(stream);
        }
    }
}
