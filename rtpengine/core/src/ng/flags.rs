//! Lists of flags, in a list or in one string.
//!
//! As a string (`rtpp_flags`) members are separated by white space; a member is `flag`, `key=value` or `key=[a b c]`,
//! where members in brackets may again be of the form `key=[a b c]`.

use super::value::{Dict, Value};

/// Brackets within brackets that are looked into.
const MAX_DEPTH: u8 = 4;

/// One member of a list of flags.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Item<'a> {
    /// A flag.
    Name(&'a [u8]),
    /// A key with its value: where it was in brackets, a dictionary if it has brackets inside, a list if it has white space.
    Pair(&'a [u8], Value),
}

/// Visits the members of `value`. Members of a list keep their inner spaces (`"trust address"`); anything but
/// strings and lists of strings has none.
pub fn items<'a>(value: &'a Value, visit: &mut dyn FnMut(Item<'a>)) {
    match value {
        Value::Str(text) => string_items(text, visit),
        Value::List(members) => {
            for member in members.iter().filter_map(Value::as_bytes) {
                visit(item(member.trim_ascii(), MAX_DEPTH));
            }
        }
        Value::Int(_) | Value::Dict(_) => {}
    }
}

fn string_items<'a>(mut text: &'a [u8], visit: &mut dyn FnMut(Item<'a>)) {
    loop {
        text = text.trim_ascii_start();
        if text.is_empty() {
            return;
        }
        let (member, rest) = text.split_at_checked(member_length(text)).unwrap_or((text, &[]));
        visit(item(member, MAX_DEPTH));
        text = rest;
    }
}

/// The length of the first member, where white space inside of `=[...]` does not end it.
fn member_length(text: &[u8]) -> usize {
    let mut brackets = 0usize;
    for (at, byte) in text.iter().enumerate() {
        match byte {
            b'[' if at > 0 && text.get(at - 1) == Some(&b'=') => brackets += 1,
            b']' => brackets = brackets.saturating_sub(1),
            _ if byte.is_ascii_whitespace() && brackets == 0 => return at,
            _ => {}
        }
    }
    text.len()
}

fn item(member: &[u8], depth: u8) -> Item<'_> {
    let Some(equals) = memchr::memchr(b'=', member) else { return Item::Name(member) };
    let (key, value) = member.split_at_checked(equals).unwrap_or((member, &[]));
    let value = value.strip_prefix(b"=").unwrap_or_default();
    let inner = value.strip_prefix(b"[").and_then(|inner| inner.strip_suffix(b"]"));
    Item::Pair(
        key,
        match inner {
            Some(nested) if depth > 0 && memchr::memmem::find(nested, b"=[").is_some() => {
                dictionary(nested, depth - 1)
            }
            Some(list) if list.iter().any(u8::is_ascii_whitespace) => Value::List(
                list.split(u8::is_ascii_whitespace)
                    .filter(|part| !part.is_empty())
                    .map(|part| Value::Str(part.to_vec()))
                    .collect(),
            ),
            Some(single) => Value::Str(single.to_vec()),
            None => Value::Str(value.to_vec()),
        },
    )
}

/// The members of nested brackets. One without brackets of its own has its text for its value, `flag` the empty one.
fn dictionary(mut text: &[u8], depth: u8) -> Value {
    let mut dict = Dict::new();
    loop {
        text = text.trim_ascii_start();
        if text.is_empty() {
            return Value::Dict(dict);
        }
        let (member, rest) = text.split_at_checked(member_length(text)).unwrap_or((text, &[]));
        text = rest;
        let (key, value) = match item(member, depth) {
            Item::Name(name) => (name, Value::from("")),
            Item::Pair(key, value) => (key, value),
        };
        dict.push(key.to_vec(), value);
    }
}
