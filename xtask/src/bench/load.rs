//! A paced flood of RTP from one socket to many ports, and a counting sink.

use std::net::{SocketAddr, UdpSocket};
use std::os::fd::AsRawFd as _;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

use anyhow::{Result, ensure};
use nix::sys::socket::{setsockopt, sockopt};
use socket2::SockAddr;

/// Datagrams moved by one system call.
const BATCH: usize = 64;
/// Header and payload of G.711 at 20 ms.
const PACKET: usize = 172;
/// How often the sink looks for packets.
const LOOK: Duration = Duration::from_millis(2);
/// After this long without a packet none is on its way any more.
const SILENCE: Duration = Duration::from_millis(300);

/// Sends `rate` packets a second for `time`, round robin to `targets`; returns how many went out. Sequence numbers go on
/// from `sequence`.
pub fn send(
    socket: &UdpSocket,
    targets: &[SocketAddr],
    rate: u64,
    time: Duration,
    sequence: &mut u64,
) -> Result<u64> {
    ensure!(!targets.is_empty(), "nowhere to send to");
    let addresses: Vec<SockAddr> = targets.iter().map(|target| (*target).into()).collect();
    let start = Instant::now();
    let mut sent = 0;
    while start.elapsed() < time {
        let due = (start.elapsed().as_secs_f64() * rate as f64) as u64;
        if due <= sent {
            std::thread::sleep(Duration::from_micros(500));
            continue;
        }
        let count = ((due - sent) as usize).min(BATCH);
        let mut packets = [[0xd5_u8; PACKET]; BATCH];
        let mut parts = [libc::iovec { iov_base: std::ptr::null_mut(), iov_len: PACKET }; BATCH];
        // SAFETY: zero bytes and null pointers are valid for this C structure.
        let mut headers: [libc::mmsghdr; BATCH] = unsafe { std::mem::zeroed() };
        for (((packet, part), header), at) in
            packets.iter_mut().zip(&mut parts).zip(&mut headers).zip(*sequence..).take(count)
        {
            let stream = at as usize % targets.len();
            let number = (at / targets.len() as u64) as u16;
            let mut rtp = [0x80, 8, 0, 0, 0, 0, 0, 0, 0, 0, 0, 1];
            rtp[2..4].copy_from_slice(&number.to_be_bytes());
            rtp[8..12].copy_from_slice(&(stream as u32 + 1).to_be_bytes());
            packet[..12].copy_from_slice(&rtp);
            part.iov_base = packet.as_mut_ptr().cast();
            if let Some(address) = addresses.get(stream) {
                header.msg_hdr.msg_name = address.as_ptr().cast_mut().cast();
                header.msg_hdr.msg_namelen = address.len();
            }
            header.msg_hdr.msg_iov = part;
            header.msg_hdr.msg_iovlen = 1;
        }
        // SAFETY: `count` headers point to addresses and packets that outlive the call.
        let done =
            unsafe { libc::sendmmsg(socket.as_raw_fd(), headers.as_mut_ptr(), count as libc::c_uint, 0) };
        if let Ok(done) = u64::try_from(done) {
            sent += done;
            *sequence += done;
        }
    }
    Ok(sent)
}

/// Counts datagrams until `stop`, then until the socket has been silent for a while.
///
/// It looks in now and then instead of waiting for packets: a receiver that is asleep is woken by whoever sends, at the
/// sender's expense, and the parties of real calls do not sleep on the machine that relays.
pub fn count(socket: &UdpSocket, stop: &AtomicBool) -> Result<u64> {
    // The sink must not be what loses packets.
    setsockopt(socket, sockopt::RcvBufForce, &(16 << 20))?;
    let mut buffers = vec![[0_u8; 2048]; BATCH];
    let mut parts: Vec<libc::iovec> = buffers
        .iter_mut()
        .map(|buffer| libc::iovec { iov_base: buffer.as_mut_ptr().cast(), iov_len: buffer.len() })
        .collect();
    // SAFETY: zero bytes and null pointers are valid for this C structure.
    let mut headers: [libc::mmsghdr; BATCH] = unsafe { std::mem::zeroed() };
    for (header, part) in headers.iter_mut().zip(&mut parts) {
        header.msg_hdr.msg_iov = part;
        header.msg_hdr.msg_iovlen = 1;
    }
    let mut received = 0;
    let mut heard = Instant::now();
    loop {
        // SAFETY: the headers point to buffers that outlive the call.
        let count = unsafe {
            libc::recvmmsg(
                socket.as_raw_fd(),
                headers.as_mut_ptr(),
                BATCH as libc::c_uint,
                libc::MSG_DONTWAIT,
                std::ptr::null_mut(),
            )
        };
        if let Ok(count) = u64::try_from(count) {
            received += count;
            heard = Instant::now();
            continue;
        }
        if stop.load(Ordering::Relaxed) && heard.elapsed() > SILENCE {
            return Ok(received);
        }
        std::thread::sleep(LOOK);
    }
}
