//! Commands on their way to the manager: never blocks, never grows beyond one entry per stream.

use std::{
    collections::VecDeque,
    sync::{Condvar, Mutex, PoisonError},
    time::Duration,
};

use ahash::AHashMap;
use rtpengine_core::io::{FlowCommand, StreamId};
use tokio::sync::Notify;

/// What the manager is asked to do besides flow commands.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Stop {
    /// Remove the flows, the pins and, where nobody else needs them, the attachments.
    Remove,
    /// Leave everything in the kernel for a successor to adopt.
    Keep,
}

#[derive(Debug, Default)]
struct Inner {
    /// Streams in order of their oldest waiting command. A later command of a stream takes the place of an earlier one, so
    /// what freed a port is always handled before what uses it next.
    order: VecDeque<StreamId>,
    latest: AHashMap<StreamId, FlowCommand>,
    drop_unclaimed: bool,
    stop: Option<Stop>,
    /// Commands added so far.
    added: u64,
    /// How many of these have been carried out, or superseded.
    done: u64,
}

/// One batch of work.
#[derive(Debug, Default)]
pub struct Batch {
    /// Flow commands, in order.
    pub commands: Vec<FlowCommand>,
    /// Adopted flows that nobody claimed go.
    pub drop_unclaimed: bool,
    /// The manager ends after this batch.
    pub stop: Option<Stop>,
    /// With this batch, so many of the commands ever added are carried out; `None`: some wait behind it.
    pub reaches: Option<u64>,
}

/// The queue.
#[derive(Debug, Default)]
pub struct Queue {
    inner: Mutex<Inner>,
    notify: Notify,
    progress: Condvar,
}

/// Commands handled before the manager looks at other work.
const BATCH: usize = 256;

impl Queue {
    /// Adds a command.
    pub fn push(&self, command: FlowCommand) {
        let stream = match &command {
            FlowCommand::Install(spec) => spec.stream,
            FlowCommand::Remove { stream } => *stream,
        };
        self.change(|inner| {
            inner.added += 1;
            if inner.latest.insert(stream, command).is_none() {
                inner.order.push_back(stream);
            }
        });
    }

    /// Asks for [`Batch::drop_unclaimed`], after the commands queued so far.
    pub fn drop_unclaimed(&self) {
        self.change(|inner| inner.drop_unclaimed = true);
    }

    /// Ends the manager.
    pub fn stop(&self, stop: Stop) {
        self.change(|inner| inner.stop = Some(stop));
    }

    /// Waits until there is something to do. Cancel-safe.
    pub async fn ready(&self) {
        self.notify.notified().await;
    }

    /// Takes the next batch; the rest raises [`Queue::ready`] again.
    pub fn take(&self) -> Batch {
        let mut inner = self.inner.lock().unwrap_or_else(PoisonError::into_inner);
        let mut batch = Batch { stop: inner.stop, ..Batch::default() };
        while batch.commands.len() < BATCH {
            let Some(stream) = inner.order.pop_front() else { break };
            batch.commands.extend(inner.latest.remove(&stream));
        }
        if inner.order.is_empty() {
            batch.drop_unclaimed = std::mem::take(&mut inner.drop_unclaimed);
            batch.reaches = Some(inner.added);
        } else {
            self.notify.notify_one();
        }
        batch
    }

    /// The commands of a batch have been carried out.
    pub fn done(&self, reaches: Option<u64>) {
        if let Some(reaches) = reaches {
            self.inner.lock().unwrap_or_else(PoisonError::into_inner).done = reaches;
            self.progress.notify_all();
        }
    }

    /// Waits until all commands added before are carried out, at most for `longest`.
    pub fn wait(&self, longest: Duration) {
        let inner = self.inner.lock().unwrap_or_else(PoisonError::into_inner);
        let added = inner.added;
        drop(self.progress.wait_timeout_while(inner, longest, |inner| inner.done < added));
    }

    fn change(&self, change: impl FnOnce(&mut Inner)) {
        change(&mut self.inner.lock().unwrap_or_else(PoisonError::into_inner));
        self.notify.notify_one();
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_later_command_takes_the_place_of_an_earlier_one() {
        let queue = Queue::default();
        for stream in [1, 2, 1] {
            queue.push(FlowCommand::Remove { stream: StreamId(stream) });
        }
        let batch = queue.take();
        let expected = [1, 2].map(|stream| FlowCommand::Remove { stream: StreamId(stream) });
        assert_eq!(batch.commands, expected);
        assert!(queue.take().commands.is_empty());
    }

    #[test]
    fn who_waits_goes_on_when_all_that_was_queued_is_done() {
        let queue = Queue::default();
        queue.wait(Duration::from_secs(60));
        for stream in 0..=BATCH as u64 {
            queue.push(FlowCommand::Remove { stream: StreamId(stream) });
        }
        queue.done(queue.take().reaches);
        assert!(queue.inner.lock().unwrap().done < BATCH as u64);
        std::thread::scope(|scope| {
            let waiting = scope.spawn(|| queue.wait(Duration::from_secs(60)));
            queue.done(queue.take().reaches);
            waiting.join().unwrap();
        });
    }

    #[test]
    fn unclaimed_flows_go_after_the_last_queued_claim() {
        let queue = Queue::default();
        queue.drop_unclaimed();
        for stream in 0..=BATCH as u64 {
            queue.push(FlowCommand::Remove { stream: StreamId(stream) });
        }
        assert!(!queue.take().drop_unclaimed);
        assert!(queue.take().drop_unclaimed);
    }
}
