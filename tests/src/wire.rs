//! Device settings that have no `ip` command: ethtool's ioctl.

use std::os::fd::AsRawFd as _;

use anyhow::{Context as _, Result};
use nix::sys::socket::{AddressFamily, SockFlag, SockType, socket};

/// `include/uapi/linux/ethtool.h`
const ETHTOOL_STXCSUM: u32 = 0x0000_0017;
const ETHTOOL_SGRO: u32 = 0x0000_002c;
const ETHTOOL_GFLAGS: u32 = 0x0000_0025;
const ETHTOOL_SFLAGS: u32 = 0x0000_0026;
const ETH_FLAG_TXVLAN: u32 = 1 << 7;
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
/// VLAN tags stand in its frames, as on a wire. GRO makes its driver run NAPI (Linux 5.13), without which it takes no
/// frame that XDP sends to its peer.
pub fn prepare(device: &str, checksums: TransmitChecksums) -> Result<()> {
    let offload = u32::from(checksums == TransmitChecksums::Offloaded);
    ethtool(device, ETHTOOL_STXCSUM, offload)
        .with_context(|| format!("{device}: transmit checksum offload"))?;
    let flags = ethtool(device, ETHTOOL_GFLAGS, 0).with_context(|| format!("{device}: read its flags"))?;
    ethtool(device, ETHTOOL_SFLAGS, flags & !ETH_FLAG_TXVLAN)
        .with_context(|| format!("{device}: VLAN tag offload off"))?;
    ethtool(device, ETHTOOL_SGRO, 1).with_context(|| format!("{device}: GRO on"))?;
    Ok(())
}

/// Carries a command out; returns its value, which a question replaces by the answer.
fn ethtool(device: &str, command: u32, data: u32) -> Result<u32> {
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
    Ok(value.data)
}
