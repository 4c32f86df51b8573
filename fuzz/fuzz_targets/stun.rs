//! Datagrams at the sockets of an ICE agent.
#![no_main]

libfuzzer_sys::fuzz_target!(|bytes: &[u8]| rtpengine_fuzz::stun::check(bytes));
