//! What an ng command is answered with.

use super::value::{Dict, Value};

/// The `result` of a reply.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Outcome {
    /// `ok`.
    Ok,
    /// `pong`, the answer to `ping`.
    Pong,
    /// `load limit`: refused for load, towards a proxy that announced support for it. Carries the `message`.
    LoadLimit(String),
    /// `error` with its `error-reason`.
    Error(String),
}

/// A reply, before it is encoded in the form of its request.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Reply {
    /// How the command ended.
    pub outcome: Outcome,
    /// Further keys, in order; not sent with an error.
    pub body: Dict,
    /// Joined into the key `warning`; not sent with an error.
    pub warnings: Vec<String>,
}

impl Reply {
    /// A plain `ok`.
    #[must_use]
    pub fn ok() -> Self {
        Self::ok_with(Dict::new())
    }

    /// `ok` with further keys.
    #[must_use]
    pub fn ok_with(body: Dict) -> Self {
        Self { outcome: Outcome::Ok, body, warnings: Vec::new() }
    }

    /// The answer to `ping`.
    #[must_use]
    pub fn pong() -> Self {
        Self { outcome: Outcome::Pong, body: Dict::new(), warnings: Vec::new() }
    }

    /// An error the SIP proxy will log as `error-reason`.
    #[must_use]
    pub fn error(reason: impl Into<String>) -> Self {
        Self { outcome: Outcome::Error(reason.into()), body: Dict::new(), warnings: Vec::new() }
    }

    /// Refused because of `message`, for a proxy that supports `load limit`.
    #[must_use]
    pub fn load_limit(message: impl Into<String>) -> Self {
        Self { outcome: Outcome::LoadLimit(message.into()), body: Dict::new(), warnings: Vec::new() }
    }

    /// Adds a warning.
    #[must_use]
    pub fn with_warning(mut self, text: impl Into<String>) -> Self {
        self.warnings.push(text.into());
        self
    }

    /// `true` for [`Outcome::Error`].
    #[must_use]
    pub fn is_error(&self) -> bool {
        matches!(self.outcome, Outcome::Error(_))
    }

    /// The dictionary to send, in the order of the original: body, `warning`, `result`; errors `result` first.
    #[must_use]
    pub fn into_dict(self) -> Dict {
        let result = match self.outcome {
            Outcome::Error(reason) => {
                return Dict::new().with("result", "error").with("error-reason", reason);
            }
            Outcome::LoadLimit(message) => {
                return Dict::new().with("message", message).with("result", "load limit");
            }
            Outcome::Ok => "ok",
            Outcome::Pong => "pong",
        };
        let mut dict = self.body;
        if !self.warnings.is_empty() {
            dict.push("warning", Value::from(self.warnings.join("; ")));
        }
        dict.push("result", result);
        dict
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn keys_come_in_the_order_of_the_original() {
        let dict =
            Reply::ok_with(Dict::new().with("sdp", "v=0")).with_warning("a").with_warning("b").into_dict();
        let keys: Vec<&[u8]> = dict.iter().map(|(key, _)| key).collect();
        assert_eq!(keys, [b"sdp".as_slice(), b"warning", b"result"]);
        assert_eq!(dict.get("warning").and_then(Value::as_str), Some("a; b"));
    }

    #[test]
    fn an_error_carries_nothing_but_its_reason() {
        let mut reply = Reply::error("Unknown call-id");
        reply.body.push("sdp", "v=0");
        reply.warnings.push("ignored".to_owned());
        let dict = reply.into_dict();
        assert_eq!(dict, Dict::new().with("result", "error").with("error-reason", "Unknown call-id"));
    }
}
