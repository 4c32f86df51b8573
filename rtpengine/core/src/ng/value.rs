//! The dictionary model shared by the bencode and the JSON form of the ng protocol.

use std::borrow::Cow;

/// One value of an ng dictionary. Strings are bytes: bencode carries any, and SDP is not always UTF-8.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Value {
    /// An integer.
    Int(i64),
    /// A byte string, mostly UTF-8 text.
    Str(Vec<u8>),
    /// A list.
    List(Vec<Value>),
    /// A dictionary in the order of its keys' insertion.
    Dict(Dict),
}

impl Value {
    /// The text of a string value; `None` for other kinds and for bytes that are not UTF-8.
    #[must_use]
    pub fn as_str(&self) -> Option<&str> {
        self.as_bytes().and_then(|bytes| std::str::from_utf8(bytes).ok())
    }

    /// The bytes of a string value.
    #[must_use]
    pub fn as_bytes(&self) -> Option<&[u8]> {
        match self {
            Self::Str(bytes) => Some(bytes),
            Self::Int(_) | Self::List(_) | Self::Dict(_) => None,
        }
    }

    /// An integer, also when it was sent as a decimal string, as SIP proxies with string variables do.
    #[must_use]
    pub fn as_int(&self) -> Option<i64> {
        match self {
            Self::Int(number) => Some(*number),
            Self::Str(_) => self.as_str().and_then(|text| text.trim().parse().ok()),
            Self::List(_) | Self::Dict(_) => None,
        }
    }

    /// The elements of a list.
    #[must_use]
    pub fn as_list(&self) -> Option<&[Value]> {
        match self {
            Self::List(items) => Some(items),
            Self::Int(_) | Self::Str(_) | Self::Dict(_) => None,
        }
    }

    /// The dictionary.
    #[must_use]
    pub fn as_dict(&self) -> Option<&Dict> {
        match self {
            Self::Dict(dict) => Some(dict),
            Self::Int(_) | Self::Str(_) | Self::List(_) => None,
        }
    }
}

impl From<&str> for Value {
    fn from(text: &str) -> Self {
        Self::Str(text.as_bytes().to_vec())
    }
}

impl From<String> for Value {
    fn from(text: String) -> Self {
        Self::Str(text.into_bytes())
    }
}

impl From<Vec<u8>> for Value {
    fn from(bytes: Vec<u8>) -> Self {
        Self::Str(bytes)
    }
}

impl From<i64> for Value {
    fn from(number: i64) -> Self {
        Self::Int(number)
    }
}

impl From<u64> for Value {
    /// Saturates at the largest integer the protocol can carry.
    fn from(number: u64) -> Self {
        Self::Int(i64::try_from(number).unwrap_or(i64::MAX))
    }
}

impl From<u32> for Value {
    fn from(number: u32) -> Self {
        Self::Int(i64::from(number))
    }
}

impl From<u16> for Value {
    fn from(number: u16) -> Self {
        Self::Int(i64::from(number))
    }
}

impl From<Vec<Value>> for Value {
    fn from(items: Vec<Value>) -> Self {
        Self::List(items)
    }
}

impl From<Dict> for Value {
    fn from(dict: Dict) -> Self {
        Self::Dict(dict)
    }
}

/// A key of a [`Dict`]. Those we write ourselves are literals and cost nothing.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct DictKey(Cow<'static, [u8]>);

impl From<&'static str> for DictKey {
    fn from(key: &'static str) -> Self {
        Self(Cow::Borrowed(key.as_bytes()))
    }
}

impl From<String> for DictKey {
    fn from(key: String) -> Self {
        Self(Cow::Owned(key.into_bytes()))
    }
}

impl From<Vec<u8>> for DictKey {
    fn from(key: Vec<u8>) -> Self {
        Self(Cow::Owned(key))
    }
}

/// A dictionary that keeps the order its entries were added in.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Dict {
    entries: Vec<(DictKey, Value)>,
}

impl Dict {
    /// An empty dictionary with room for `entries`.
    #[must_use]
    pub fn with_capacity(entries: usize) -> Self {
        Self { entries: Vec::with_capacity(entries) }
    }

    /// An empty dictionary.
    #[must_use]
    pub fn new() -> Self {
        Self::default()
    }

    /// The value of `key`; the first one where a peer repeated the key.
    #[must_use]
    pub fn get(&self, key: &str) -> Option<&Value> {
        self.entries.iter().find(|(name, _)| *name.0 == *key.as_bytes()).map(|(_, value)| value)
    }

    /// Appends an entry. A key that is there already is not looked for: builders use distinct keys, parsers keep repeats.
    pub fn push(&mut self, key: impl Into<DictKey>, value: impl Into<Value>) {
        self.entries.push((key.into(), value.into()));
    }

    /// [`Dict::push`] for chains.
    #[must_use]
    pub fn with(mut self, key: impl Into<DictKey>, value: impl Into<Value>) -> Self {
        self.push(key, value);
        self
    }

    /// Appends all entries of `other`.
    pub fn extend(&mut self, other: Dict) {
        self.entries.extend(other.entries);
    }

    /// The entries in order.
    pub fn iter(&self) -> impl ExactSizeIterator<Item = (&[u8], &Value)> {
        self.entries.iter().map(|(key, value)| (&*key.0, value))
    }

    /// The number of entries.
    #[must_use]
    pub fn len(&self) -> usize {
        self.entries.len()
    }

    /// `true` without entries.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.entries.is_empty()
    }
}

impl<K: Into<DictKey>, V: Into<Value>> FromIterator<(K, V)> for Dict {
    fn from_iter<I: IntoIterator<Item = (K, V)>>(entries: I) -> Self {
        Self { entries: entries.into_iter().map(|(key, value)| (key.into(), value.into())).collect() }
    }
}
