//! ng and the protocol of rtpproxy over UDP: a thread per socket, which receives a request, answers it and waits for the next.
//!
//! The core does one thing at a time, so tasks and more threads would add context switches and nothing else. Only a
//! repeat of a request that another listener is still working on has to wait, which it does on the runtime.

use std::future::Future as _;
use std::io;
use std::net::{Shutdown, UdpSocket};
use std::os::fd::AsRawFd as _;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::task::{Context, Poll, Waker};
use std::thread::JoinHandle;
use std::time::Duration;

use rtpengine_core::call::ControlSource;
use rtpengine_core::ng::Reply;
use rtpengine_core::ng::message::{self, Message};
use socket2::SockRef;
use tokio::runtime::Handle;
use tokio::sync::Semaphore;

use super::packet_info::{self, Received};
use super::{ControlEngine, Dispatcher};

/// Repeats of one socket that may wait at a time; further ones are dropped, the proxy repeats them anyway.
const MAX_WAITING: usize = 4096;
/// Largest UDP payload over IPv4; over IPv6 it is 20 bytes more.
const MAX_DATAGRAM: usize = 65_507;

/// What is spoken on a socket.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Dialect {
    /// ng.
    Ng,
    /// That of rtpproxy.
    Rtpproxy,
}

/// A control socket being served. Dropping it ends the service.
#[derive(Debug)]
pub struct Service {
    socket: Arc<UdpSocket>,
    stop: Arc<AtomicBool>,
    thread: Option<JoinHandle<()>>,
}

impl Service {
    /// Answers requests. `stack`: the size of the thread's stack in bytes, where it is not to be the default.
    ///
    /// # Errors
    /// When the system has no thread to give.
    pub fn start<E: ControlEngine>(
        socket: UdpSocket,
        dialect: Dialect,
        dispatcher: Arc<Dispatcher<E>>,
        runtime: Handle,
        stack: Option<usize>,
    ) -> io::Result<Self> {
        socket.set_nonblocking(false)?;
        let (socket, stop) = (Arc::new(socket), Arc::new(AtomicBool::new(false)));
        let server = Server {
            socket: Arc::clone(&socket),
            dialect,
            dispatcher,
            runtime,
            waiting: Arc::new(Semaphore::new(MAX_WAITING)),
        };
        let stopped = Arc::clone(&stop);
        let mut builder = std::thread::Builder::new().name("control-udp".to_owned());
        if let Some(stack) = stack {
            builder = builder.stack_size(stack);
        }
        let thread = builder.spawn(move || server.run(&stopped))?;
        Ok(Self { socket, stop, thread: Some(thread) })
    }
}

impl Drop for Service {
    fn drop(&mut self) {
        self.stop.store(true, Ordering::Release);
        // Reports an error, as the socket is not connected, and wakes the thread all the same (Linux inet_shutdown).
        let _not_connected = SockRef::from(&*self.socket).shutdown(Shutdown::Both);
        if let Some(thread) = self.thread.take() {
            // A panic in it was reported by its hook.
            let _panicked = thread.join();
        }
    }
}

struct Server<E> {
    socket: Arc<UdpSocket>,
    dialect: Dialect,
    dispatcher: Arc<Dispatcher<E>>,
    runtime: Handle,
    waiting: Arc<Semaphore>,
}

impl<E: ControlEngine> Server<E> {
    fn run(&self, stop: &AtomicBool) {
        let mut buffer = vec![0; usize::from(u16::MAX)];
        while !stop.load(Ordering::Acquire) {
            let received = match packet_info::receive(self.socket.as_raw_fd(), &mut buffer) {
                Ok(received) => received,
                Err(_) if stop.load(Ordering::Acquire) => return,
                Err(error) => {
                    // ICMP errors of earlier replies surface here; anything lasting must not spin.
                    tracing::debug!(target: "control", "receive on control socket: {error}");
                    std::thread::sleep(Duration::from_millis(1));
                    continue;
                }
            };
            let datagram = buffer.get(..received.length).unwrap_or_default();
            // The hook has reported the panic; the next request deserves an answer even if this one gets none.
            let _panicked = catch_unwind(AssertUnwindSafe(|| self.serve(&received, datagram)));
        }
    }

    fn serve(&self, received: &Received, datagram: &[u8]) {
        let (socket, dispatcher) = (Arc::clone(&self.socket), Arc::clone(&self.dispatcher));
        let (received, datagram, dialect) = (*received, datagram.to_vec(), self.dialect);
        let mut work = Box::pin(async move {
            let source = ControlSource { addr: received.peer, transport: "udp" };
            let reply = match dialect {
                Dialect::Ng => dispatcher.handle(source, &datagram).await,
                Dialect::Rtpproxy => dispatcher.handle_legacy(source, &datagram).await,
            };
            if let Some(reply) = reply {
                answer(&socket, &received, &datagram, &reply);
            }
        });
        // What is pending now is polled again as soon as the runtime has it, so nobody misses the missing waker.
        if let Poll::Pending = work.as_mut().poll(&mut Context::from_waker(Waker::noop()))
            && let Ok(permit) = Arc::clone(&self.waiting).try_acquire_owned()
        {
            self.runtime.spawn(async move {
                work.await;
                drop(permit);
            });
        }
    }
}

fn answer(socket: &UdpSocket, received: &Received, datagram: &[u8], reply: &[u8]) {
    let send = |bytes: &[u8]| packet_info::send(socket.as_raw_fd(), bytes, received.peer, received.local);
    let sent = if reply.len() > MAX_DATAGRAM {
        let reason = format!("Reply of {} bytes is too large for UDP; use TCP", reply.len());
        tracing::warn!(target: "control", peer = %received.peer, "{reason}");
        // The reply exists, so the datagram has a cookie.
        let Some(Message { cookie, body }) = Message::split(datagram) else { return };
        send(&message::encode_reply(cookie, message::encoding_of(body), Reply::error(reason)))
    } else {
        send(reply)
    };
    if let Err(error) = sent {
        tracing::warn!(target: "control", peer = %received.peer, "cannot send reply: {error}");
    }
}
