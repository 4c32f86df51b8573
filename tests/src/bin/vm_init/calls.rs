//! The real daemon on this kernel: calls over each network, forwarded by the kernel where it can.

use std::sync::atomic::{AtomicU8, Ordering};
use std::time::{Duration, Instant};

use anyhow::{Context as _, Result, ensure};
use rtpengine_tests::ctl;
use rtpengine_tests::daemon::Table;
use rtpengine_tests::engine::Engine;
use rtpengine_tests::lease::table_directory;
use rtpengine_tests::rtp::Tally;
use rtpengine_tests::talk::{self, Call};
use rtpengine_tests::topology::{CALLEE, CALLEE_V6, CALLER, CALLER_V6, Devices, Options, Trio};
use serde_json::Value;

use crate::networks::{Network, Way};

/// Packets each way before the handover to the kernel is waited for, and after it.
const FIRST: u64 = 20;
const THEN: u64 = 100;
/// Between two of the first packets.
const PACE: Duration = Duration::from_millis(1);
/// For the handover, which takes milliseconds, in a slow emulated machine.
const WAIT: Duration = Duration::from_secs(10);
/// Between two looks at what the daemon and the kernel report.
const LOOK_AGAIN: Duration = Duration::from_millis(50);

/// Each move goes to another address.
static MOVES: AtomicU8 = AtomicU8::new(0);

/// Runs a daemon on the network, carries calls over it and stops it.
pub fn are_carried(network: &Network) -> Result<()> {
    let trio = Trio::without_addresses(Options::default())?;
    network.build(&trio)?;
    let mut engine = Engine::on(trio, Table::Own, &[])?;
    let outcome = calls(&mut engine, network);
    if outcome.is_err() {
        eprintln!("{}", engine.daemon.log());
    }
    outcome?;
    let Engine { daemon, trio, ng } = engine;
    drop(ng);
    let pins = table_directory(daemon.table());
    daemon.stop()?;
    ensure!(!pins.exists(), "{} is still there", pins.display());
    for (device, _) in network.attached {
        ensure!(trio.engine.xdp(device)?.is_none(), "the program is still on {device}");
    }
    Ok(())
}

fn calls(engine: &mut Engine, network: &Network) -> Result<()> {
    for (device, native) in network.attached {
        let attached = engine.trio.engine.xdp(device)?;
        ensure!(attached.is_some_and(|xdp| xdp.native == *native), "{device}: {attached:?}");
    }
    for (caller, callee) in [(CALLER, CALLEE), (CALLER, CALLEE_V6), (CALLER_V6, CALLEE)] {
        carried(engine, network, caller, callee).with_context(|| format!("from {caller} to {callee}"))?;
    }
    Ok(())
}

/// A call whose packets all arrive; those after the handover are counted one by one in the kernel.
fn carried(engine: &mut Engine, network: &Network, caller: &str, callee: &str) -> Result<()> {
    let mut call = engine.call(caller, callee)?;
    begin(&mut call)?;
    wait_for(|| {
        let found = [way(engine, &call, &call.from)?, way(engine, &call, &call.to)?];
        let wanted = network.ways.map(Way::shown);
        ensure!(found == wanted, "packets from caller and callee go by {found:?}, not {wanted:?}");
        Ok(())
    })?;
    forwarded(engine, network, &mut call)?;
    if callee == CALLEE {
        move_callee(engine, network, &call)?;
        forwarded(engine, network, &mut call)?;
    }
    engine.hang_up(call)?;
    wait_for(|| {
        let flows = flows(engine)?;
        ensure!(flows.is_empty(), "flows left after the call: {flows:?}");
        Ok(())
    })
}

/// The first packets both ways, during which the kernel takes over. Those that the daemon still sends
/// may wait on an emulated processor while the other one forwards later ones.
fn begin(call: &mut Call) -> Result<()> {
    let tallies = talk::exchange(&mut call.caller, &mut call.callee, FIRST, PACE)?;
    for mut tally in <[Tally; 2]>::from(tallies) {
        tally.reordered = 0;
        ensure!(tally.is_perfect(FIRST), "{FIRST} sent: {tally:?}");
    }
    Ok(())
}

