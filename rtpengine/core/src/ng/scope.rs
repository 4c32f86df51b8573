//! Which keys and flags each command takes. One that has its place in another command has no effect, and the reply's
//! `warning` names it.

use super::command::Command;
use super::known::{Flag, Key, NameSet, Status};
use super::request::Request;

/// What a command does with a key or flag that this version acts upon.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Use {
    /// Acts upon it.
    Acts,
    /// Passes over it in silence: the protocol says that it counts elsewhere, or proxies add it to everything.
    PassesOver,
    /// Has no use for it, and says so.
    Refuses,
}

/// What proxies add to a message whatever it says.
const ADDED: &[Key] = &[
    Key::Command,
    Key::Template,
    Key::Flags,
    Key::CallId,
    Key::FromTag,
    Key::ToTag,
    Key::ViaBranch,
    Key::ReceivedFrom,
];

/// What an offer and an answer take.
const EXCHANGE: &[Key] = &[
    Key::Bundle,
    Key::CallId,
    Key::Codec,
    Key::DropTraffic,
    Key::Dtls,
    Key::DtlsFingerprint,
    Key::EndpointLearning,
    Key::Extmap,
    Key::FromTag,
    Key::GenerateRtcp,
    Key::Ice,
    Key::Label,
    Key::MediaAddress,
    Key::MediaEcho,
    Key::Metadata,
    Key::Osrtp,
    Key::ReceivedFrom,
    Key::Replace,
    Key::RtcpMux,
    Key::Sdes,
    Key::Sdp,
    Key::SdpAttr,
    Key::SetLabel,
    Key::ToLabel,
    Key::ToTag,
    Key::Tos,
    Key::TransportProtocol,
    Key::ViaBranch,
    Key::XmlrpcCallback,
];

/// What an offer takes besides.
const OFFER: &[Key] = &[
    Key::AddressFamily,
    Key::Direction,
    Key::DtlsReverse,
    Key::FromInterface,
    Key::IceLite,
    Key::Interface,
    Key::Ptime,
    Key::PtimeReverse,
    Key::SdpMediaRemove,
    Key::Supports,
    Key::ToInterface,
];

const PUBLISH: &[Key] = &[
    Key::AddressFamily,
    Key::Bundle,
    Key::CallId,
    Key::Codec,
    Key::Direction,
    Key::DropTraffic,
    Key::Dtls,
    Key::DtlsFingerprint,
    Key::DtlsReverse,
    Key::EndpointLearning,
    Key::Extmap,
    Key::FromInterface,
    Key::FromTag,
    Key::GenerateRtcp,
    Key::Ice,
    Key::IceLite,
    Key::Interface,
    Key::Label,
    Key::MediaAddress,
    Key::MediaEcho,
    Key::Metadata,
    Key::Osrtp,
    Key::PtimeReverse,
    Key::ReceivedFrom,
    Key::Replace,
    Key::RtcpMux,
    Key::Sdes,
    Key::Sdp,
    Key::SdpAttr,
    Key::SetLabel,
    Key::Supports,
    Key::Tos,
    Key::ViaBranch,
    Key::XmlrpcCallback,
];

const SUBSCRIBE_REQUEST: &[Key] = &[
    Key::Address,
    Key::AddressFamily,
    Key::All,
    Key::Bundle,
    Key::CallId,
    Key::Codec,
    Key::Direction,
    Key::DropTraffic,
    Key::Dtls,
    Key::DtlsFingerprint,
    Key::EndpointLearning,
    Key::Extmap,
    Key::FromInterface,
    Key::FromTag,
    Key::FromTags,
    Key::GenerateRtcp,
    Key::Ice,
    Key::IceLite,
    Key::Interface,
    Key::Label,
    Key::MediaAddress,
    Key::MediaEcho,
    Key::Osrtp,
    Key::Ptime,
    Key::Replace,
    Key::RtcpMux,
    Key::Sdes,
    Key::SdpAttr,
    Key::SetLabel,
    Key::ToInterface,
    Key::ToLabel,
    Key::ToTag,
    Key::Tos,
    Key::TransportProtocol,
    Key::XmlrpcCallback,
];

