//! Lists of flags, in a list or in one string.
//!
//! As a string (`rtpp_flags`) members are separated by white space; a member is `flag`, `key=value` or `key=[a b c]`.

use super::value::Value;

/// One member of a list of flags.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Item<'a> {
    /// A flag.
    Name(&'a [u8]),
    /// A key with its value, which is a list where it was in brackets and had white space.
    Pair(&'a [u8], Value),
}

/// Visits the members of `value`. Members of a list keep their inner spaces (`"trust address"`); anything but
/// strings and lists of strings has none.
pub fn items<'a>(value: &'a Value, visit: &mut dyn FnMut(Item<'a>)) {
    match value {
        Value::Str(text) => string_items(text, visit),
        Value::List(members) => {
            for member in members.iter().filter_map(Value::as_bytes) {
                visit(item(member.trim_ascii()));
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
        visit(item(member));
        text = rest;
    }
}

/// The length of the first member, where white space inside of `=[...]` does not end it.
fn member_length(text: &[u8]) -> usize {
    let mut brackets = false;
    for (at, byte) in text.iter().enumerate() {
        match byte {
            b'[' if at > 0 && text.get(at - 1) == Some(&b'=') => brackets = true,
            b']' => brackets = false,
            _ if byte.is_ascii_whitespace() && !brackets => return at,
            _ => {}
        }
    }
    text.len()
}

fn item(member: &[u8]) -> Item<'_> {
    let Some(equals) = memchr::memchr(b'=', member) else { return Item::Name(member) };
    let (key, value) = member.split_at_checked(equals).unwrap_or((member, &[]));
    let value = value.strip_prefix(b"=").unwrap_or_default();
    let inner = value.strip_prefix(b"[").and_then(|inner| inner.strip_suffix(b"]"));
    Item::Pair(
        key,
        match inner {
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
