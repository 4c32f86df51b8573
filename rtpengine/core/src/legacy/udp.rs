//! The protocol of rtpproxy, which Kamailio's module `rtpproxy` speaks: one datagram a command, one a reply.

use std::fmt::Write as _;
use std::net::{IpAddr, SocketAddr};

use super::{Answer, Line, Request, Stream, flags};
use crate::ng::{self, Command, Flag, message::MAX_COOKIE};

/// The version of the protocol, and its extensions that are known.
const VERSION: u32 = 20_040_107;
const EXTENSIONS: [&str; 3] = ["20040107", "20050322", "20060704"];
/// The reply to what is no command, or cannot be carried out.
const ERROR: &str = "E8";

/// A datagram cut into its parts.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Message<'a> {
    /// Identifies the request; echoed in the reply.
    pub cookie: &'a [u8],
    /// The command with its arguments.
    pub body: &'a [u8],
}

impl<'a> Message<'a> {
    /// Cuts a datagram at its first white space. `None`, which means no reply at all, where the cookie is empty or overlong.
    #[must_use]
    pub fn split(datagram: &'a [u8]) -> Option<Self> {
        let end = datagram.iter().position(u8::is_ascii_whitespace).unwrap_or(datagram.len());
        let (cookie, rest) = datagram.split_at_checked(end)?;
        let fits = !cookie.is_empty() && cookie.len() <= MAX_COOKIE;
        fits.then(|| Self { cookie, body: rest.trim_ascii() })
    }
}

/// A command, with what is needed to reply to it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Parsed<'a> {
    /// For the engine; reply with what [`reply`] makes of its answer.
    Request(Box<Request>),
    /// Whether this extension of the protocol is known: `VF`.
    Extension(bool),
    /// `U` and `L` that cannot be read: the proxy gets back what it sent, and goes on without us.
    Echo {
        /// The port, as sent.
        port: &'a str,
        /// The address, as sent.
        address: &'a str,
    },
    /// Nothing of the protocol.
    Unknown,
}

impl<'a> Parsed<'a> {
    /// Reads the body of a [`Message`]. Letters may be of either case.
    #[must_use]
    pub fn of(body: &'a [u8]) -> Self {
        let Ok(text) = std::str::from_utf8(body) else { return Self::Unknown };
        let mut words = text.split_ascii_whitespace();
        let Some(command) = words.next() else { return Self::Unknown };
        let mut letters = command.chars();
        let letter = letters.next().map(|letter| letter.to_ascii_lowercase());
        let modifiers = letters.as_str();
        let request = match letter {
            Some('v') if modifiers.is_empty() => Some(Request::plain(Command::Ping)),
            Some('v') if modifiers.eq_ignore_ascii_case("f") => {
                return Self::Extension(words.next().is_some_and(|date| EXTENSIONS.contains(&date)));
            }
            Some('u') => signal(Command::Offer, modifiers, words.clone()),
            Some('l') => signal(Command::Answer, modifiers, words.clone()),
            Some('d') => selection(Command::Delete, words.clone()),
            Some('q') => selection(Command::Query, words.clone()),
            _ => None,
        };
        match (request, letter) {
            (Some(request), _) => Self::Request(Box::new(request)),
            (None, Some('u' | 'l')) => echo(words),
            (None, _) => Self::Unknown,
        }
    }
}

/// The reply to a request, cookie and line end included. `answer`: what the engine made of it, `None` where it refused.
#[must_use]
pub fn reply(cookie: &[u8], parsed: &Parsed<'_>, answer: Option<&Answer>) -> Vec<u8> {
    let text = match (parsed, answer) {
        (Parsed::Extension(known), _) => u8::from(*known).to_string(),
        (Parsed::Echo { port, address }, _) => format!("{port} {address}"),
        (Parsed::Unknown, _) => ERROR.to_owned(),
        (Parsed::Request(request), answer) => answered(request.ng.command, answer),
    };
    let mut reply = Vec::with_capacity(cookie.len() + text.len() + 2);
    reply.extend_from_slice(cookie);
    reply.push(b' ');
    reply.extend_from_slice(text.as_bytes());
    reply.push(b'\n');
    reply
}

