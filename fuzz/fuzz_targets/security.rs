//! Key, certificate and connectivity attributes.
#![no_main]

libfuzzer_sys::fuzz_target!(|bytes: &[u8]| rtpengine_fuzz::security::check(bytes));
