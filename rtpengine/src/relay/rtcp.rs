//! RTCP of a party: its reports are handed up, at a bounded rate, and passed on or not.

use rtpengine_core::io::{MediaEvent, Now, RtcpUse, StreamId};
use rtpengine_core::media::rtcp::{Reports, keep_feedback};

use super::batch::Slot;

/// Reports handed up of a stream in a period; a party makes one in a second or in five. Of a flood the rest is passed on
/// unread.
const MAX_REPORTS: u32 = 16;
const PERIOD_US: u64 = 1_000_000;

/// What is done with RTCP that arrives on one socket.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Reader {
    how: RtcpUse,
    /// When the period began, microseconds of the monotonic clock.
    began_us: u64,
    taken: u32,
}

impl Reader {
    /// With new settings.
    pub(super) fn configure(self, how: RtcpUse) -> Self {
        Self { how, ..self }
    }

    /// Reads a packet in the clear: what is to be told of it, and whether any of it is to be passed on.
    pub(super) fn read(
        &mut self,
        stream: StreamId,
        now: Now,
        packet: Slot<'_>,
    ) -> (Option<MediaEvent>, bool) {
        let Some(bytes) = packet.buffer.get_mut(..*packet.length) else { return (None, true) };
        if self.how == RtcpUse::Unread {
            return (None, true);
        }
        let reports = Reports::parse(bytes).filter(|reports| !reports.is_empty() && self.admits(now.mono_us));
        let event = reports.map(|reports| MediaEvent::Rtcp { stream, arrived: now, reports });
        if self.how == RtcpUse::Read {
            return (event, true);
        }
        let left = keep_feedback(bytes);
        *packet.length = left.unwrap_or(*packet.length);
        (event, left.is_some())
    }

    fn admits(&mut self, now_us: u64) -> bool {
        if now_us.saturating_sub(self.began_us) >= PERIOD_US {
            (self.began_us, self.taken) = (now_us, 0);
        }
        self.taken = self.taken.saturating_add(1);
        self.taken <= MAX_REPORTS
    }
}

#[cfg(test)]
mod tests {
    use rtpengine_core::media::rtcp::{Report, SenderInfo, write};

    use super::*;

    fn read(reader: &mut Reader, mono_us: u64, packet: &mut [u8]) -> (bool, bool, usize) {
        let mut length = packet.len();
        let now = Now { mono_us, unix_us: 0 };
        let (event, passes) = reader.read(StreamId(1), now, Slot { buffer: packet, length: &mut length });
        (event.is_some(), passes, length)
    }

    fn report() -> Vec<u8> {
        write(&Report { ssrc: 1, sender: Some(SenderInfo::default()), blocks: &[], cname: "name" })
    }

    #[test]
    fn a_flood_of_reports_is_not_handed_up() {
        let mut reader = Reader::default().configure(RtcpUse::Read);
        let told =
            |reader: &mut Reader, at| (0..100).filter(|_| read(reader, at, &mut report()).0).count() as u32;
        assert_eq!(told(&mut reader, 5_000_000), MAX_REPORTS);
        assert_eq!(told(&mut reader, 5_999_999), 0);
        assert_eq!(told(&mut reader, 6_000_000), MAX_REPORTS);
        let length = report().len();
        assert_eq!(read(&mut reader, 6_000_000, &mut report()), (false, true, length));
    }

    #[test]
    fn reports_are_consumed_and_feedback_is_not() {
        let mut reader = Reader::default().configure(RtcpUse::Consume);
        assert!(matches!(read(&mut reader, 1, &mut report()), (true, false, _)));
        let mut packet = report();
        packet.extend([0x81, 206, 0, 2, 0, 0, 0, 1, 0, 0, 0, 9]);
        assert_eq!(read(&mut reader, 1, &mut packet), (true, true, 8 + 12));
        reader = reader.configure(RtcpUse::Unread);
        let length = report().len();
        assert_eq!(read(&mut reader, 1, &mut report()), (false, true, length));
    }
}
