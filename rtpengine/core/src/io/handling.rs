//! What the relay does to a party's packets besides passing them on.

use std::num::NonZeroU32;

/// Of one socket. The default is nothing.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Handling {
    /// RTP goes back to the party it came from, and its SSRC has these bits turned over (`media echo`).
    pub echo: Option<NonZeroU32>,
    /// RTCP from the party is discarded, for the reason [`super::Reason::Blackhole`].
    pub no_rtcp: bool,
    /// Nothing is forwarded to the party before something came from it in this epoch (`NAT-wait`).
    pub awaits_packets: bool,
    /// RTP that is shorter than usual is discarded, for the reason [`super::Reason::PacketLength`] (`block short`).
    pub block_short: bool,
}
