//! One direction of a media socket: the keys and what is known of the SSRCs under them.

use std::sync::Arc;

use rtpengine_common::srtp::{CryptoParams, Refused};

use super::session::{Session, word};
use super::streams::{Full, Streams};

/// Where the SSRC stands in RTP (RFC 3550 section 5.1) and, of its sender, in RTCP (section 6.4).
const RTP_SSRC: usize = 8;
const RTCP_SSRC: usize = 4;

/// Why a packet was not protected or not accepted; nothing has changed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Denied {
    /// By the keys.
    Refused(Refused),
    /// Too many SSRCs were used with them.
    Ssrc,
}

impl From<Refused> for Denied {
    fn from(refused: Refused) -> Self {
        Self::Refused(refused)
    }
}

impl From<Full> for Denied {
    fn from(_: Full) -> Self {
        Self::Ssrc
    }
}

/// The keys of one direction and its streams. Protects or unprotects, never both.
pub struct Context {
    params: Arc<CryptoParams>,
    session: Session,
    rtp: Streams,
    rtcp: Streams,
}

impl Context {
    /// With no stream known.
    pub fn new(params: Arc<CryptoParams>) -> Self {
        let session = Session::new(&params);
        Self { params, session, rtp: Streams::default(), rtcp: Streams::default() }
    }

    /// Whether its keys are these.
    pub fn is_of(&self, params: &Arc<CryptoParams>) -> bool {
        Arc::ptr_eq(&self.params, params) || self.params == *params
    }

    /// Makes SRTP, or SRTCP, of the packet in the first `len` bytes of `buffer`; returns its new length.
    ///
    /// # Errors
    /// See [`Denied`].
    pub fn protect(&mut self, rtcp: bool, buffer: &mut [u8], len: usize) -> Result<usize, Denied> {
        let session = &self.session;
        if rtcp {
            let ssrc = word(buffer, RTCP_SSRC);
            self.rtcp.with(ssrc, |state| Ok(session.protect_rtcp(state, buffer, len)?))
        } else {
            let ssrc = word(buffer, RTP_SSRC);
            self.rtp.with(ssrc, |state| Ok(session.protect_rtp(state, buffer, len)?))
        }
    }

    /// Makes RTP, or RTCP, of a packet; returns its new length.
    ///
    /// # Errors
    /// See [`Denied`].
    pub fn unprotect(&mut self, rtcp: bool, packet: &mut [u8]) -> Result<usize, Denied> {
        let session = &self.session;
        if rtcp {
            let ssrc = word(packet, RTCP_SSRC);
            self.rtcp.with(ssrc, |state| Ok(session.unprotect_rtcp(state, packet)?))
        } else {
            let ssrc = word(packet, RTP_SSRC);
            self.rtp.with(ssrc, |state| Ok(session.unprotect_rtp(state, packet)?))
        }
    }
}