const SUBSCRIBE_ANSWER: &[Key] = &[
    Key::CallId,
    Key::DropTraffic,
    Key::EndpointLearning,
    Key::GenerateRtcp,
    Key::Osrtp,
    Key::ReceivedFrom,
    Key::Sdp,
    Key::ToTag,
    Key::Tos,
    Key::XmlrpcCallback,
];

/// Like [`SUBSCRIBE_REQUEST`], but there is no party to hear.
const CREATE: &[Key] = &[
    Key::AddressFamily,
    Key::CallId,
    Key::Codec,
    Key::Direction,
    Key::DropTraffic,
    Key::Dtls,
    Key::DtlsFingerprint,
    Key::EndpointLearning,
    Key::FromInterface,
    Key::FromTag,
    Key::GenerateRtcp,
    Key::Ice,
    Key::IceLite,
    Key::Interface,
    Key::Label,
    Key::MediaAddress,
    Key::MediaEcho,
    Key::Metadata,
    Key::Osrtp,
    Key::Ptime,
    Key::RtcpMux,
    Key::Sdes,
    Key::SdpAttr,
    Key::SetLabel,
    Key::ToInterface,
    Key::ToTag,
    Key::Tos,
    Key::TransportProtocol,
    Key::XmlrpcCallback,
];

/// What names parties in `block media` and the like.
const RESTRAIN: &[Key] = &[
    Key::Address,
    Key::All,
    Key::CallId,
    Key::FromTag,
    Key::FromTags,
    Key::Label,
    Key::SetLabel,
    Key::ToLabel,
    Key::ToTag,
];

/// Flags of an offer, an answer, and what is negotiated like one.
const EXCHANGE_FLAGS: &[Flag] = &[
    Flag::AllowNoCodecMedia,
    Flag::Asymmetric,
    Flag::BlockDtmf,
    Flag::BlockShort,
    Flag::Debug,
    Flag::Fragment,
    Flag::FullRtcpAttribute,
    Flag::GenerateMid,
    Flag::GenerateRtcp,
    Flag::LoopProtect,
    Flag::MediaHandover,
    Flag::NatWait,
    Flag::NoRtcpAttribute,
    Flag::NoTlsId,
    Flag::OriginalSendrecv,
    Flag::PadCrypto,
    Flag::PierceNat,
    Flag::ReuseCodecs,
    Flag::SipSourceAddress,
    Flag::StrictSource,
    Flag::StripExtmap,
    Flag::TrickleIce,
    Flag::TrustAddress,
    Flag::WebRtc,
];

const OFFER_FLAGS: &[Flag] =
    &[Flag::NoPortLatching, Flag::Recrypt, Flag::RejectIce, Flag::Reset, Flag::StaticCodecs];
const ANSWER_FLAGS: &[Flag] = &[Flag::AllowAsymmetricCodecs, Flag::SingleCodec];
const DELETE_FLAGS: &[Flag] = &[Flag::Fast, Flag::Fatal, Flag::ToTag];

const PUBLISH_FLAGS: &[Flag] = &[
    Flag::AllowNoCodecMedia,
    Flag::Asymmetric,
    Flag::BlockDtmf,
    Flag::BlockShort,
    Flag::Debug,
    Flag::FullRtcpAttribute,
    Flag::GenerateMid,
    Flag::GenerateRtcp,
    Flag::LoopProtect,
    Flag::MediaHandover,
    Flag::NatWait,
    Flag::NoPortLatching,
    Flag::NoRtcpAttribute,
    Flag::NoTlsId,
    Flag::PadCrypto,
    Flag::PierceNat,
    Flag::RejectIce,
    Flag::Reset,
    Flag::SipSourceAddress,
    Flag::StrictSource,
    Flag::StripExtmap,
    Flag::TrickleIce,
    Flag::TrustAddress,
    Flag::WebRtc,
];

const SUBSCRIBE_REQUEST_FLAGS: &[Flag] = &[
    Flag::All,
    Flag::AllowNoCodecMedia,
    Flag::Debug,
    Flag::Egress,
    Flag::FullRtcpAttribute,
    Flag::GenerateMid,
    Flag::GenerateRtcp,
    Flag::Inactive,
    Flag::LoopProtect,
    Flag::NoRtcpAttribute,
    Flag::NoTlsId,
    Flag::PadCrypto,
    Flag::RtcpMirror,
    Flag::Siprec,
    Flag::StaticCodecs,
    Flag::StripExtmap,
    Flag::TrickleIce,
    Flag::WebRtc,
];

