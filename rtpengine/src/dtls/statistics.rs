//! What the engine counts. Written by the DTLS thread, readable by all.

use std::sync::atomic::{AtomicU64, Ordering};

macro_rules! counters {
    ($(#[doc = $doc:literal] $name:ident,)*) => {
        /// Live counters, relaxed.
        #[derive(Debug, Default)]
        pub struct Counters {
            $(pub(super) $name: AtomicU64,)*
        }

        /// Values of [`Counters`] at one moment.
        #[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
        pub struct Statistics {
            $(#[doc = $doc] pub $name: u64,)*
        }

        impl Statistics {
            /// All with their names.
            #[must_use]
            pub fn figures(&self) -> Vec<(&'static str, u64)> {
                vec![$((stringify!($name), self.$name),)*]
            }

            /// All with their names and what they mean.
            #[must_use]
            pub fn explained(&self) -> Vec<(&'static str, &'static str, u64)> {
                vec![$((stringify!($name), $doc.trim_ascii(), self.$name),)*]
            }
        }

        impl Counters {
            /// Reads all counters.
            #[must_use]
            pub fn snapshot(&self) -> Statistics {
                Statistics { $($name: self.$name.load(Ordering::Relaxed),)* }
            }
        }
    };
}

counters! {
    /// Datagrams given to the engine.
    datagrams,
    /// Datagrams that are not DTLS or contradict themselves.
    malformed,
    /// Datagrams for streams that expect no DTLS.
    unexpected,
    /// Datagrams of unknown sources that belong to no association and ask for none.
    strangers,
    /// ClientHellos although this side is the client.
    role_conflicts,
    /// HelloVerifyRequests sent.
    cookies_sent,
    /// ClientHellos with a good cookie.
    cookies_accepted,
    /// Handshakes refused because too many are half open.
    over_limit,
    /// Handshakes refused because too many started from one source or altogether.
    over_rate,
    /// Handshakes begun.
    started,
    /// Handshakes that yielded keys.
    completed,
    /// Handshakes that failed, whatever the reason.
    failed,
    /// Handshakes not finished in time; part of `failed`.
    timed_out,
    /// Handshakes with another certificate than signalled; part of `failed`.
    mismatched,
    /// Handshakes given up for a newer one.
    replaced,
    /// Associations ended by the peer.
    closed,
    /// Records of application data, which are dropped.
    application_data,
    /// Datagrams dropped in front of the engine because it is behind.
    shed,
    /// Handshakes in progress now.
    half_open,
    /// Streams that expect DTLS now.
    streams,
}

pub(super) fn count(counter: &AtomicU64) {
    counter.fetch_add(1, Ordering::Relaxed);
}
