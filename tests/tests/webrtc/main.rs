//! WebRTC by software of others: with each other, with plain RTP and with SRTP on the other side of the daemon.
#![expect(clippy::unwrap_used, reason = "helpers of tests fail the test")]

mod aiortc;
mod aiortc_bundles;
mod aiortc_talks_to_aiortc;
mod aiortc_talks_to_plain_rtp;
mod chromium;
mod chromium_talks;
mod kernel;
mod plain;
mod strangers_are_kept_out;
mod tone;
