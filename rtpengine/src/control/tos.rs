//! `set controltos`: the TOS of control replies, changed while the daemon runs.

use std::io;
use std::sync::atomic::{AtomicU8, Ordering};

use socket2::Socket;

/// The control sockets as far as their TOS goes. Connections accepted later inherit that of their listener.
#[derive(Debug)]
pub struct ControlTos {
    /// Each with `true` for IPv6.
    sockets: Vec<(Socket, bool)>,
    value: AtomicU8,
}

impl ControlTos {
    pub(super) fn new(sockets: Vec<(Socket, bool)>, value: u8) -> Self {
        Self { sockets, value: AtomicU8::new(value) }
    }

    /// The value in force; 0 is the system's default.
    #[must_use]
    pub fn get(&self) -> u8 {
        self.value.load(Ordering::Relaxed)
    }

    /// Sets the TOS (IPv4) or traffic class (IPv6) byte of all control sockets.
    ///
    /// # Errors
    /// When a socket refuses it; those before it are changed then.
    pub fn set(&self, tos: u8) -> io::Result<()> {
        for (socket, ipv6) in &self.sockets {
            match ipv6 {
                true => socket.set_tclass_v6(tos.into())?,
                false => socket.set_tos_v4(tos.into())?,
            }
        }
        self.value.store(tos, Ordering::Relaxed);
        Ok(())
    }
}
