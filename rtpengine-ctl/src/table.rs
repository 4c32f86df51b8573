//! `table`: kernel tables and their flows.

use std::fmt::Write as _;

use anyhow::Context as _;
use nix::time::{ClockId, clock_gettime};
use rtpengine_common::reason::Reason;
use serde_json::{Value, json};

use crate::args::{TableSelection, What};
use crate::kernel::flow::Flow;
use crate::kernel::{self, Table, device, owner};
use crate::{Failure, render};

/// Carries `table` out.
pub fn run(selection: &TableSelection, json: bool) -> Result<String, Failure> {
    let mut tables = kernel::tables(&selection.root).map_err(Failure::Kernel)?;
    if let Some(number) = selection.table {
        tables.retain(|table| table.number == number);
        let Some(table) = tables.first() else {
            return Err(Failure::Refused(format!("there is no kernel table {number}")));
        };
        match selection.what {
            Some(What::Flows) => {
                let flows = table.flows(selection.call.as_deref()).map_err(Failure::Kernel)?;
                let now = monotonic_ns()?;
                return Ok(if json { flows_json(&flows, now) } else { flows_text(&flows, now) });
            }
            Some(What::Reasons) => {
                let counts = kernel::reasons(&selection.root, number).map_err(Failure::Kernel)?;
                return Ok(if json { reasons_json(&counts) } else { reasons_text(&counts) });
            }
            None => {}
        }
    }
    let devices = kernel::devices(&selection.root).map_err(Failure::Kernel)?;
    let now = monotonic_ns()?;
    let rows = tables
        .iter()
        .map(|table| row(table, devices.get(&table.number).map(Vec::as_slice).unwrap_or_default(), now))
        .collect::<anyhow::Result<Vec<_>>>()
        .map_err(Failure::Kernel)?;
    Ok(if json { tables_json(&rows) } else { tables_text(&rows) })
}

/// One table in a list.
struct Row {
    number: u32,
    owner: owner::State,
    pid: u32,
    flows: usize,
    devices: Vec<device::Device>,
}

fn row(table: &Table, devices: &[device::Device], now_ns: u64) -> anyhow::Result<Row> {
    let owner = table.owner()?;
    Ok(Row {
        number: table.number,
        owner: owner::State::of(&owner, owner::start_ticks(owner.pid), now_ns),
        pid: owner.pid,
        flows: table.count()?,
        devices: devices.to_vec(),
    })
}

fn tables_json(rows: &[Row]) -> String {
    let rows: Value = rows
        .iter()
        .map(|row| {
            json!({
                "table": row.number,
                "owner": row.owner.name(),
                "pid": row.pid,
                "flows": row.flows,
                "devices": row.devices.iter().map(|one| json!({"name": one.name, "mode": one.mode})).collect::<Value>(),
            })
        })
        .collect();
    format!("{rows}\n")
}

fn tables_text(rows: &[Row]) -> String {
    if rows.is_empty() {
        return "No kernel tables.\n".to_owned();
    }
    let mut table = render::plain(&["TABLE", "OWNER", "PID", "FLOWS", "DEVICES"]);
    for row in rows {
        let devices: Vec<String> =
            row.devices.iter().map(|one| format!("{}({})", one.name, one.mode)).collect();
        table.add_row([
            row.number.to_string(),
            row.owner.name().to_owned(),
            if row.pid == 0 { "-".to_owned() } else { row.pid.to_string() },
            row.flows.to_string(),
            if devices.is_empty() { "-".to_owned() } else { devices.join(" ") },
        ]);
    }
    render::align_right(&mut table, &[0, 2, 3]);
    format!("{}\n", table.trim_fmt())
}

fn flows_json(flows: &[Flow], now_ns: u64) -> String {
    let flows: Value = flows
        .iter()
        .map(|flow| {
            json!({
                "call_id": flow.call_id,
                "tag": flow.tag,
                "peer_tag": flow.peer_tag,
                "media": flow.media,
                "local": flow.local.to_string(),
                "source": flow.source.map(|source| source.to_string()),
                "mismatch": flow.mismatch,
                "from": flow.from.to_string(),
                "to": flow.to.to_string(),
                "path": flow.state.name(),
                "decrypt": flow.decrypt,
                "encrypt": flow.encrypt,
                "packets": flow.packets,
                "bytes": flow.bytes,
                "punted": flow.punted,
                "dropped": flow.dropped,
                "last_reason": flow.last_reason.map(reason_name),
                "idle_seconds": age(flow.last_seen_ns, now_ns),
                "age_seconds": age(flow.installed_ns, now_ns),
                "device": flow.device.map(device::name),
                "next_hop": mac(flow.mac),
                "vlan": flow.vlan,
            })
        })
        .collect();
    format!("{flows}\n")
}

