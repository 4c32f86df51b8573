//! Client of the ng control protocol: `cookie SP dictionary`, over UDP or TCP, bencode or JSON.

use std::io::{Read as _, Write as _};
use std::net::{SocketAddr, TcpStream, UdpSocket};
use std::sync::atomic::{AtomicU32, Ordering};
use std::time::Duration;

use anyhow::{Context as _, Result, bail, ensure};
use serde_json::{Value, json};

use crate::bencode;
use crate::netns::Netns;

static COOKIE: AtomicU32 = AtomicU32::new(0);
/// Longest wait for a reply.
const TIMEOUT: Duration = Duration::from_secs(5);
/// More than any UDP payload.
const BUFFER: usize = 1 << 16;

/// Body encoding.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Encoding {
    /// Bencode.
    Bencode,
    /// JSON.
    Json,
}

#[derive(Debug)]
enum Transport {
    Udp(UdpSocket),
    Tcp(TcpStream, Vec<u8>),
}

/// One connection to a daemon's ng port.
#[derive(Debug)]
pub struct NgClient {
    transport: Transport,
    /// Encoding of the requests; the reply must come in the same one.
    pub encoding: Encoding,
}

/// A new cookie, unlike any other of this host: the original's reply cache is keyed by it alone.
#[must_use]
pub fn cookie() -> String {
    format!("{}_{}", std::process::id(), COOKIE.fetch_add(1, Ordering::Relaxed))
}

impl NgClient {
    /// A client over UDP in the calling thread's namespace.
    pub fn udp(server: SocketAddr) -> Result<Self> {
        let local = if server.is_ipv4() { "0.0.0.0:0" } else { "[::]:0" };
        let socket = UdpSocket::bind(local)?;
        socket.connect(server)?;
        socket.set_read_timeout(Some(TIMEOUT))?;
        Ok(Self { transport: Transport::Udp(socket), encoding: Encoding::Bencode })
    }

    /// A client over TCP in the calling thread's namespace.
    pub fn tcp(server: SocketAddr) -> Result<Self> {
        let stream = TcpStream::connect_timeout(&server, TIMEOUT)?;
        stream.set_read_timeout(Some(TIMEOUT))?;
        stream.set_nodelay(true)?;
        Ok(Self { transport: Transport::Tcp(stream, Vec::new()), encoding: Encoding::Bencode })
    }

    /// A client over UDP inside a namespace.
    pub fn udp_in(namespace: &Netns, server: SocketAddr) -> Result<Self> {
        namespace.run(|| Self::udp(server))?
    }

    /// A client over TCP inside a namespace.
    pub fn tcp_in(namespace: &Netns, server: SocketAddr) -> Result<Self> {
        namespace.run(|| Self::tcp(server))?
    }

    /// The same client with another body encoding.
    #[must_use]
    pub fn with_encoding(mut self, encoding: Encoding) -> Self {
        self.encoding = encoding;
        self
    }

    /// Sends a request under a new cookie and waits for its reply, whatever its `result` says.
    pub fn request(&mut self, body: &Value) -> Result<Value> {
        self.request_with_cookie(&cookie(), body)
    }

    /// Same under the cookie given.
    pub fn request_with_cookie(&mut self, cookie: &str, body: &Value) -> Result<Value> {
        self.send_raw(&self.message(cookie, body)?)?;
        loop {
            let (answered, reply) = self.receive()?;
            if answered == cookie {
                return Ok(reply);
            }
        }
    }

    /// The bytes of a request.
    pub fn message(&self, cookie: &str, body: &Value) -> Result<Vec<u8>> {
        let mut message = format!("{cookie} ").into_bytes();
        match self.encoding {
            Encoding::Bencode => message.extend(bencode::encode(body)?),
            Encoding::Json => message.extend(serde_json::to_vec(body)?),
        }
        Ok(message)
    }

    /// Sends bytes as they are: one datagram, or a piece of the TCP stream.
    pub fn send_raw(&mut self, bytes: &[u8]) -> Result<()> {
        match &mut self.transport {
            Transport::Udp(socket) => socket.send(bytes).map(drop).context("send an ng request"),
            Transport::Tcp(stream, _) => stream.write_all(bytes).context("send an ng request"),
        }
    }

    /// The next message from the daemon: cookie and body.
    pub fn receive(&mut self) -> Result<(String, Value)> {
        match &mut self.transport {
            Transport::Udp(socket) => {
                let mut buffer = vec![0; BUFFER];
                let length = uninterrupted(|| socket.recv(&mut buffer)).context("no ng reply in time")?;
                let (message, used) = parse(&buffer[..length])?.context("truncated ng reply")?;
                ensure!(used == length, "{} bytes after the ng reply", length - used);
                Ok(message)
            }
            Transport::Tcp(stream, pending) => loop {
                if let Some((message, used)) = parse(pending)? {
                    pending.drain(..used);
                    return Ok(message);
                }
                let mut chunk = [0; 4096];
                let length = uninterrupted(|| stream.read(&mut chunk)).context("no ng reply in time")?;
                ensure!(length > 0, "the daemon closed the ng connection");
                pending.extend_from_slice(&chunk[..length]);
            },
        }
    }

