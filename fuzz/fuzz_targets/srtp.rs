//! SRTP and SRTCP from the network.
#![no_main]

#[path = "../src/srtp.rs"]
mod srtp;

libfuzzer_sys::fuzz_target!(|bytes: &[u8]| srtp::check(bytes));
