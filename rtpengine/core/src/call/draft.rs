//! Work on a copy of a call: sockets opened meanwhile are closed again unless the whole request succeeds.

use std::{net::SocketAddr, sync::Arc};

use super::{
    dtls::SocketDtls,
    error::CallError,
    ice::Standing,
    interfaces::{Interfaces, LocalIdx},
    model::Call,
    rng::Rng,
    socket::Socket,
};
use crate::{
    config::CoreConfig,
    io::{DtlsIdentity, MediaPlane, NoRandomness, Now, OpenError, OpenPort, Path, Reason, StreamId},
    secure::KeySource,
};

/// Ports tried before giving up when other programs hold them.
const MAX_TRIES: usize = 256;

/// A changed copy of a call and what was opened for it.
pub(super) struct Draft<'a> {
    pub(super) call: Call,
    pub(super) now: Now,
    pub(super) config: &'a CoreConfig,
    pub(super) interfaces: &'a mut Interfaces,
    pub(super) mark: &'a str,
    pub(super) warnings: Vec<String>,
    rng: &'a mut Rng,
    next_stream: &'a mut u64,
    plane: &'a mut dyn MediaPlane,
    opened: Vec<(StreamId, LocalIdx, u16)>,
    /// Keys were wanted and could not be had.
    keyless: bool,
}

/// What a draft needs of the engine.
pub(super) struct Workshop<'a> {
    pub(super) now: Now,
    pub(super) config: &'a CoreConfig,
    pub(super) interfaces: &'a mut Interfaces,
    /// See [`super::looping`].
    pub(super) mark: &'a str,
    pub(super) rng: &'a mut Rng,
    pub(super) next_stream: &'a mut u64,
    pub(super) plane: &'a mut dyn MediaPlane,
}

impl<'a> Draft<'a> {
    pub(super) fn new(call: Call, shop: Workshop<'a>) -> Self {
        Self {
            call,
            now: shop.now,
            config: shop.config,
            interfaces: shop.interfaces,
            mark: shop.mark,
            warnings: Vec::new(),
            rng: shop.rng,
            next_stream: shop.next_stream,
            plane: shop.plane,
            opened: Vec::new(),
            keyless: false,
        }
    }

    /// Keeps the changes.
    pub(super) fn commit(self) -> (Call, Vec<String>) {
        (self.call, self.warnings)
    }

    /// Whether all keys that were made are good.
    pub(super) fn check_keys(&self) -> Result<(), CallError> {
        if self.keyless { Err(NoRandomness.into()) } else { Ok(()) }
    }

    /// Closes everything that was opened and forgets the changes.
    pub(super) fn roll_back(self) {
        for (stream, local, port) in self.opened {
            self.plane.abandon(stream);
            if let Some(pool) = self.interfaces.pool_mut(local) {
                pool.release(port);
            }
        }
    }

    /// Opens an RTP socket at `local`, and the RTCP socket above it unless `single`.
    pub(super) fn open(
        &mut self,
        local: LocalIdx,
        single: bool,
    ) -> Result<(StreamId, Option<StreamId>), CallError> {
        // Ports that turned out to be in use stay taken until the search is over, so that it moves on.
        let mut busy = Vec::new();
        let result = self.search(local, single, &mut busy);
        if let Some(pool) = self.interfaces.pool_mut(local) {
            for port in busy {
                pool.release(port);
            }
        }
        result
    }

    /// Opens an RTCP socket for a stream that had none: above the RTP port where possible, else anywhere.
    pub(super) fn open_rtcp(&mut self, local: LocalIdx, rtp_port: u16) -> Result<StreamId, CallError> {
        if let Some(port) = rtp_port.checked_add(1)
            && self.interfaces.pool_mut(local).is_some_and(|pool| pool.take_exact(port))
        {
            match self.open_port(local, port, true) {
                Ok(stream) => return Ok(stream),
                Err(_) => self.give_back(local, port),
            }
        }
        let (stream, _) = self.open(local, true)?;
        if let Some(socket) = self.call.socket_mut(stream) {
            socket.rtcp = true;
        }
        Ok(stream)
    }

