//! Datagrams and streams on the control ports.
#![no_main]

libfuzzer_sys::fuzz_target!(|bytes: &[u8]| rtpengine_fuzz::ng::check(bytes));