fn answered(command: Command, answer: Option<&Answer>) -> String {
    match answer {
        Some(Answer::Alive) => VERSION.to_string(),
        Some(Answer::Addresses(addresses)) => place(addresses.first().copied().flatten()),
        Some(Answer::Deleted) => "0".to_owned(),
        Some(Answer::Counts { remaining, rtp, rtcp }) => format!("{remaining} {rtp} {rtcp} 0 0"),
        // A lookup of what is not there is no error of the protocol.
        None if command == Command::Answer => place(None),
        Some(Answer::Sessions { .. }) | None => ERROR.to_owned(),
    }
}

fn place(address: Option<SocketAddr>) -> String {
    let Some(address) = address else { return "0 0.0.0.0".to_owned() };
    let family = if address.is_ipv4() { 4 } else { 6 };
    let mut text = String::new();
    // A string takes everything.
    let _ = write!(text, "{} {} {family}", address.port(), address.ip());
    text
}

/// `CALLID[;BRANCH] ADDRESS PORT FROMTAG;NUMBER [TOTAG;NUMBER]`; what follows is for other proxies.
fn signal<'a>(
    command: Command,
    modifiers: &str,
    mut words: impl Iterator<Item = &'a str>,
) -> Option<Request> {
    let mut request = named(command, words.next()?);
    let address = address(words.next()?)?;
    let port = words.next()?.parse().ok()?;
    let (from, line) = tag(words.next()?)?;
    request.from_tag = Some(from.to_owned());
    request.to_tag = words.next().and_then(tag).map(|(to, _)| to.to_owned());
    flags::apply(modifiers, &mut request);
    if address.is_ipv6() {
        // The modifier repeats what the address says; letters may ask for another family towards the receiver.
        request.address_family = None;
    }
    let streams = vec![Stream::new(line, SocketAddr::new(address, port))];
    Some(Request { ng: request, streams })
}

/// `CALLID[;BRANCH] FROMTAG [TOTAG]`.
fn selection<'a>(command: Command, mut words: impl Iterator<Item = &'a str>) -> Option<Request> {
    let mut request = named(command, words.next()?);
    request.from_tag = Some(words.next()?.to_owned());
    request.to_tag = words.next().map(str::to_owned);
    // What cannot be found is an error here.
    request.flags.insert(Flag::Fatal);
    Some(Request { ng: request, streams: Vec::new() })
}

fn named(command: Command, call: &str) -> ng::Request {
    let (call, branch) = call.split_once(';').map_or((call, None), |(call, branch)| (call, Some(branch)));
    let mut request = ng::Request::new(command);
    request.call_id = Some(call.to_owned());
    request.via_branch = branch.filter(|branch| !branch.is_empty()).map(str::to_owned);
    request
}

fn tag(word: &str) -> Option<(&str, Line)> {
    let (tag, number) = word.rsplit_once(';')?;
    Some((tag, Line::of_number(number)?)).filter(|_| !tag.is_empty())
}

fn address(word: &str) -> Option<IpAddr> {
    word.parse().ok()
}

/// The second and third argument, where they are an address and a port.
fn echo<'a>(mut words: impl Iterator<Item = &'a str>) -> Parsed<'a> {
    let (_, address, port) = (words.next(), words.next(), words.next());
    match (address, port) {
        (Some(word), Some(port)) if address_and_port(word, port) => Parsed::Echo { port, address: word },
        _ => Parsed::Unknown,
    }
}

fn address_and_port(word: &str, port: &str) -> bool {
    address(word).is_some() && port.parse::<u16>().is_ok()
}
