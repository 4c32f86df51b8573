//! The datagrams of one handshake between its owner and OpenSSL.

use std::io::{Error, ErrorKind, Read, Result, Write};

/// Most datagrams one step may produce. A flight with an RSA-4096 chain at the smallest MTU takes under a dozen.
const MAX_OUTGOING: usize = 64;

/// OpenSSL reads from and writes to it; one call, one datagram.
#[derive(Debug, Default)]
pub(super) struct DatagramQueue {
    incoming: Option<Box<[u8]>>,
    outgoing: Vec<Box<[u8]>>,
}

impl DatagramQueue {
    /// What OpenSSL will read next; replaces what it has not read.
    pub fn push(&mut self, datagram: &[u8]) {
        self.incoming = Some(datagram.into());
    }

    /// What OpenSSL has written since the last call.
    pub fn take_outgoing(&mut self) -> Vec<Box<[u8]>> {
        std::mem::take(&mut self.outgoing)
    }
}

impl Read for DatagramQueue {
    fn read(&mut self, buffer: &mut [u8]) -> Result<usize> {
        let datagram = self.incoming.take().ok_or(ErrorKind::WouldBlock)?;
        // OpenSSL offers the longest record it takes; a longer datagram is refused like a truncated one.
        let target = buffer.get_mut(..datagram.len()).ok_or(ErrorKind::InvalidData)?;
        target.copy_from_slice(&datagram);
        Ok(datagram.len())
    }
}

impl Write for DatagramQueue {
    fn write(&mut self, datagram: &[u8]) -> Result<usize> {
        if self.outgoing.len() >= MAX_OUTGOING {
            return Err(Error::from(ErrorKind::StorageFull));
        }
        self.outgoing.push(datagram.into());
        Ok(datagram.len())
    }

    fn flush(&mut self) -> Result<()> {
        Ok(())
    }
}
