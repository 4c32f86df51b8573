//! The JSON form of a body.

use super::value::{Dict, Value};

/// Decodes a body that passed the guard, which bounds the nesting.
///
/// Booleans become 1 and 0, `null` entries are left out, and numbers that are no 64-bit integers stay text.
///
/// # Errors
/// The parser's message.
pub fn decode(body: &[u8]) -> Result<Dict, String> {
    let tree: serde_json::Value = serde_json::from_slice(body).map_err(|error| error.to_string())?;
    match convert(tree) {
        Some(Value::Dict(dict)) => Ok(dict),
        Some(Value::Int(_) | Value::Str(_) | Value::List(_)) | None => Err("not an object".to_owned()),
    }
}

fn convert(tree: serde_json::Value) -> Option<Value> {
    Some(match tree {
        serde_json::Value::Null => return None,
        serde_json::Value::Bool(flag) => Value::Int(i64::from(flag)),
        serde_json::Value::Number(number) => {
            number.as_i64().map_or_else(|| Value::from(number.to_string()), Value::Int)
        }
        serde_json::Value::String(text) => Value::from(text),
        serde_json::Value::Array(items) => Value::List(items.into_iter().filter_map(convert).collect()),
        serde_json::Value::Object(entries) => {
            Value::Dict(entries.into_iter().filter_map(|(key, value)| Some((key, convert(value)?))).collect())
        }
    })
}

/// Appends the compact encoding of `dict` to `out`. Bytes that are not UTF-8 become U+FFFD, which is all JSON can say.
pub fn encode(dict: &Dict, out: &mut Vec<u8>) {
    out.push(b'{');
    for (index, (key, value)) in dict.iter().enumerate() {
        if index > 0 {
            out.push(b',');
        }
        encode_text(key, out);
        out.push(b':');
        encode_value(value, out);
    }
    out.push(b'}');
}

fn encode_value(value: &Value, out: &mut Vec<u8>) {
    match value {
        Value::Int(number) => out.extend_from_slice(number.to_string().as_bytes()),
        Value::Str(bytes) => encode_text(bytes, out),
        Value::List(items) => {
            out.push(b'[');
            for (index, item) in items.iter().enumerate() {
                if index > 0 {
                    out.push(b',');
                }
                encode_value(item, out);
            }
            out.push(b']');
        }
        Value::Dict(dict) => encode(dict, out),
    }
}

fn encode_text(bytes: &[u8], out: &mut Vec<u8>) {
    out.extend_from_slice(serde_json::Value::from(String::from_utf8_lossy(bytes)).to_string().as_bytes());
}
