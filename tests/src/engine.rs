//! A daemon between a caller and a callee: what most behaviour tests start from.

use anyhow::{Result, ensure};
use serde_json::json;

use crate::daemon::{Builder, Daemon, Table};
use crate::ng::NgClient;
use crate::talk::{Call, Place, left_to_right};
use crate::topology::Trio;

/// Network, daemon and control connection. Dropped in the order of the fields.
#[derive(Debug)]
pub struct Engine {
    /// Control connection.
    pub ng: NgClient,
    /// The daemon.
    pub daemon: Daemon,
    /// The network.
    pub trio: Trio,
}

impl Engine {
    /// Starts a daemon on a new network, with more arguments if given.
    pub fn start(table: Table, arguments: &[&str]) -> Result<Self> {
        Self::on(Trio::new()?, table, arguments)
    }

    /// Starts one on a network that is there.
    pub fn on(trio: Trio, table: Table, arguments: &[&str]) -> Result<Self> {
        let builder = Builder::new().netns(&trio.engine).table(table);
        let daemon = builder.args(Trio::interface_options()).args(arguments).start()?;
        let ng = daemon.ng_in(&trio.engine)?;
        Ok(Self { ng, daemon, trio })
    }

    /// Places a call from an address of the caller to one of the callee, translating where their families differ.
    pub fn call(&mut self, caller: &str, callee: &str) -> Result<Call> {
        let caller = Place::within(&self.trio.caller, caller)?;
        let callee = Place::within(&self.trio.callee, callee)?;
        let family = |place: &Place<'_>| if place.address.is_ipv4() { "IP4" } else { "IP6" };
        let mut offer = left_to_right();
        offer["address family"] = json!(family(&callee));
        let answer = json!({"address family": family(&caller)});
        Call::place(&mut self.ng, caller, callee, &offer, &answer)
    }

    /// Ends the call, which must have carried `packets` in all, then the daemon, in order.
    pub fn finish(mut self, call: Call, packets: u64) -> Result<()> {
        let reply = call.hang_up(&mut self.ng)?;
        ensure!(reply["totals"]["RTP"]["packets"] == json!(packets), "{packets} packets went, but: {reply}");
        let calls = self.ng.list()?;
        ensure!(calls.is_empty(), "calls left: {calls:?}");
        self.daemon.stop()
    }
}
