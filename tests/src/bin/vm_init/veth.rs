//! The program on a real device: a veth pair, native mode, frames through packet sockets.

use std::io::{Read as _, Write as _};
use std::mem::size_of;
use std::time::{Duration, Instant};

use anyhow::{Context as _, Result, ensure};
use aya::programs::xdp::XdpMode;
use nix::net::if_::if_nametoindex;
use nix::sys::socket::{
    AddressFamily, MsgFlags, NetlinkAddr, SockFlag, SockProtocol, SockType, connect, recv, send, socket,
};
use rtpengine_tests::wire::like_a_wire;
use std::os::fd::AsRawFd as _;

use crate::frame::{self, Wanted};
use crate::program::{MACS_IN, MACS_OUT, Program, path, rtp};

/// The device with the program, and its peer, where frames come from and go to.
const DEVICE: &str = "xdp0";
const PEER: &str = "xdp1";
/// Frames sent.
const FRAMES: usize = 32;
/// For the first answer, in a slow emulated machine.
const WAIT: Duration = Duration::from_secs(3);

/// Sends frames to the device and receives them, rewritten, from it.
pub fn forwards(program: &mut Program) -> Result<()> {
    create_pair().context("create a veth pair")?;
    like_a_wire(DEVICE)?;
    like_a_wire(PEER)?;
    program.xdp()?.attach(DEVICE, XdpMode::Driver).context("attach in native mode")?;
    // XDP_TX wakes a veth peer only if that has a program, too; this one passes everything there.
    program.xdp()?.attach(PEER, XdpMode::Driver).context("attach to the peer")?;
    let mut wire = packet_socket(if_nametoindex(PEER)?)?;
    for v6 in [false, true] {
        let path = path(v6);
        let rtp = rtp();
        let before = program.forwarded(v6)?;
        let frame = frame::build(MACS_IN, None, path.remote, path.local, &rtp)?;
        let wanted = Wanted { macs: MACS_OUT, from: path.out, to: path.peer, payload: &rtp };
        for sent in 1..=FRAMES {
            wire.write_all(&frame)?;
            let forwarded = program.forwarded(v6)? - before;
            receive(&mut wire, &wanted).with_context(|| format!("frame {sent}, {forwarded} counted"))?;
        }
        let counted = program.forwarded(v6)? - before;
        ensure!(counted == FRAMES as u64, "{counted} packets counted of {FRAMES}");
    }
    Ok(())
}

/// The next frame with our MAC addresses; neighbour discovery and the like also come along.
fn receive(wire: &mut socket2::Socket, wanted: &Wanted<'_>) -> Result<()> {
    let deadline = Instant::now() + WAIT;
    let mut buffer = [0; 2048];
    while Instant::now() < deadline {
        let length = wire.read(&mut buffer).context("no frame came back")?;
        let frame = &buffer[..length];
        if frame.get(..6) == Some(&MACS_OUT.0[..]) {
            return frame::check(frame, wanted);
        }
    }
    anyhow::bail!("no forwarded frame among those that came back")
}

/// A socket for whole frames of one device.
fn packet_socket(index: u32) -> Result<socket2::Socket> {
    let all = libc::ETH_P_ALL as u16;
    let protocol = i32::from(all.to_be());
    let socket = socket2::Socket::new(
        socket2::Domain::PACKET,
        socket2::Type::RAW,
        Some(socket2::Protocol::from(protocol)),
    )?;
    // SAFETY: `sockaddr_ll` is plain data for which all zeroes is a valid value.
    let mut address: libc::sockaddr_ll = unsafe { std::mem::zeroed() };
    address.sll_family = u16::try_from(libc::AF_PACKET)?;
    address.sll_protocol = all.to_be();
    address.sll_ifindex = i32::try_from(index)?;
    let length = u32::try_from(size_of::<libc::sockaddr_ll>())?;
    // SAFETY: `address` is an initialised sockaddr_ll of the length given and outlives the call.
    let bound = unsafe { libc::bind(socket.as_raw_fd(), (&raw const address).cast(), length) };
    nix::errno::Errno::result(bound)?;
    socket.set_read_timeout(Some(WAIT))?;
    Ok(socket)
}

/// Creates both devices and sets them up, over rtnetlink (there is no `ip` in the guest).
fn create_pair() -> Result<()> {
    let name = |name: &str| attribute(libc::IFLA_IFNAME, &[name.as_bytes(), b"\0"].concat());
    let peer = attribute(VETH_INFO_PEER, &[link_header(0), name(PEER)].concat());
    let kind = attribute(IFLA_INFO_KIND, b"veth");
    let info = attribute(libc::IFLA_LINKINFO, &[kind, attribute(IFLA_INFO_DATA, &peer)].concat());
    request(libc::NLM_F_CREATE | libc::NLM_F_EXCL, &[link_header(0), name(DEVICE), info].concat())?;
    for device in [DEVICE, PEER] {
        request(0, &link_header(if_nametoindex(device)?)).with_context(|| format!("set {device} up"))?;
    }
    Ok(())
}

/// Sends one RTM_NEWLINK and waits for its acknowledgement.
fn request(flags: libc::c_int, body: &[u8]) -> Result<()> {
    let flags = libc::NLM_F_REQUEST | libc::NLM_F_ACK | flags;
    let mut message = u32::try_from(16 + body.len())?.to_ne_bytes().to_vec();
    message.extend(libc::RTM_NEWLINK.to_ne_bytes());
    message.extend(u16::try_from(flags)?.to_ne_bytes());
    message.extend([0; 8]); // sequence number, port
    message.extend(body);

    let protocol = SockProtocol::NetlinkRoute;
    let netlink = socket(AddressFamily::Netlink, SockType::Raw, SockFlag::SOCK_CLOEXEC, protocol)?;
    connect(netlink.as_raw_fd(), &NetlinkAddr::new(0, 0))?; // the kernel
    send(netlink.as_raw_fd(), &message, MsgFlags::empty())?;
    let mut answer = [0; 4096];
    let length = recv(netlink.as_raw_fd(), &mut answer, MsgFlags::empty())?;
    // nlmsgerr: the error number follows the 16-byte header, negative.
    let code = answer[..length].get(16..20).context("short answer of rtnetlink")?;
    let code = i32::from_ne_bytes(<[u8; 4]>::try_from(code)?);
    ensure!(code == 0, "{}", std::io::Error::from_raw_os_error(-code));
    Ok(())
}

/// `include/uapi/linux/if_link.h` and `veth.h`
const IFLA_INFO_KIND: u16 = 1;
const IFLA_INFO_DATA: u16 = 2;
const VETH_INFO_PEER: u16 = 1;

/// `ifinfomsg`: of a new device, still down, or of the device with this index, which shall be up.
fn link_header(index: u32) -> Vec<u8> {
    let up = if index == 0 { [0; 4] } else { libc::IFF_UP.cast_unsigned().to_ne_bytes() };
    // family, padding, type; index; flags; mask of flags
    [[0; 4], index.to_ne_bytes(), up, up].concat()
}

fn attribute(kind: u16, payload: &[u8]) -> Vec<u8> {
    let length = u16::try_from(4 + payload.len()).unwrap_or(u16::MAX);
    let mut bytes = [length, kind].map(u16::to_ne_bytes).concat();
    bytes.extend(payload);
    bytes.resize(bytes.len().next_multiple_of(4), 0);
    bytes
}
