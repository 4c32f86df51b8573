//! From a dictionary to a [`Request`].

mod codecs;
mod edits;
mod values;

use super::command::Command;
use super::flags::{self, Item};
use super::known::{FLAG_PREFIXES, Flag, Key, Replace, RtcpMux, Status, value_status};
use super::request::{AddressFamily, AllMode, DropTraffic, Request, TosRequest};
use super::scope::Said;
use super::spelling;
use super::template::Templates;
use super::value::{Dict, Value};
use crate::sdp::security::HashFunction;
use values::{
    ALL_MODES, DTLS, DtlsChoice, ICE, ICE_LITE, LEARNING, MAX_NAMES, SWITCH, TRANSPORTS, clip, identifier,
    note,
};

/// Tags kept of `from-tags`.
const MAX_FROM_TAGS: usize = 64;

/// Why a dictionary is not a request. The texts of the first two are the original's.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum RequestError {
    /// No command.
    #[error("Dictionary contains no key \"command\"")]
    NoCommand,
    /// A command nobody knows.
    #[error("Unrecognized command")]
    UnknownCommand,
    /// A key that identifies something is not text.
    #[error("Key \"{0}\" must be a string in UTF-8")]
    NotText(&'static str),
}

/// What the flag `WebRTC` stands for.
const WEBRTC: &str = "transport-protocol=UDP/TLS/RTP/SAVPF ICE=force trickle-ICE rtcp-mux-offer rtcp-mux-require \
                      no-rtcp-attribute SDES-off generate-mid";

impl Request {
    /// Reads a request. Keys and flags come in any spelling ([`super::spelling`]); flags as a list or as a string.
    ///
    /// # Errors
    /// [`RequestError`]. Optional values that make no sense are ignored and named in [`Request::invalid`].
    pub fn parse(dict: &Dict) -> Result<Self, RequestError> {
        Self::parse_with(dict, &Templates::default())
    }

    /// The same where there are templates.
    ///
    /// # Errors
    /// As [`Request::parse`].
    pub fn parse_with(dict: &Dict, templates: &Templates) -> Result<Self, RequestError> {
        let command =
            dict.get("command").or_else(|| lookup(dict, Key::Command)).ok_or(RequestError::NoCommand)?;
        let command = command.as_bytes().and_then(Command::from_wire).ok_or(RequestError::UnknownCommand)?;
        let mut request = Self::new(command);
        request.take_templates(dict, templates);
        request.said = Said::default();
        for (name, value) in dict.iter() {
            match Key::find(name) {
                Some(key) => {
                    request.is_unread |= key == Key::Flags && spelling::same(name, b"rtpp_flags");
                    request.apply(key, value)?;
                }
                None => note(&mut request.unknown, name),
            }
        }
        Ok(request)
    }

    /// What the reply has to warn of: everything the request asked for that will not happen.
    #[must_use]
    pub fn warnings(&self) -> Vec<String> {
        let mut warnings = self.invalid.clone();
        if !self.not_built.is_empty() {
            warnings
                .push(format!("Not supported by this version and ignored: {}", self.not_built.join(", ")));
        }
        let misplaced = self.misplaced();
        if !misplaced.is_empty() {
            let names = misplaced.join(", ");
            warnings.push(format!("Without effect in '{}': {names}", self.command.wire_name()));
        }
        warnings
    }

