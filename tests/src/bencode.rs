//! Bencode to and from JSON values, for the ng protocol: numbers are integers, strings are text.
//!
//! Written for tests: strict, recursive, and independent of the daemon's codec.

use anyhow::{Result, bail};
use serde_json::{Map, Number, Value};

/// Encodes with dictionary keys in the order given. Booleans and null have no bencode form.
pub fn encode(value: &Value) -> Result<Vec<u8>> {
    let mut out = Vec::new();
    write(value, &mut out)?;
    Ok(out)
}

fn write(value: &Value, out: &mut Vec<u8>) -> Result<()> {
    match value {
        Value::Number(number) => match number.as_i64() {
            Some(number) => out.extend_from_slice(format!("i{number}e").as_bytes()),
            None => bail!("bencode has no form for the number {number}"),
        },
        Value::String(text) => write_string(text, out),
        Value::Array(items) => {
            out.push(b'l');
            items.iter().try_for_each(|item| write(item, out))?;
            out.push(b'e');
        }
        Value::Object(entries) => {
            out.push(b'd');
            for (key, value) in entries {
                write_string(key, out);
                write(value, out)?;
            }
            out.push(b'e');
        }
        Value::Bool(_) | Value::Null => bail!("bencode has no form for {value}"),
    }
    Ok(())
}

fn write_string(text: &str, out: &mut Vec<u8>) {
    out.extend_from_slice(format!("{}:", text.len()).as_bytes());
    out.extend_from_slice(text.as_bytes());
}

/// Decodes one value; returns it and the number of bytes it took. `None`: the input ends too early.
pub fn decode(input: &[u8]) -> Result<Option<(Value, usize)>> {
    let mut parser = Parser { input, at: 0 };
    Ok(parser.value()?.map(|value| (value, parser.at)))
}

struct Parser<'a> {
    input: &'a [u8],
    at: usize,
}

impl Parser<'_> {
    fn value(&mut self) -> Result<Option<Value>> {
        let Some(first) = self.peek() else { return Ok(None) };
        match first {
            b'i' => {
                self.at += 1;
                Ok(self.number_until(b'e')?.map(|number| Value::Number(Number::from(number))))
            }
            b'l' => {
                self.at += 1;
                let mut items = Vec::new();
                while self.peek() != Some(b'e') {
                    let Some(item) = self.value()? else { return Ok(None) };
                    items.push(item);
                }
                self.at += 1;
                Ok(Some(Value::Array(items)))
            }
            b'd' => {
                self.at += 1;
                let mut entries = Map::new();
                while self.peek() != Some(b'e') {
                    let Some(key) = self.string()? else { return Ok(None) };
                    let Some(value) = self.value()? else { return Ok(None) };
                    entries.insert(key, value);
                }
                self.at += 1;
                Ok(Some(Value::Object(entries)))
            }
            b'0'..=b'9' => Ok(self.string()?.map(Value::String)),
            other => bail!("byte {other:#04x} at {} starts no bencode value", self.at),
        }
    }

    fn peek(&self) -> Option<u8> {
        self.input.get(self.at).copied()
    }

    fn number_until(&mut self, end: u8) -> Result<Option<i64>> {
        let rest = &self.input[self.at..];
        let Some(length) = rest.iter().position(|byte| *byte == end) else { return Ok(None) };
        let number = std::str::from_utf8(&rest[..length])?.parse()?;
        self.at += length + 1;
        Ok(Some(number))
    }

    fn string(&mut self) -> Result<Option<String>> {
        let Some(length) = self.number_until(b':')? else { return Ok(None) };
        let length = usize::try_from(length)?;
        let Some(bytes) = self.input.get(self.at..self.at + length) else { return Ok(None) };
        self.at += length;
        Ok(Some(String::from_utf8_lossy(bytes).into_owned()))
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::{decode, encode};

    #[test]
    fn what_is_encoded_decodes_to_the_same() {
        let value = json!({"command": "offer", "n": -7, "flags": ["a", "b"], "nested": {"k": []}});
        let bytes = encode(&value).unwrap();
        assert_eq!(bytes, b"d7:command5:offer1:ni-7e5:flagsl1:a1:be6:nestedd1:kleee");
        assert_eq!(decode(&bytes).unwrap(), Some((value, bytes.len())));
        for cut in 0..bytes.len() {
            assert_eq!(decode(&bytes[..cut]).unwrap(), None);
        }
    }
}
