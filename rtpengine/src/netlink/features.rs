//! Which XDP actions a device can do, as its driver declares (generic netlink family `netdev`, kernel 6.3).

use std::{
    io::{self, Read},
    time::Duration,
};

use socket2::{Domain, Protocol, Socket, Type};

/// `NETDEV_XDP_ACT_*` of `include/uapi/linux/netdev.h`.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct DeviceFeatures(pub u64);

impl DeviceFeatures {
    const BASIC: u64 = 1;
    const NDO_XMIT: u64 = 1 << 2;

    /// The driver runs XDP programs itself.
    #[must_use]
    pub fn native(self) -> bool {
        self.0 & Self::BASIC != 0
    }

    /// The driver transmits frames redirected from another device.
    #[must_use]
    pub fn transmits(self) -> bool {
        self.0 & Self::NDO_XMIT != 0
    }
}

const NETLINK_GENERIC: i32 = 16;
const NLM_F_REQUEST: u16 = 1;
const NLMSG_ERROR: u16 = 2;
const GENL_ID_CTRL: u16 = 16;
const CTRL_CMD_GETFAMILY: u8 = 3;
const CTRL_ATTR_FAMILY_ID: u16 = 1;
const CTRL_ATTR_FAMILY_NAME: u16 = 2;
const NETDEV_CMD_DEV_GET: u8 = 1;
const NETDEV_A_DEV_IFINDEX: u16 = 1;
const NETDEV_A_DEV_XDP_FEATURES: u16 = 3;
/// `nlmsghdr` (16 bytes) and `genlmsghdr` (4 bytes).
const HEADERS: usize = 20;

/// Asks the kernel about devices of the network namespace it was opened in.
pub struct FeatureClient {
    socket: Socket,
    family: u16,
}

impl FeatureClient {
    /// Opens the socket and finds the family.
    ///
    /// # Errors
    /// The kernel does not know the family (before 6.3) or the socket was refused.
    pub fn open() -> io::Result<Self> {
        let socket =
            Socket::new(Domain::from(libc::AF_NETLINK), Type::RAW, Some(Protocol::from(NETLINK_GENERIC)))?;
        socket.set_read_timeout(Some(Duration::from_secs(1)))?;
        let mut client = Self { socket, family: GENL_ID_CTRL };
        let reply = client.ask(CTRL_CMD_GETFAMILY, CTRL_ATTR_FAMILY_NAME, b"netdev\0")?;
        let id = attribute(&reply, CTRL_ATTR_FAMILY_ID).and_then(|bytes| bytes.try_into().ok());
        client.family = u16::from_ne_bytes(id.ok_or(io::ErrorKind::InvalidData)?);
        Ok(client)
    }

    /// The features of a device.
    ///
    /// # Errors
    /// No such device, or the kernel did not answer.
    pub fn device(&self, ifindex: u32) -> io::Result<DeviceFeatures> {
        let reply = self.ask(NETDEV_CMD_DEV_GET, NETDEV_A_DEV_IFINDEX, &ifindex.to_ne_bytes())?;
        let bits = attribute(&reply, NETDEV_A_DEV_XDP_FEATURES).and_then(|bytes| bytes.try_into().ok());
        Ok(DeviceFeatures(u64::from_ne_bytes(bits.ok_or(io::ErrorKind::InvalidData)?)))
    }

    fn ask(&self, command: u8, kind: u16, value: &[u8]) -> io::Result<Vec<u8>> {
        self.socket.send(&request(self.family, command, kind, value))?;
        let mut buffer = vec![0; 8192];
        let length = (&self.socket).read(&mut buffer)?;
        buffer.truncate(length);
        let message_type =
            field::<2>(&buffer, 4).map(u16::from_ne_bytes).ok_or(io::ErrorKind::InvalidData)?;
        if message_type == NLMSG_ERROR {
            let code = field::<4>(&buffer, 16).map(i32::from_ne_bytes).ok_or(io::ErrorKind::InvalidData)?;
            return Err(io::Error::from_raw_os_error(-code));
        }
        Ok(buffer)
    }
}

fn request(family: u16, command: u8, kind: u16, value: &[u8]) -> Vec<u8> {
    let attribute_length = 4 + value.len();
    let length = HEADERS + attribute_length.next_multiple_of(4);
    let mut message = Vec::with_capacity(length);
    // The longest value is a family name or an index: both lengths fit by far.
    message.extend_from_slice(&(length as u32).to_ne_bytes());
    message.extend_from_slice(&family.to_ne_bytes());
    message.extend_from_slice(&NLM_F_REQUEST.to_ne_bytes());
    message.extend_from_slice(&[0; 8]);
    message.extend_from_slice(&[command, 1, 0, 0]);
    message.extend_from_slice(&(attribute_length as u16).to_ne_bytes());
    message.extend_from_slice(&kind.to_ne_bytes());
    message.extend_from_slice(value);
    message.resize(length, 0);
    message
}

fn field<const N: usize>(bytes: &[u8], at: usize) -> Option<[u8; N]> {
    bytes.get(at..at.checked_add(N)?)?.try_into().ok()
}

/// The value of a top-level attribute in a generic netlink message.
fn attribute(message: &[u8], wanted: u16) -> Option<&[u8]> {
    let mut rest = message.get(HEADERS..)?;
    loop {
        let length = usize::from(u16::from_ne_bytes(field(rest, 0)?));
        // The two upper bits of the type are flags (nested, byte order).
        let kind = u16::from_ne_bytes(field(rest, 2)?) & 0x3fff;
        let value = rest.get(4..length)?;
        if kind == wanted {
            return Some(value);
        }
        rest = rest.get(length.next_multiple_of(4)..)?;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn attributes_are_found_behind_padded_ones() {
        let mut message = request(7, 1, 9, b"abc\0\0");
        message.extend_from_slice(&request(7, 1, NETDEV_A_DEV_XDP_FEATURES, &5u64.to_ne_bytes())[HEADERS..]);
        assert_eq!(attribute(&message, 9), Some(&b"abc\0\0"[..]));
        assert_eq!(attribute(&message, NETDEV_A_DEV_XDP_FEATURES), Some(&5u64.to_ne_bytes()[..]));
        assert_eq!(attribute(&message, 4), None);
    }

    #[test]
    fn truncated_answers_have_no_attributes() {
        let message = request(7, 1, 9, &[1; 8]);
        for length in 0..message.len() {
            assert_eq!(attribute(&message[..length], 9), None);
        }
    }

    #[test]
    fn loopback_is_answered_without_native_mode() {
        // Kernels before 6.3 do not know the family; the manager then assumes nothing.
        if let Ok(client) = FeatureClient::open() {
            assert!(!client.device(1).unwrap().native());
        }
    }
}
