//! Which devices run the program, how, and for which tables.

use std::{
    os::fd::{AsFd, OwnedFd},
    sync::Arc,
};

use ahash::AHashMap;
use rtpengine_common::pins;

use super::{
    bpffs::{remove_pin, share_with_group},
    error::XdpError,
    net::NetMaps,
    object::Program,
    packet_log::PacketLog,
    sys::{self, XdpFlags},
};
use crate::netlink::{FeatureClient, Link, LinkKind, XdpAttached};

/// How a device runs the program.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum AttachMode {
    /// In the driver.
    Native,
    /// In the stack, on socket buffers: any device can do it, at a higher cost.
    Generic,
    /// Not at all: its packets are relayed in userspace.
    Userspace,
}

/// State of one device.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct DeviceStatus {
    /// Device index.
    pub ifindex: u32,
    /// Device name.
    pub name: Arc<str>,
    /// How it runs the program.
    pub mode: AttachMode,
    /// Why it is not the next better mode; empty for native.
    pub reason: String,
}

/// The attachments of one network namespace, shared with the daemons of other tables under a lock.
pub struct Devices {
    net: Arc<NetMaps>,
    table: u32,
    program: Program,
    features: Option<FeatureClient>,
    known: AHashMap<u32, DeviceStatus>,
    /// Answers of `features` by device index.
    transmitters: AHashMap<u32, bool>,
}

impl Devices {
    /// Loads the program, or replaces the one of an older daemon.
    ///
    /// # Errors
    /// See [`XdpError`].
    pub fn open(net: Arc<NetMaps>, table: u32) -> Result<(Self, PacketLog), XdpError> {
        let lock = net.lock()?;
        let (program, log) = Program::load(&net.dir)?;
        replace_program(&net, &program)?;
        drop(lock);
        let features = FeatureClient::open()
            .inspect_err(
                |error| tracing::debug!(target: "core", %error, "the kernel does not tell XDP features"),
            )
            .ok();
        let (known, transmitters) = Default::default();
        Ok((Self { net, table, program, features, known, transmitters }, log))
    }

    /// Attaches the program to a device, or joins an attachment that is there. The answer is remembered until
    /// [`Devices::forget`]. Failure is an answer too: the device stays in userspace.
    pub fn attach(&mut self, link: &Link) -> &DeviceStatus {
        if !self.known.contains_key(&link.index) {
            let status = self.try_attach(link);
            log_status(&status);
            self.known.insert(link.index, status);
        }
        // Inserted just above when it was missing.
        self.known.entry(link.index).or_insert_with(|| userspace(link, String::new()))
    }

    fn try_attach(&self, link: &Link) -> DeviceStatus {
        let outcome = self.net.lock().and_then(|_lock| {
            if !self.net.is_current() {
                return Ok(userspace(
                    link,
                    "a daemon of another version has taken the devices over".to_owned(),
                ));
            }
            let status = self.link_program(link)?;
            if status.mode != AttachMode::Userspace {
                self.net.mark(link.index, self.table, true)?;
            }
            Ok(status)
        });
        outcome.unwrap_or_else(|error| userspace(link, error.to_string()))
    }

    fn link_program(&self, link: &Link) -> Result<DeviceStatus, XdpError> {
        let program = self.program.fd()?;
        let path = self.net.link_path(link.index);
        if let Ok(existing) = sys::open_pin(&path) {
            if sys::link_device(existing.as_fd()).ok().flatten() == Some(link.index)
                && sys::update_link(existing.as_fd(), program).is_ok()
            {
                let (mode, reason) = match link.xdp {
                    XdpAttached::Native => (AttachMode::Native, String::new()),
                    XdpAttached::Generic | XdpAttached::None | XdpAttached::Other => {
                        (AttachMode::Generic, "attached in generic mode before".to_owned())
                    }
                };
                return Ok(DeviceStatus { ifindex: link.index, name: link.name.clone(), mode, reason });
            }
            // The device of that index is gone or is another one now; so are the tables noted for it.
            remove_pin(&path).map_err(|source| XdpError::Pin { path: path.clone(), source })?;
            self.net.unmark(link.index)?;
        }
        if link.kind == LinkKind::NoEthernet {
            return Ok(userspace(link, "the device has no Ethernet framing".to_owned()));
        }
        let native = if link.kind == LinkKind::Loopback {
            Err("loopback has no native mode".to_owned())
        } else {
            sys::attach_xdp(program, link.index, XdpFlags::Native)
                .map_err(|error| format!("native mode: {error}"))
        };
        let (fd, mode, reason): (OwnedFd, _, _) = match native {
            Ok(fd) => (fd, AttachMode::Native, String::new()),
            Err(reason) => match sys::attach_xdp(program, link.index, XdpFlags::Generic) {
                Ok(fd) => (fd, AttachMode::Generic, reason),
                Err(error) => return Ok(userspace(link, format!("{reason}; generic mode: {error}"))),
            },
        };
        sys::pin(fd.as_fd(), &path).map_err(|source| XdpError::Pin { path: path.clone(), source })?;
        share_with_group(&path)?;
        Ok(DeviceStatus { ifindex: link.index, name: link.name.clone(), mode, reason })
    }

