use std::net::UdpSocket as StdUdp;
use std::sync::atomic::{AtomicUsize, Ordering};

use rtpengine_core::ng::cache::CacheLimits;
use rtpengine_core::ng::{Command, Dict};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpStream, UdpSocket};
use tokio::sync::Semaphore;

use super::*;

/// Answers with the number of requests it has had; `query` waits for `gate`.
struct Fake {
    requests: Arc<AtomicUsize>,
    gate: Arc<Semaphore>,
    refused: Arc<AtomicUsize>,
}

impl ControlEngine for Fake {
    async fn request(&self, _source: ControlSource, request: Request) -> Reply {
        if request.command == Command::Ping {
            return Reply::pong();
        }
        let count = self.requests.fetch_add(1, Ordering::SeqCst) + 1;
        if request.command == Command::Query {
            self.gate.acquire().await.unwrap().forget();
        }
        match request.command {
            Command::List => Reply::ok_with(Dict::new().with("calls", "x".repeat(70_000))),
            _ => Reply::ok_with(Dict::new().with("n", count as u64)),
        }
    }

    fn refused(&self, _source: ControlSource) {
        self.refused.fetch_add(1, Ordering::SeqCst);
    }
}

struct Setup {
    addresses: Vec<SocketAddr>,
    requests: Arc<AtomicUsize>,
    gate: Arc<Semaphore>,
    refused: Arc<AtomicUsize>,
    _serving: Serving,
}

fn setup(udp: &[&str], tcp: &[&str]) -> Setup {
    let parse = |all: &[&str]| -> Vec<SocketAddr> { all.iter().map(|one| one.parse().unwrap()).collect() };
    let listeners =
        Listeners::bind(&parse(udp), &parse(tcp), SocketOptions { tos: Some(0x60), pmtu: None }).unwrap();
    let addresses = listeners.addresses().unwrap();
    let (requests, gate) = (Arc::new(AtomicUsize::new(0)), Arc::new(Semaphore::new(0)));
    let refused = Arc::new(AtomicUsize::new(0));
    let fake =
        Fake { requests: Arc::clone(&requests), gate: Arc::clone(&gate), refused: Arc::clone(&refused) };
    let dispatcher = Arc::new(Dispatcher::new(fake, CacheLimits::default()));
    let serving = listeners.serve(&dispatcher, None).unwrap();
    Setup { addresses, requests, gate, refused, _serving: serving }
}

async fn client(server: SocketAddr) -> UdpSocket {
    let local = if server.is_ipv4() { "127.0.0.1:0" } else { "[::1]:0" };
    let socket = UdpSocket::bind(local).await.unwrap();
    socket.connect(server).await.unwrap();
    socket
}

async fn ask(socket: &UdpSocket, message: &[u8]) -> Vec<u8> {
    socket.send(message).await.unwrap();
    receive(socket).await
}

async fn receive(socket: &UdpSocket) -> Vec<u8> {
    let mut buffer = vec![0; 65_536];
    let length = socket.recv(&mut buffer).await.unwrap();
    buffer.truncate(length);
    buffer
}