const CREATE_FLAGS: &[Flag] = &[
    Flag::Debug,
    Flag::FullRtcpAttribute,
    Flag::GenerateMid,
    Flag::GenerateRtcp,
    Flag::Inactive,
    Flag::NoRtcpAttribute,
    Flag::NoTlsId,
    Flag::PadCrypto,
    Flag::TrickleIce,
    Flag::WebRtc,
];

const SUBSCRIBE_ANSWER_FLAGS: &[Flag] = &[
    Flag::AllowTranscoding,
    Flag::Asymmetric,
    Flag::BlockShort,
    Flag::Debug,
    Flag::GenerateRtcp,
    Flag::MediaHandover,
    Flag::NatWait,
    Flag::PierceNat,
    Flag::SipSourceAddress,
    Flag::StrictSource,
    Flag::TrustAddress,
];

const RESTRAIN_FLAGS: &[Flag] = &[Flag::All, Flag::Debug, Flag::Directional, Flag::Egress];

/// The lists of a command: keys and flags it acts upon, keys and flags it passes over.
struct Lists {
    keys: &'static [&'static [Key]],
    flags: &'static [&'static [Flag]],
    passed_keys: &'static [&'static [Key]],
    passed_flags: &'static [&'static [Flag]],
}

/// `None`: everything is taken for what the command may act upon.
const fn lists(command: Command) -> Option<Lists> {
    let lists = match command {
        Command::Offer => Lists {
            keys: &[EXCHANGE, OFFER],
            flags: &[EXCHANGE_FLAGS, OFFER_FLAGS],
            passed_keys: &[&[Key::DeleteDelay]],
            passed_flags: &[ANSWER_FLAGS, DELETE_FLAGS, &[Flag::AllowTranscoding]],
        },
        Command::Answer => Lists {
            keys: &[EXCHANGE],
            flags: &[EXCHANGE_FLAGS, ANSWER_FLAGS],
            passed_keys: &[OFFER, &[Key::DeleteDelay]],
            passed_flags: &[OFFER_FLAGS, DELETE_FLAGS, &[Flag::AllowTranscoding]],
        },
        // A proxy that manages calls with one string of flags says the same to all three.
        Command::Delete => Lists {
            keys: &[&[Key::CallId, Key::FromTag, Key::ToTag, Key::ViaBranch, Key::DeleteDelay]],
            flags: &[DELETE_FLAGS],
            passed_keys: &[EXCHANGE, OFFER],
            passed_flags: &[EXCHANGE_FLAGS, OFFER_FLAGS, ANSWER_FLAGS, &[Flag::AllowTranscoding]],
        },
        Command::Query => Lists {
            keys: &[&[Key::CallId, Key::FromTag, Key::ToTag]],
            flags: &[&[Flag::Debug]],
            passed_keys: &[],
            passed_flags: &[],
        },
        Command::List => Lists { keys: &[&[Key::Limit]], flags: &[], passed_keys: &[], passed_flags: &[] },
        Command::Ping | Command::Statistics => {
            Lists { keys: &[], flags: &[], passed_keys: &[], passed_flags: &[] }
        }
        Command::BlockMedia
        | Command::UnblockMedia
        | Command::SilenceMedia
        | Command::UnsilenceMedia
        | Command::BlockDtmf
        | Command::UnblockDtmf => {
            Lists { keys: &[RESTRAIN], flags: &[RESTRAIN_FLAGS], passed_keys: &[], passed_flags: &[] }
        }
        Command::StartForwarding | Command::StopForwarding => Lists {
            keys: &[&[Key::Address, Key::CallId, Key::FromTag, Key::FromTags, Key::Label]],
            flags: &[&[Flag::Debug, Flag::Directional]],
            passed_keys: &[RESTRAIN],
            passed_flags: &[RESTRAIN_FLAGS],
        },
        Command::Publish => {
            Lists { keys: &[PUBLISH], flags: &[PUBLISH_FLAGS], passed_keys: &[], passed_flags: &[] }
        }
        Command::SubscribeRequest => Lists {
            keys: &[SUBSCRIBE_REQUEST],
            flags: &[SUBSCRIBE_REQUEST_FLAGS],
            passed_keys: &[],
            passed_flags: &[&[Flag::Directional, Flag::AllowTranscoding, Flag::TrustAddress]],
        },
        Command::SubscribeAnswer => Lists {
            keys: &[SUBSCRIBE_ANSWER],
            flags: &[SUBSCRIBE_ANSWER_FLAGS],
            passed_keys: &[],
            passed_flags: &[],
        },
        Command::Unsubscribe => Lists {
            keys: &[&[Key::CallId, Key::ToTag]],
            flags: &[&[Flag::Debug]],
            passed_keys: &[],
            passed_flags: &[],
        },
        Command::Connect => Lists {
            keys: &[&[Key::CallId, Key::FromTag, Key::ToTag, Key::ToCallId]],
            flags: &[&[Flag::Debug]],
            passed_keys: &[],
            passed_flags: &[&[Flag::Directional]],
        },
        Command::Create => {
            Lists { keys: &[CREATE], flags: &[CREATE_FLAGS], passed_keys: &[], passed_flags: &[] }
        }
        Command::CreateAnswer => Lists {
            keys: &[SUBSCRIBE_ANSWER, &[Key::FromTag]],
            flags: &[SUBSCRIBE_ANSWER_FLAGS],
            passed_keys: &[],
            passed_flags: &[],
        },
        Command::Mesh => Lists {
            keys: &[&[Key::Address, Key::All, Key::CallId, Key::FromTag, Key::FromTags, Key::Label]],
            flags: &[&[Flag::All, Flag::Debug]],
            passed_keys: &[],
            passed_flags: &[&[Flag::Directional]],
        },
        Command::InjectStart | Command::InjectStop => Lists {
            keys: &[&[Key::CallId, Key::ToTag, Key::SourceTag]],
            flags: &[&[Flag::Debug]],
            passed_keys: &[],
            passed_flags: &[],
        },
        Command::StartRecording
        | Command::StopRecording
        | Command::PauseRecording
        | Command::PlayMedia
        | Command::StopMedia
        | Command::PlayDtmf
        | Command::Transform => return None,
    };
    Some(lists)
}

