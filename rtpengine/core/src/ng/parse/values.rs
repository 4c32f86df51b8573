//! What stands behind a key: names, addresses, numbers and words; and what is noted of those that make no sense.

use std::net::IpAddr;

use super::RequestError;
use crate::io::Learning;
use crate::ng::flags::{self, Item};
use crate::ng::known::Key;
use crate::ng::request::{AllMode, IceLite, IceMode, Request, TransportProtocol};
use crate::ng::spelling;
use crate::ng::value::Value;

/// Names kept per request in `unknown`, `not_built` and `invalid`, so that a hostile list does not fill the log.
pub(super) const MAX_NAMES: usize = 32;
/// Characters kept of each such name.
const MAX_NAME: usize = 64;

impl Request {
    pub(super) fn direction(&mut self, value: &Value) {
        let mut names = Vec::new();
        flags::items(value, &mut |item| {
            if let Item::Name(name) = item {
                names.push(String::from_utf8_lossy(name).into_owned());
            }
        });
        let mut names = names.into_iter();
        match (names.next(), names.next(), names.next()) {
            (Some(from), Some(to), None) => {
                self.from_interface = Some(from);
                self.to_interface = Some(to);
            }
            _ => self.complain(Key::Direction, value, "two interface names"),
        }
    }

    /// `direction=priv direction=pub`, where each stands for itself.
    pub(super) fn direction_flag(&mut self, value: &Value) {
        self.said.keys.insert(Key::Direction);
        let Some(name) = value.as_str().filter(|text| !text.contains(' ')) else {
            return self.direction(value);
        };
        let place = match self.said.directions {
            0 => &mut self.from_interface,
            _ => &mut self.to_interface,
        };
        *place = Some(name.to_owned());
        self.said.directions = self.said.directions.saturating_add(1);
    }

    /// A branch, or a word that tells the proxy where to find one: proxies that leave their flags to us pass it on.
    pub(super) fn via_branch(&mut self, value: &Value) -> Result<(), RequestError> {
        let branch = identifier(Key::ViaBranch, value)?;
        self.via_branch = branch.filter(|branch| !is_word(branch, BRANCH_WORDS));
        Ok(())
    }

    /// `via-branch=auto` and the like among flags, which does not take the place of the branch itself.
    pub(super) fn via_branch_flag(&mut self, value: &Value) {
        self.said.keys.insert(Key::ViaBranch);
        let branch = value.as_str().filter(|branch| !branch.is_empty());
        let branch = branch.filter(|word| !is_word(word, BRANCH_WORDS) && !is_word(word, BRANCH_NUMBERS));
        if let Some(branch) = branch {
            self.via_branch = Some(branch.to_owned());
        }
    }

    /// A number that is `least` or more.
    pub(super) fn counted(&mut self, key: Key, value: &Value, least: u64) -> Option<u64> {
        let number = self.number(key, value)?;
        let found = u64::try_from(number).ok().filter(|number| *number >= least);
        if found.is_none() && self.invalid.len() < MAX_NAMES {
            self.invalid.push(format!("Key \"{}\" ignored: {number} is less than {least}", key.name()));
        }
        found
    }

    /// `["IP4", "192.0.2.1"]`; the family is implied by the address.
    pub(super) fn received(&mut self, value: &Value) {
        let mut found = None;
        flags::items(value, &mut |item| {
            if let Item::Name(name) = item {
                found = address(name).or(found);
            }
        });
        match found {
            Some(address) => self.received_from = Some(address),
            None => self.complain(Key::ReceivedFrom, value, "a family and an IP address"),
        }
    }

    pub(super) fn ip(&mut self, key: Key, value: &Value) -> Option<IpAddr> {
        let found = value.as_bytes().and_then(address);
        if found.is_none() {
            self.complain(key, value, "an IP address");
        }
        found
    }

    pub(super) fn number(&mut self, key: Key, value: &Value) -> Option<i64> {
        let found = value.as_int();
        if found.is_none() {
            self.complain(key, value, "an integer");
        }
        found
    }

    pub(super) fn choose<T: Clone>(&mut self, key: Key, value: &Value, choices: &[(&str, T)]) -> Option<T> {
        let text = value.as_bytes().unwrap_or_default();
        let found = choices.iter().find(|(name, _)| spelling::same(name.as_bytes(), text));
        if found.is_none() {
            let names: Vec<&str> = choices.iter().map(|(name, _)| *name).collect();
            self.complain(key, value, &format!("one of {}", names.join(", ")));
        }
        found.map(|(_, choice)| choice.clone())
    }

    pub(in crate::ng) fn complain(&mut self, key: Key, value: &Value, wanted: &str) {
        if self.invalid.len() < MAX_NAMES {
            let given = value
                .as_bytes()
                .map_or_else(|| "this kind of value".to_owned(), |text| format!("\"{}\"", clip(text)));
            self.invalid.push(format!("Key \"{}\" ignored: {given} is not {wanted}", key.name()));
        }
    }
}