#[tokio::test]
async fn udp_answers_in_the_encoding_of_the_request() {
    let setup = setup(&["127.0.0.1:0"], &[]);
    let socket = client(setup.addresses[0]).await;
    assert_eq!(ask(&socket, b"a d7:command4:pinge").await, b"a d6:result4:ponge");
    assert_eq!(ask(&socket, br#"b {"command":"ping"}"#).await, br#"b {"result":"pong"}"#);
    assert_eq!(
        ask(&socket, b"c d7:command4:pinx").await,
        b"c d6:result5:error12:error-reason22:Invalid NG data formate"
    );
    assert_eq!(
        ask(&socket, br#"d {"command":"bogus"}"#).await,
        br#"d {"result":"error","error-reason":"Unrecognized command"}"#
    );
    assert_eq!(
        ask(&socket, br#"e {"command":"offer","file":"x"}"#).await,
        br#"e {"n":1,"warning":"Not supported by this version and ignored: file","result":"ok"}"#
    );
    assert_eq!(
        ask(&socket, br#"f {"command":"play media"}"#).await,
        br#"f {"result":"error","error-reason":"Command \"play media\" is not supported by this version"}"#
    );
    assert_eq!(setup.refused.load(Ordering::SeqCst), 3);
}

#[tokio::test]
async fn a_repeated_cookie_gets_the_same_bytes_from_any_socket() {
    let setup = setup(&["127.0.0.1:0", "127.0.0.1:0"], &[]);
    let (first, second) = (client(setup.addresses[0]).await, client(setup.addresses[1]).await);
    let reply = ask(&first, b"cookie d7:command6:deletee").await;
    assert_eq!(reply, b"cookie d1:ni1e6:result2:oke");
    assert_eq!(ask(&second, b"cookie d7:command6:deletee").await, reply);
    assert_eq!(ask(&second, b"cookie d7:command4:pinge").await, reply);
    assert_eq!(setup.requests.load(Ordering::SeqCst), 1);
}

#[tokio::test]
async fn repeats_wait_for_the_first_request() {
    let setup = setup(&["127.0.0.1:0"], &[]);
    let socket = client(setup.addresses[0]).await;
    for _ in 0..3 {
        socket.send(b"w d7:command5:querye").await.unwrap();
    }
    // Another request overtakes the waiting ones.
    assert_eq!(ask(&socket, b"x d7:command4:pinge").await, b"x d6:result4:ponge");
    setup.gate.add_permits(1);
    for _ in 0..3 {
        assert_eq!(receive(&socket).await, b"w d1:ni1e6:result2:oke");
    }
    assert_eq!(setup.requests.load(Ordering::SeqCst), 1);
}

#[tokio::test]
async fn datagrams_without_a_space_get_no_reply() {
    let setup = setup(&["127.0.0.1:0"], &[]);
    let socket = client(setup.addresses[0]).await;
    socket.send(b"garbage").await.unwrap();
    socket.send(b"").await.unwrap();
    assert_eq!(ask(&socket, b"a d7:command4:pinge").await, b"a d6:result4:ponge");
}

#[tokio::test]
async fn an_oversized_reply_becomes_an_error_on_udp_only() {
    let setup = setup(&["127.0.0.1:0"], &["127.0.0.1:0"]);
    let socket = client(setup.addresses[0]).await;
    assert_eq!(
        ask(&socket, br#"a {"command":"list"}"#).await,
        br#"a {"result":"error","error-reason":"Reply of 70028 bytes is too large for UDP; use TCP"}"#
    );
    let mut stream = TcpStream::connect(setup.addresses[1]).await.unwrap();
    stream.write_all(br#"b {"command":"list"}"#).await.unwrap();
    let mut reply = vec![0; 70_028];
    stream.read_exact(&mut reply).await.unwrap();
    assert!(reply.ends_with(br#"xx","result":"ok"}"#));
}

#[tokio::test]
async fn a_wildcard_socket_replies_from_the_address_it_was_asked_at() {
    let setup = setup(&["0.0.0.0:0"], &[]);
    let port = setup.addresses[0].port();
    for host in ["127.0.0.1", "127.0.0.2", "127.9.9.9"] {
        // A connected socket only accepts datagrams from its peer.
        let socket = client(format!("{host}:{port}").parse().unwrap()).await;
        assert_eq!(ask(&socket, b"a d7:command4:pinge").await, b"a d6:result4:ponge");
    }
}

#[tokio::test]
async fn ipv4_and_ipv6_wildcards_are_separate_sockets_on_one_port() {
    let port = StdUdp::bind("[::]:0").unwrap().local_addr().unwrap().port();
    let setup = setup(&[&format!("0.0.0.0:{port}"), &format!("[::]:{port}")], &[]);
    assert_eq!(setup.addresses.len(), 2);
    for host in ["127.0.0.1", "[::1]"] {
        let socket = client(format!("{host}:{port}").parse().unwrap()).await;
        assert_eq!(ask(&socket, b"a d7:command4:pinge").await, b"a d6:result4:ponge");
    }
}

#[tokio::test]
async fn tcp_messages_may_be_split_and_joined_at_will() {
    let setup = setup(&[], &["127.0.0.1:0"]);
    let mut stream = TcpStream::connect(setup.addresses[0]).await.unwrap();
    stream.set_nodelay(true).unwrap();
    for byte in b"tc1 d7:command4:pinge" {
        stream.write_all(&[*byte]).await.unwrap();
    }
    stream.write_all(b"tc2 {\"command\":\"ping\"}\ntc3 d7:command4:pinge").await.unwrap();
    let expected = b"tc1 d6:result4:pongetc2 {\"result\":\"pong\"}tc3 d6:result4:ponge";
    let mut reply = vec![0; expected.len()];
    stream.read_exact(&mut reply).await.unwrap();
    assert_eq!(reply, expected);
}

#[tokio::test]
async fn a_tcp_stream_that_cannot_be_followed_is_closed_after_one_error() {
    let setup = setup(&[], &["127.0.0.1:0"]);
    let mut stream = TcpStream::connect(setup.addresses[0]).await.unwrap();
    stream.write_all(b"c d999999999:xxxx").await.unwrap();
    let mut reply = Vec::new();
    stream.read_to_end(&mut reply).await.unwrap();
    assert_eq!(reply, b"c d6:result5:error12:error-reason22:Invalid NG data formate");
}

#[test]
fn a_busy_port_is_named_in_the_error() {
    let taken = StdUdp::bind("127.0.0.1:0").unwrap();
    let address = taken.local_addr().unwrap();
    let error = Listeners::bind(&[address], &[], SocketOptions::default()).unwrap_err().to_string();
    assert!(error.starts_with(&format!("cannot listen on UDP {address}: ")), "{error}");
    assert!(error.contains("choose another one"), "{error}");
}
