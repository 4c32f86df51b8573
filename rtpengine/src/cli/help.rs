//! The commands of each level, in the order `help` lists them.

/// First words.
pub const TOP: &[&str] = &[
    "list",
    "terminate",
    "set",
    "get",
    "params",
    "ksadd",
    "ksrm",
    "kslist",
    "active",
    "standby",
    "debug",
    "call",
];

/// After `list` and `get`.
pub const LIST: &[&str] = &[
    "numsessions",
    "sessions",
    "totals",
    "counters",
    "maxopenfiles",
    "maxsessions",
    "maxcpu",
    "maxload",
    "maxbw",
    "timeout",
    "silenttimeout",
    "offertimeout",
    "finaltimeout",
    "loglevels",
    "loglevel",
    "redisallowederrors",
    "redisdisabletime",
    "redisconnecttimeout",
    "rediscmdtimeout",
    "controltos",
    "deletedelay",
    "interfaces",
    "jsonstats",
    "transcoders",
];

/// After `set`.
pub const SET: &[&str] = &[
    "maxopenfiles",
    "maxsessions",
    "maxcpu",
    "maxload",
    "maxbw",
    "timeout",
    "silenttimeout",
    "offertimeout",
    "finaltimeout",
    "loglevel",
    "redisallowederrors",
    "redisdisabletime",
    "redisdisable",
    "redisconnecttimeout",
    "rediscmdtimeout",
    "controltos",
    "deletedelay",
];

/// After `params`.
pub const PARAMS: &[&str] = &["start", "current", "diff", "revert"];

/// After `call CALLID`.
pub const CALL: &[&str] = &["info", "terminate", "debug", "tag"];

/// After `call CALLID tag TAG`.
pub const TAG: &[&str] = &["info", "delay", "detect-dtmf"];

/// The text for one level.
#[must_use]
pub fn level(commands: &[&str]) -> String {
    let mut out = String::from("Available sub-commands at this level:\n");
    for command in commands {
        out.push('\t');
        out.push_str(command);
        out.push('\n');
    }
    out
}

/// The text where further words are needed.
pub const MORE: &str = "More parameters required.\n";

/// The text for a word no level knows, or for a missing one.
#[must_use]
pub fn unknown(word: &str) -> String {
    format!("Unknown or incomplete command::{word}\n")
}

/// The text for a command of the original whose feature does not exist here.
#[must_use]
pub fn unavailable(command: &str) -> String {
    format!("Command not available in this build: {command}\n")
}