    /// Opens exactly this port, for adoption.
    pub(super) fn open_exact(&mut self, local: LocalIdx, port: u16, rtcp: bool) -> Option<StreamId> {
        if !self.interfaces.pool_mut(local)?.take_exact(port) {
            return None;
        }
        let opened = self.open_port(local, port, rtcp);
        if opened.is_err() {
            self.give_back(local, port);
        }
        opened.ok()
    }

    fn search(
        &mut self,
        local: LocalIdx,
        single: bool,
        busy: &mut Vec<u16>,
    ) -> Result<(StreamId, Option<StreamId>), CallError> {
        for _ in 0..MAX_TRIES {
            let Some(port) = self.interfaces.take(local, single, self.rng) else { break };
            let first = self.open_port(local, port, false);
            let second = match (&first, single) {
                (Ok(_), false) => self.open_port(local, port + 1, true).map(Some),
                (Ok(_), true) | (Err(_), _) => Ok(None),
            };
            match (first, second) {
                (Ok(first), Ok(second)) => return Ok((first, second)),
                (Ok(first), Err(error)) => {
                    self.close(first);
                    busy.extend([port, port + 1]);
                    self.fail_unless_in_use(local, error)?;
                }
                (Err(error), _) => {
                    busy.push(port);
                    if !single {
                        busy.push(port + 1);
                    }
                    self.fail_unless_in_use(local, error)?;
                }
            }
        }
        Err(self.interfaces.exhausted_at(local).into())
    }

    fn fail_unless_in_use(&self, local: LocalIdx, error: OpenError) -> Result<(), CallError> {
        match error {
            OpenError::InUse => Ok(()),
            cause @ (OpenError::Address(..) | OpenError::Resources(_)) => {
                let Some(local) = self.interfaces.local(local) else { return Ok(()) };
                Err(CallError::Open { interface: local.interface.clone(), address: local.address, cause })
            }
        }
    }

    fn open_port(&mut self, local_idx: LocalIdx, port: u16, rtcp: bool) -> Result<StreamId, OpenError> {
        let Some(address) = self.interfaces.local(local_idx).map(|local| local.address) else {
            return Err(OpenError::Resources("interface is gone".to_owned()));
        };
        let local = SocketAddr::new(address, port);
        *self.next_stream += 1;
        let stream = StreamId(*self.next_stream);
        self.plane.open(OpenPort { stream, local, affinity: self.call.affinity })?;
        self.opened.push((stream, local_idx, port));
        self.call.sockets.push(Socket {
            stream,
            local_idx,
            local,
            signalled: None,
            endpoint: None,
            settled: false,
            epoch: 0,
            standing: Standing::default(),
            rtcp,
            path: Path::default(),
            kept_up: Some(Reason::NotEstablished),
            alive_mono_us: self.now.mono_us,
            packets_seen: 0,
            clock_rate: None,
            packets_before: 0,
            since_unix_us: self.now.unix_us,
            configured: None,
            dtls: SocketDtls::default(),
            flow: None,
        });
        Ok(stream)
    }

    /// Takes back an open that was half of a failed pair; its port stays taken.
    fn close(&mut self, stream: StreamId) {
        self.plane.abandon(stream);
        self.opened.retain(|(opened, ..)| *opened != stream);
        self.call.sockets.retain(|socket| socket.stream != stream);
    }

    fn give_back(&mut self, local: LocalIdx, port: u16) {
        if let Some(pool) = self.interfaces.pool_mut(local) {
            pool.release(port);
        }
    }
}

impl Draft<'_> {
    /// The certificate for new SDP.
    pub(super) fn identity(&mut self) -> Option<Arc<DtlsIdentity>> {
        self.plane.identity()
    }
}

impl KeySource for Draft<'_> {
    fn fill(&mut self, bytes: &mut [u8]) {
        self.keyless |= self.plane.random(bytes).is_err();
    }
}
