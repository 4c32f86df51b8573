//! Cookie exchange with sources nobody has vouched for; keeps nothing of them (RFC 6347 section 4.2.1).

use std::fmt;
use std::sync::Arc;
use std::time::Instant;

use openssl::error::ErrorStack;
use openssl::ssl::SslStream;

use super::cookie::CookiePair;
use super::guard::Guard;
use super::identity::Identity;
use super::openssl_gaps::{self, Listened};
use super::session::{Role, Session, Terms};
use super::transport::DatagramQueue;

/// What became of a ClientHello.
pub(super) enum Heard {
    /// Its cookie is good: a handshake that has consumed it.
    Verified(Box<Session>),
    /// It asks for a cookie: the HelloVerifyRequest to send. Shorter than what it answers.
    Answer(Box<[u8]>),
    /// Not one to answer.
    Nothing,
}

/// One OpenSSL object that listens for all streams of an identity and becomes a session when a cookie is good.
pub(super) struct Listener {
    identity: Arc<Identity>,
    ready: Option<(SslStream<DatagramQueue>, Guard)>,
}

impl Listener {
    pub const fn new(identity: Arc<Identity>) -> Self {
        Self { identity, ready: None }
    }

    /// Whether it listens with this identity.
    pub fn serves(&self, identity: &Arc<Identity>) -> bool {
        Arc::ptr_eq(&self.identity, identity)
    }

    /// Whether nobody but the listener uses its identity any more.
    pub fn is_orphaned(&self) -> bool {
        Arc::strong_count(&self.identity) == 1
    }

    /// Takes a ClientHello.
    pub fn hear(
        &mut self,
        hello: &[u8],
        cookies: CookiePair,
        terms: &Terms<'_>,
        now: Instant,
    ) -> Result<Heard, ErrorStack> {
        let (mut stream, guard) = match self.ready.take() {
            Some(ready) => ready,
            None => self.prepare()?,
        };
        guard.expect_cookies(cookies);
        stream.get_mut().push(hello);
        match openssl_gaps::listen(&mut stream)? {
            Listened::Verified => {
                let session = Session::adopt(stream, guard, Role::Passive, terms, now)?;
                Ok(Heard::Verified(Box::new(session)))
            }
            Listened::Pending => {
                let answer = stream.get_mut().take_outgoing().pop();
                self.ready = Some((stream, guard));
                Ok(answer.map_or(Heard::Nothing, Heard::Answer))
            }
        }
    }

    fn prepare(&self) -> Result<(SslStream<DatagramQueue>, Guard), ErrorStack> {
        let mut ssl = self.identity.ssl()?;
        ssl.set_accept_state();
        let guard = Guard::attach(&mut ssl)?;
        Ok((SslStream::new(ssl, DatagramQueue::default())?, guard))
    }
}

impl fmt::Debug for Listener {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.debug_struct("Listener").field("identity", &self.identity).finish_non_exhaustive()
    }
}