    /// The next datagram's bytes, `None` if none comes within `wait`. UDP only.
    pub fn receive_raw(&mut self, wait: Duration) -> Result<Option<Vec<u8>>> {
        let Transport::Udp(socket) = &self.transport else { bail!("raw replies are read over UDP only") };
        socket.set_read_timeout(Some(wait))?;
        let mut buffer = vec![0; BUFFER];
        let received = uninterrupted(|| socket.recv(&mut buffer));
        socket.set_read_timeout(Some(TIMEOUT))?;
        match received {
            Ok(length) => {
                buffer.truncate(length);
                Ok(Some(buffer))
            }
            Err(error)
                if matches!(error.kind(), std::io::ErrorKind::WouldBlock | std::io::ErrorKind::TimedOut) =>
            {
                Ok(None)
            }
            Err(error) => Err(error.into()),
        }
    }

    /// Sends a request and insists on `result` being `ok` (or `pong`).
    pub fn expect_ok(&mut self, body: &Value) -> Result<Value> {
        let reply = self.request(body)?;
        match reply["result"].as_str() {
            Some("ok" | "pong") => Ok(reply),
            _ => bail!("{} was refused: {reply}", body["command"]),
        }
    }

    /// `ping`.
    pub fn ping(&mut self) -> Result<()> {
        self.expect_ok(&json!({"command": "ping"})).map(drop)
    }

    /// `offer`; returns the rewritten SDP. `extra` entries are merged into the request.
    pub fn offer(&mut self, call: &str, from: &str, sdp: &str, extra: &Value) -> Result<String> {
        let body = json!({"command": "offer", "call-id": call, "from-tag": from, "sdp": sdp});
        self.sdp_command(body, extra)
    }

    /// `answer`; returns the rewritten SDP.
    pub fn answer(&mut self, call: &str, from: &str, to: &str, sdp: &str, extra: &Value) -> Result<String> {
        let body = json!({"command": "answer", "call-id": call, "from-tag": from, "to-tag": to, "sdp": sdp});
        self.sdp_command(body, extra)
    }

    /// `delete` at once; returns the reply with the totals.
    pub fn delete(&mut self, call: &str, from: &str) -> Result<Value> {
        self.expect_ok(&json!({"command": "delete", "call-id": call, "from-tag": from, "delete-delay": 0}))
    }

    /// `query`.
    pub fn query(&mut self, call: &str) -> Result<Value> {
        self.expect_ok(&json!({"command": "query", "call-id": call}))
    }

    /// `list`: the Call-IDs.
    pub fn list(&mut self) -> Result<Vec<String>> {
        let reply = self.expect_ok(&json!({"command": "list"}))?;
        let calls = reply["calls"].as_array().context("no `calls` in the reply to list")?;
        Ok(calls.iter().filter_map(|call| call.as_str().map(str::to_owned)).collect())
    }

    fn sdp_command(&mut self, mut body: Value, extra: &Value) -> Result<String> {
        if let (Some(body), Some(extra)) = (body.as_object_mut(), extra.as_object()) {
            body.extend(extra.clone());
        }
        let reply = self.expect_ok(&body)?;
        Ok(reply["sdp"].as_str().with_context(|| format!("no sdp in {reply}"))?.to_owned())
    }
}

/// Reads again after a signal, which other tests of the process deal with.
fn uninterrupted(mut read: impl FnMut() -> std::io::Result<usize>) -> std::io::Result<usize> {
    loop {
        match read() {
            Err(error) if error.kind() == std::io::ErrorKind::Interrupted => {}
            result => return result,
        }
    }
}

type Message = (String, Value);

/// Splits one message off the front; `None` while it is incomplete.
fn parse(input: &[u8]) -> Result<Option<(Message, usize)>> {
    let Some(space) = input.iter().position(|byte| *byte == b' ') else { return Ok(None) };
    let cookie = std::str::from_utf8(&input[..space])?.to_owned();
    let body = &input[space + 1..];
    let decoded = if body.first() == Some(&b'{') {
        let mut stream = serde_json::Deserializer::from_slice(body).into_iter::<Value>();
        match stream.next() {
            Some(Ok(value)) => Some((value, stream.byte_offset())),
            Some(Err(error)) if error.is_eof() => None,
            Some(Err(error)) => return Err(error.into()),
            None => None,
        }
    } else {
        bencode::decode(body)?
    };
    Ok(decoded.map(|(value, used)| ((cookie, value), space + 1 + used)))
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::parse;

    #[test]
    fn messages_are_split_off_a_stream() {
        let stream = b"a_1 d6:result4:ponge b_2 {\"result\":\"ok\"}";
        let ((cookie, body), used) = parse(stream).unwrap().unwrap();
        assert_eq!((cookie.as_str(), body), ("a_1", json!({"result": "pong"})));
        let ((cookie, body), _) = parse(&stream[used + 1..]).unwrap().unwrap();
        assert_eq!((cookie.as_str(), body), ("b_2", json!({"result": "ok"})));
        assert!(parse(&stream[..used - 1]).unwrap().is_none());
    }
}
