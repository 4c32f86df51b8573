//! The XDP programs: packet access, map access, pipeline, actions. What is computed lives in `rtpengine-common`.
#![no_std]
#![no_main]
#![feature(core_intrinsics)]
#![allow(internal_features, reason = "the only way to atomic instructions on this target")]

mod counters;
mod egress;
mod ingress;
mod maps;
mod packet;
mod pipeline;
mod silence;
mod srtp;

use aya_ebpf::{bindings::xdp_action, macros::xdp, programs::XdpContext};

/// Forwards what the tables have flows for, hands up everything else.
#[xdp]
pub fn rtpengine_xdp(ctx: XdpContext) -> u32 {
    pipeline::run(&ctx)
}

/// Hands everything up: devices that are only redirected to (the peer of a veth) need some program.
#[xdp]
pub fn rtpengine_xdp_pass(_ctx: XdpContext) -> u32 {
    xdp_action::XDP_PASS
}

/// Helpers that only GPL-compatible programs may call need this.
#[unsafe(link_section = "license")]
#[unsafe(no_mangle)]
static LICENSE: [u8; 13] = *b"Dual MIT/GPL\0";

#[panic_handler]
fn panic(_: &core::panic::PanicInfo<'_>) -> ! {
    loop {}
}
