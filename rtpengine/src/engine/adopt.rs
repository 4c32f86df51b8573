//! From the flows a predecessor left in the kernel to calls of this process.

use std::net::SocketAddr;

use rtpengine_common::abi::{
    FLOW_BLACKHOLE, FLOW_PT_FILTER, FLOW_RTCP_MUX, FLOW_SET_TOS, FLOW_SOURCE_DROP, FLOW_SOURCE_PUNT,
    FLOW_TURN_SSRC,
};
use rtpengine_core::call::{self, Engine};
use rtpengine_core::io::{FlowIdentity, SourceMismatch};

use super::plane::Plane;
use crate::relay::system_clock;
use crate::xdp::AdoptedFlow;
use crate::xdp::flow::socket_address;

/// Gives the flows to the core, which opens their sockets and claims them.
pub fn adopt(engine: &mut Engine, plane: &mut Plane, flows: &[AdoptedFlow]) {
    let flows: Vec<call::AdoptedFlow> = flows.iter().filter_map(translate).collect();
    if flows.is_empty() {
        return;
    }
    let found = flows.len();
    let refused = engine.adopt(system_clock(), flows, plane).len();
    plane.execute(engine.take_outputs());
    tracing::info!(target: "core", "took over {} of {found} flows left in the kernel", found - refused);
}

/// `None` for flows that only drop, which nobody misses, and for an echo, which is not known to be one.
fn translate(flow: &AdoptedFlow) -> Option<call::AdoptedFlow> {
    let (value, info) = (&flow.value, &flow.info);
    if value.flags & (FLOW_BLACKHOLE | FLOW_TURN_SSRC) != 0 {
        return None;
    }
    Some(call::AdoptedFlow {
        identity: FlowIdentity {
            call_id: text(&info.call_id),
            tag: text(&info.tag),
            peer_tag: text(&info.peer_tag),
            media: info.media,
            interface: text(&info.interface),
            peer_interface: text(&info.peer_interface),
            kind: text(&info.kind),
            protocol: text(&info.protocol),
            peer_protocol: text(&info.peer_protocol),
            advertised: signalled(info.advertised_addr, info.advertised_port),
            peer_advertised: signalled(info.peer_advertised_addr, info.peer_advertised_port),
            created_unix_us: info.created_unix_us,
            offerer: info.flags & 1 != 0,
        },
        local: socket_address(flow.key.addr, flow.key.port),
        endpoint: socket_address(info.endpoint_addr, info.endpoint_port),
        peer_local: socket_address(value.src_addr, value.src_port),
        peer_endpoint: socket_address(value.dst_addr, value.dst_port),
        rtcp_mux: value.flags & FLOW_RTCP_MUX != 0,
        payload_types: {
            let [low, high] = value.payload_types.map(u128::from);
            if value.flags & FLOW_PT_FILTER == 0 { 0 } else { low | high << 64 }
        },
        mismatch: match (value.flags & FLOW_SOURCE_DROP != 0, value.flags & FLOW_SOURCE_PUNT != 0) {
            (true, _) => SourceMismatch::Drop,
            (false, true) => SourceMismatch::Punt,
            (false, false) => SourceMismatch::Ignore,
        },
        tos: (value.flags & FLOW_SET_TOS != 0).then_some(value.tos),
        bridged: value.receive_context != 0 || value.transmit_context != 0,
    })
}

/// An address from a party's SDP, unless it gave none.
fn signalled(address: [u8; 16], port: [u8; 2]) -> Option<SocketAddr> {
    Some(socket_address(address, port)).filter(|address| address.port() != 0)
}

/// Zero-padded UTF-8; anything else never came from us and is shown as far as it can be.
fn text(bytes: &[u8]) -> String {
    let end = bytes.iter().position(|byte| *byte == 0).unwrap_or(bytes.len());
    String::from_utf8_lossy(bytes.get(..end).unwrap_or_default()).into_owned()
}
