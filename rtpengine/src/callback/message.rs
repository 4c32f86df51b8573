//! What the SIP server is told, in the words of its kind.

use dxr::{MethodCall, Value};
use rtpengine_core::io::TimedOut;

/// `--xmlrpc-format`.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Format {
    /// 0, SEMS: `di` has the module `sbc` tear down the leg of each tag.
    #[default]
    Sems,
    /// 1: `teardown` with the Call-ID.
    CallId,
    /// 2, Kamailio: `dlg.terminate_dlg` with Call-ID and both tags, for each dialogue.
    Kamailio,
}

impl Format {
    /// By its number.
    #[must_use]
    pub const fn of(number: i64) -> Option<Self> {
        match number {
            0 => Some(Self::Sems),
            1 => Some(Self::CallId),
            2 => Some(Self::Kamailio),
            _ => None,
        }
    }

    /// The messages about a call, as XML.
    #[must_use]
    pub fn messages(self, call: &TimedOut) -> Vec<String> {
        let calls: Vec<(&str, Vec<&str>)> = match self {
            Self::Sems => {
                let parties = call.tags.iter();
                parties.map(|tag| ("di", vec!["sbc", "postControlCmd", tag, "teardown"])).collect()
            }
            Self::CallId => vec![("teardown", vec![&call.call])],
            Self::Kamailio => {
                let dialogues = call.dialogues.iter();
                dialogues.map(|(from, to)| ("dlg.terminate_dlg", vec![&*call.call, from, to])).collect()
            }
        };
        calls.into_iter().filter_map(|(name, params)| xml(name, &params)).collect()
    }
}

/// `None` never comes of strings.
fn xml(name: &str, params: &[&str]) -> Option<String> {
    let params = params.iter().map(|param| Value::String(printable(param))).collect();
    let call = MethodCall { name: name.into(), params }.to_xml().ok()?;
    Some(format!("<?xml version=\"1.0\" encoding=\"UTF-8\"?>\r\n{call}"))
}

/// XML has no way to write control characters (XML 1.0 section 2.2); no Call-ID or tag has any (RFC 3261 section 25.1).
fn printable(text: &str) -> String {
    text.chars()
        .filter(|character| !character.is_control() && !matches!(character, '\u{fffe}' | '\u{ffff}'))
        .collect()
}
