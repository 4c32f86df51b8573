//! `sdp-attr`, `extmap`, `ptime` and `media echo`.

use super::{MAX_NAMES, clip, note};
use crate::ng::edits::MediaEcho;
use crate::ng::known::Key;
use crate::ng::request::Request;
use crate::ng::spelling;
use crate::ng::value::{Dict, Value};
use crate::sdp::attributes::{Change, Scope};

/// Values of `media echo`.
pub(super) const MEDIA_ECHO: &[(&str, MediaEcho)] = &[
    ("blackhole", MediaEcho::Blackhole),
    ("sinkhole", MediaEcho::Blackhole),
    ("forward", MediaEcho::Forward),
    ("fwd", MediaEcho::Forward),
    ("fw", MediaEcho::Forward),
    ("backwards", MediaEcho::Backwards),
    ("backward", MediaEcho::Backwards),
    ("back", MediaEcho::Backwards),
    ("bkw", MediaEcho::Backwards),
    ("bk", MediaEcho::Backwards),
    ("both", MediaEcho::Both),
];

/// Longest packet that `ptime` may ask for, milliseconds: more than any codec makes.
const MAX_PTIME: u32 = 1000;

/// A command of `sdp-attr`.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Verb {
    Add,
    Remove,
    Substitute,
}

impl Verb {
    fn of(name: &[u8]) -> Option<Self> {
        // The document's own example has the second spelling of the last one.
        const VERBS: [(&str, Verb); 4] = [
            ("add", Verb::Add),
            ("remove", Verb::Remove),
            ("substitute", Verb::Substitute),
            ("substitude", Verb::Substitute),
        ];
        let found = VERBS.into_iter().find(|(known, _)| spelling::same(known.as_bytes(), name));
        found.map(|(_, verb)| verb)
    }
}

impl Request {
    /// The dictionary `sdp-attr`: media type, command, values.
    pub(super) fn sdp_attr(&mut self, value: &Value, escaped: bool) {
        let Some(scopes) = value.as_dict() else {
            return self.complain(Key::SdpAttr, value, "a dictionary of media types");
        };
        for (name, commands) in scopes.iter() {
            let (Some(scope), Some(commands)) = (Scope::of(name), commands.as_dict()) else {
                self.not_an_attribute(name, "is no media type with a dictionary of commands");
                continue;
            };
            self.attribute_commands(scope, commands, escaped);
        }
    }

    fn attribute_commands(&mut self, scope: Scope, commands: &Dict, escaped: bool) {
        for (name, values) in commands.iter() {
            match Verb::of(name) {
                None => self.not_an_attribute(name, "is no command"),
                Some(Verb::Substitute) => self.substitutions(scope, values, escaped),
                Some(verb) => {
                    let single = std::slice::from_ref(values);
                    for value in values.as_list().unwrap_or(single) {
                        match value.as_bytes() {
                            Some(text) => self.attribute(scope, verb, text, None, escaped),
                            None => self.not_an_attribute(name, "has a value that is no text"),
                        }
                    }
                }
            }
        }
    }

    /// `[from, to]`, `[[from, to], …]`, or `from>to` where there are only flags.
    fn substitutions(&mut self, scope: Scope, value: &Value, escaped: bool) {
        let from_to = |text: &[u8]| {
            let at = memchr::memchr(b'>', text)?;
            let (from, to) = text.split_at_checked(at)?;
            Some((from.to_vec(), to.get(1..)?.to_vec()))
        };
        match value {
            Value::Str(text) => match from_to(text) {
                Some((from, to)) => self.attribute(scope, Verb::Substitute, &from, Some(&to), escaped),
                None => self.not_an_attribute(text, "names no attribute to put in the place of this one"),
            },
            Value::List(items) => match items.as_slice() {
                // Whatever follows the first two is ignored.
                [Value::Str(from), Value::Str(to), ..] if from_to(from).is_none() => {
                    self.attribute(scope, Verb::Substitute, from, Some(to), escaped);
                }
                items => {
                    for item in items {
                        match item {
                            Value::Str(_) | Value::List(_) => self.substitutions_of(scope, item, escaped),
                            Value::Int(_) | Value::Dict(_) => {
                                self.not_an_attribute(b"substitute", "has a value that is no pair of texts");
                            }
                        }
                    }
                }
            },
            Value::Int(_) | Value::Dict(_) => {
                self.not_an_attribute(b"substitute", "has a value that is no pair of texts");
            }
        }
    }

