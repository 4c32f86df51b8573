//! Loads the XDP program with the maps that all tables of a network namespace share.

use std::{
    os::fd::{AsFd, BorrowedFd},
    path::Path,
};

use aya::{EbpfLoader, programs::Xdp};
use rtpengine_common::pins;

use super::{bpffs::share_with_group, error::XdpError, packet_log::PacketLog, srtp};

/// The object `cargo xtask build-ebpf` made.
#[cfg(feature = "xdp")]
static OBJECT: &[u8] = aya::include_bytes_aligned!(env!("RTPENGINE_XDP_OBJECT"));
#[cfg(not(feature = "xdp"))]
static OBJECT: &[u8] = &[];

/// Maps of the object that outlive the process.
const SHARED: [&str; 3] = [pins::FLOWS, pins::STATS, pins::REASONS];

/// The program of one network namespace.
pub struct Program {
    /// Keeps the program and its maps.
    ebpf: aya::Ebpf,
}

impl Program {
    /// Loads the embedded object. Shared maps already pinned in `dir` are used, others are pinned there. The caller holds
    /// the lock on `dir`, and runs within a runtime with I/O.
    ///
    /// # Errors
    /// See [`XdpError`].
    pub fn load(dir: &Path) -> Result<(Self, PacketLog), XdpError> {
        if OBJECT.is_empty() {
            return Err(XdpError::NoObject);
        }
        let mut loader = EbpfLoader::new();
        for name in SHARED {
            loader.map_pin_path(name, dir.join(name));
        }
        for name in srtp::NAMES {
            loader.map_pin_path(name, srtp::folder(dir).join(name));
        }
        let mut ebpf = loader.load(OBJECT).map_err(|error| XdpError::Load(chain(&error)))?;
        let program: &mut Xdp = ebpf
            .program_mut(pins::PROGRAM)
            .ok_or_else(|| XdpError::Load(format!("the object has no program {}", pins::PROGRAM)))?
            .try_into()
            .map_err(|error| XdpError::Load(chain(&error)))?;
        program.load().map_err(|error| XdpError::Load(chain(&error)))?;
        for name in SHARED {
            share_with_group(&dir.join(name))?;
        }
        let log = PacketLog::open(&mut ebpf)?;
        Ok((Self { ebpf }, log))
    }

    /// The program's descriptor.
    ///
    /// # Errors
    /// [`XdpError::Load`]; cannot happen after a successful load.
    pub fn fd(&self) -> Result<BorrowedFd<'_>, XdpError> {
        match self.ebpf.program(pins::PROGRAM) {
            Some(program) => program.fd().map(AsFd::as_fd).map_err(|error| XdpError::Load(chain(&error))),
            None => Err(XdpError::NoObject),
        }
    }
}

/// An error with all its causes: aya's own text names only the outermost.
fn chain(error: &dyn std::error::Error) -> String {
    let mut text = error.to_string();
    let mut source = error.source();
    while let Some(cause) = source {
        text.push_str(": ");
        text.push_str(&cause.to_string());
        source = cause.source();
    }
    text
}
