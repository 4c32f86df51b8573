//! WebRTC by software of others.
#![expect(clippy::unwrap_used, reason = "helpers of tests fail the test")]

mod aiortc;
mod aiortc_talks_to_aiortc;