/// Where a proxy is to find a branch.
const BRANCH_WORDS: &[&str] = &["auto", "extra", "next", "auto-extra", "auto-next"];
/// The same, by the number of the Via header; `0`: nowhere.
const BRANCH_NUMBERS: &[&str] = &["0", "1", "2"];

fn is_word(text: &str, words: &[&str]) -> bool {
    words.iter().any(|word| spelling::same(word.as_bytes(), text.as_bytes()))
}

/// Values of `all`.
pub(super) const ALL_MODES: &[(&str, AllMode)] = &[
    ("none", AllMode::None),
    ("all", AllMode::All),
    ("offer-answer", AllMode::OfferAnswer),
    ("except-offer-answer", AllMode::ExceptOfferAnswer),
    ("flows", AllMode::Flows),
    ("not-offer-answer", AllMode::ExceptOfferAnswer),
    ("non-offer-answer", AllMode::ExceptOfferAnswer),
];

/// What `DTLS` may ask for.
#[derive(Clone, Copy)]
pub(super) enum DtlsChoice {
    Off,
    Passive,
    Active,
}

/// Values of `DTLS`.
pub(super) const DTLS: &[(&str, DtlsChoice)] = &[
    ("off", DtlsChoice::Off),
    ("no", DtlsChoice::Off),
    ("disable", DtlsChoice::Off),
    ("passive", DtlsChoice::Passive),
    ("active", DtlsChoice::Active),
];

/// Values of `endpoint-learning`.
pub(super) const LEARNING: &[(&str, Learning)] = &[
    ("off", Learning::Off),
    ("immediate", Learning::Immediate),
    ("delayed", Learning::Delayed),
    ("heuristic", Learning::Heuristic),
];

/// Values of keys that switch something on or off.
pub(super) const SWITCH: &[(&str, bool)] = &[("on", true), ("yes", true), ("off", false), ("no", false)];

/// Values of `ICE`.
pub(super) const ICE: &[(&str, IceMode)] = &[
    ("remove", IceMode::Remove),
    ("force", IceMode::Force),
    ("default", IceMode::Default),
    ("optional", IceMode::Optional),
    ("force-relay", IceMode::ForceRelay),
];

/// Values of `ICE-lite`.
pub(super) const ICE_LITE: &[(&str, IceLite)] = &[
    ("forward", IceLite::Forward),
    ("offer", IceLite::Forward),
    ("fwd", IceLite::Forward),
    ("fw", IceLite::Forward),
    ("backward", IceLite::Backward),
    ("backwards", IceLite::Backward),
    ("reverse", IceLite::Backward),
    ("answer", IceLite::Backward),
    ("back", IceLite::Backward),
    ("bkw", IceLite::Backward),
    ("bk", IceLite::Backward),
    ("both", IceLite::Both),
    ("off", IceLite::Off),
];

/// Values of `transport protocol`.
pub(super) const TRANSPORTS: &[(&str, TransportProtocol)] = &[
    ("RTP/AVP", TransportProtocol::RtpAvp),
    ("RTP/AVPF", TransportProtocol::RtpAvpf),
    ("RTP/SAVP", TransportProtocol::RtpSavp),
    ("RTP/SAVPF", TransportProtocol::RtpSavpf),
    ("UDP/TLS/RTP/SAVP", TransportProtocol::DtlsSavp),
    ("UDP/TLS/RTP/SAVPF", TransportProtocol::DtlsSavpf),
    ("UDPTL", TransportProtocol::Udptl),
    ("accept", TransportProtocol::Accept),
];

/// Text that names something. Integers are taken as their decimal text; the empty string is as good as no key.
pub(super) fn identifier(key: Key, value: &Value) -> Result<Option<String>, RequestError> {
    match value {
        Value::Int(number) => Ok(Some(number.to_string())),
        Value::Str(_) => {
            let text = value.as_str().ok_or(RequestError::NotText(key.name()))?;
            Ok((!text.is_empty()).then(|| text.to_owned()))
        }
        Value::List(_) | Value::Dict(_) => Err(RequestError::NotText(key.name())),
    }
}

/// An IP address as text, IPv6 with or without brackets.
fn address(text: &[u8]) -> Option<IpAddr> {
    std::str::from_utf8(text).ok()?.trim_matches(['[', ']']).parse().ok()
}

/// The beginning of a peer's text, fit for a log line.
pub(super) fn clip(text: &[u8]) -> String {
    let text = text.get(..text.len().min(MAX_NAME)).unwrap_or_default();
    String::from_utf8_lossy(text).chars().map(|c| if c.is_control() { '?' } else { c }).collect()
}

/// Adds a name once.
pub(super) fn note(names: &mut Vec<String>, name: &[u8]) {
    let name = clip(name);
    if names.len() < MAX_NAMES && !names.contains(&name) {
        names.push(name);
    }
}
