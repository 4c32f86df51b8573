//! Kernel/user ABI and every computation the XDP program makes.
//!
//! Compiled for BPF and for the host, so that tests, fuzzing and Miri run on the host against the
//! very code the kernel runs. Multi-byte wire fields are byte arrays in network order.
#![cfg_attr(not(test), no_std)]
#![cfg_attr(target_arch = "bpf", feature(asm_experimental_arch, core_intrinsics))]
#![cfg_attr(
    target_arch = "bpf",
    allow(internal_features, reason = "the only way to atomic instructions on this target")
)]

pub mod abi;
pub mod admit;
pub mod checksum;
pub mod packet;
pub mod pins;
pub mod reason;
pub mod restraint;
pub mod rewrite;
pub mod settle;
pub mod shared_word;
pub mod srtp;
pub mod words;
