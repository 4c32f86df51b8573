//! HTTP, HTTPS and WebSocket: `--listen-http`, `--listen-https`.
//!
//! | request | answer |
//! | --- | --- |
//! | `GET /ping` | `pong` |
//! | `GET /cli/COMMAND+WITH+PLUS` | what the command line says |
//! | `POST /ng` | an *ng* message, cookie first, and its reply |
//! | `GET /metrics` | figures for Prometheus |
//! | WebSocket, subprotocol `echo.rtpengine.com` | the same message |
//! | WebSocket, subprotocol `cli.rtpengine.com` | what the command line says |
//! | WebSocket, subprotocol `ng.rtpengine.com` | the reply to an *ng* message |
//!
//! It runs on threads of its own: a slow client takes neither calls nor media away.

mod connection;
mod requests;
mod server;
mod tls;
mod websocket;

use std::net::SocketAddr;
use std::path::PathBuf;
use std::sync::Arc;

use crate::cli::{Cli, CliBackend};
use crate::control::{ControlEngine, Dispatcher};

pub use server::{Listeners, Server};
pub use tls::TlsError;

/// What the listeners are told by the configuration.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct HttpOptions {
    /// `--listen-http`
    pub listen: Vec<SocketAddr>,
    /// `--listen-https`
    pub listen_tls: Vec<SocketAddr>,
    /// `--https-cert` and `--https-key`, PEM; given where `listen_tls` is not empty.
    pub identity: Option<(PathBuf, PathBuf)>,
    /// `--http-threads`
    pub threads: usize,
}

/// What answers requests.
pub struct Services<B> {
    /// For *ng* messages.
    pub dispatcher: Arc<Dispatcher<B>>,
    /// For commands.
    pub cli: Arc<Cli<B>>,
    /// For figures.
    pub backend: B,
}

/// What the HTTP interface needs of the daemon.
pub trait HttpBackend: ControlEngine + CliBackend {
    /// What a scrape is made of.
    fn figures(&self) -> impl Future<Output = crate::metrics::Source> + Send;
}
