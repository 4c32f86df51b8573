//! Sends messages to the SIP server, several at a time, each with patience that ends.

use std::sync::Arc;
use std::time::Duration;

use reqwest::header::CONTENT_TYPE;
use reqwest::redirect::Policy;
use reqwest::{Client, Url};
use rtpengine_core::io::TimedOut;
use tokio::sync::Semaphore;
use tokio::sync::mpsc::Receiver;
use tokio::time::sleep;

use super::{Callback, CallbackOptions};

/// Calls told of at the same time.
const CONCURRENT: usize = 16;
/// Times a message is sent before it is given up, as by the original.
const ATTEMPTS: u32 = 4;
/// Between two of them.
const PAUSE: Duration = Duration::from_secs(1);
/// A connection has to be there within this time.
const CONNECT: Duration = Duration::from_secs(3);
/// The whole reply has to be there within this time.
const REPLY: Duration = Duration::from_secs(5);
/// Longest reply that is read, bytes: a fault tells its reason in a line.
const MAX_REPLY: usize = 64 * 1024;

/// Why there is no client.
#[derive(Debug, thiserror::Error)]
#[error("cannot make an HTTP client: {0}")]
pub struct ClientError(#[from] reqwest::Error);

/// Why a message was not taken.
#[derive(Debug, thiserror::Error)]
enum Failure {
    #[error("{0}")]
    Http(#[from] reqwest::Error),
    #[error("reply longer than {MAX_REPLY} bytes")]
    TooLong,
    #[error("the server replied with a fault")]
    Fault,
}

/// Empties the queue of a [`Callback`].
#[derive(Clone)]
pub struct Worker {
    client: Client,
    options: Arc<CallbackOptions>,
    callback: Callback,
}

impl Worker {
    /// For the queue of `callback`.
    ///
    /// # Errors
    /// When TLS cannot be set up.
    pub fn new(callback: Callback, options: CallbackOptions, software: &str) -> Result<Self, ClientError> {
        let client = Client::builder()
            .user_agent(software)
            .connect_timeout(CONNECT)
            .timeout(REPLY)
            .redirect(Policy::none())
            .no_proxy()
            .build()?;
        Ok(Self { client, options: Arc::new(options), callback })
    }

    /// Works until nobody can report calls any more.
    pub async fn run(self, mut queue: Receiver<TimedOut>) {
        let room = Arc::new(Semaphore::new(CONCURRENT));
        while let Some(call) = queue.recv().await {
            // Nobody closes the semaphore.
            let Ok(permit) = Arc::clone(&room).acquire_owned().await else { return };
            let worker = self.clone();
            tokio::spawn(async move {
                worker.tell(&call).await;
                drop(permit);
            });
        }
    }

    async fn tell(&self, call: &TimedOut) {
        let Some(url) = self.options.destination.url(call.server) else {
            tracing::warn!(target: "core", call = %call.call, "no XMLRPC callback: the address of its SIP server is not known");
            return self.callback.count(false);
        };
        for message in self.options.format.messages(call) {
            let delivered = self.deliver(&url, &message, call).await;
            self.callback.count(delivered);
        }
    }

    /// A server that has answered with a fault would do so again.
    async fn deliver(&self, url: &Url, message: &str, call: &TimedOut) -> bool {
        for attempt in 1..=ATTEMPTS {
            let failure = match self.send(url, message).await {
                Ok(()) => return true,
                Err(failure) => failure,
            };
            tracing::warn!(
                target: "core", call = %call.call,
                "XMLRPC callback to {} failed (attempt {attempt} of {ATTEMPTS}): {failure}",
                url.host_str().unwrap_or_default(),
            );
            if matches!(failure, Failure::Fault) || attempt == ATTEMPTS {
                return false;
            }
            sleep(PAUSE).await;
        }
        false
    }

    async fn send(&self, url: &Url, message: &str) -> Result<(), Failure> {
        let request = self.client.post(url.clone()).header(CONTENT_TYPE, "text/xml").body(message.to_owned());
        let mut response = request.send().await?.error_for_status().map_err(reqwest::Error::without_url)?;
        let mut body = Vec::new();
        while let Some(chunk) = response.chunk().await? {
            body.extend_from_slice(&chunk);
            if body.len() > MAX_REPLY {
                return Err(Failure::TooLong);
            }
        }
        // Whether it is one is all there is to know; a parser would have to be defended against nesting.
        let is_fault = body.windows(FAULT.len()).any(|window| window == FAULT);
        if is_fault { Err(Failure::Fault) } else { Ok(()) }
    }
}

/// Begins what a server answers with when it refuses.
const FAULT: &[u8] = b"<fault>";
