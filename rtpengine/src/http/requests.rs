//! Routes and their answers.

use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use axum::Router;
use axum::body::Bytes;
use axum::extract::{ConnectInfo, DefaultBodyLimit, Request, State};
use axum::http::header::{
    ACCESS_CONTROL_ALLOW_HEADERS, ACCESS_CONTROL_ALLOW_METHODS, ACCESS_CONTROL_ALLOW_ORIGIN,
    ACCESS_CONTROL_MAX_AGE, CONTENT_TYPE,
};
use axum::http::{HeaderMap, HeaderName, HeaderValue, Method, StatusCode, Uri};
use axum::middleware::{self, Next};
use axum::response::{IntoResponse, Response};
use axum::routing::{get, post};
use rtpengine_core::call::ControlSource;

use super::{HttpBackend, Services, websocket};
use crate::metrics;

/// Longest body of a request, bytes. The limit of *ng* over TCP.
const MAX_BODY: usize = rtpengine_core::ng::guard::MAX_BODY;
/// A request has to come, and to be answered, within this time.
const PATIENCE: Duration = Duration::from_secs(30);
/// Content type of *ng* messages.
const NG_TYPE: &str = "application/x-rtpengine-ng";
const TEXT: &str = "text/plain";

/// Web pages of any origin may talk to us, as to the original: access is for the listener's address to limit.
const CORS: [(HeaderName, &str); 4] = [
    (ACCESS_CONTROL_ALLOW_ORIGIN, "*"),
    (ACCESS_CONTROL_MAX_AGE, "86400"),
    (ACCESS_CONTROL_ALLOW_METHODS, "GET, POST"),
    (ACCESS_CONTROL_ALLOW_HEADERS, "Content-Type"),
];

/// Everything that is answered. `transport` is the name of the listener in logs.
pub(super) fn router<B: HttpBackend>(services: Arc<Services<B>>, transport: &'static str) -> Router {
    let shared = Shared { services, transport };
    Router::new()
        .route("/ping", get(ping))
        .route("/cli/{*command}", get(cli::<B>))
        .route("/ng", post(ng::<B>))
        .route("/metrics", get(figures::<B>))
        .layer(middleware::from_fn_with_state(shared.clone(), websocket::upgrade::<B>))
        .fallback_service(
            get(not_found)
                .post(not_found)
                .layer(middleware::from_fn_with_state(shared.clone(), websocket::upgrade::<B>)),
        )
        .layer(DefaultBodyLimit::max(MAX_BODY))
        .layer(middleware::from_fn(bounded))
        .with_state(shared)
}

/// State of all handlers.
pub(super) struct Shared<B> {
    pub(super) services: Arc<Services<B>>,
    pub(super) transport: &'static str,
}

impl<B> Clone for Shared<B> {
    fn clone(&self) -> Self {
        Self { services: Arc::clone(&self.services), transport: self.transport }
    }
}

/// Limits the time of each request and adds what every answer has.
async fn bounded(request: Request, next: Next) -> Response {
    let mut response = if request.method() == Method::OPTIONS {
        StatusCode::NO_CONTENT.into_response()
    } else {
        tokio::time::timeout(PATIENCE, next.run(request))
            .await
            .unwrap_or_else(|_| StatusCode::REQUEST_TIMEOUT.into_response())
    };
    response.headers_mut().extend(CORS.map(|(name, value)| (name, HeaderValue::from_static(value))));
    response
}

async fn ping() -> impl IntoResponse {
    ([(CONTENT_TYPE, TEXT)], "pong\n")
}

async fn not_found() -> impl IntoResponse {
    (StatusCode::NOT_FOUND, [(CONTENT_TYPE, TEXT)], "not found\n")
}

async fn cli<B: HttpBackend>(
    State(shared): State<Shared<B>>,
    ConnectInfo(peer): ConnectInfo<SocketAddr>,
    uri: Uri,
) -> Response {
    let Some(line) = uri.path().strip_prefix("/cli/").and_then(decode) else {
        return (StatusCode::BAD_REQUEST, [(CONTENT_TYPE, TEXT)], "not a command\n").into_response();
    };
    tracing::debug!(target: "http", %peer, "command line: {}", line.escape_debug());
    ([(CONTENT_TYPE, TEXT)], shared.services.cli.run(&line).await).into_response()
}

/// Spaces come as plus signs or `%20`.
fn decode(text: &str) -> Option<String> {
    let mut bytes = Vec::with_capacity(text.len());
    let mut rest = text.bytes();
    while let Some(byte) = rest.next() {
        bytes.push(match byte {
            b'+' => b' ',
            b'%' => {
                let mut digit = || rest.next().and_then(|byte| char::from(byte).to_digit(16));
                let (high, low) = (digit()?, digit()?);
                u8::try_from(high * 16 + low).ok()?
            }
            byte => byte,
        });
    }
    String::from_utf8(bytes).ok()
}

async fn ng<B: HttpBackend>(
    State(shared): State<Shared<B>>,
    ConnectInfo(peer): ConnectInfo<SocketAddr>,
    headers: HeaderMap,
    body: Bytes,
) -> Response {
    // What a web page can send without being allowed to is not taken for a command.
    if headers.get(CONTENT_TYPE).is_none_or(|found| found.as_bytes() != NG_TYPE.as_bytes()) {
        let text = format!("the content type has to be {NG_TYPE}\n");
        return (StatusCode::UNSUPPORTED_MEDIA_TYPE, [(CONTENT_TYPE, TEXT)], text).into_response();
    }
    let source = ControlSource { addr: peer, transport: shared.transport };
    match shared.services.dispatcher.handle(source, &body).await {
        Some(reply) => ([(CONTENT_TYPE, NG_TYPE)], reply.to_vec()).into_response(),
        None => (StatusCode::BAD_REQUEST, [(CONTENT_TYPE, TEXT)], "not a message of cookie and body\n")
            .into_response(),
    }
}

async fn figures<B: HttpBackend>(State(shared): State<Shared<B>>) -> Response {
    let source = shared.services.backend.figures().await;
    match metrics::text(metrics::collect(&source)) {
        Ok(text) => ([(CONTENT_TYPE, metrics::CONTENT_TYPE)], text).into_response(),
        Err(error) => {
            tracing::error!(target: "http", "cannot write metrics: {error}");
            StatusCode::INTERNAL_SERVER_ERROR.into_response()
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn commands_come_with_plus_signs_or_percent_signs() {
        assert_eq!(decode("list+numsessions").as_deref(), Some("list numsessions"));
        assert_eq!(decode("list%20sessions%20a%2Bb%40c").as_deref(), Some("list sessions a+b@c"));
        for broken in ["a%2", "a%", "a%zz", "%ff"] {
            assert_eq!(decode(broken), None, "{broken}");
        }
    }
}