    /// A device changed: its mode may have become known, and what kept the program away may be over.
    pub fn observe(&mut self, link: &Link) {
        let Some(status) = self.known.get_mut(&link.index) else { return };
        match (status.mode, link.xdp) {
            (AttachMode::Userspace, _) => {
                self.known.remove(&link.index);
            }
            (AttachMode::Generic, XdpAttached::Native) => {
                status.mode = AttachMode::Native;
                status.reason.clear();
            }
            (AttachMode::Generic | AttachMode::Native, _) => {}
        }
    }

    /// The mode of a device, [`AttachMode::Userspace`] for one never attached.
    #[must_use]
    pub fn mode(&self, ifindex: u32) -> AttachMode {
        self.known.get(&ifindex).map_or(AttachMode::Userspace, |status| status.mode)
    }

    /// `true` unless the driver of the device is known not to transmit frames redirected from a native program. Kernels
    /// before 6.3 do not tell; on those only the kind of the device does.
    pub fn transmits(&mut self, ifindex: u32, kind: LinkKind) -> bool {
        let features = &self.features;
        *self.transmitters.entry(ifindex).or_insert_with(|| {
            match features.as_ref().map(|f| f.device(ifindex)) {
                Some(Ok(features)) => features.transmits(),
                Some(Err(_)) | None => kind != LinkKind::Bridge,
            }
        })
    }

    /// Forgets what [`Devices::transmits`] found: it changes with the peers' programs, and no notification tells.
    pub fn features_changed(&mut self) {
        self.transmitters.clear();
    }

    /// All devices tried so far, by index.
    #[must_use]
    pub fn status(&self) -> Vec<DeviceStatus> {
        let mut all: Vec<_> = self.known.values().cloned().collect();
        all.sort_by_key(|status| status.ifindex);
        all
    }

    /// Forgets a device that vanished: the kernel has detached the program with it.
    pub fn forget(&mut self, ifindex: u32) {
        if self.known.remove(&ifindex).is_none() {
            return;
        }
        let path = self.net.link_path(ifindex);
        let outcome = self.net.lock().and_then(|_lock| {
            let gone =
                sys::open_pin(&path).is_ok_and(|link| !matches!(sys::link_device(link.as_fd()), Ok(Some(_))));
            if gone {
                remove_pin(&path).map_err(|source| XdpError::Pin { path, source })?;
                self.net.unmark(ifindex)?;
            }
            Ok(())
        });
        if let Err(error) = outcome {
            tracing::warn!(target: "core", device = ifindex, %error, "cannot tidy up after a device that is gone");
        }
    }
}

/// Switches all attachments to the program just loaded, so that every device runs one version on one set of maps.
fn replace_program(net: &NetMaps, program: &Program) -> Result<(), XdpError> {
    let links = net.dir.join(pins::LINKS);
    let entries = std::fs::read_dir(&links).map_err(|source| XdpError::Pin { path: links, source })?;
    for entry in entries.flatten() {
        let path = entry.path();
        let replaced = sys::open_pin(&path)
            .and_then(|link| sys::update_link(link.as_fd(), program.fd().map_err(std::io::Error::other)?));
        if let Err(error) = replaced {
            tracing::debug!(target: "core", link = %path.display(), %error, "an attachment was not updated");
        }
    }
    Ok(())
}

fn userspace(link: &Link, reason: String) -> DeviceStatus {
    DeviceStatus { ifindex: link.index, name: link.name.clone(), mode: AttachMode::Userspace, reason }
}

fn log_status(status: &DeviceStatus) {
    let (device, reason) = (&status.name, &status.reason);
    match status.mode {
        AttachMode::Native => tracing::info!(target: "core", %device, "XDP program attached in native mode"),
        AttachMode::Generic => {
            tracing::info!(target: "core", %device, %reason, "XDP program attached in generic mode")
        }
        AttachMode::Userspace => {
            tracing::warn!(target: "core", %device, %reason, "no XDP on this device; its media is relayed in userspace");
        }
    }
}
