//! Sweeps tables whose daemon is gone: flows without packets for the time their owner allowed expire, and a table without
//! flows is removed.

use std::fs;

use rtpengine_common::abi::{FlowInfo, FlowStats};

use super::{bpffs::BpfRoot, error::XdpError, table::Table};

/// Looks at every table under `root` but `own`, which its owner takes care of.
pub fn sweep(root: &BpfRoot, own: u32, now_ns: u64) {
    let Ok(entries) = fs::read_dir(root.path()) else { return };
    for entry in entries.flatten() {
        let Some(number) = entry.file_name().to_str().and_then(|name| name.parse::<u32>().ok()) else {
            continue;
        };
        if number == own {
            continue;
        }
        if let Err(error) = sweep_table(root, number, now_ns) {
            tracing::debug!(target: "core", table = number, %error, "cannot look after an ownerless table");
        }
    }
}

fn sweep_table(root: &BpfRoot, number: u32, now_ns: u64) -> Result<(), XdpError> {
    let Some(table) = Table::ownerless(root, number)? else { return Ok(()) };
    let owner = table.owner();
    let failed = |source| XdpError::Map { name: format!("flows of table {number}"), entries: 0, source };
    let (mut left, mut gone) = (0u32, false);
    for flow in table.maps.list().map_err(failed)? {
        if expired(&flow.stats, &flow.info, owner.heartbeat_ns, owner.orphan_after_ns, now_ns) {
            table.maps.remove(&flow.key, flow.value.slot).map_err(failed)?;
            gone = true;
        } else {
            left += 1;
        }
    }
    if gone {
        table.maps.net.wipe_unused(number)?;
    }
    let owner_gone = now_ns.saturating_sub(owner.heartbeat_ns) > owner.orphan_after_ns;
    if left == 0 && owner_gone {
        tracing::info!(target: "core", table = number, "removing a kernel table nobody owns or uses");
        table.remove()?;
    }
    Ok(())
}

/// A flow expires when neither it nor its owner gave a sign of life for `orphan_after_ns`.
fn expired(stats: &FlowStats, info: &FlowInfo, heartbeat_ns: u64, orphan_after_ns: u64, now_ns: u64) -> bool {
    let last = stats.last_seen_ns.max(info.installed_ns).max(heartbeat_ns);
    now_ns.saturating_sub(last) > orphan_after_ns
}

#[cfg(test)]
mod tests {
    use rtpengine_core::io::{FlowSpec, SourceMismatch, StreamId};

    use super::*;
    use crate::xdp::flow;

    #[test]
    fn packets_and_the_owner_keep_an_orphan_alive() {
        let spec = FlowSpec {
            stream: StreamId(1),
            keyring: StreamId(1),
            local: "127.0.0.1:1".parse().unwrap(),
            rtcp_mux: false,
            source: "127.0.0.1:2".parse().unwrap(),
            mismatch: SourceMismatch::Ignore,
            outputs: smallvec::SmallVec::new(),
            crypto: None,
            inherits_keys: false,
            payload_types: smallvec::SmallVec::new(),
            debug: false,
            identity: Box::default(),
        };
        let info = flow::info(&spec, [None; 2], 100);
        let seen = |last_seen_ns| FlowStats { last_seen_ns, ..FlowStats::default() };
        assert!(!expired(&seen(500), &info, 100, 50, 550));
        assert!(expired(&seen(500), &info, 100, 50, 551));
        assert!(!expired(&seen(0), &info, 520, 50, 551));
    }
}
