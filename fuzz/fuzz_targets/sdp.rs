//! Bodies of SIP messages.
#![no_main]

libfuzzer_sys::fuzz_target!(|bytes: &[u8]| rtpengine_fuzz::sdp::check(bytes));
