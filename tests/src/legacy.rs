//! Client of the protocols before ng: rtpproxy's over UDP, mediaproxy's over TCP.

use std::io::{Read as _, Write as _};
use std::net::{SocketAddr, TcpStream, UdpSocket};
use std::time::Duration;

use anyhow::{Context as _, Result, ensure};

use crate::netns::Netns;
use crate::ng::cookie;
use crate::talk::{Call, Place};

/// Longest wait for a reply.
const TIMEOUT: Duration = Duration::from_secs(5);

/// A socket for commands of rtpproxy.
#[derive(Debug)]
pub struct RtpproxyClient(UdpSocket);

impl RtpproxyClient {
    /// In a namespace.
    pub fn within(netns: &Netns, server: SocketAddr) -> Result<Self> {
        netns.run(|| {
            let socket = UdpSocket::bind("0.0.0.0:0")?;
            socket.connect(server)?;
            socket.set_read_timeout(Some(TIMEOUT))?;
            Ok(Self(socket))
        })?
    }

    /// Sends a datagram as it is; yields the reply as it is.
    pub fn raw(&self, datagram: &[u8]) -> Result<Vec<u8>> {
        self.0.send(datagram)?;
        let mut buffer = vec![0; 65_536];
        let length = self.0.recv(&mut buffer).with_context(|| datagram.escape_ascii().to_string())?;
        buffer.truncate(length);
        Ok(buffer)
    }

    /// The words of the reply to a command.
    pub fn ask(&self, command: &str) -> Result<Vec<String>> {
        let cookie = cookie();
        let reply = String::from_utf8(self.raw(format!("{cookie} {command}").as_bytes())?)?;
        let words = reply.strip_prefix(&format!("{cookie} ")).and_then(|rest| rest.strip_suffix('\n'));
        let words = words.with_context(|| format!("{command}: {reply:?}"))?;
        Ok(words.split(' ').map(str::to_owned).collect())
    }

    /// Sends `U` or `L`; yields the address that the reply names.
    pub fn address(&self, command: &str) -> Result<SocketAddr> {
        let words = self.ask(command)?;
        let [port, address, family] = words.as_slice() else { anyhow::bail!("{command}: {words:?}") };
        let address: SocketAddr = SocketAddr::new(address.parse()?, port.parse()?);
        ensure!(family == if address.is_ipv4() { "4" } else { "6" }, "{command}: {words:?}");
        Ok(address)
    }

    /// Places a call with one m-line, with these modifiers in both commands.
    pub fn call(&self, caller: Place<'_>, callee: Place<'_>, modifiers: &str) -> Result<Call> {
        let mut call = Call::unplaced(caller, callee)?;
        let Call { id, from, to, .. } = &call;
        let (one, two) = (call.caller.local()?, call.callee.local()?);
        let offered = self.address(&format!("U{modifiers} {id} {} {} {from};1", one.ip(), one.port()))?;
        let answered =
            self.address(&format!("L{modifiers} {id} {} {} {from};1 {to};1", two.ip(), two.port()))?;
        (call.caller.remote, call.callee.remote) = (Some(answered), Some(offered));
        Ok(call)
    }
}

/// Sends a line of mediaproxy's protocol over a connection of its own; yields everything that comes before its end.
pub fn mediaproxy(netns: &Netns, server: SocketAddr, line: &str) -> Result<String> {
    netns.run(|| {
        let mut stream = TcpStream::connect(server)?;
        stream.set_read_timeout(Some(TIMEOUT))?;
        stream.write_all(format!("{line}\n").as_bytes())?;
        let mut reply = String::new();
        stream.read_to_string(&mut reply).with_context(|| line.to_owned())?;
        Ok(reply)
    })?
}
