//! A real Kamailio connects the parties, and the daemon their media.
#![expect(clippy::unwrap_used, reason = "helpers of tests fail the test")]

mod calls_are_recorded;
mod calls_with_audio_are_counted;
mod forks_are_answered_by_one;
mod proxy;
mod srtp_calls_are_bridged_and_passed_through;
