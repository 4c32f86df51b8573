//! The protocol of OpenSER's old module `mediaproxy`: a connection for every command, which is one line, as its reply is.

use std::fmt::Write as _;
use std::net::SocketAddr;

use super::{Answer, Line, Request, Stream};
use crate::ng::{self, Command, Flag};

/// Longest command accepted, bytes, line end included.
pub const MAX_LINE: usize = 8192;

/// A line, with what is to be done about it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Parsed {
    /// For the engine; reply with what [`reply`] makes of its answer.
    Request(Box<Request>),
    /// Who is connected: `controls`.
    Controls,
    /// `quit` and `exit`: close the connection.
    Quit,
    /// Nothing of the protocol: close the connection.
    Unknown,
}

impl Parsed {
    /// Reads a line, its end not included. Commands may be of either case.
    #[must_use]
    pub fn of(line: &[u8]) -> Self {
        let text = std::str::from_utf8(line).ok().filter(|_| line.len() <= MAX_LINE);
        let Some(text) = text else { return Self::Unknown };
        let mut words = text.split_ascii_whitespace();
        let Some(command) = words.next() else { return Self::Unknown };
        let request = match command.to_ascii_lowercase().as_str() {
            "request" => signal(Command::Offer, words),
            "lookup" => signal(Command::Answer, words),
            "delete" => delete(words),
            "version" | "build" => Some(Request::plain(Command::Ping)),
            "status" => Some(Request::plain(Command::List)),
            "controls" => return Self::Controls,
            "quit" | "exit" => return Self::Quit,
            _ => None,
        };
        request.map_or(Self::Unknown, |request| Self::Request(Box::new(request)))
    }
}

/// The reply to a request, line end included; empty where there is none. `version`: that of the daemon.
#[must_use]
pub fn reply(answer: Option<&Answer>, version: &str) -> String {
    let mut text = String::new();
    // A string takes everything.
    let _ = match answer {
        Some(Answer::Alive) => writeln!(text, "Version: {version}"),
        Some(Answer::Addresses(addresses)) => {
            text = places(addresses);
            Ok(())
        }
        Some(Answer::Sessions { calls, bytes }) => {
            text = status(calls, *bytes);
            Ok(())
        }
        Some(Answer::Deleted | Answer::Counts { .. }) | None => Ok(()),
    };
    text
}

/// The reply to `controls`.
#[must_use]
pub fn controls(clients: &[SocketAddr]) -> String {
    let lines = clients.iter().map(|client| format!("{client}\n"));
    lines.chain(["End.\n".to_owned()]).collect()
}

/// The address once, then a port for each m-line.
fn places(addresses: &[Option<SocketAddr>]) -> String {
    let Some(first) = addresses.iter().flatten().next() else { return String::new() };
    let ports = addresses.iter().map(|address| format!(" {}", address.map_or(0, |address| address.port())));
    std::iter::once(first.ip().to_string()).chain(ports).chain(["\n".to_owned()]).collect()
}

fn status(calls: &[String], bytes: u64) -> String {
    let first = format!("proxy {} {bytes}/0/0\n", calls.len());
    let sessions = calls.iter().map(|call| format!("session {call} - - - - 0\n"));
    std::iter::once(first).chain(sessions).collect()
}

/// `CALLID STREAM,STREAM... IP DOMAIN TYPE DOMAIN TYPE AGENT info=NAME:VALUE,...`, of which the call, its m-lines and the
/// tags in the last word are needed.
fn signal<'a>(command: Command, mut words: impl Iterator<Item = &'a str>) -> Option<Request> {
    let mut request = ng::Request::new(command);
    request.call_id = Some(words.next()?.to_owned());
    let streams = words.next()?.split(',').enumerate();
    let streams = streams.map(|(index, text)| stream(index, text)).collect::<Option<Vec<_>>>()?;
    let info = Info::of(words.last()?)?;
    info.tags(&mut request);
    if info.has("asymmetric") {
        request.flags.insert(Flag::Asymmetric);
    }
    Some(Request { ng: request, streams })
}

/// `CALLID [info=...]`.
fn delete<'a>(mut words: impl Iterator<Item = &'a str>) -> Option<Request> {
    let mut request = ng::Request::new(Command::Delete);
    request.call_id = Some(words.next()?.to_owned());
    request.flags.insert(Flag::Fatal);
    if let Some(info) = words.last().and_then(Info::of) {
        info.tags(&mut request);
    }
    Some(Request { ng: request, streams: Vec::new() })
}

/// `IP:PORT[:KIND]`, an IPv6 address in brackets.
fn stream(index: usize, text: &str) -> Option<Stream> {
    let (endpoint, kind) = match text.rsplit_once(':') {
        Some((endpoint, kind)) if !kind.is_empty() && !kind.starts_with(|c: char| c.is_ascii_digit()) => {
            (endpoint, kind)
        }
        _ => (text, ""),
    };
    Some(Stream::new(Line::at(index)?, endpoint.parse().ok()?).of_kind(kind))
}

/// `info=from:x,fromtag:y,...`
struct Info<'a>(&'a str);

impl<'a> Info<'a> {
    fn of(word: &'a str) -> Option<Self> {
        let (name, values) = word.split_at_checked("info=".len())?;
        name.eq_ignore_ascii_case("info=").then_some(Self(values))
    }

    /// Where there are no tags, the identities that the headers name have to do.
    fn tags(&self, request: &mut ng::Request) {
        let (from, to) = if self.get("fromtag").is_some() { ("fromtag", "totag") } else { ("from", "to") };
        request.from_tag = self.get(from).map(str::to_owned);
        request.to_tag = self.get(to).map(str::to_owned);
    }

    /// The value of a name, if there is one and it is not empty.
    fn get(&self, name: &str) -> Option<&'a str> {
        let values = self.0.split(',').filter_map(|pair| pair.split_once(':'));
        let mut values = values.filter(|(known, _)| known.eq_ignore_ascii_case(name)).map(|(_, value)| value);
        values.next().filter(|value| !value.is_empty())
    }

    /// Whether a name stands there without a value.
    fn has(&self, name: &str) -> bool {
        self.0.split(',').any(|known| known.eq_ignore_ascii_case(name))
    }
}
