//! Sockets and threads.

use std::io;
use std::net::{SocketAddr, TcpListener};
use std::sync::Arc;
use std::time::Duration;

use anyhow::Context as _;
use axum_server::tls_openssl::OpenSSLAcceptor;
use tokio::runtime::Runtime;

use super::connection::Bounded;
use super::requests::router;
use super::tls::Identity;
use super::{HttpBackend, HttpOptions, Services};
use crate::control::socket::{self, ControlError, SocketOptions};

/// The head of a request has to come within this time, also of the next one on the same connection.
const HEAD: Duration = Duration::from_secs(30);

/// Bound sockets.
#[derive(Debug, Default)]
pub struct Listeners {
    plain: Vec<TcpListener>,
    tls: Vec<TcpListener>,
    identity: Option<Identity>,
    threads: usize,
}

impl Listeners {
    /// Binds all sockets and reads the certificate, or fails without leaving anything.
    ///
    /// # Errors
    /// Names the address or the file.
    pub fn bind(options: &HttpOptions) -> anyhow::Result<Self> {
        let bind = |addresses: &[SocketAddr]| -> Result<Vec<TcpListener>, ControlError> {
            let mut listeners = Vec::new();
            for address in addresses {
                let opened = socket::tcp(*address, SocketOptions::default());
                listeners.extend(socket::unless_no_ipv6(*address, addresses, opened)?);
            }
            Ok(listeners)
        };
        let identity = options.identity.clone();
        Ok(Self {
            plain: bind(&options.listen)?,
            tls: bind(&options.listen_tls)?,
            identity: identity.map(|(certificate, key)| Identity::read(certificate, key)).transpose()?,
            threads: options.threads,
        })
    }

    /// Runs the listeners on threads of their own until the server is stopped. `stack`: the size of their stacks in bytes,
    /// where it is not to be the default. `None` where there is nothing to listen on.
    ///
    /// # Errors
    /// When a thread or a socket cannot be set up.
    pub fn serve<B: HttpBackend>(
        self,
        services: Services<B>,
        stack: Option<usize>,
    ) -> anyhow::Result<Option<Server>> {
        if self.plain.is_empty() && self.tls.is_empty() {
            return Ok(None);
        }
        let mut builder = tokio::runtime::Builder::new_multi_thread();
        builder.worker_threads(self.threads.max(1)).thread_name("http").enable_all();
        if let Some(stack) = stack {
            builder.thread_stack_size(stack);
        }
        let runtime = builder.build().context("HTTP threads")?;
        let guard = runtime.enter();
        let (services, bounded) = (Arc::new(services), Bounded::new());
        for listener in self.plain {
            let server = server(listener)?.acceptor(bounded.clone());
            let router = router(Arc::clone(&services), "http");
            runtime.spawn(ended(server.serve(router.into_make_service_with_connect_info::<SocketAddr>())));
        }
        if let Some(identity) = self.identity {
            for listener in self.tls {
                let acceptor = OpenSSLAcceptor::new(identity.config()).acceptor(bounded.clone());
                let server = server(listener)?.acceptor(acceptor);
                let router = router(Arc::clone(&services), "https");
                runtime
                    .spawn(ended(server.serve(router.into_make_service_with_connect_info::<SocketAddr>())));
            }
            runtime.spawn(identity.follow());
        }
        drop(guard);
        Ok(Some(Server { runtime }))
    }
}

/// A server with our limits of time.
fn server(listener: TcpListener) -> io::Result<axum_server::Server<SocketAddr>> {
    let mut server =
        axum_server::from_tcp(listener)?.first_request_timeout(HEAD).accept_error_handler(|peer, error| {
            tracing::info!(target: "http", "connection of {peer:?} refused: {error}");
        });
    server.http_builder().http1().header_read_timeout(HEAD);
    server.http_builder().http2().keep_alive_interval(HEAD).keep_alive_timeout(HEAD);
    Ok(server)
}

async fn ended(server: impl Future<Output = io::Result<()>>) {
    if let Err(error) = server.await {
        tracing::error!(target: "http", "HTTP listener ended: {error}");
    }
}

/// Listeners at work.
#[derive(Debug)]
pub struct Server {
    runtime: Runtime,
}

impl Server {
    /// Ends all connections.
    pub fn stop(self) {
        self.runtime.shutdown_background();
    }
}