/// Packets both ways are forwarded as the network lets expect.
fn forwarded(engine: &Engine, network: &Network, call: &mut Call) -> Result<()> {
    let counts = |call: &Call| -> Result<[u64; 2]> {
        Ok([count(engine, &call.from, network.vlans[0])?, count(engine, &call.to, network.vlans[1])?])
    };
    let mut talk = |packets| {
        let before = counts(call)?;
        call.talk(packets)?;
        let after = counts(call)?;
        let found = [after[0] - before[0], after[1] - before[1]];
        let wanted = network.ways.map(|way| if way == Way::Kernel { packets } else { 0 });
        ensure!(
            found == wanted,
            "the kernel forwarded {found:?} of {packets} packets each way, not {wanted:?}"
        );
        Ok(())
    };
    // A flow settles with the packets that come after it was made.
    wait_for(|| talk(1))?;
    talk(THEN)
}

/// The callee's address moves to another hardware address, and the kernel's neighbour table hears of it.
fn move_callee(engine: &Engine, network: &Network, call: &Call) -> Result<()> {
    let last = MOVES.fetch_add(1, Ordering::Relaxed);
    let mac = format!("02:00:00:00:77:{last:02x}");
    let Devices { right, callee, .. } = network.devices;
    engine.trio.callee.ip(&[format!("link set {callee} address {mac}")])?;
    engine.trio.engine.ip(&[format!("neigh replace {CALLEE} dev {right} lladdr {mac} nud reachable")])?;
    wait_for(|| {
        let flow = flows(engine)?.into_iter().find(|flow| flow["tag"] == call.from.as_str());
        let flow = flow.context("the flow is gone")?;
        ensure!(flow["next_hop"] == mac.as_str(), "not yet {mac}: {flow}");
        Ok(())
    })
}

/// Path of the RTP that the party with this tag sends, as the daemon reports it, and why.
fn way(engine: &Engine, call: &Call, tag: &str) -> Result<String> {
    let port = engine.daemon.cli_address().port().to_string();
    let arguments = ["--json", "--port", &port, "list", "sessions", &call.id];
    let shown: Value = serde_json::from_str(&ctl::run_in(&engine.trio.engine, &arguments)?)?;
    let mut tags = shown["tags"].as_array().into_iter().flatten();
    let party = tags.find(|party| party["tag"] == tag).with_context(|| format!("no {tag} in {shown}"))?;
    let stream = &party["medias"][0]["streams"][0];
    let text = |key: &str| stream[key].as_str().unwrap_or_default().to_owned();
    Ok(format!("{} {}", text("path"), text("reason")).trim_end().to_owned())
}

/// Packets of this tag that the kernel forwarded, all of them into this VLAN.
fn count(engine: &Engine, tag: &str, vlan: Option<u16>) -> Result<u64> {
    let mut packets = 0;
    for flow in flows(engine)?.iter().filter(|flow| flow["tag"] == tag) {
        ensure!(flow["vlan"] == serde_json::json!(vlan), "VLAN {vlan:?} was wanted: {flow}");
        packets += flow["packets"].as_u64().context("no packet count")?;
    }
    Ok(packets)
}

/// The flows pinned in the table.
fn flows(engine: &Engine) -> Result<Vec<Value>> {
    let table = engine.daemon.table().to_string();
    Ok(serde_json::from_str(&ctl::run(&["table", &table, "flows", "--json"])?)?)
}

/// Repeats a check until it holds; its last error if it never does.
fn wait_for(mut check: impl FnMut() -> Result<()>) -> Result<()> {
    let deadline = Instant::now() + WAIT;
    loop {
        match check() {
            Err(_) if Instant::now() < deadline => std::thread::sleep(LOOK_AGAIN),
            outcome => return outcome,
        }
    }
}
