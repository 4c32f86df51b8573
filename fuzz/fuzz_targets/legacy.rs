//! Datagrams and lines on the legacy control ports.
#![no_main]

libfuzzer_sys::fuzz_target!(|bytes: &[u8]| rtpengine_fuzz::legacy::check(bytes));
