//! The key `codec`, and the flags that stand for it: `codec-strip-PCMA`, `codec-strip=PCMA`, `transcode-PCMA`...

use super::values::{MAX_NAMES, clip, note};
use crate::codecs::CodecList;
use crate::ng::flags::{self, Item};
use crate::ng::known::Key;
use crate::ng::request::Request;
use crate::ng::spelling;
use crate::ng::value::Value;

impl Request {
    /// The value of the key: a dictionary of lists, or the flags without their prefix.
    pub(super) fn codec_key(&mut self, value: &Value) {
        let Value::Dict(entries) = value else {
            return flags::items(value, &mut |item| {
                if !self.codec_member(&item) {
                    let (Item::Name(name) | Item::Pair(name, _)) = item;
                    note(&mut self.unknown, &[b"codec-", name].concat());
                }
            });
        };
        for (name, value) in entries.iter() {
            match CodecList::find(name) {
                Some(list) => self.codec_members(list, value),
                None => note(&mut self.unknown, &[b"codec-", name].concat()),
            }
        }
    }

    /// A member of `flags`, if it is about codecs.
    pub(super) fn codec_flag(&mut self, item: &Item<'_>) -> bool {
        let (Item::Name(name) | Item::Pair(name, _)) = item;
        if let Some(rest) = spelling::strip_prefix(name, "codec-") {
            return self.codec_member(&with_name(item, rest));
        }
        let transcode = CodecList::Transcode.name();
        spelling::strip_prefix(name, transcode).is_some() && self.codec_member(item)
    }

    /// `strip-PCMA`, `strip=PCMA` or `strip=[PCMA PCMU]`. `false`: no such list.
    fn codec_member(&mut self, item: &Item<'_>) -> bool {
        match item {
            Item::Name(text) => {
                let Some((list, spec)) = CodecList::split(text) else { return false };
                self.codec_spec(list, spec);
            }
            Item::Pair(name, value) => match (CodecList::find(name), CodecList::split(name), value) {
                (Some(list), ..) => self.codec_members(list, value),
                // An equals sign within the name of a codec: `set-iLBC/8000/1///mode=30`.
                (None, Some((list, spec)), Value::Str(rest)) => {
                    self.codec_spec(list, &[spec, b"=", rest].concat());
                }
                (None, ..) => return false,
            },
        }
        true
    }

    fn codec_members(&mut self, list: CodecList, value: &Value) {
        match value {
            Value::Str(text) => {
                for spec in text.split(u8::is_ascii_whitespace).filter(|spec| !spec.is_empty()) {
                    self.codec_spec(list, spec);
                }
            }
            Value::Int(number) => self.codec_spec(list, number.to_string().as_bytes()),
            Value::List(members) => {
                for member in members {
                    match member {
                        Value::Str(text) => self.codec_spec(list, text),
                        Value::Int(number) => self.codec_spec(list, number.to_string().as_bytes()),
                        Value::List(_) | Value::Dict(_) => self.codec_spec(list, b""),
                    }
                }
            }
            Value::Dict(_) => self.codec_spec(list, b""),
        }
    }

    fn codec_spec(&mut self, list: CodecList, text: &[u8]) {
        self.said.keys.insert(Key::Codec);
        let text = text.trim_ascii();
        let added = std::str::from_utf8(text).is_ok_and(|text| self.codecs.add(list, text));
        if !added && self.invalid.len() < MAX_NAMES {
            let name = list.name();
            self.invalid.push(format!("Key \"codec\": \"{}\" in \"{name}\" is not a codec", clip(text)));
        }
    }
}

fn with_name<'i>(item: &Item<'_>, name: &'i [u8]) -> Item<'i> {
    match item {
        Item::Name(_) => Item::Name(name),
        Item::Pair(_, value) => Item::Pair(name, value.clone()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::ng::{Command, Dict};

    fn read(entries: Dict) -> Request {
        Request::parse(&entries.with("command", "offer")).unwrap()
    }

    fn members(request: &Request) -> Vec<String> {
        let of = |list: CodecList| {
            request.codecs.of(list).map(move |spec| format!("{}-{}", list.name(), spec.text))
        };
        CodecList::ALL.into_iter().flat_map(of).collect()
    }

    #[test]
    fn a_dictionary_and_flags_say_the_same() {
        let expected =
            ["except-G722", "mask-all", "offer-PCMA", "offer-PCMU", "strip-8", "transcode-opus/48000/2"];
        let list = |names: &[&str]| Value::List(names.iter().map(|name| Value::from(*name)).collect());
        let dict = Dict::new()
            .with("mask", "all")
            .with("except", list(&["G722"]))
            .with("offer", "PCMA PCMU")
            .with("strip", Value::List(vec![Value::Int(8)]))
            .with("transcode", list(&["opus/48000/2"]));
        assert_eq!(members(&read(Dict::new().with("codec", Value::Dict(dict)))), expected);
        let flags = [
            "codec-mask-all codec-except-G722 codec-offer=[PCMA PCMU] codec-strip-8 transcode-opus/48000/2",
            "codec-mask=all Codec_Except=G722 codec-offer-PCMA codec-offer-PCMU codec-strip=8 transcode=opus/48000/2",
            "codec=[mask-all except=G722 offer-PCMA offer-PCMU strip-8 transcode-opus/48000/2]",
        ];
        for flags in flags {
            let request = read(Dict::new().with("flags", flags));
            assert_eq!(members(&request), expected, "{flags}");
            assert!(request.warnings().is_empty() && request.unknown.is_empty(), "{request:?}");
        }
    }

    #[test]
    fn equals_signs_belong_to_the_codec() {
        let flags = "codec-set-iLBC/8000/1///mode=30 codec-strip-AMR/8000/1///mode-set=0,1;octet-align=1";
        let request = read(Dict::new().with("flags", flags));
        assert_eq!(
            members(&request),
            ["set-iLBC/8000/1///mode=30", "strip-AMR/8000/1///mode-set=0,1;octet-align=1"]
        );
    }

    #[test]
    fn what_is_no_codec_is_named() {
        let request = read(
            Dict::new().with("flags", "codec-strip-opus/x codec-frobnicate-PCMA codec-strip- codec-strip="),
        );
        assert_eq!(
            request.warnings(),
            [
                "Key \"codec\": \"opus/x\" in \"strip\" is not a codec",
                "Key \"codec\": \"\" in \"strip\" is not a codec"
            ]
        );
        assert_eq!(request.unknown, ["codec-frobnicate-PCMA"]);
        let request = read(Dict::new().with("codec", Value::Dict(Dict::new().with("nonsense", "PCMA"))));
        assert_eq!(request.unknown, ["codec-nonsense"]);
        assert_eq!(request.command, Command::Offer);
    }

    #[test]
    fn lists_are_bounded() {
        let flags = "codec-strip-PCMA ".repeat(10_000);
        let request = read(Dict::new().with("flags", flags.as_str()));
        assert_eq!(request.codecs.of(CodecList::Strip).count(), 256);
        assert!(request.invalid.len() <= 32);
    }
}
