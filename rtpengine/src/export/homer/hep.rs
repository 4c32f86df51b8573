//! HEP version 3 (EEP), as its specification of 2014 has it: chunks of vendor, type, length and value, all in network
//! byte order.

use std::net::{IpAddr, Ipv4Addr, SocketAddr};

use rtpengine_core::io::HeardRtcp;
use rtpengine_core::media::rtcp::{Block, Reports, SenderInfo};
use serde_json::{Value, json};

const FAMILY: u16 = 1;
const PROTOCOL: u16 = 2;
const SOURCE_V4: u16 = 3;
const DESTINATION_V4: u16 = 4;
const SOURCE_V6: u16 = 5;
const DESTINATION_V6: u16 = 6;
const SOURCE_PORT: u16 = 7;
const DESTINATION_PORT: u16 = 8;
const SECONDS: u16 = 9;
const MICROSECONDS: u16 = 10;
const KIND: u16 = 11;
const CAPTURE_ID: u16 = 12;
const PAYLOAD: u16 = 15;
const CORRELATION: u16 = 17;

/// Address families as HEP numbers them.
const INET: u8 = 2;
const INET6: u8 = 10;
/// IANA's number of UDP.
const UDP: u8 = 17;
/// RTCP in JSON.
const RTCP_JSON: u8 = 5;
/// Longest name of a call that is told.
const LONGEST_CALL: usize = 1024;

const SENDER_REPORT: u8 = 200;
const RECEIVER_REPORT: u8 = 201;

/// One report as a packet.
pub(super) fn packet(heard: &HeardRtcp, id: u32) -> Vec<u8> {
    let mut out = b"HEP3\0\0".to_vec();
    let unknown = SocketAddr::new(IpAddr::V4(Ipv4Addr::UNSPECIFIED), 0);
    // Both of one family: what is not known of a party is told as zeroes of ours.
    let from = heard.from.filter(|from| from.is_ipv4() == heard.to.is_ipv4());
    let from = from.unwrap_or_else(|| match heard.to {
        SocketAddr::V4(_) => unknown,
        SocketAddr::V6(_) => SocketAddr::new(IpAddr::V6(std::net::Ipv6Addr::UNSPECIFIED), 0),
    });
    chunk(&mut out, FAMILY, &[if heard.to.is_ipv4() { INET } else { INET6 }]);
    chunk(&mut out, PROTOCOL, &[UDP]);
    address(&mut out, from.ip(), SOURCE_V4, SOURCE_V6);
    address(&mut out, heard.to.ip(), DESTINATION_V4, DESTINATION_V6);
    chunk(&mut out, SOURCE_PORT, &from.port().to_be_bytes());
    chunk(&mut out, DESTINATION_PORT, &heard.to.port().to_be_bytes());
    let (seconds, microseconds) = (heard.arrived.unix_us / 1_000_000, heard.arrived.unix_us % 1_000_000);
    // Of 32 bits, as the protocol has it.
    chunk(&mut out, SECONDS, &(seconds as u32).to_be_bytes());
    chunk(&mut out, MICROSECONDS, &(microseconds as u32).to_be_bytes());
    chunk(&mut out, KIND, &[RTCP_JSON]);
    chunk(&mut out, CAPTURE_ID, &id.to_be_bytes());
    let call = heard.call.as_bytes();
    chunk(&mut out, CORRELATION, call.get(..LONGEST_CALL).unwrap_or(call));
    chunk(&mut out, PAYLOAD, payload(&heard.reports).to_string().as_bytes());
    // A call's name is bounded and so are the blocks of a report: far from 64 kB.
    let length = u16::try_from(out.len()).unwrap_or(u16::MAX).to_be_bytes();
    if let Some(place) = out.get_mut(4..6) {
        place.copy_from_slice(&length);
    }
    out
}

fn address(out: &mut Vec<u8>, address: IpAddr, v4: u16, v6: u16) {
    match address {
        IpAddr::V4(address) => chunk(out, v4, &address.octets()),
        IpAddr::V6(address) => chunk(out, v6, &address.octets()),
    }
}

/// Of the generic vendor.
fn chunk(out: &mut Vec<u8>, kind: u16, value: &[u8]) {
    const HEADER: usize = 6;
    out.extend([0, 0]);
    out.extend(kind.to_be_bytes());
    out.extend(u16::try_from(value.len() + HEADER).unwrap_or(u16::MAX).to_be_bytes());
    out.extend(value);
}

