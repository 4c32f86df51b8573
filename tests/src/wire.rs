//! Device settings that have no `ip` command: ethtool's ioctl.

use std::os::fd::AsRawFd as _;

use anyhow::{Context as _, Result};
use nix::sys::socket::{AddressFamily, SockFlag, SockType, socket};

/// `include/uapi/linux/ethtool.h`
const ETHTOOL_STXCSUM: u32 = 0x0000_0017;
const ETHTOOL_SGRO: u32 = 0x0000_002c;
/// `include/uapi/linux/sockios.h`
const SIOCETHTOOL: libc::Ioctl = 0x8946;

#[repr(C)]
struct EthtoolValue {
    command: u32,
    data: u32,
}

/// Who computes the checksums of what a device sends.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum TransmitChecksums {
    /// The stack, before the frame leaves: what a receiver sees on any wire.
    #[default]
    InStack,
    /// The device, as far as the stack knows. A veth computes none: its peer gets frames without.
    Offloaded,
}

/// Prepares a veth of the calling thread's namespace.
///
/// GRO makes its driver run NAPI (Linux 5.13), without which it takes no frame that XDP sends to its peer.
pub fn prepare(device: &str, checksums: TransmitChecksums) -> Result<()> {
    let offload = u32::from(checksums == TransmitChecksums::Offloaded);
    set(device, ETHTOOL_STXCSUM, offload).with_context(|| format!("{device}: transmit checksum offload"))?;
    set(device, ETHTOOL_SGRO, 1).with_context(|| format!("{device}: GRO on"))
}

/// [`prepare`] with checksums as on a wire.
pub fn like_a_wire(device: &str) -> Result<()> {
    prepare(device, TransmitChecksums::InStack)
}

fn set(device: &str, command: u32, data: u32) -> Result<()> {
    let socket = socket(AddressFamily::Inet, SockType::Datagram, SockFlag::SOCK_CLOEXEC, None)?;
    let mut value = EthtoolValue { command, data };
    // SAFETY: `ifreq` is plain data for which all zeroes is a valid value.
    let mut request: libc::ifreq = unsafe { std::mem::zeroed() };
    let last = request.ifr_name.len() - 1;
    for (to, from) in request.ifr_name.iter_mut().take(last).zip(device.bytes()) {
        *to = from.cast_signed();
    }
    request.ifr_ifru.ifru_data = std::ptr::from_mut(&mut value).cast();
    // SAFETY: `request` names the device and points to `value`; both outlive the call, which reads
    // and writes no more than an `ifreq` and an `ethtool_value`.
    let result = unsafe { libc::ioctl(socket.as_raw_fd(), SIOCETHTOOL, &raw mut request) };
    nix::errno::Errno::result(result)?;
    Ok(())
}