    fn apply(&mut self, key: Key, value: &Value) -> Result<(), RequestError> {
        self.said.keys.insert(key);
        match key {
            // Taken before everything else.
            Key::Command | Key::Template => {}
            Key::Sdp => {
                let bytes = value.as_bytes().ok_or(RequestError::NotText(key.name()))?;
                self.sdp = (!bytes.is_empty()).then(|| bytes.to_vec());
            }
            Key::CallId => self.call_id = identifier(key, value)?,
            Key::FromTag => self.from_tag = identifier(key, value)?,
            Key::ToTag => self.to_tag = identifier(key, value)?,
            Key::ToCallId => self.to_call_id = identifier(key, value)?,
            Key::SourceTag => self.source_tag = identifier(key, value)?,
            Key::ViaBranch => self.via_branch(value)?,
            Key::Label => self.label = identifier(key, value)?,
            Key::ToLabel => self.to_label = identifier(key, value)?,
            Key::SetLabel => self.set_label = identifier(key, value)?,
            Key::Interface => self.interface = identifier(key, value)?,
            Key::FromInterface => self.from_interface = identifier(key, value)?,
            Key::ToInterface => self.to_interface = identifier(key, value)?,
            Key::Metadata => self.metadata = identifier(key, value)?,
            Key::Direction => self.direction(value),
            Key::ReceivedFrom => self.received(value),
            Key::Address => self.address = self.ip(key, value),
            Key::MediaAddress => self.media_address = self.ip(key, value),
            Key::XmlrpcCallback => self.xmlrpc_callback = self.ip(key, value),
            Key::AddressFamily => {
                self.address_family =
                    self.choose(key, value, &[("IP4", AddressFamily::Ip4), ("IP6", AddressFamily::Ip6)]);
            }
            Key::All => {
                if let Some(mode) = self.choose(key, value, ALL_MODES) {
                    self.all = mode;
                }
            }
            Key::DropTraffic => {
                self.drop_traffic =
                    self.choose(key, value, &[("start", DropTraffic::Start), ("stop", DropTraffic::Stop)]);
            }
            Key::GenerateRtcp => self.generate_rtcp = self.choose(key, value, SWITCH).or(self.generate_rtcp),
            Key::EndpointLearning => self.endpoint_learning = self.choose(key, value, LEARNING),
            Key::TransportProtocol => self.transport_protocol = self.choose(key, value, TRANSPORTS),
            Key::Ice => self.ice = self.choose(key, value, ICE),
            Key::IceLite => self.ice_lite = self.choose(key, value, ICE_LITE),
            Key::DeleteDelay => self.delete_delay = self.counted(key, value, 0),
            Key::Limit => {
                self.limit = self.counted(key, value, 1).and_then(|limit| u32::try_from(limit).ok())
            }
            Key::Tos => {
                if let Some(number) = self.number(key, value) {
                    self.tos = match u8::try_from(number) {
                        Ok(tos) => TosRequest::Set(tos),
                        Err(_) if number < 0 => TosRequest::Unchanged,
                        Err(_) => TosRequest::Default,
                    };
                }
            }
            Key::Flags => flags::items(value, &mut |item| self.flag(item)),
            Key::Replace => flags::items(value, &mut |item| self.replace_member(item)),
            Key::RtcpMux => flags::items(value, &mut |item| self.rtcp_mux_member(item)),
            Key::Sdes => flags::items(value, &mut |item| self.sdes_member(item)),
            Key::Osrtp => flags::items(value, &mut |item| self.osrtp_member(item)),
            Key::FromTags => flags::items(value, &mut |item| self.sender_member(item)),
            Key::DtmfSecurity => {
                let text = value.as_bytes().unwrap_or_default();
                self.dtmf_security_off = spelling::same(text, b"off");
                self.not_acted_upon(key, value);
            }
            Key::Supports => flags::items(value, &mut |item| match item {
                Item::Name(name) if spelling::same(name, b"load limit") => self.supports_load_limit = true,
                Item::Name(name) | Item::Pair(name, _) => note(&mut self.unknown, name),
            }),
            Key::Dtls => match self.choose(key, value, DTLS) {
                Some(DtlsChoice::Off) => self.dtls.off = true,
                Some(DtlsChoice::Passive) => self.dtls.passive = Some(true),
                Some(DtlsChoice::Active) => self.dtls.passive = Some(false),
                None => {}
            },
            Key::DtlsReverse => {
                let passive = self.choose(key, value, &[("passive", true), ("active", false)]);
                self.dtls.reverse_passive = passive.or(self.dtls.reverse_passive);
            }
            Key::DtlsFingerprint => {
                let named = HashFunction::ALL.map(|hash| (hash.as_str(), hash));
                self.dtls.fingerprint = self.choose(key, value, &named).or(self.dtls.fingerprint);
            }
            Key::Codec => self.codec_key(value),
            Key::SdpAttr => self.sdp_attr(value, false),
            Key::Extmap => self.extmap(value),
            Key::SdpMediaRemove => flags::items(value, &mut |item| {
                let (Item::Name(name) | Item::Pair(name, _)) = item;
                if !self.edits.removed_media.add(name) {
                    self.complain(key, &Value::Str(name.to_vec()), "a media type");
                }
            }),
            Key::Bundle => flags::items(value, &mut |item| match item {
                Item::Name(name) if self.bundle.apply(name) => {}
                Item::Name(name) | Item::Pair(name, _) => {
                    note(&mut self.unknown, &[b"bundle-", name].concat())
                }
            }),
            Key::Ptime => self.edits.ptime = self.packet_time(key, value),
            Key::PtimeReverse => self.edits.ptime_reverse = self.packet_time(key, value),
            Key::MediaEcho => self.media_echo = self.choose(key, value, edits::MEDIA_ECHO),
            Key::AudioPlayer
            | Key::RecordCall
            | Key::T38
            | Key::Passthrough
            | Key::DelayBuffer
            | Key::Alias
            | Key::Blob
            | Key::Blob64
            | Key::Code
            | Key::DbId
            | Key::DtmfDelay
            | Key::DtmfLogDest
            | Key::DtmfSecurityTrigger
            | Key::DtmfSecurityTriggerEnd
            | Key::Duration
            | Key::File
            | Key::Frequency
            | Key::InboundPeer
            | Key::Moh
            | Key::OutboundPeer
            | Key::OutputDestination
            | Key::Pause
            | Key::Peer
            | Key::RecordingDir
            | Key::RecordingFile
            | Key::RecordingMetadata
            | Key::RecordingPath
            | Key::RecordingPattern
            | Key::RepeatDuration
            | Key::RepeatTimes
            | Key::SipCode
            | Key::SipMessageType
            | Key::StartPos
            | Key::T38Version
            | Key::Trigger
            | Key::TriggerEnd
            | Key::TriggerEndDigits
            | Key::TriggerEndTime
            | Key::Volume => self.not_acted_upon(key, value),
        }
        Ok(())
    }

