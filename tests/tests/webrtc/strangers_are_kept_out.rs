//! A stranger at the ports of a WebRTC call: checks with the wrong password, floods of ClientHello, forged SRTP.

use std::net::{SocketAddr, UdpSocket};
use std::time::Duration;

use rtpengine_tests::daemon::Table;
use rtpengine_tests::engine::Engine;
use rtpengine_tests::ice::Ice;
use rtpengine_tests::require::available;
use rtpengine_tests::rtp::{Stream, dtls_client_hello};
use rtpengine_tests::sdp;
use rtpengine_tests::talk::left_to_right;
use serde_json::json;

use crate::aiortc::{Aiortc, Candidates, NEEDS};
use crate::aiortc_talks_to_plain_rtp::{meet, talk};
use crate::kernel;
use crate::plain::{body, plain_party, point_at};

/// Another host on the caller's side.
const STRANGER: &str = "10.77.1.66";
const SOCKETS: usize = 20;
const HELLOS: u8 = 200;
const ROUNDS: u64 = 40;
/// Packets that the parties exchange after the attack.
const MORE: u64 = 50;

struct Stranger {
    sockets: Vec<UdpSocket>,
    remote: SocketAddr,
    forger: Ice,
    sent: usize,
    forged: Stream,
}

impl Stranger {
    /// It has read the SDP, the password aside.
    fn new(engine: &Engine, answered: &str) -> Self {
        engine.trio.caller.ip(&[format!("addr add {STRANGER}/24 dev eth0")]).unwrap();
        let bind = || UdpSocket::bind((STRANGER, 0)).unwrap();
        let sockets: Vec<_> = engine.trio.caller.run(|| (0..SOCKETS).map(|_| bind()).collect()).unwrap();
        for socket in &sockets {
            socket.set_nonblocking(true).unwrap();
        }
        let mut forger = Ice::new(sockets[0].local_addr().unwrap(), true);
        forger.add_own(65535);
        let media = sdp::first_media(answered).unwrap();
        let mut lines = media.lines;
        for line in &mut lines {
            if line.starts_with("a=ice-pwd:") {
                *line = "a=ice-pwd:0123456789abcdef0123456789".to_owned();
            }
        }
        forger.hear(&lines).unwrap();
        let mut forged = Stream::new(0x666);
        forged.payload_length = 170;
        Self { sockets, remote: (media.address, media.port).into(), forger, sent: 0, forged }
    }

    fn send(&mut self, socket: usize, bytes: &[u8]) {
        self.sockets[socket].send_to(bytes, self.remote).unwrap();
        self.sent += bytes.len();
    }

    fn attack(&mut self, round: u64) {
        self.forger.poll(&self.sockets[0]);
        let socket = 1 + round as usize % (SOCKETS - 1);
        self.send(socket, &dtls_client_hello(round as u8));
        let packet = self.forged.packet(round).to_bytes();
        self.send(socket, &packet);
    }

    /// Its checks are not answered. Its hellos may be, with the request to come again with a cookie (RFC 6347 section
    /// 4.2.1), which is shorter than the hello; nothing else comes.
    fn gets_nothing(&self) {
        let mut buffer = [0; 2048];
        let mut back = 0;
        for (index, socket) in self.sockets.iter().enumerate() {
            while let Ok((length, _)) = socket.recv_from(&mut buffer) {
                assert_ne!(index, 0, "a check with the wrong password is answered");
                let cookie_request = buffer[0] == 22 && buffer[13] == 3;
                assert!(cookie_request, "the stranger gets {:02x?}", &buffer[..length]);
                back += length;
            }
        }
        assert!(back <= self.sent, "{back} bytes for {}", self.sent);
    }
}

#[test]
fn before_and_after_the_handshake() {
    if !available(NEEDS) {
        return;
    }
    let mut engine = Engine::start(Table::Own, &[]).unwrap();
    let mut aiortc = Aiortc::start(&engine.trio.caller, 1, Candidates::Ipv4);
    let mut plain = plain_party(&engine);
    let mut offer = left_to_right();
    let wanted = json!({
        "transport protocol": "RTP/AVP", "ICE": "remove", "rtcp-mux": ["demux"], "DTLS-reverse": "passive",
    });
    offer.as_object_mut().unwrap().extend(wanted.as_object().unwrap().clone());
    let offered = engine.ng.offer("c", "a", &aiortc.offer(), &offer).unwrap();
    point_at(&mut plain, &offered);
    let answered = engine.ng.answer("c", "a", "b", &body(&plain), &json!({"ICE": "force"})).unwrap();
    let mut stranger = Stranger::new(&engine, &answered);
    for round in 0..HELLOS {
        stranger.attack(u64::from(round));
    }
    aiortc.answered(&answered);
    for round in 0..HELLOS {
        stranger.attack(u64::from(round));
    }
    aiortc.connected();
    meet(&mut aiortc, &mut plain);
    stranger.gets_nothing();
    kernel::takes_over(&engine, || talk(&mut aiortc, &mut plain, 1));
    let before = kernel::forwarded(&engine);
    for round in 0..ROUNDS {
        stranger.attack(round);
        talk(&mut aiortc, &mut plain, 1);
        std::thread::sleep(Duration::from_millis(1));
    }
    talk(&mut aiortc, &mut plain, MORE);
    // Of the stranger's packets it has forwarded none.
    assert_eq!(kernel::forwarded(&engine), before.map(|count| count + ROUNDS + MORE), "by the kernel alone");
    stranger.gets_nothing();
    aiortc.hang_up();
    engine.ng.delete("c", "a").unwrap();
    engine.daemon.stop().unwrap();
}