fn listed<T: PartialEq>(lists: &[&[T]], member: &T) -> bool {
    lists.iter().any(|list| list.contains(member))
}

/// What `command` does with `key`.
#[must_use]
pub fn of_key(command: Command, key: Key) -> Use {
    let Some(lists) = lists(command) else { return Use::Acts };
    if listed(lists.keys, &key) || matches!(key, Key::Command | Key::Template | Key::Flags) {
        Use::Acts
    } else if listed(lists.passed_keys, &key) || ADDED.contains(&key) {
        Use::PassesOver
    } else {
        Use::Refuses
    }
}

/// What `command` does with `flag`.
#[must_use]
pub fn of_flag(command: Command, flag: Flag) -> Use {
    let Some(lists) = lists(command) else { return Use::Acts };
    if listed(lists.flags, &flag) {
        Use::Acts
    } else if listed(lists.passed_flags, &flag) {
        Use::PassesOver
    } else {
        Use::Refuses
    }
}

/// What a request says itself, templates aside.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Said {
    pub(super) keys: NameSet<Key>,
    pub(super) flags: NameSet<Flag>,
    /// Members of `flags` of the form `direction=NAME`.
    pub(super) directions: u8,
}

impl Request {
    /// Names of what has no effect because another command would have to say it.
    pub(super) fn misplaced(&self) -> Vec<&'static str> {
        let refused = |status: Status, used: Use| status == Status::Built && used == Use::Refuses;
        let keys = Key::ALL
            .iter()
            .copied()
            .filter(|key| self.said.keys.has(*key) && refused(key.status(), of_key(self.command, *key)));
        let flags = Flag::ALL.iter().copied().filter(|flag| {
            self.said.flags.has(*flag) && refused(flag.status(), of_flag(self.command, *flag))
        });
        let mut names: Vec<&'static str> = keys.map(Key::name).collect();
        for name in flags.map(Flag::name) {
            if !names.contains(&name) {
                names.push(name);
            }
        }
        names
    }
}

#[cfg(test)]
mod tests;
