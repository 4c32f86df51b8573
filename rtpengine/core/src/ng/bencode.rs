//! The bencode form of a body.
//!
//! Decoding is the `bencode` crate's, behind [`super::guard`], which keeps it from allocating declared lengths,
//! recursing without bound and wrapping integers. Encoding is done here because the crate sorts keys while
//! the original sends them in the order they were set.

use std::io::Write as _;

use bencode::Bencode;

use super::value::{Dict, Value};

/// Decodes a body that passed the guard. Unsorted keys are accepted; of a repeated key the last value counts.
/// `None` where the crate refuses what the guard let pass.
#[must_use]
pub fn decode(body: &[u8]) -> Option<Dict> {
    match bencode::from_buffer(body).ok().and_then(convert)? {
        Value::Dict(dict) => Some(dict),
        Value::Int(_) | Value::Str(_) | Value::List(_) => None,
    }
}

/// Takes over the crate's tree. Recursion is bounded by the guard's depth.
fn convert(tree: Bencode) -> Option<Value> {
    Some(match tree {
        Bencode::Empty => return None,
        Bencode::Number(number) => Value::Int(number),
        Bencode::ByteString(bytes) => Value::Str(bytes),
        Bencode::List(items) => Value::List(items.into_iter().map(convert).collect::<Option<_>>()?),
        Bencode::Dict(entries) => {
            let mut dict = Dict::new();
            for (key, value) in entries {
                dict.push(key.as_slice().to_vec(), convert(value)?);
            }
            Value::Dict(dict)
        }
    })
}

/// Appends the encoding of `dict` to `out`.
pub fn encode(dict: &Dict, out: &mut Vec<u8>) {
    out.push(b'd');
    for (key, value) in dict.iter() {
        encode_bytes(key, out);
        encode_value(value, out);
    }
    out.push(b'e');
}

fn encode_value(value: &Value, out: &mut Vec<u8>) {
    match value {
        Value::Int(number) => number_between(*number, b"i", b"e", out),
        Value::Str(bytes) => encode_bytes(bytes, out),
        Value::List(items) => {
            out.push(b'l');
            for item in items {
                encode_value(item, out);
            }
            out.push(b'e');
        }
        Value::Dict(dict) => encode(dict, out),
    }
}

fn encode_bytes(bytes: &[u8], out: &mut Vec<u8>) {
    number_between(bytes.len(), b"", b":", out);
    out.extend_from_slice(bytes);
}

fn number_between(number: impl std::fmt::Display, before: &[u8], after: &[u8], out: &mut Vec<u8>) {
    out.extend_from_slice(before);
    // Writing to a Vec cannot fail.
    let _ = write!(out, "{number}");
    out.extend_from_slice(after);
}