/// With the keys that Homer looks for.
fn payload(reports: &Reports) -> Value {
    let mut payload = json!({ "ssrc": reports.reporter });
    let kind = if reports.sender.is_some() { SENDER_REPORT } else { RECEIVER_REPORT };
    payload["type"] = json!(kind);
    if let Some(SenderInfo { ntp, timestamp, packets, octets }) = reports.sender {
        payload["sender_information"] = json!({
            "ntp_timestamp_sec": ntp >> 32,
            "ntp_timestamp_usec": ntp & 0xffff_ffff,
            "rtp_timestamp": timestamp,
            "packets": packets,
            "octets": octets,
        });
    }
    let blocks = reports.blocks.iter().map(|Block { echo, fraction, lost, highest_seq, jitter }| {
        json!({
            "source_ssrc": echo.ssrc,
            "fraction_lost": fraction,
            "packets_lost": lost,
            "highest_seq_no": highest_seq,
            "ia_jitter": jitter,
            "lsr": echo.last,
            "dlsr": echo.delay,
        })
    });
    payload["report_count"] = json!(reports.blocks.len());
    payload["report_blocks"] = blocks.collect();
    payload
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;

    use rtpengine_core::io::Now;
    use rtpengine_core::media::rtcp::Echo;

    use super::*;

    fn heard(from: &str, to: &str) -> HeardRtcp {
        let block = Block {
            echo: Echo { ssrc: 7, last: 8, delay: 9 },
            fraction: 10,
            lost: -1,
            highest_seq: 12,
            jitter: 13,
        };
        let sender = SenderInfo { ntp: (5 << 32) | 6, timestamp: 14, packets: 15, octets: 16 };
        HeardRtcp {
            call: "c1".into(),
            from: Some(from.parse().unwrap()),
            to: to.parse().unwrap(),
            arrived: Now { mono_us: 0, unix_us: 1_700_000_000_000_321 },
            reports: Reports {
                reporter: 1,
                sender: Some(sender),
                blocks: [block].into_iter().collect(),
                ..Reports::default()
            },
        }
    }

    fn chunks(packet: &[u8]) -> BTreeMap<u16, Vec<u8>> {
        assert_eq!(&packet[..4], b"HEP3");
        assert_eq!(usize::from(u16::from_be_bytes([packet[4], packet[5]])), packet.len());
        let mut rest = &packet[6..];
        let mut chunks = BTreeMap::new();
        while !rest.is_empty() {
            let length = usize::from(u16::from_be_bytes([rest[4], rest[5]]));
            assert_eq!(&rest[..2], [0, 0]);
            chunks.insert(u16::from_be_bytes([rest[2], rest[3]]), rest[6..length].to_vec());
            rest = &rest[length..];
        }
        chunks
    }

    #[test]
    fn a_report_reads_back() {
        let chunks = chunks(&packet(&heard("192.0.2.1:4001", "192.0.2.2:30001"), 2001));
        assert_eq!(chunks[&FAMILY], [INET]);
        assert_eq!(
            (&chunks[&SOURCE_V4][..], &chunks[&DESTINATION_V4][..]),
            (&[192, 0, 2, 1][..], &[192, 0, 2, 2][..])
        );
        assert_eq!(
            (&chunks[&SOURCE_PORT][..], &chunks[&DESTINATION_PORT][..]),
            (&4001_u16.to_be_bytes()[..], &30001_u16.to_be_bytes()[..])
        );
        assert_eq!(chunks[&SECONDS], 1_700_000_000_u32.to_be_bytes());
        assert_eq!(chunks[&MICROSECONDS], 321_u32.to_be_bytes());
        assert_eq!((&chunks[&KIND][..], &chunks[&CAPTURE_ID][..]), (&[5][..], &2001_u32.to_be_bytes()[..]));
        assert_eq!(chunks[&CORRELATION], b"c1");
        let payload: Value = serde_json::from_slice(&chunks[&PAYLOAD]).unwrap();
        assert_eq!((&payload["type"], &payload["report_count"]), (&json!(200), &json!(1)));
        assert_eq!(payload["sender_information"]["ntp_timestamp_sec"], 5);
        let block = &payload["report_blocks"][0];
        assert_eq!(
            (&block["packets_lost"], &block["ia_jitter"], &block["dlsr"]),
            (&json!(-1), &json!(13), &json!(9))
        );
    }

    #[test]
    fn addresses_are_of_one_family() {
        let mixed = chunks(&packet(&heard("192.0.2.1:4001", "[2001:db8::1]:30001"), 1));
        assert_eq!(mixed[&FAMILY], [INET6]);
        assert_eq!(mixed[&SOURCE_V6], [0; 16]);
        assert!(!mixed.contains_key(&SOURCE_V4));
    }
}
