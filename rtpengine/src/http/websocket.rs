//! WebSockets: the subprotocol says what messages are. Any path will do.

use std::net::SocketAddr;
use std::time::Duration;

use axum::body::Bytes;
use axum::extract::ws::rejection::WebSocketUpgradeRejection;
use axum::extract::ws::{Message, WebSocket, WebSocketUpgrade};
use axum::extract::{ConnectInfo, Request, State};
use axum::http::StatusCode;
use axum::http::header::UPGRADE;
use axum::middleware::Next;
use axum::response::{IntoResponse, Response};
use rtpengine_core::call::ControlSource;
use tokio::time::{MissedTickBehavior, interval, timeout};

use super::HttpBackend;
use super::requests::Shared;

const ECHO: &str = "echo.rtpengine.com";
const CLI: &str = "cli.rtpengine.com";
const NG: &str = "ng.rtpengine.com";

/// Longest message, bytes.
const MAX_MESSAGE: usize = rtpengine_core::ng::guard::MAX_BODY;
/// A silent client is asked for a sign of life this often, and given up at the second silence.
const PING: Duration = Duration::from_secs(30);
/// A client has to take an answer within this time.
const PATIENCE: Duration = Duration::from_secs(30);

/// Takes WebSocket requests out; everything else goes on to its route.
pub(super) async fn upgrade<B: HttpBackend>(
    State(shared): State<Shared<B>>,
    ConnectInfo(peer): ConnectInfo<SocketAddr>,
    socket: Result<WebSocketUpgrade, WebSocketUpgradeRejection>,
    request: Request,
    next: Next,
) -> Response {
    let wanted = request.headers().get(UPGRADE);
    if wanted.is_none_or(|protocol| !protocol.as_bytes().eq_ignore_ascii_case(b"websocket")) {
        return next.run(request).await;
    }
    let socket = match socket {
        Ok(socket) => socket,
        Err(rejection) => return rejection.into_response(),
    };
    let socket = socket
        .max_message_size(MAX_MESSAGE)
        .max_frame_size(MAX_MESSAGE)
        .max_write_buffer_size(4 * MAX_MESSAGE)
        .protocols([NG, CLI, ECHO]);
    let protocol = match socket.selected_protocol().map(|name| name.as_bytes()) {
        Some(name) if name == NG.as_bytes() => Protocol::Ng,
        Some(name) if name == CLI.as_bytes() => Protocol::Cli,
        Some(name) if name == ECHO.as_bytes() => Protocol::Echo,
        Some(_) | None => {
            let text = format!("subprotocols: {NG}, {CLI}, {ECHO}\n");
            return (StatusCode::BAD_REQUEST, text).into_response();
        }
    };
    socket.on_upgrade(move |socket| converse(socket, peer, protocol, shared))
}

/// What messages are.
#[derive(Clone, Copy, Debug)]
enum Protocol {
    Ng,
    Cli,
    Echo,
}

/// Answers messages until the client leaves or falls silent.
async fn converse<B: HttpBackend>(
    mut socket: WebSocket,
    peer: SocketAddr,
    protocol: Protocol,
    shared: Shared<B>,
) {
    let mut alive = true;
    let mut ticks = interval(PING);
    ticks.set_missed_tick_behavior(MissedTickBehavior::Delay);
    ticks.tick().await;
    loop {
        let message = tokio::select! {
            message = socket.recv() => message,
            _ = ticks.tick() => {
                if !alive || !send(&mut socket, Message::Ping(Bytes::new())).await {
                    tracing::info!(target: "http", %peer, "silent WebSocket closed");
                    return;
                }
                alive = false;
                continue;
            }
        };
        let Some(Ok(message)) = message else { return };
        alive = true;
        let answer = match message {
            Message::Text(_) | Message::Binary(_) => answer(protocol, peer, &shared, message).await,
            Message::Ping(_) | Message::Pong(_) => None,
            Message::Close(_) => return,
        };
        if let Some(answer) = answer
            && !send(&mut socket, answer).await
        {
            return;
        }
    }
}

async fn send(socket: &mut WebSocket, message: Message) -> bool {
    matches!(timeout(PATIENCE, socket.send(message)).await, Ok(Ok(())))
}

/// The answer, in a message of the same type.
async fn answer<B: HttpBackend>(
    protocol: Protocol,
    peer: SocketAddr,
    shared: &Shared<B>,
    message: Message,
) -> Option<Message> {
    let text = matches!(message, Message::Text(_));
    let bytes = match protocol {
        Protocol::Echo => return Some(message),
        Protocol::Cli => {
            let line = String::from_utf8_lossy(&message.into_data()).into_owned();
            tracing::debug!(target: "http", %peer, "command line: {}", line.escape_debug());
            shared.services.cli.run(&line).await.into_bytes()
        }
        Protocol::Ng => {
            let source = ControlSource { addr: peer, transport: shared.transport };
            shared.services.dispatcher.handle(source, &message.into_data()).await?.to_vec()
        }
    };
    // An SDP body may hold bytes that are not UTF-8.
    Some(match String::from_utf8(bytes) {
        Ok(valid) if text => Message::Text(valid.into()),
        Ok(valid) => Message::Binary(valid.into_bytes().into()),
        Err(error) => Message::Binary(error.into_bytes().into()),
    })
}
