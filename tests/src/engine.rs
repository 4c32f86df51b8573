//! A daemon between a caller and a callee: what most behaviour tests start from.

use anyhow::{Context as _, Result, ensure};
use serde_json::{Value, json};

use crate::ctl;
use crate::daemon::{Builder, Daemon, Table};
use crate::flows::{self, Flow};
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

/// Where packets of a socket go, as `rtpengine-ctl call CALLID info` shows it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SocketPath {
    /// Tag of the party that sends to the socket.
    pub tag: String,
    /// Whether RTCP alone comes here.
    pub rtcp: bool,
    /// `None` in the kernel, otherwise why not.
    pub reason: Option<String>,
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
        self.call_with(caller, callee, &json!({}))
    }

    /// Same with more entries in offer and answer.
    pub fn call_with(&mut self, caller: &str, callee: &str, extra: &Value) -> Result<Call> {
        let caller = Place::within(&self.trio.caller, caller)?;
        let callee = Place::within(&self.trio.callee, callee)?;
        let family = |place: &Place<'_>| if place.address.is_ipv4() { "IP4" } else { "IP6" };
        let mut offer = left_to_right();
        offer["address family"] = json!(family(&callee));
        let mut answer = json!({"address family": family(&caller)});
        for body in [&mut offer, &mut answer] {
            if let (Some(body), Some(extra)) = (body.as_object_mut(), extra.as_object()) {
                body.extend(extra.clone());
            }
        }
        Call::place(&mut self.ng, caller, callee, &offer, &answer)
    }

    /// Flows of the call in the kernel.
    pub fn flows(&self, call: &Call) -> Result<Vec<Flow>> {
        flows::of_call(self.daemon.table(), &call.id)
    }

    /// Both parties talk until the kernel forwards both directions.
    pub fn establish(&self, call: &mut Call) -> Result<()> {
        flows::establish(self.daemon.table(), call)
    }

    /// Like [`Call::talk`]; the kernel alone must forward every one of the packets.
    pub fn talk_in_kernel(&self, call: &mut Call, packets: u64) -> Result<()> {
        flows::talk_in_kernel(self.daemon.table(), call, packets)
    }

    /// Where the packets of each socket of the call go.
    pub fn paths(&self, call: &Call) -> Result<Vec<SocketPath>> {
        let info = self.ctl(&["--json", "call", &call.id, "info"])?;
        let info: Value = serde_json::from_str(&info).with_context(|| info.clone())?;
        let mut paths = Vec::new();
        for tag in info["tags"].as_array().with_context(|| format!("no tags in {info}"))? {
            let medias = tag["medias"].as_array().into_iter().flatten();
            for stream in medias.filter_map(|media| media["streams"].as_array()).flatten() {
                let in_kernel = stream["path"] == "kernel";
                let reason = stream["reason"].as_str().unwrap_or("none given").to_owned();
                paths.push(SocketPath {
                    tag: tag["tag"].as_str().unwrap_or_default().to_owned(),
                    rtcp: stream["rtcp"] == true,
                    reason: (!in_kernel).then_some(reason),
                });
            }
        }
        Ok(paths)
    }

    /// Waits until the RTP from the party with this tag is kept in userspace for this reason, or is in the kernel (`None`).
    pub fn wait_for_path(&self, call: &Call, tag: &str, reason: Option<&str>) -> Result<()> {
        flows::wait_until(&format!("the path of {tag} is {reason:?}"), || {
            let paths = self.paths(call)?;
            let path = paths.iter().find(|path| path.tag == tag && !path.rtcp);
            Ok(path.is_some_and(|path| path.reason.as_deref() == reason))
        })
    }

    /// Waits until the daemon has counted every packet that the parties of the call have sent, and `others`.
    pub fn wait_for_count(&mut self, call: &Call, others: u64) -> Result<()> {
        let sent = json!(call.sent() + others);
        flows::wait_until(&format!("{sent} packets are counted"), || {
            Ok(self.ng.query(&call.id)?["totals"]["RTP"]["packets"] == sent)
        })
    }

    /// `rtpengine-ctl` beside the daemon.
    pub fn ctl(&self, arguments: &[&str]) -> Result<String> {
        ctl::run_in(&self.trio.engine, arguments)
    }

    /// A number of the reply to `statistics`: `totalstatistics`, `relayedpackets_kernel`.
    pub fn statistic(&mut self, group: &str, name: &str) -> Result<u64> {
        let reply = self.ng.expect_ok(&json!({"command": "statistics"}))?;
        let number = &reply["statistics"][group][name];
        number.as_u64().with_context(|| format!("no {group}.{name} in {reply}"))
    }

    /// Ends the call, whose totals must count every packet its parties have sent.
    pub fn hang_up(&mut self, call: Call) -> Result<()> {
        let packets = call.sent();
        let reply = call.hang_up(&mut self.ng)?;
        ensure!(reply["totals"]["RTP"]["packets"] == json!(packets), "{packets} packets went, but: {reply}");
        let calls = self.ng.list()?;
        ensure!(calls.is_empty(), "calls left: {calls:?}");
        Ok(())
    }

    /// The same, then ends the daemon, in order.
    pub fn finish(mut self, call: Call) -> Result<()> {
        self.hang_up(call)?;
        self.daemon.stop()
    }
}