fn flows_text(flows: &[Flow], now_ns: u64) -> String {
    if flows.is_empty() {
        return "No flows.\n".to_owned();
    }
    let mut table = render::plain(&[
        "CALL-ID",
        "TAG",
        "MEDIA",
        "SOURCE",
        "LOCAL",
        "FROM",
        "TO",
        "PATH",
        "DECRYPT",
        "ENCRYPT",
        "PACKETS",
        "BYTES",
        "IDLE",
        "AGE",
        "NEXT-HOP",
        "PUNTED",
        "DROPPED",
        "LAST-REASON",
    ]);
    for flow in flows {
        table.add_row([
            or_dash(&flow.call_id),
            or_dash(&flow.tag),
            flow.media.to_string(),
            flow.source.map_or_else(|| "-".to_owned(), |source| source.to_string()),
            flow.local.to_string(),
            flow.from.to_string(),
            flow.to.to_string(),
            flow.state.name().to_owned(),
            flow.decrypt.unwrap_or("-").to_owned(),
            flow.encrypt.unwrap_or("-").to_owned(),
            flow.packets.to_string(),
            flow.bytes.to_string(),
            seconds(age(flow.last_seen_ns, now_ns)),
            seconds(age(flow.installed_ns, now_ns)),
            next_hop(flow),
            flow.punted.to_string(),
            flow.dropped.to_string(),
            flow.last_reason.map_or_else(|| "-".to_owned(), reason_name),
        ]);
    }
    render::align_right(&mut table, &[2, 10, 11, 12, 13, 15, 16]);
    format!("{}\n", table.trim_fmt())
}

fn or_dash(text: &str) -> String {
    if text.is_empty() { "-".to_owned() } else { text.to_owned() }
}

/// `02:00:00:00:00:01@eth0.12`.
fn next_hop(flow: &Flow) -> String {
    let mut out = mac(flow.mac);
    // Writing to a String cannot fail; here and below.
    let _ = match flow.device {
        Some(index) => write!(out, "@{}", device::name(index)),
        None => write!(out, "@ingress"),
    };
    if let Some(vlan) = flow.vlan {
        let _ = write!(out, ".{vlan}");
    }
    out
}

fn mac(bytes: [u8; 6]) -> String {
    bytes.map(|byte| format!("{byte:02x}")).join(":")
}

/// Seconds since a moment of `CLOCK_MONOTONIC`; `None` where it never was.
fn age(then_ns: u64, now_ns: u64) -> Option<f64> {
    (then_ns != 0).then(|| now_ns.saturating_sub(then_ns) as f64 / 1e9)
}

fn seconds(age: Option<f64>) -> String {
    age.map_or_else(|| "-".to_owned(), |age| format!("{age:.1}s"))
}

/// Reasons that occurred, with their counts.
fn occurred(counts: &[u64]) -> impl Iterator<Item = (String, u64)> {
    (0_u32..)
        .zip(counts)
        .filter(|(_, count)| **count > 0)
        .map(|(reason, count)| (reason_name(reason), *count))
}

fn reasons_json(counts: &[u64]) -> String {
    let counts: Value = occurred(counts).map(|(name, count)| (name, json!(count))).collect();
    format!("{counts}\n")
}

fn reasons_text(counts: &[u64]) -> String {
    let mut table = render::plain(&["REASON", "PACKETS"]);
    for (name, count) in occurred(counts) {
        table.add_row([name, count.to_string()]);
    }
    render::align_right(&mut table, &[1]);
    if table.is_empty() { "No packets.\n".to_owned() } else { format!("{}\n", table.trim_fmt()) }
}

fn reason_name(number: u32) -> String {
    Reason::of_packet(number).map_or_else(|| format!("reason {number}"), |reason| format!("{reason:?}"))
}

fn monotonic_ns() -> Result<u64, Failure> {
    let now =
        clock_gettime(ClockId::CLOCK_MONOTONIC).context("cannot read the clock").map_err(Failure::Kernel)?;
    Ok(u64::try_from(std::time::Duration::from(now).as_nanos()).unwrap_or(u64::MAX))
}

#[cfg(test)]
mod tests {
    use rtpengine_common::abi::{
        FLOW_ACTIVE, FLOW_REDIRECT, FLOW_SOURCE_DROP, FLOW_VLAN, FlowInfo, FlowKey, FlowStats, FlowValue,
        SsrcStats,
    };
    use rtpengine_common::srtp::Suite;

    use super::*;

    fn mapped(last: u8) -> [u8; 16] {
        std::net::Ipv4Addr::new(192, 0, 2, last).to_ipv6_mapped().octets()
    }

    fn padded<const N: usize>(text: &str) -> [u8; N] {
        let mut bytes = [0; N];
        bytes[..text.len()].copy_from_slice(text.as_bytes());
        bytes
    }

