//! The network most tests use: caller – engine – callee, each its own namespace, joined by veth pairs.
//!
//! ```text
//!  caller                    engine                      callee
//!  eth0 10.77.1.2 ──── left 10.77.1.1  right 10.77.2.1 ──── eth0 10.77.2.2
//!       fd77:1::2           fd77:1::1        fd77:2::1           fd77:2::2
//! ```

use std::net::IpAddr;

use anyhow::Result;

use crate::netns::Netns;
use crate::wire::TransmitChecksums;

/// Engine's address towards the caller.
pub const ENGINE_LEFT: &str = "10.77.1.1";
/// Engine's address towards the callee.
pub const ENGINE_RIGHT: &str = "10.77.2.1";
/// Caller's address.
pub const CALLER: &str = "10.77.1.2";
/// Callee's address.
pub const CALLEE: &str = "10.77.2.2";
/// Engine's IPv6 address towards the caller.
pub const ENGINE_LEFT_V6: &str = "fd77:1::1";
/// Engine's IPv6 address towards the callee.
pub const ENGINE_RIGHT_V6: &str = "fd77:2::1";
/// Caller's IPv6 address.
pub const CALLER_V6: &str = "fd77:1::2";
/// Callee's IPv6 address.
pub const CALLEE_V6: &str = "fd77:2::2";

/// How to build the network.
#[derive(Clone, Copy, Debug, Default)]
pub struct Options {
    /// Who computes the checksums of what the devices send.
    pub checksums: TransmitChecksums,
}

/// Devices that carry the addresses.
#[derive(Clone, Copy, Debug)]
pub struct Devices<'a> {
    /// The engine's towards the caller.
    pub left: &'a str,
    /// The engine's towards the callee.
    pub right: &'a str,
    /// The caller's.
    pub caller: &'a str,
    /// The callee's.
    pub callee: &'a str,
}

impl Devices<'_> {
    /// The ends of the veth pairs.
    pub const WIRES: Self = Self { left: "left", right: "right", caller: "eth0", callee: "eth0" };
}

/// The three namespaces.
#[derive(Debug)]
pub struct Trio {
    /// Where the calling party sits.
    pub caller: Netns,
    /// Where the daemon runs; devices `left` and `right`.
    pub engine: Netns,
    /// Where the called party sits.
    pub callee: Netns,
}

impl Trio {
    /// Builds the network with default options.
    pub fn new() -> Result<Self> {
        Self::with(Options::default())
    }

    /// Builds the network.
    pub fn with(options: Options) -> Result<Self> {
        let trio = Self::without_addresses(options)?;
        trio.give_addresses(&Devices::WIRES)?;
        Ok(trio)
    }

    /// Namespaces and wires only, for networks with other devices on top of the wires.
    pub fn without_addresses(options: Options) -> Result<Self> {
        crate::netns::sweep();
        let trio = Self {
            caller: Netns::new("caller")?,
            engine: Netns::new("engine")?,
            callee: Netns::new("callee")?,
        };
        trio.engine.veth_with("left", &trio.caller, "eth0", options.checksums)?;
        trio.engine.veth_with("right", &trio.callee, "eth0", options.checksums)?;
        Ok(trio)
    }

    /// Gives the devices their addresses, and the parties their routes.
    pub fn give_addresses(&self, devices: &Devices<'_>) -> Result<()> {
        let Devices { left, right, caller, callee } = devices;
        self.engine.ip(&[
            format!("addr add {ENGINE_LEFT}/24 dev {left}"),
            format!("addr add {ENGINE_RIGHT}/24 dev {right}"),
            format!("addr add {ENGINE_LEFT_V6}/64 dev {left} nodad"),
            format!("addr add {ENGINE_RIGHT_V6}/64 dev {right} nodad"),
        ])?;
        self.caller.ip(&[
            format!("addr add {CALLER}/24 dev {caller}"),
            format!("addr add {CALLER_V6}/64 dev {caller} nodad"),
            format!("route add default via {ENGINE_LEFT}"),
        ])?;
        self.callee.ip(&[
            format!("addr add {CALLEE}/24 dev {callee}"),
            format!("addr add {CALLEE_V6}/64 dev {callee} nodad"),
            format!("route add default via {ENGINE_RIGHT}"),
        ])
    }

    /// `--interface` options for both sides: `left`, `right` (IPv4 and IPv6 under one name each).
    #[must_use]
    pub fn interface_options() -> Vec<String> {
        [("left", ENGINE_LEFT), ("right", ENGINE_RIGHT), ("left", ENGINE_LEFT_V6), ("right", ENGINE_RIGHT_V6)]
            .iter()
            .map(|(name, address)| format!("--interface={name}/{address}"))
            .collect()
    }

    /// Leaves all namespaces in place.
    pub fn keep(&mut self) {
        self.caller.keep();
        self.engine.keep();
        self.callee.keep();
    }
}

/// Parses an address constant of this module.
pub fn address(text: &str) -> Result<IpAddr> {
    Ok(text.parse()?)
}
