//! A SIP endpoint with plain RTP.

use rtpengine_tests::engine::Engine;
use rtpengine_tests::rtp::Endpoint;
use rtpengine_tests::sdp;
use rtpengine_tests::topology::CALLEE;

pub fn plain_party(engine: &Engine) -> Endpoint {
    let mut endpoint =
        Endpoint::bind_in(&engine.trio.callee, CALLEE.parse().unwrap(), 0, 0x0ca1_1ee0).unwrap();
    endpoint.stream.payload_type = 0;
    endpoint
}

pub fn point_at(endpoint: &mut Endpoint, body: &str) {
    let media = sdp::first_media(body).unwrap();
    endpoint.remote = Some((media.address, media.port).into());
}

pub fn body(endpoint: &Endpoint) -> String {
    let local = endpoint.local().unwrap();
    let address = local.ip();
    format!(
        "v=0\r\no=- 1 1 IN IP4 {address}\r\ns=-\r\nc=IN IP4 {address}\r\nt=0 0\r\nm=audio {} RTP/AVP 0\r\na=rtpmap:0 PCMU/8000\r\n",
        local.port()
    )
}
