//! What a request says about codecs: the lists of the key `codec`.

use super::spec::CodecSpec;
use crate::ng::spelling;

/// One of the lists.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum CodecList {
    /// `accept`: kept for the offerer though the answerer refuses it.
    Accept,
    /// `consume`: as `mask`, and transcoding is wanted in any case.
    Consume,
    /// `except`: what `all` and `full` leave.
    Except,
    /// `ignore`: as `strip`.
    Ignore,
    /// `mask`: hidden from the receiver of the offer.
    Mask,
    /// `offer`: as `except`, in this order.
    Offer,
    /// `set`: parameters for an encoder.
    Set,
    /// `strip`: as if it had not been in the body.
    Strip,
    /// `transcode`: as `offer`, and added where it is missing.
    Transcode,
}

impl CodecList {
    /// All of them.
    pub const ALL: [Self; 9] = [
        Self::Accept,
        Self::Consume,
        Self::Except,
        Self::Ignore,
        Self::Mask,
        Self::Offer,
        Self::Set,
        Self::Strip,
        Self::Transcode,
    ];

    /// The key in the dictionary.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::Accept => "accept",
            Self::Consume => "consume",
            Self::Except => "except",
            Self::Ignore => "ignore",
            Self::Mask => "mask",
            Self::Offer => "offer",
            Self::Set => "set",
            Self::Strip => "strip",
            Self::Transcode => "transcode",
        }
    }

    /// The list called `name`.
    #[must_use]
    pub fn find(name: &[u8]) -> Option<Self> {
        Self::ALL.into_iter().find(|list| spelling::same(list.name().as_bytes(), name))
    }

    /// The list that `text` begins with, as in `strip-PCMA`, and what follows.
    #[must_use]
    pub fn split(text: &[u8]) -> Option<(Self, &[u8])> {
        Self::ALL.into_iter().find_map(|list| {
            let rest = spelling::strip_prefix(text, list.name())?;
            let rest = rest.strip_prefix(b"-").or_else(|| rest.strip_prefix(b"_"))?;
            Some((list, rest))
        })
    }
}

/// The lists of one request.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct CodecOptions {
    members: Vec<(CodecList, CodecSpec)>,
}

/// Members kept per request: more than any proxy lists, few enough to look at for every codec of a body.
const MAX_MEMBERS: usize = 256;

impl CodecOptions {
    /// Adds a member. `false`: `text` names no codec, or there are too many.
    pub fn add(&mut self, list: CodecList, text: &str) -> bool {
        let spec = CodecSpec::parse(text).filter(|_| self.members.len() < MAX_MEMBERS);
        let added = spec.is_some();
        self.members.extend(spec.map(|spec| (list, spec)));
        added
    }

    /// The same without one list.
    #[must_use]
    pub fn without(&self, list: CodecList) -> Self {
        Self { members: self.members.iter().filter(|(known, _)| *known != list).cloned().collect() }
    }

    /// Whether nothing is asked for.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.members.is_empty()
    }

    /// The members of one list, as sent.
    pub fn of(&self, list: CodecList) -> impl Iterator<Item = &CodecSpec> + Clone {
        self.members.iter().filter(move |(known, _)| *known == list).map(|(_, spec)| spec)
    }

    /// The members of several lists.
    pub(super) fn of_any(&self, lists: &'static [CodecList]) -> impl Iterator<Item = &CodecSpec> + Clone {
        self.members.iter().filter(|(known, _)| lists.contains(known)).map(|(_, spec)| spec)
    }
}