    /// Notes a key without effect, unless its values ask for none or it is an empty list.
    fn not_acted_upon(&mut self, key: Key, value: &Value) {
        let named = match value {
            Value::Int(number) => value_status(key, number.to_string().as_bytes()) == Status::NotYet,
            Value::Str(bytes) => value_status(key, bytes) == Status::NotYet,
            Value::List(items) => items
                .iter()
                .any(|item| value_status(key, item.as_bytes().unwrap_or_default()) == Status::NotYet),
            Value::Dict(entries) => !entries.is_empty() && key.status() == Status::NotYet,
        };
        if named {
            note(&mut self.not_built, key.name().as_bytes());
        }
    }

    pub(super) fn flag(&mut self, item: Item<'_>) {
        if self.codec_flag(&item) {
            return;
        }
        let name = match item {
            Item::Name(name) => name,
            Item::Pair(name, value) => return self.pair(name, &value),
        };
        if let Some(flag) = Flag::find(name) {
            match flag.status() {
                Status::NotYet => note(&mut self.not_built, name),
                Status::Built | Status::Harmless => {}
            }
            if flag == Flag::All && self.all == AllMode::None {
                self.all = AllMode::All;
            }
            self.said.flags.insert(flag);
            self.sdes.pad |= flag == Flag::PadCrypto;
            self.sdes.recrypt |= flag == Flag::Recrypt;
            if flag == Flag::GenerateRtcp {
                self.generate_rtcp = Some(true);
            }
            self.edits.extmap.everything |= flag == Flag::StripExtmap;
            if flag == Flag::WebRtc {
                let said = self.said;
                flags::items(&Value::from(WEBRTC), &mut |item| self.flag(item));
                self.said = said;
            }
            self.flags.insert(flag);
            return;
        }
        for (prefix, key) in FLAG_PREFIXES {
            let Some(rest) = spelling::strip_prefix(name, prefix) else { continue };
            match value_status(*key, rest) {
                Status::Built if *key == Key::SdpAttr => {
                    self.said.keys.insert(*key);
                    self.sdp_attr_flag(rest);
                }
                Status::Built if *key == Key::Extmap => {
                    self.said.keys.insert(*key);
                    self.extmap_flag(rest);
                }
                // Keys behind prefixes never fail: those that can are not in the list.
                Status::Built => _ = self.apply(*key, &Value::Str(rest.to_vec())),
                Status::Harmless => {}
                Status::NotYet => note(&mut self.not_built, name),
            }
            return;
        }
        // As proxies write it in a string of flags: `RTP/AVP`.
        if TRANSPORTS.iter().any(|(known, _)| known.contains('/') && spelling::same(known.as_bytes(), name)) {
            self.said.keys.insert(Key::TransportProtocol);
            self.transport_protocol =
                self.choose(Key::TransportProtocol, &Value::Str(name.to_vec()), TRANSPORTS);
            return;
        }
        note(&mut self.unknown, name);
    }