    fn flow() -> Flow {
        let key = FlowKey { addr: mapped(1), port: 30000_u16.to_be_bytes(), pad: [0; 6] };
        let value = FlowValue {
            flags: FLOW_ACTIVE | FLOW_SOURCE_DROP | FLOW_REDIRECT | FLOW_VLAN,
            ifindex: 0x7fff_ffff,
            transmit_context: 7,
            vlan: (0x2000_u16 | 12).to_be_bytes(),
            src_addr: mapped(2),
            dst_addr: mapped(3),
            src_port: 30002_u16.to_be_bytes(),
            dst_port: 40000_u16.to_be_bytes(),
            dst_mac: [2, 0, 0, 0, 0, 1],
            ..FlowValue::default()
        };
        let mut stats = FlowStats {
            last_seen_ns: 8_000_000_000,
            punted: 3,
            dropped: 2,
            last_reason: 10,
            ..FlowStats::default()
        };
        stats.ssrcs[0] = SsrcStats { packets: 40, bytes: 4000, ..SsrcStats::default() };
        stats.ssrcs[1] = SsrcStats { packets: 10, bytes: 1000, ..SsrcStats::default() };
        let info = FlowInfo {
            call_id: padded("call\x1b[1"),
            tag: padded("ft"),
            peer_tag: padded("tt"),
            interface: padded("foo"),
            peer_interface: padded("bar"),
            kind: padded("audio"),
            protocol: padded("RTP/AVP"),
            peer_protocol: padded("RTP/AVP"),
            advertised_port: 5004_u16.to_be_bytes(),
            peer_advertised_port: 5006_u16.to_be_bytes(),
            created_unix_us: 0,
            installed_ns: 5_000_000_000,
            endpoint_addr: mapped(9),
            advertised_addr: mapped(9),
            peer_advertised_addr: mapped(8),
            endpoint_port: 5004_u16.to_be_bytes(),
            media: 1,
            flags: FlowInfo::suite_flags(None, Some(Suite::AeadAes128Gcm)),
        };
        Flow::new(&key, &value, Some(stats), Some(&info))
    }

    #[test]
    fn a_flow_is_shown_with_everything_the_maps_tell() {
        let text = flows_text(&[flow()], 10_500_000_000);
        let lines: Vec<Vec<&str>> = text.lines().map(|line| line.split_whitespace().collect()).collect();
        assert_eq!(
            lines[1],
            [
                "call?[1",
                "ft",
                "1",
                "192.0.2.9:5004",
                "192.0.2.1:30000",
                "192.0.2.2:30002",
                "192.0.2.3:40000",
                "kernel",
                "-",
                "AEAD_AES_128_GCM",
                "50",
                "5000",
                "2.5s",
                "5.5s",
                "02:00:00:00:00:01@if2147483647.12",
                "3",
                "2",
                "Rtcp"
            ]
        );
        assert_eq!(lines[0].len(), lines[1].len());
        let json: Value = serde_json::from_str(&flows_json(&[flow()], 10_500_000_000)).unwrap();
        assert_eq!(json[0]["packets"], 50);
        assert_eq!(json[0]["mismatch"], "drop");
        assert_eq!((&json[0]["decrypt"], &json[0]["encrypt"]), (&Value::Null, &json!("AEAD_AES_128_GCM")));
        assert_eq!(json[0]["idle_seconds"], 2.5);
        assert_eq!(json[0]["vlan"], 12);
    }

    #[test]
    fn reasons_of_a_newer_program_are_shown_by_their_number() {
        assert_eq!(reason_name(31), "reason 31");
    }

    #[test]
    fn a_list_of_tables_shows_owner_and_devices() {
        let devices = vec![device::Device { name: "eth0".to_owned(), mode: "native" }];
        let row = Row { number: 3, owner: owner::State::Alive, pid: 77, flows: 4, devices };
        let text = tables_text(&[row]);
        let lines: Vec<Vec<&str>> = text.lines().map(|line| line.split_whitespace().collect()).collect();
        assert_eq!(lines[1], ["3", "alive", "77", "4", "eth0(native)"]);
        assert_eq!(tables_text(&[]), "No kernel tables.\n");
    }

    #[test]
    fn no_tables_are_no_error() {
        let root = tempfile::tempdir().unwrap();
        let selection = TableSelection {
            table: None,
            what: None,
            call: None,
            json: false,
            root: root.path().join("none"),
        };
        assert_eq!(run(&selection, false).unwrap(), "No kernel tables.\n");
        let missing = TableSelection { table: Some(1), ..selection };
        assert!(
            matches!(run(&missing, false), Err(Failure::Refused(text)) if text == "there is no kernel table 1")
        );
    }
}
