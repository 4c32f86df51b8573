//! What is done to the packets of a party besides passing them on.

use rtpengine_core::io::{Handling, Reason};
use rtpengine_core::media::classify::{RTP_HEADER, RtpHeader};
use rtpengine_core::media::short::PacketLengths;

use super::stream::Route;

/// The settings and what they need to remember.
#[derive(Clone, Copy, Default)]
pub(super) struct Handler {
    settings: Handling,
    lengths: PacketLengths,
    /// The epoch in which something came from the party.
    heard: Option<u32>,
}

impl Handler {
    /// Takes over new settings.
    pub(super) fn configure(self, settings: Handling) -> Self {
        Self { settings, ..self }
    }

    /// Whether packets may go to the party.
    pub(super) fn may_send(&self, epoch: u32) -> bool {
        !self.settings.awaits_packets || self.heard == Some(epoch)
    }

    /// Why no packet can go to the party, if none can.
    pub(super) fn unreachable(&self, epoch: u32) -> Reason {
        if self.may_send(epoch) { Reason::NoEndpoint } else { Reason::NatWait }
    }

    /// Notes that something came from the party; `true` if packets may go to it from now on.
    pub(super) fn hear(&mut self, epoch: u32) -> bool {
        let could = self.may_send(epoch);
        self.heard = Some(epoch);
        !could
    }

    /// Why RTCP goes nowhere, if so.
    pub(super) fn refuses(&self, route: Route) -> Option<Reason> {
        (route == Route::Control && self.settings.no_rtcp).then_some(Reason::Blackhole)
    }

    /// Judges RTP, and makes what goes back to its sender another stream.
    pub(super) fn rtp(&mut self, header: &RtpHeader, packet: &mut [u8]) -> Result<(), Reason> {
        if self.settings.block_short && self.lengths.is_short(header.payload_type, payload_length(packet)) {
            return Err(Reason::PacketLength);
        }
        if let Some(bits) = self.settings.echo
            && let Some(ssrc) = packet.get_mut(8..RTP_HEADER)
        {
            ssrc.copy_from_slice(&(header.ssrc ^ bits.get()).to_be_bytes());
        }
        Ok(())
    }
}

/// Bytes behind the header of a packet that was found to be valid.
fn payload_length(packet: &[u8]) -> usize {
    let first = packet.first().copied().unwrap_or_default();
    let mut header = RTP_HEADER + usize::from(first & 0x0f) * 4;
    if first & 0x10 != 0 {
        let words = packet.get(header + 2..header + 4).and_then(|words| <[u8; 2]>::try_from(words).ok());
        header += 4 + usize::from(u16::from_be_bytes(words.unwrap_or_default())) * 4;
    }
    packet.len().saturating_sub(header)
}
