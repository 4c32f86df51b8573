//! Signalling templates: flags and keys under a name, for the key `template`.

use super::command::Command;
use super::flags::{self, Item};
use super::known::Key;
use super::request::Request;
use super::spelling;
use super::value::{Dict, Value};

/// The template that goes for every request.
const DEFAULT: &str = "default";

/// Templates by name; each is a string of flags (`rtpp_flags`).
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Templates {
    entries: Vec<(String, Value)>,
}

impl Templates {
    /// Those of a section of the configuration file; of two with one name the first counts.
    pub fn new(entries: impl IntoIterator<Item = (String, String)>) -> Self {
        Self { entries: entries.into_iter().map(|(name, text)| (name, Value::from(text))).collect() }
    }

    /// What each has that will not have an effect, for the log.
    #[must_use]
    pub fn complaints(&self) -> Vec<String> {
        let mut complaints = Vec::new();
        for (name, text) in &self.entries {
            let mut probe = Request::new(Command::Offer);
            probe.take_template(text);
            let mut found = probe.warnings();
            found.extend(probe.unknown.iter().map(|unknown| format!("unknown and ignored: {unknown}")));
            if named(text).is_some() {
                found.push("a template does not name another one".to_owned());
            }
            complaints.extend(found.into_iter().map(|what| format!("template '{name}': {what}")));
        }
        complaints
    }

    fn find(&self, name: &[u8]) -> Option<&Value> {
        let found = self.entries.iter().find(|(own, _)| spelling::same(own.as_bytes(), name));
        found.map(|(_, text)| text)
    }
}

impl Request {
    /// Takes over the template for all requests, that of the command, and the one the request names. What the request says
    /// itself comes after that.
    pub(super) fn take_templates(&mut self, dict: &Dict, templates: &Templates) {
        for name in [DEFAULT.as_bytes(), self.command.wire_name().as_bytes()] {
            if let Some(text) = templates.find(name) {
                self.take_template(text);
            }
        }
        let among_keys = dict.iter().find(|(key, _)| Key::find(key) == Some(Key::Template));
        let among_flags = || {
            dict.iter()
                .filter(|(key, _)| Key::find(key) == Some(Key::Flags))
                .find_map(|(_, value)| named(value))
        };
        let name =
            among_keys.and_then(|(_, value)| value.as_bytes().map(<[u8]>::to_vec)).or_else(among_flags);
        match name.as_deref().map(|name| (name, templates.find(name))) {
            Some((_, Some(text))) => self.take_template(text),
            Some((name, None)) => {
                self.complain(Key::Template, &Value::from(name.to_vec()), "the name of a template");
            }
            None => {}
        }
    }

    fn take_template(&mut self, text: &Value) {
        flags::items(text, &mut |item| self.flag(item));
    }
}

/// The template that a list of flags names.
fn named(list: &Value) -> Option<Vec<u8>> {
    let mut name = None;
    flags::items(list, &mut |item| {
        if let Item::Pair(key, value) = item
            && Key::find(key) == Some(Key::Template)
        {
            name = name.take().or_else(|| value.as_bytes().map(<[u8]>::to_vec));
        }
    });
    name
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::ng::request::{IceMode, TosRequest, TransportProtocol};
    use crate::ng::{Flag, Replace, RtcpMux, json};

    fn templates() -> Templates {
        let entries = [
            (
                "WebRTC",
                "transport-protocol=UDP/TLS/RTP/SAVPF ICE=force trickle-ICE rtcp-mux=[offer require] no-rtcp-attribute SDES=off generate-mid",
            ),
            ("plain", "transport-protocol=RTP/AVP ICE=remove"),
            ("default", "replace-origin TOS=184"),
            ("offer", "ICE=optional sdp-attr-add-audio-x"),
            ("Start Recording", "label=recorded"),
        ];
        Templates::new(entries.map(|(name, text)| (name.to_owned(), text.to_owned())))
    }

    fn parse(text: &str) -> Request {
        Request::parse_with(&json::decode(text.as_bytes()).unwrap(), &templates()).unwrap()
    }

    #[test]
    fn a_named_template_says_what_its_text_says() {
        let expected = |request: &Request| {
            assert_eq!(request.transport_protocol, Some(TransportProtocol::DtlsSavpf));
            assert_eq!(request.ice, Some(IceMode::Force));
            assert_eq!(request.rtcp_mux, [RtcpMux::Offer, RtcpMux::Require].into_iter().collect());
            assert!(request.has(Flag::TrickleIce) && request.has(Flag::GenerateMid));
            assert!(request.warnings().is_empty() && request.unknown.is_empty(), "{request:?}");
        };
        expected(&parse(r#"{"command":"answer","template":"WebRTC"}"#));
        expected(&parse(r#"{"command":"answer","template":"webrtc"}"#));
        expected(&parse(r#"{"command":"answer","rtpp_flags":"trust-address template=WebRTC"}"#));
        expected(&parse(r#"{"command":"answer","flags":["template=WebRTC"]}"#));
    }

    #[test]
    fn some_go_for_requests_that_name_none() {
        let offer = parse(r#"{"command":"offer"}"#);
        assert_eq!((offer.ice, offer.tos), (Some(IceMode::Optional), TosRequest::Set(184)));
        assert!(offer.replace.has(Replace::Origin) && !offer.edits.attributes.is_empty());
        let answer = parse(r#"{"command":"answer"}"#);
        assert_eq!((answer.ice, answer.tos), (None, TosRequest::Set(184)));
        assert_eq!(parse(r#"{"command":"start recording"}"#).label.as_deref(), Some("recorded"));
    }

    #[test]
    fn the_nearer_word_counts() {
        let named = parse(r#"{"command":"offer","template":"plain"}"#);
        assert_eq!(named.ice, Some(IceMode::Remove));
        let own = parse(r#"{"ICE":"force","command":"offer","template":"plain","TOS":-1}"#);
        assert_eq!((own.ice, own.tos), (Some(IceMode::Force), TosRequest::Unchanged));
        assert_eq!(own.transport_protocol, Some(TransportProtocol::RtpAvp));
        let flags = parse(r#"{"command":"offer","flags":"ICE=force template=plain"}"#);
        assert_eq!(flags.ice, Some(IceMode::Force));
    }

    #[test]
    fn a_name_nobody_has_is_named() {
        let request = parse(r#"{"command":"ping","template":"nothing"}"#);
        assert_eq!(
            request.warnings(),
            ["Key \"template\" ignored: \"nothing\" is not the name of a template"]
        );
        let request =
            Request::parse(&json::decode(br#"{"command":"ping","template":"plain"}"#).unwrap()).unwrap();
        assert_eq!(request.warnings().len(), 1);
    }

    #[test]
    fn templates_that_make_no_sense_are_complained_about() {
        assert_eq!(templates().complaints(), Vec::<String>::new());
        let broken =
            Templates::new([("x".to_owned(), "ICE=sometimes inject-DTMF nonsense template=y".to_owned())]);
        let complaints = broken.complaints().join("\n");
        for part in ["\"sometimes\"", "inject-DTMF", "unknown and ignored: nonsense", "does not name another"]
        {
            assert!(complaints.contains(part), "{complaints}");
        }
        let request =
            Request::parse_with(&json::decode(br#"{"command":"ping","template":"x"}"#).unwrap(), &broken);
        assert_eq!(request.unwrap().unknown, ["nonsense"]);
    }
}
