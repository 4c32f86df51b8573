//! One direction of an m-line: the keys and what is known of the SSRCs under them.

use std::sync::Arc;

use rtpengine_common::srtp::abi::StreamState;
use rtpengine_common::srtp::{CryptoParams, Refused, index};

use super::row::{self, Outcome, SharedRow};
use super::session::{Session, sequence, word};
use super::streams::{Full, Streams};

/// Where the SSRC stands in RTP (RFC 3550 section 5.1) and, of its sender, in RTCP (section 6.4).
const RTP_SSRC: usize = 8;
const RTCP_SSRC: usize = 4;

/// Rollovers a stream may be behind when it is joined: more than a day of a telephone's packets.
const ROLLOVERS: u64 = 80;

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

/// What keys are used for.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Direction {
    /// Packets from the party are decrypted.
    Receive,
    /// Packets to the party are encrypted.
    Transmit,
}

/// The keys of one direction and its streams. Protects or unprotects, never both.
pub struct Context {
    params: Arc<CryptoParams>,
    session: Session,
    /// Streams of RTP that have no place in the row.
    rtp: Streams,
    rtcp: Streams,
    row: Option<SharedRow>,
}

impl Context {
    /// With no stream known.
    pub fn new(params: Arc<CryptoParams>) -> Self {
        let session = Session::new(&params);
        Self { params, session, rtp: Streams::default(), rtcp: Streams::default(), row: None }
    }

    /// Whether its keys are these.
    pub fn is_of(&self, params: &Arc<CryptoParams>) -> bool {
        Arc::ptr_eq(&self.params, params) || self.params == *params
    }

    /// Whether its master key is that of these keys: then so is all that was encrypted with it.
    pub fn has_key_of(&self, params: &CryptoParams) -> bool {
        self.params.master_key() == params.master_key() && self.params.master_salt() == params.master_salt()
    }

    /// The same master key is used by another suite, with other session parameters or another identifier from now on. What
    /// is known of its streams stays.
    pub fn renew(&mut self, params: Arc<CryptoParams>) {
        if !self.is_of(&params) {
            self.session = Session::new(&params);
            self.params = params;
        }
    }

    /// Keeps what is known itself again. Nobody else may be at work with the row.
    pub fn part(&mut self) {
        let Some(row) = self.row.take() else { return };
        for stream in row.streams().snapshot().streams {
            if stream.ssrc != 0 {
                self.rtp.put(stream.ssrc, stream.state);
            }
        }
    }

    /// From now on what is known of streams of RTP is kept in this row, together with what the row knows. SSRCs that it has
    /// no place for stay here: it has been full since they came, so it never takes them.
    pub fn share(&mut self, row: SharedRow) {
        if self.row.as_ref().is_some_and(|own| std::ptr::eq(own.streams(), row.streams())) {
            return;
        }
        if let Some(old) = self.row.take() {
            for stream in old.streams().snapshot().streams {
                row::move_in(row.streams(), stream.ssrc, &stream.state);
            }
        }
        self.rtp.take_out(|ssrc, state| row::move_in(row.streams(), ssrc, state));
        self.row = Some(row);
    }

    /// Makes SRTP, or SRTCP, of the packet in the first `len` bytes of `buffer`; returns its new length.
    ///
    /// No index of RTP is used twice, by whatever cipher.
    ///
    /// # Errors
    /// See [`Denied`].
    pub fn protect(&mut self, rtcp: bool, buffer: &mut [u8], len: usize) -> Result<usize, Denied> {
        let session = &self.session;
        if rtcp {
            let ssrc = word(buffer, RTCP_SSRC);
            return self.rtcp.with(ssrc, |state| Ok(session.protect_rtcp(state, buffer, len)?));
        }
        self.rtp(true, None, buffer, |session, state, buffer| session.protect_rtp(state, buffer, len))
    }

    /// Makes RTP, or RTCP, of a packet; returns its new length.
    ///
    /// # Errors
    /// See [`Denied`].
    pub fn unprotect(&mut self, rtcp: bool, packet: &mut [u8]) -> Result<usize, Denied> {
        let session = &self.session;
        if rtcp {
            let ssrc = word(packet, RTCP_SSRC);
            return self.rtcp.with(ssrc, |state| Ok(session.unprotect_rtcp(state, packet)?));
        }
        let checked = !self.params.session().unauthenticated_srtp;
        self.rtp(checked, None, packet, |session, state, packet| session.unprotect_rtp(state, packet))
    }

    /// Like [`Self::unprotect`], for streams that are not always read: they may have begun long ago, or have gone on since.
    /// Rollover counters ahead of what is known of an SSRC are tried until one fits.
    ///
    /// # Errors
    /// See [`Denied`].
    pub fn unprotect_joining(&mut self, rtcp: bool, packet: &mut [u8]) -> Result<usize, Denied> {
        let first = self.unprotect(rtcp, packet);
        let Err(Denied::Refused(Refused::Authentication | Refused::Replayed | Refused::NoIndex)) = first
        else {
            return first;
        };
        if rtcp || self.params.session().unauthenticated_srtp {
            return first;
        }
        let work = |session: &Session, state: &mut StreamState, packet: &mut [u8]| {
            session.unprotect_rtp(state, packet)
        };
        let joined = (0..=ROLLOVERS).find_map(|ahead| self.rtp(true, Some(ahead), packet, work).ok());
        joined.map_or(first, Ok)
    }

    /// Has a packet of RTP processed with the state of its SSRC, wherever that is. `checked`: no index is used twice.
    /// `ahead`: it is not expected close by but ahead, by so many rollovers.
    fn rtp(
        &mut self,
        checked: bool,
        ahead: Option<u64>,
        packet: &mut [u8],
        work: impl Fn(&Session, &mut StreamState, &mut [u8]) -> Result<usize, Refused>,
    ) -> Result<usize, Denied> {
        let session = &self.session;
        let (ssrc, sequence) = (word(packet, RTP_SSRC), sequence(packet));
        if let Some(row) = &self.row {
            let outcome = row::with(row.streams(), ssrc, sequence, ahead, checked, |state| {
                work(session, state, packet)
            });
            match outcome? {
                Outcome::Done(length) => return Ok(length),
                Outcome::Homeless(length, state) => {
                    return self.rtp.with(ssrc, |stream| {
                        *stream = state;
                        Ok(length)
                    });
                }
                Outcome::Elsewhere => {}
            }
        }
        self.rtp.with(ssrc, |known| {
            let mut moved = row::moved(known, sequence, ahead);
            let state = moved.as_mut().unwrap_or(known);
            let index = index::guess(state.next, sequence).filter(|_| checked);
            if let Some(index) = index {
                state.check(index).map_err(Refused::from)?;
            }
            let length = work(session, state, packet)?;
            if let Some(index) = index {
                // AES-GCM has taken note of it, and so has whoever decrypts.
                let _ = state.accept(index);
            }
            if let Some(moved) = moved {
                *known = moved;
            }
            Ok(length)
        })
    }
}
