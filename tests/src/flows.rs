//! Flows of a call in the kernel, as `rtpengine-ctl table N flows --json` shows them.

use std::net::SocketAddr;
use std::time::{Duration, Instant};

use anyhow::{Context as _, Result, bail, ensure};
use serde_json::Value;

use crate::ctl;
use crate::talk::Call;

/// Longest wait for something that the daemon does by itself.
const PATIENCE: Duration = Duration::from_secs(20);
/// Pause between two looks at something that sends no notification.
const GLANCE: Duration = Duration::from_millis(10);

/// One direction of a call in the kernel.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Flow {
    /// Tag of the sending party.
    pub tag: String,
    /// Where packets come in.
    pub local: SocketAddr,
    /// Where they go to.
    pub to: SocketAddr,
    /// `kernel`, `drop` or `off`.
    pub path: String,
    /// Packets forwarded since the flow was installed.
    pub packets: u64,
    /// Packets handed up.
    pub punted: u64,
    /// Packets dropped.
    pub dropped: u64,
    /// Device they leave by.
    pub device: Option<String>,
    /// MAC address they leave for.
    pub next_hop: String,
    /// Suite they are decrypted with.
    pub decrypt: Option<String>,
    /// Suite they are encrypted with.
    pub encrypt: Option<String>,
}

/// The flows of a call in a table.
pub fn of_call(table: i32, call: &str) -> Result<Vec<Flow>> {
    let text = ctl::run(&["table", &table.to_string(), "flows", "--call", call, "--json"])?;
    let flows: Value = serde_json::from_str(&text).with_context(|| text.clone())?;
    flows.as_array().context("no list of flows")?.iter().map(flow).collect()
}

fn flow(value: &Value) -> Result<Flow> {
    let text =
        |key: &str| value[key].as_str().with_context(|| format!("no {key} in {value}")).map(str::to_owned);
    let count = |key: &str| value[key].as_u64().with_context(|| format!("no {key} in {value}"));
    Ok(Flow {
        tag: text("tag")?,
        local: text("local")?.parse()?,
        to: text("to")?.parse()?,
        path: text("path")?,
        packets: count("packets")?,
        punted: count("punted")?,
        dropped: count("dropped")?,
        device: value["device"].as_str().map(str::to_owned),
        next_hop: text("next_hop")?,
        decrypt: value["decrypt"].as_str().map(str::to_owned),
        encrypt: value["encrypt"].as_str().map(str::to_owned),
    })
}

/// Packets the kernel has forwarded in each direction.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Forwarded {
    /// Caller to callee.
    pub from_caller: u64,
    /// Callee to caller.
    pub from_callee: u64,
}

/// Packets forwarded by the call's flows; `None` unless the kernel forwards both directions now.
pub fn forwarded(table: i32, call: &Call) -> Result<Option<Forwarded>> {
    forwarded_of(table, &call.id, &call.from, &call.to)
}

/// The same of a call with this Call-ID and these tags of caller and callee.
pub fn forwarded_of(table: i32, id: &str, from: &str, to: &str) -> Result<Option<Forwarded>> {
    let flows = of_call(table, id)?;
    let packets = |tag: &str| {
        flows.iter().find(|flow| flow.tag == tag && flow.path == "kernel").map(|flow| flow.packets)
    };
    Ok(packets(from)
        .zip(packets(to))
        .map(|(from_caller, from_callee)| Forwarded { from_caller, from_callee }))
}

/// Both parties talk until the kernel forwards both directions. What they said must have arrived.
pub fn establish(table: i32, call: &mut Call) -> Result<()> {
    wait_until("the kernel forwards both directions", || {
        call.talk(1)?;
        // A new flow hands packets up until no earlier one is on its way.
        Ok(forwarded(table, call)?.is_some_and(|count| count.from_caller > 0 && count.from_callee > 0))
    })
}

/// Like [`Call::talk`], after [`establish`]; the kernel alone must forward every one of the packets.
pub fn talk_in_kernel(table: i32, call: &mut Call, packets: u64) -> Result<()> {
    establish(table, call)?;
    let before = forwarded(table, call)?.context("the flows have left the kernel")?;
    call.talk(packets)?;
    let after = forwarded(table, call)?.context("the flows have left the kernel")?;
    let wanted =
        Forwarded { from_caller: before.from_caller + packets, from_callee: before.from_callee + packets };
    ensure!(after == wanted, "forwarded by the kernel: {after:?} instead of {wanted:?}");
    Ok(())
}

/// Waits for what sends no notification. An error of `look` ends the wait.
pub fn wait_until(what: &str, mut look: impl FnMut() -> Result<bool>) -> Result<()> {
    let deadline = Instant::now() + PATIENCE;
    while !look().with_context(|| format!("while waiting until {what}"))? {
        if Instant::now() > deadline {
            bail!("waited {PATIENCE:?} in vain until {what}");
        }
        std::thread::sleep(GLANCE);
    }
    Ok(())
}
