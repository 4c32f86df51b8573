//! DTLS datagrams on media ports.
#![no_main]

#[path = "../src/dtls.rs"]
mod dtls;

libfuzzer_sys::fuzz_target!(|bytes: &[u8]| dtls::check(bytes));
