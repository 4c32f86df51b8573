//! Networks between the parties: plain wires, and the devices that stand on top of wires.

use anyhow::Result;
use rtpengine_tests::topology::{Devices, Trio};

/// How the daemon says that packets of one party are relayed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Way {
    /// By the kernel.
    Kernel,
    /// By the daemon, for this reason.
    Userspace(&'static str),
}

impl Way {
    /// As path and reason.
    pub fn shown(self) -> String {
        match self {
            Self::Kernel => "kernel".to_owned(),
            Self::Userspace(reason) => format!("userspace {reason}"),
        }
    }
}

/// A network and what is expected on it.
pub struct Network {
    /// For the report.
    pub name: &'static str,
    /// `ip` commands in each namespace.
    engine: &'static [&'static str],
    caller: &'static [&'static str],
    callee: &'static [&'static str],
    /// Where addresses go.
    pub devices: Devices<'static>,
    /// Devices that get the program, and whether in the driver.
    pub attached: &'static [(&'static str, bool)],
    /// Packets of the caller and of the callee.
    pub ways: [Way; 2],
    /// VLAN they leave in.
    pub vlans: [Option<u16>; 2],
}

impl Network {
    /// Puts the devices on the wires and the addresses on the devices.
    pub fn build(&self, trio: &Trio) -> Result<()> {
        trio.engine.ip(self.engine)?;
        trio.caller.ip(self.caller)?;
        trio.callee.ip(self.callee)?;
        trio.give_addresses(&self.devices)
    }
}

/// All of them.
pub const NETWORKS: &[Network] = &[
    Network {
        name: "calls over plain devices",
        engine: &[],
        caller: &[],
        callee: &[],
        devices: Devices::WIRES,
        attached: &[("left", true), ("right", true)],
        ways: [Way::Kernel; 2],
        vlans: [None; 2],
    },
    Network {
        name: "calls from one VLAN into another",
        engine: &[
            "link add left.10 link left type vlan id 10",
            "link set left.10 up",
            "link add right.20 link right type vlan id 20",
            "link set right.20 up",
        ],
        caller: &["link add eth0.10 link eth0 type vlan id 10", "link set eth0.10 up"],
        callee: &["link add eth0.20 link eth0 type vlan id 20", "link set eth0.20 up"],
        devices: Devices { left: "left.10", right: "right.20", caller: "eth0.10", callee: "eth0.20" },
        attached: &[("left", true), ("right", true)],
        ways: [Way::Kernel; 2],
        vlans: [Some(20), Some(10)],
    },
    Network {
        name: "calls over a bond",
        engine: &[
            "link add bond0 type bond mode active-backup miimon 50",
            "link set left down",
            "link set left master bond0",
            "link set bond0 up",
        ],
        caller: &[],
        callee: &[],
        devices: Devices { left: "bond0", ..Devices::WIRES },
        attached: &[("bond0", true), ("right", true)],
        ways: [Way::Kernel; 2],
        vlans: [None; 2],
    },
    Network {
        name: "calls over a bridge",
        engine: &["link add br0 type bridge", "link set left master br0", "link set br0 up"],
        caller: &[],
        callee: &[],
        devices: Devices { left: "br0", ..Devices::WIRES },
        // A bridge has no driver that could run the program, nor one that takes frames from it.
        attached: &[("br0", false), ("right", true)],
        ways: [Way::Kernel, Way::Userspace("EgressDevice")],
        vlans: [None; 2],
    },
];