    /// A member of a list of substitutions, which holds no further lists.
    fn substitutions_of(&mut self, scope: Scope, item: &Value, escaped: bool) {
        match item {
            Value::List(pair) if !matches!(pair.as_slice(), [Value::Str(_), Value::Str(_), ..]) => {
                self.not_an_attribute(b"substitute", "has a value that is no pair of texts");
            }
            pair => self.substitutions(scope, pair, escaped),
        }
    }

    /// What follows `sdp-attr-` in a flag: `remove-audio-ptime:20`, `substitute-none-sendrecv>sendonly`.
    pub(super) fn sdp_attr_flag(&mut self, text: &[u8]) {
        let mut parts = text.splitn(3, |byte| *byte == b'-');
        let (verb, scope, rest) = (parts.next(), parts.next(), parts.next());
        let found = verb.and_then(Verb::of).zip(scope.and_then(Scope::of)).zip(rest);
        let Some(((verb, scope), rest)) = found else {
            return self.not_an_attribute(text, "is not a command, a media type and a value");
        };
        match verb {
            Verb::Substitute => self.substitutions(scope, &Value::Str(rest.to_vec()), true),
            Verb::Add | Verb::Remove => self.attribute(scope, verb, rest, None, true),
        }
    }

    fn attribute(&mut self, scope: Scope, verb: Verb, text: &[u8], to: Option<&[u8]>, escaped: bool) {
        let read = |text: &[u8]| {
            let text = std::str::from_utf8(text).ok()?;
            // No lookahead is needed: neither escape contains the other.
            Some(if escaped { text.replace("--", "=").replace("..", " ") } else { text.to_owned() })
        };
        let Some((first, second)) = read(text).zip(read(to.unwrap_or_default())) else {
            return self.not_an_attribute(text, "is not in UTF-8");
        };
        let change = match verb {
            Verb::Add => Change::Add(first),
            Verb::Remove => Change::Remove(first),
            Verb::Substitute => Change::Substitute(first, second),
        };
        if let Err(error) = self.edits.attributes.push(scope, change) {
            self.not_an_attribute(text, &error.to_string());
        }
    }

    fn not_an_attribute(&mut self, text: &[u8], why: &str) {
        if self.invalid.len() < MAX_NAMES {
            self.invalid.push(format!("Key \"sdp-attr\": \"{}\" {why}, ignored", clip(text)));
        }
    }

    /// The dictionary `extmap`: `strip` and `except`, each a list of URIs.
    pub(super) fn extmap(&mut self, value: &Value) {
        let Some(commands) = value.as_dict() else {
            return self.complain(Key::Extmap, value, "a dictionary");
        };
        for (name, values) in commands.iter() {
            let single = std::slice::from_ref(values);
            for uri in values.as_list().unwrap_or(single).iter().filter_map(Value::as_bytes) {
                self.extmap_flag(&[name, b"-", uri].concat());
            }
        }
    }

    /// What follows `extmap-` in a flag: `strip-urn:ietf:params:rtp-hdrext:ssrc-audio-level`.
    pub(super) fn extmap_flag(&mut self, text: &[u8]) {
        let strip = spelling::strip_prefix(text, "strip-");
        let except = spelling::strip_prefix(text, "except-");
        match (strip, except) {
            (Some(uri), _) => self.edits.extmap.strip(&String::from_utf8_lossy(uri)),
            (None, Some(uri)) => self.edits.extmap.except(&String::from_utf8_lossy(uri)),
            (None, None) => note(&mut self.not_built, &[b"extmap-", text].concat()),
        }
    }

    pub(super) fn packet_time(&mut self, key: Key, value: &Value) -> Option<u32> {
        let number = self.number(key, value)?;
        let found = u32::try_from(number).ok().filter(|ptime| (1..=MAX_PTIME).contains(ptime));
        // Zero asks for nothing.
        if found.is_none() && number != 0 {
            self.complain(key, value, "a number of milliseconds from 1 to 1000");
        }
        found
    }
}
