//! Network devices: names and the mode XDP is attached in.

use std::io::{Read as _, Write as _};

use socket2::{Domain, Protocol, Socket, Type};

/// A device a table is used on.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Device {
    /// Its name, or `if5@net4026531840` in another network namespace.
    pub name: String,
    /// `native`, `generic`, `offloaded`, `several`, `none`; `?` where it cannot be told from here.
    pub mode: &'static str,
}

impl Device {
    /// The device of this index in the network namespace of this inode.
    pub fn new(inode: u64, index: u32) -> Self {
        if own_namespace() != Some(inode) {
            return Self { name: format!("if{index}@net{inode}"), mode: "?" };
        }
        Self { name: name(index), mode: mode(index).unwrap_or("?") }
    }
}

/// Inode of this process's network namespace.
fn own_namespace() -> Option<u64> {
    use std::os::unix::fs::MetadataExt as _;
    std::fs::metadata("/proc/self/ns/net").ok().map(|metadata| metadata.ino())
}

/// Name of a device of this network namespace, `if5` where it is gone.
pub fn name(index: u32) -> String {
    let found = std::fs::read_dir("/sys/class/net").ok().and_then(|entries| {
        entries.flatten().find(|entry| {
            let text = std::fs::read_to_string(entry.path().join("ifindex"));
            text.is_ok_and(|text| text.trim().parse() == Ok(index))
        })
    });
    found.map_or_else(|| format!("if{index}"), |entry| entry.file_name().to_string_lossy().into_owned())
}

/// rtnetlink(7): request for one link, `struct nlmsghdr` and `struct ifinfomsg` in host order.
fn request(index: u32) -> Vec<u8> {
    const RTM_GETLINK: u16 = 18;
    const NLM_F_REQUEST: u16 = 1;
    const LENGTH: u32 = 32;
    let mut message = Vec::with_capacity(LENGTH as usize);
    message.extend_from_slice(&LENGTH.to_ne_bytes());
    message.extend_from_slice(&RTM_GETLINK.to_ne_bytes());
    message.extend_from_slice(&NLM_F_REQUEST.to_ne_bytes());
    // Sequence and port: one request, one answer.
    message.extend_from_slice(&[0; 8]);
    // Family, padding, type.
    message.extend_from_slice(&[0; 4]);
    message.extend_from_slice(&index.to_ne_bytes());
    // Flags and change mask.
    message.extend_from_slice(&[0; 8]);
    message
}

/// The mode the XDP program of a device is attached in.
fn mode(index: u32) -> Option<&'static str> {
    let kind = Domain::from(libc::AF_NETLINK);
    let mut socket = Socket::new(kind, Type::RAW, Some(Protocol::from(libc::NETLINK_ROUTE))).ok()?;
    socket.set_read_timeout(Some(std::time::Duration::from_secs(1))).ok()?;
    socket.write_all(&request(index)).ok()?;
    let mut answer = vec![0; 32 * 1024];
    let length = socket.read(&mut answer).ok()?;
    attached(answer.get(..length)?)
}

/// `IFLA_XDP_ATTACHED` of an `RTM_NEWLINK` message.
fn attached(message: &[u8]) -> Option<&'static str> {
    const RTM_NEWLINK: [u8; 2] = 16_u16.to_ne_bytes();
    const IFLA_XDP: u16 = 43;
    const IFLA_XDP_ATTACHED: u16 = 2;
    if message.get(4..6)? != RTM_NEWLINK {
        return None;
    }
    let xdp = attribute(message.get(32..)?, IFLA_XDP)?;
    Some(match attribute(xdp, IFLA_XDP_ATTACHED)?.first()? {
        0 => "none",
        1 => "native",
        2 => "generic",
        3 => "offloaded",
        4 => "several",
        _ => "?",
    })
}

/// The payload of one attribute in a row of them (`struct rtattr`, aligned to 4).
fn attribute(mut bytes: &[u8], wanted: u16) -> Option<&[u8]> {
    /// The kernel marks nested attributes with the two highest bits.
    const TYPE_MASK: u16 = 0x3fff;
    loop {
        let length = usize::from(u16::from_ne_bytes(*bytes.first_chunk()?));
        let kind = u16::from_ne_bytes(*bytes.get(2..)?.first_chunk()?) & TYPE_MASK;
        let payload = bytes.get(4..length)?;
        if kind == wanted {
            return Some(payload);
        }
        bytes = bytes.get(length.next_multiple_of(4)..)?;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn loopback_is_found_by_its_index_and_has_no_program() {
        let index: u32 =
            std::fs::read_to_string("/sys/class/net/lo/ifindex").unwrap().trim().parse().unwrap();
        assert_eq!(name(index), "lo");
        assert!(mode(index).is_some());
        assert_eq!(name(u32::MAX), format!("if{}", u32::MAX));
        assert_eq!(mode(0x7fff_ffff), None);
    }

    #[test]
    fn truncated_answers_are_no_answer() {
        let mut message = vec![0; 32];
        message[4] = 16;
        // IFLA_XDP (nested) with IFLA_XDP_ATTACHED = 2.
        message.extend_from_slice(&[12, 0, 43, 0x80, 5, 0, 2, 0, 2, 0, 0, 0]);
        assert_eq!(attached(&message), Some("generic"));
        for end in 0..message.len() - 3 {
            assert_eq!(attached(&message[..end]), None, "{end}");
        }
    }
}
