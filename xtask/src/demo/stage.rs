//! Where the demo plays: three namespaces with XDP, or this machine's loopback without.

use std::io::Read as _;

use anyhow::{Context as _, Result};
use rtpengine_tests::daemon::{Builder, Daemon, Table};
use rtpengine_tests::ng::NgClient;
use rtpengine_tests::require::{Need, available};
use rtpengine_tests::talk::{Call, Place, left_to_right};
use rtpengine_tests::topology::{CALLEE, CALLER, ENGINE_LEFT, ENGINE_RIGHT, Trio};
use serde_json::json;

/// Devices of the engine.
const DEVICES: [&str; 2] = ["left", "right"];

/// Daemon and network. The daemon goes first when both are dropped.
pub struct Stage {
    daemon: Option<Daemon>,
    trio: Option<Trio>,
}

impl Stage {
    /// Caller, engine and callee in namespaces of their own.
    pub fn with_xdp() -> Result<Self> {
        let trio = Trio::new()?;
        let table = if available(&[Need::BpfFs]) { Table::Own } else { Table::Off };
        let daemon = Builder::new()
            .netns(&trio.engine)
            .table(table)
            .log_level(6)
            .args(Trio::interface_options())
            .start()?;
        Ok(Self { daemon: Some(daemon), trio: Some(trio) })
    }

    /// Everything on 127.0.0.1, relayed in userspace.
    pub fn on_loopback() -> Result<Self> {
        let daemon = Builder::new().log_level(6).arg("--interface=127.0.0.1").start()?;
        Ok(Self { daemon: Some(daemon), trio: None })
    }

    /// Number of this step in the transcript.
    pub fn number(&self) -> u32 {
        1
    }

    /// The picture, and how XDP was attached.
    pub fn describe(&self) -> String {
        let Some(trio) = &self.trio else {
            return "caller, engine and callee on 127.0.0.1, in userspace: namespaces and XDP need root"
                .to_owned();
        };
        let attached: Vec<String> = DEVICES
            .iter()
            .map(|device| match trio.engine.xdp(device) {
                Ok(Some(xdp)) if xdp.native => format!("{device}: native XDP"),
                Ok(Some(_)) => format!("{device}: generic XDP"),
                Ok(None) => format!("{device}: no XDP, relayed in userspace"),
                Err(error) => format!("{device}: {error:#}"),
            })
            .collect();
        format!(
            "caller {CALLER} ── veth ── {ENGINE_LEFT} engine {ENGINE_RIGHT} ── veth ── {CALLEE} callee\n{}",
            attached.join(", ")
        )
    }

    /// An ng client for the daemon.
    pub fn ng(&self) -> Result<NgClient> {
        match &self.trio {
            Some(trio) => self.daemon()?.ng_in(&trio.engine),
            None => self.daemon()?.ng(),
        }
    }

    /// Offer and answer.
    pub fn place_call(&self, ng: &mut NgClient) -> Result<Call> {
        let nothing = json!({});
        match &self.trio {
            Some(trio) => {
                let caller = Place::within(&trio.caller, CALLER)?;
                let callee = Place::within(&trio.callee, CALLEE)?;
                Call::place(ng, caller, callee, &left_to_right(), &nothing)
            }
            None => {
                let here = Place::here("127.0.0.1")?;
                Call::place(ng, here, here, &nothing, &nothing)
            }
        }
    }

    /// Kernel table, unless relaying in userspace.
    pub fn table(&self) -> Option<i32> {
        self.daemon.as_ref().map(Daemon::table).filter(|table| *table >= 0)
    }

    /// Ids of the XDP programs on the engine's devices.
    pub fn xdp_programs(&self) -> Result<Vec<u32>> {
        let mut ids = Vec::new();
        if let Some(trio) = &self.trio {
            for device in DEVICES {
                ids.extend(trio.engine.xdp(device)?.map(|xdp| xdp.program_id));
            }
            ids.dedup();
        }
        Ok(ids)
    }

    /// Whether the first device has it in native mode.
    pub fn native(&self) -> Result<bool> {
        let Some(trio) = &self.trio else { return Ok(false) };
        Ok(trio.engine.xdp(DEVICES[0])?.is_some_and(|xdp| xdp.native))
    }

    /// Says how to look around and waits for Enter (or Ctrl-C).
    pub fn wait_for_enter(&self) -> Result<()> {
        if let Some(trio) = &self.trio {
            println!("   look around with: nsenter --net=/run/netns/{} bash", trio.engine.name());
        }
        println!("   ng: {}, CLI: {}", self.daemon()?.ng_address(), self.daemon()?.cli_address());
        println!("   Enter goes on");
        // An interrupted read means the same as Enter.
        let _ = std::io::stdin().read(&mut [0]);
        Ok(())
    }

    /// Stops the daemon in order and removes the network.
    pub fn stop(&mut self) -> Result<()> {
        self.daemon.take().context("the daemon is stopped already")?.stop()?;
        self.trio = None;
        Ok(())
    }

    fn daemon(&self) -> Result<&Daemon> {
        self.daemon.as_ref().context("the daemon is stopped")
    }
}
