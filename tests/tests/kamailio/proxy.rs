//! Kamailio beside the daemon.

use std::fs;
use std::net::{SocketAddr, UdpSocket};
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use rtpengine_tests::engine::Engine;
use rtpengine_tests::netns::Netns;
use rtpengine_tests::require::find_program;
use rtpengine_tests::topology::{CALLEE, CALLER, ENGINE_LEFT, ENGINE_RIGHT};

/// A child process that ends with the test.
pub struct Running(pub Child);

impl Drop for Running {
    fn drop(&mut self) {
        // Kamailio ends its own children on SIGTERM; a kill would leave them.
        let pid = nix::unistd::Pid::from_raw(self.0.id().cast_signed());
        let _gone = nix::sys::signal::kill(pid, nix::sys::signal::Signal::SIGTERM);
        let _status = self.0.wait();
    }
}

pub fn spawn(netns: &Netns, command: &mut Command, log: &Path) -> Running {
    let log = fs::File::create(log).unwrap();
    let command = command.stdin(Stdio::null()).stdout(log.try_clone().unwrap()).stderr(log);
    Running(netns.enter(command).spawn().unwrap())
}

/// A proxy that sends every call of the caller's side to the callee, with media through the daemon.
pub struct Kamailio {
    _process: Running,
    files: tempfile::TempDir,
}

impl Kamailio {
    /// Starts it and waits until it answers. `flags`: what it asks of the daemon in offers, over what every call needs.
    pub fn start(engine: &Engine, flags: &str) -> Self {
        Self::start_with(engine, &include_str!("kamailio.cfg").replace("FLAGS", flags))
    }

    /// The same with another configuration.
    pub fn start_with(engine: &Engine, configuration: &str) -> Self {
        Self::with(engine, &configuration.replace("NG", &engine.daemon.ng_address().to_string()))
    }

    /// The same with its module `rtpproxy`, which finds the daemon at this address.
    pub fn with_rtpproxy(engine: &Engine, socket: SocketAddr) -> Self {
        let module = include_str!("rtpproxy.cfg").replace("SOCKET", &socket.to_string());
        Self::with(engine, &module)
    }

    fn with(engine: &Engine, configuration: &str) -> Self {
        let files = tempfile::tempdir().unwrap();
        let at = |name: &str| files.path().join(name);
        let configuration = configuration
            .replace("LEFT", ENGINE_LEFT)
            .replace("RIGHT", ENGINE_RIGHT)
            .replace("CALLEE", CALLEE);
        fs::write(at("kamailio.cfg"), configuration).unwrap();
        let mut command = Command::new(find_program("kamailio").unwrap());
        command.args(["-DD", "-E", "-n", "2", "-m", "64", "-M", "8", "-w"]).arg(files.path());
        command
            .arg("-Y")
            .arg(files.path())
            .arg("-P")
            .arg(at("kamailio.pid"))
            .arg("-f")
            .arg(at("kamailio.cfg"));
        let process = spawn(&engine.trio.engine, &mut command, &at("kamailio.log"));
        await_sip(&engine.trio.caller, ENGINE_LEFT);
        Self { _process: process, files }
    }

    /// What it has logged so far.
    pub fn log(&self) -> String {
        fs::read_to_string(self.files.path().join("kamailio.log")).unwrap_or_default()
    }
}

/// Waits until something at `address` answers SIP.
fn await_sip(netns: &Netns, address: &str) {
    let request = format!(
        "OPTIONS sip:{address} SIP/2.0\r\nVia: SIP/2.0/UDP {CALLER}:5099;branch=z9hG4bKx;rport\r\n\
         From: <sip:x@{CALLER}>;tag=x\r\nTo: <sip:{address}>\r\nCall-ID: ready@{CALLER}\r\nCSeq: 1 OPTIONS\r\n\
         Max-Forwards: 5\r\nContent-Length: 0\r\n\r\n"
    );
    let ready = netns.run(|| {
        let socket = UdpSocket::bind("0.0.0.0:0").unwrap();
        socket.set_read_timeout(Some(Duration::from_millis(200))).unwrap();
        let deadline = Instant::now() + Duration::from_secs(30);
        let mut buffer = [0; 2048];
        while Instant::now() < deadline {
            // Before Kamailio listens this fails with "connection refused" or gets no reply.
            let _sent = socket.send_to(request.as_bytes(), (address, 5060));
            if socket.recv(&mut buffer).is_ok() {
                return true;
            }
        }
        false
    });
    assert!(ready.unwrap(), "nothing answers SIP at {address}");
}
