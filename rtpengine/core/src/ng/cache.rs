//! Replies kept for retransmitted requests.
//!
//! A SIP proxy repeats a request under the same cookie until it gets a reply, possibly from another socket. The cookie
//! alone is the key, as in the original: a repeat gets the same bytes whatever its body says. A repeat that comes
//! while the first is still being handled waits for its reply.

use std::collections::{HashMap, VecDeque};
use std::sync::Arc;

/// Bounds of a [`CookieCache`].
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct CacheLimits {
    /// Replies kept.
    pub entries: usize,
    /// Bytes of cookies and replies kept.
    pub bytes: usize,
    /// How long a reply is kept, microseconds.
    pub lifetime_us: u64,
    /// Repeats that may wait for one reply; further ones are dropped, the proxy repeats them anyway.
    pub waiters: usize,
}

impl Default for CacheLimits {
    /// 30 s cover five retransmissions of Kamailio with a second or more between them.
    fn default() -> Self {
        Self { entries: 65_536, bytes: 64 << 20, lifetime_us: 30_000_000, waiters: 16 }
    }
}

/// What to do with a request.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Lookup {
    /// New: handle it, then call [`CookieCache::finish`].
    New,
    /// Repeat: send this.
    Replay(Arc<[u8]>),
    /// Repeat of a request being handled: nothing to do now.
    Waiting,
}

enum Entry<W> {
    Pending(Vec<W>),
    Done(Arc<[u8]>),
}

/// The cache. `W` says where a waiting repeat wants its reply.
pub struct CookieCache<W> {
    limits: CacheLimits,
    entries: HashMap<Arc<[u8]>, Entry<W>, ahash::RandomState>,
    /// Finished entries, oldest first, with the time they end (monotonic microseconds).
    ends: VecDeque<(u64, Arc<[u8]>)>,
    bytes: usize,
}

impl<W> CookieCache<W> {
    /// An empty cache. `hasher` brings the randomness that keeps peers from choosing colliding cookies.
    #[must_use]
    pub fn new(limits: CacheLimits, hasher: ahash::RandomState) -> Self {
        Self { limits, entries: HashMap::with_hasher(hasher), ends: VecDeque::new(), bytes: 0 }
    }

    /// Looks a request up and, when it is new, marks it as being handled. `mono_us` is the monotonic time.
    pub fn begin(&mut self, mono_us: u64, cookie: &[u8], waiter: impl FnOnce() -> W) -> Lookup {
        self.expire(mono_us);
        match self.entries.get_mut(cookie) {
            Some(Entry::Done(reply)) => Lookup::Replay(Arc::clone(reply)),
            Some(Entry::Pending(waiters)) => {
                if waiters.len() < self.limits.waiters {
                    waiters.push(waiter());
                }
                Lookup::Waiting
            }
            None => {
                self.entries.insert(cookie.into(), Entry::Pending(Vec::new()));
                Lookup::New
            }
        }
    }

    /// Keeps the reply to a request begun before; returns who waits for it.
    #[must_use = "the waiting repeats have to be answered"]
    pub fn finish(&mut self, mono_us: u64, cookie: &[u8], reply: Arc<[u8]>) -> Vec<W> {
        let waiters = self.abandon(cookie);
        let cookie: Arc<[u8]> = cookie.into();
        self.bytes += cookie.len() + reply.len();
        self.ends.push_back((mono_us.saturating_add(self.limits.lifetime_us), Arc::clone(&cookie)));
        self.entries.insert(cookie, Entry::Done(reply));
        while self.ends.len() > self.limits.entries || self.bytes > self.limits.bytes {
            self.drop_oldest();
        }
        waiters
    }

    /// Forgets a request that got no reply; returns who waits for it.
    pub fn abandon(&mut self, cookie: &[u8]) -> Vec<W> {
        match self.entries.remove(cookie) {
            Some(Entry::Pending(waiters)) => waiters,
            Some(done @ Entry::Done(_)) => {
                self.entries.insert(cookie.into(), done);
                Vec::new()
            }
            None => Vec::new(),
        }
    }

    /// Drops replies whose time is over.
    pub fn expire(&mut self, mono_us: u64) {
        while self.ends.front().is_some_and(|(end, _)| *end <= mono_us) {
            self.drop_oldest();
        }
    }

    /// Replies kept at present.
    #[must_use]
    pub fn len(&self) -> usize {
        self.ends.len()
    }

    /// `true` while no reply is kept.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.ends.is_empty()
    }

    /// Bytes of cookies and replies kept at present.
    #[must_use]
    pub const fn bytes(&self) -> usize {
        self.bytes
    }

    fn drop_oldest(&mut self) {
        if let Some((_, cookie)) = self.ends.pop_front()
            && let Some(Entry::Done(reply)) = self.entries.remove(&cookie)
        {
            self.bytes -= cookie.len() + reply.len();
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn cache(entries: usize, bytes: usize) -> CookieCache<u8> {
        let limits = CacheLimits { entries, bytes, lifetime_us: 100, waiters: 2 };
        CookieCache::new(limits, ahash::RandomState::with_seeds(1, 2, 3, 4))
    }

    fn run(cache: &mut CookieCache<u8>, now: u64, cookie: &[u8], reply: &[u8]) {
        assert_eq!(cache.begin(now, cookie, || 0), Lookup::New);
        assert_eq!(cache.finish(now, cookie, reply.into()), Vec::<u8>::new());
    }

    #[test]
    fn a_repeat_gets_the_same_bytes_until_they_expire() {
        let mut cache = cache(10, 1000);
        run(&mut cache, 0, b"c", b"reply");
        assert_eq!(cache.begin(99, b"c", || 0), Lookup::Replay(b"reply".as_slice().into()));
        assert_eq!(cache.begin(100, b"c", || 0), Lookup::New);
        assert_eq!((cache.len(), cache.bytes()), (0, 0));
    }

    #[test]
    fn concurrent_repeats_wait_for_the_first() {
        let mut cache = cache(10, 1000);
        assert_eq!(cache.begin(0, b"c", || 1), Lookup::New);
        assert_eq!(cache.begin(0, b"c", || 2), Lookup::Waiting);
        assert_eq!(cache.begin(0, b"c", || 3), Lookup::Waiting);
        assert_eq!(cache.begin(0, b"c", || 4), Lookup::Waiting);
        assert_eq!(cache.finish(5, b"c", b"r".as_slice().into()), [2, 3]);
        assert_eq!(cache.begin(6, b"c", || 5), Lookup::Replay(b"r".as_slice().into()));
    }

    #[test]
    fn count_and_bytes_are_bounded() {
        let mut cache = cache(3, 20);
        for (now, cookie) in [b"a", b"b", b"c", b"d"].into_iter().enumerate() {
            run(&mut cache, now as u64, cookie, b"1");
        }
        assert_eq!(cache.len(), 3);
        assert_eq!(cache.begin(5, b"a", || 0), Lookup::New);
        run(&mut cache, 6, b"e", b"0123456789012345");
        assert_eq!((cache.len(), cache.bytes()), (2, 19));
    }

    #[test]
    fn an_abandoned_request_can_be_tried_again() {
        let mut cache = cache(3, 20);
        assert_eq!(cache.begin(0, b"c", || 1), Lookup::New);
        assert_eq!(cache.begin(0, b"c", || 2), Lookup::Waiting);
        assert_eq!(cache.abandon(b"c"), [2]);
        assert_eq!(cache.begin(0, b"c", || 3), Lookup::New);
    }
}
