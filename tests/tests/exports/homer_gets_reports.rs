//! `--homer`: the contents of RTCP in HEP version 3.

use std::collections::BTreeMap;
use std::io::Read as _;
use std::net::{IpAddr, SocketAddr, TcpListener, UdpSocket};

use rtpengine_tests::daemon::Table;
use rtpengine_tests::engine::Engine;
use rtpengine_tests::require::{NAMESPACES, available};
use rtpengine_tests::rtp::{Endpoint, rtcp_sender_report};
use rtpengine_tests::sdp;
use rtpengine_tests::topology::{CALLEE, CALLER};
use serde_json::{Value, json};

use crate::WAIT;

const SERVER: &str = "127.0.0.1:9060";
const SSRC: u32 = 0x0102_0304;

/// Chunks of a packet by type.
fn chunks(packet: &[u8]) -> BTreeMap<u16, Vec<u8>> {
    assert_eq!(&packet[..4], b"HEP3");
    assert_eq!(usize::from(u16::from_be_bytes([packet[4], packet[5]])), packet.len());
    let mut chunks = BTreeMap::new();
    let mut rest = &packet[6..];
    while let [0, 0, kind @ ..] = rest {
        let length = usize::from(u16::from_be_bytes([kind[2], kind[3]]));
        chunks.insert(u16::from_be_bytes([kind[0], kind[1]]), rest[6..length].to_vec());
        rest = &rest[length..];
    }
    assert!(rest.is_empty());
    chunks
}

/// Bytes of at least one packet, as they arrive.
enum Server {
    Udp(UdpSocket),
    Tcp(TcpListener),
}

impl Server {
    fn receive(&self) -> Vec<u8> {
        match self {
            Self::Udp(socket) => {
                let mut buffer = [0; 4096];
                socket.set_read_timeout(Some(WAIT)).unwrap();
                let length = socket.recv(&mut buffer).unwrap();
                buffer[..length].to_vec()
            }
            Self::Tcp(listener) => {
                let (mut stream, _) = listener.accept().unwrap();
                stream.set_read_timeout(Some(WAIT)).unwrap();
                let mut packet = vec![0; 6];
                stream.read_exact(&mut packet).unwrap();
                packet.resize(usize::from(u16::from_be_bytes([packet[4], packet[5]])), 0);
                stream.read_exact(&mut packet[6..]).unwrap();
                packet
            }
        }
    }
}

/// A call whose caller sends one report, which arrives at the server.
fn one_report(protocol: &str, bind: impl FnOnce() -> Server + Send) {
    if !available(NAMESPACES) {
        return;
    }
    let (homer, protocol) = (format!("--homer={SERVER}"), format!("--homer-protocol={protocol}"));
    let mut engine = Engine::start(Table::Off, &[&homer, &protocol, "--homer-id=77"]).unwrap();
    let server = engine.trio.engine.run(bind).unwrap();
    let mut call = engine.call(CALLER, CALLEE).unwrap();
    call.talk(10).unwrap();
    let rtp = call.caller.local().unwrap();
    let rtcp = Endpoint::bind_in(&engine.trio.caller, rtp.ip(), rtp.port() + 1, 9).unwrap();
    let media = sdp::first_media(&call.answered).unwrap();
    let to = SocketAddr::new(media.address, media.rtcp_port);
    rtcp.socket().send_to(&rtcp_sender_report(SSRC, 10, 1720), to).unwrap();
    let chunks = chunks(&server.receive());
    assert_eq!((&chunks[&1][..], &chunks[&2][..], &chunks[&11][..]), (&[2][..], &[17][..], &[5][..]));
    assert_eq!(chunks[&12], 77_u32.to_be_bytes());
    let IpAddr::V4(address) = media.address else { panic!("{}", media.address) };
    assert_eq!(chunks[&4], address.octets());
    assert_eq!(chunks[&8], media.rtcp_port.to_be_bytes());
    assert_eq!(chunks[&17], call.id.as_bytes());
    let payload: Value = serde_json::from_slice(&chunks[&15]).unwrap();
    assert_eq!((&payload["type"], &payload["ssrc"]), (&json!(200), &json!(SSRC)));
    let sent = &payload["sender_information"];
    assert_eq!((&sent["packets"], &sent["octets"]), (&json!(10), &json!(1720)));
    engine.daemon.stop().unwrap();
}

#[test]
fn in_datagrams() {
    one_report("udp", || Server::Udp(UdpSocket::bind(SERVER).unwrap()));
}

#[test]
fn over_a_connection() {
    one_report("tcp", || Server::Tcp(TcpListener::bind(SERVER).unwrap()));
}
