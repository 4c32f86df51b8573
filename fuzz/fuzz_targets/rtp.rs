//! Datagrams on the media ports.
#![no_main]

libfuzzer_sys::fuzz_target!(|bytes: &[u8]| rtpengine_fuzz::rtp::check(bytes));