    /// `key=value` among flags.
    fn pair(&mut self, name: &[u8], value: &Value) {
        if let (Some(rest), Some(value)) = (spelling::strip_prefix(name, "sdp-attr-"), value.as_bytes()) {
            return self.sdp_attr_flag(&[rest, b"=", value].concat());
        }
        match Key::find(name) {
            // `codec-set-opus/48000/2////mode=30`: the prefix counts, the rest is a value with an equals sign.
            None if FLAG_PREFIXES
                .iter()
                .any(|(prefix, _)| spelling::strip_prefix(name, prefix).is_some()) =>
            {
                note(&mut self.not_built, name);
            }
            Some(Key::Flags | Key::Command) | None => note(&mut self.unknown, name),
            Some(Key::Direction) => self.direction_flag(value),
            Some(Key::ViaBranch) => self.via_branch_flag(value),
            Some(Key::SdpAttr) => self.sdp_attr(value, true),
            Some(key) => {
                if let Err(error) = self.apply(key, value) {
                    note(&mut self.invalid, error.to_string().as_bytes());
                }
            }
        }
    }

    /// More tags than a call has parties are of no use, so those beyond are dropped.
    fn sender_member(&mut self, item: Item<'_>) {
        if let (Item::Name(name), true) = (item, self.from_tags.len() < MAX_FROM_TAGS) {
            self.from_tags.push(String::from_utf8_lossy(name).into_owned());
        }
    }

    fn replace_member(&mut self, item: Item<'_>) {
        match item {
            Item::Name(name) => match Replace::find(name) {
                Some(member) => self.replace.insert(member),
                None => note(&mut self.unknown, &[b"replace-", name].concat()),
            },
            Item::Pair(name, _) => note(&mut self.unknown, name),
        }
    }

    fn rtcp_mux_member(&mut self, item: Item<'_>) {
        match item {
            Item::Name(name) => match RtcpMux::find(name) {
                Some(member) => self.rtcp_mux.insert(member),
                None => note(&mut self.unknown, &[b"rtcp-mux-", name].concat()),
            },
            Item::Pair(name, _) => note(&mut self.unknown, name),
        }
    }

    fn sdes_member(&mut self, item: Item<'_>) {
        let (Item::Name(name) | Item::Pair(name, _)) = item;
        if !self.sdes.apply(name) && self.invalid.len() < MAX_NAMES {
            self.invalid
                .push(format!("Key \"SDES\": \"{}\" is not known or names unknown suites", clip(name)));
        }
    }

    fn osrtp_member(&mut self, item: Item<'_>) {
        match item {
            Item::Name(name) if self.osrtp.apply(name) => {}
            Item::Name(name) | Item::Pair(name, _) => note(&mut self.unknown, &[b"OSRTP-", name].concat()),
        }
    }
}

/// The value of a key in any spelling.
fn lookup(dict: &Dict, key: Key) -> Option<&Value> {
    dict.iter().find(|(name, _)| Key::find(name) == Some(key)).map(|(_, value)| value)
}

#[cfg(test)]
mod tests;
