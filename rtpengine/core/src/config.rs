//! What the core must know of the daemon's configuration.

use std::net::IpAddr;

use crate::io::Learning;

/// One local address of a logical interface.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct LocalAddress {
    /// The address sockets are bound to.
    pub address: IpAddr,
    /// The address written into SDP.
    pub advertised: IpAddr,
}

/// A logical interface: all `--interface` options with one name, in order.
/// `BASE:SUFFIX` names stay whole here; [`LogicalInterface::base`] gives the first part.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct LogicalInterface {
    /// Name as configured, `default` when none was given.
    pub name: String,
    /// Addresses in the order given; the first of a family is its primary.
    pub addresses: Vec<LocalAddress>,
}

impl LogicalInterface {
    /// The part before `:` of a `BASE:SUFFIX` name, if it has that form.
    #[must_use]
    pub fn base(&self) -> Option<&str> {
        self.name.split_once(':').map(|(base, _)| base)
    }
}

/// What `--mos` takes into account.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum MosFormula {
    /// `CQ`: conversation, hence the round-trip time, without which there is no score.
    #[default]
    Conversational,
    /// `LQ`: listening alone.
    Listening,
}

/// Options that shape the core's behaviour. Those the CLI can change at run time are plain fields too.
#[derive(Clone, Debug, PartialEq)]
pub struct CoreConfig {
    /// Logical interfaces; the first one is the default.
    pub interfaces: Vec<LogicalInterface>,
    /// First media port, inclusive.
    pub port_min: u16,
    /// Last media port, inclusive.
    pub port_max: u16,
    /// `--save-interface-ports`.
    pub save_interface_ports: bool,
    /// `--tos`; `None` leaves it alone.
    pub tos: Option<u8>,
    /// `--timeout` in seconds.
    pub timeout: u64,
    /// `--silent-timeout` in seconds.
    pub silent_timeout: u64,
    /// `--final-timeout` in seconds, 0 = off.
    pub final_timeout: u64,
    /// `--offer-timeout` in seconds.
    pub offer_timeout: u64,
    /// `--delete-delay` in seconds.
    pub delete_delay: u64,
    /// `--endpoint-learning`.
    pub endpoint_learning: Learning,
    /// `--sip-source`.
    pub sip_source: bool,
    /// `--max-sessions`, -1 = unlimited.
    pub max_sessions: i64,
    /// `--max-load`: load average over one minute, 0 = no limit.
    pub max_load: f64,
    /// `--max-cpu` in percent, 0 = no limit.
    pub max_cpu: f64,
    /// `--max-bandwidth` in bytes received per second, 0 = no limit.
    pub max_bandwidth: u64,
    /// `--reject-invalid-sdp`.
    pub reject_invalid_sdp: bool,
    /// `--software-id`, shown to ICE peers; empty: nothing is.
    pub software_id: String,
    /// `--dtls-passive`: towards all parties as if `DTLS=passive` had been given.
    pub dtls_passive: bool,
    /// `--mos`.
    pub mos: MosFormula,
    /// `--measure-rtp`: where a party does not report, what was measured here counts.
    pub measure_rtp: bool,
    /// `--homer`: RTCP of parties comes out as [`crate::io::Output::Rtcp`].
    pub capture_rtcp: bool,
    /// `--table` is usable: streams may be offloaded at all.
    pub offload: bool,
}

impl Default for CoreConfig {
    fn default() -> Self {
        Self {
            interfaces: Vec::new(),
            port_min: 30000,
            port_max: 40000,
            save_interface_ports: false,
            tos: None,
            timeout: 60,
            silent_timeout: 3600,
            final_timeout: 0,
            offer_timeout: 3600,
            delete_delay: 30,
            endpoint_learning: Learning::Delayed,
            sip_source: false,
            max_sessions: -1,
            max_load: 0.0,
            max_cpu: 0.0,
            max_bandwidth: 0,
            reject_invalid_sdp: false,
            software_id: String::new(),
            dtls_passive: false,
            mos: MosFormula::default(),
            measure_rtp: false,
            capture_rtcp: false,
            offload: true,
        }
    }
}
