//! Whole calls over the core, with a simulated media plane and a virtual clock.
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    reason = "a test that cannot go on fails here"
)]

mod no_order_of_commands_leaks;
mod pair;
mod the_recorded_call_is_reproduced;
