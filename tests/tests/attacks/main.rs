//! Attacks on calls with SRTP, one kind a file: the good parties hear each other as before, and the attacker gets nothing.
#![expect(clippy::unwrap_used, reason = "helpers of tests fail the test")]

mod forged_packets_change_nothing;
mod injected_media_are_not_heard;
mod other_protocols_are_not_answered;
mod replayed_packets_are_not_heard;
mod rollover_counters_stay_in_step;
mod ssrcs_may_collide;
mod world;
