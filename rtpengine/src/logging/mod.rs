//! Logging: `tracing` events to syslog or stderr, in the formats of the manual page.

mod subsystem;

pub use subsystem::Subsystem;

/// Level that switches a subsystem off.
pub const LOWEST_LEVEL: i8 = -1;
/// Default of `--log-level`: LOG_INFO.
pub const DEFAULT_LEVEL: i8 = 6;
/// One more than LOG_DEBUG: one message per packet.
pub const HIGHEST_LEVEL: i8 = 8;

/// `--log-format`.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Format {
    /// `[CALLID port 12345]`.
    #[default]
    Default,
    /// `[ID="CALLID" port="12345"]`.
    Parsable,
}

/// A syslog facility, as the code of RFC 3164 4.1.1.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Facility(pub u8);

impl Default for Facility {
    /// `daemon`.
    fn default() -> Self {
        Self(3)
    }
}

impl Facility {
    /// The names `--log-facility` takes.
    pub const NAMES: [(&'static str, Self); 20] = [
        ("daemon", Self(3)),
        ("auth", Self(4)),
        ("authpriv", Self(10)),
        ("cron", Self(9)),
        ("ftp", Self(11)),
        ("kern", Self(0)),
        ("lpr", Self(6)),
        ("mail", Self(2)),
        ("news", Self(7)),
        ("syslog", Self(5)),
        ("user", Self(1)),
        ("uucp", Self(8)),
        ("local0", Self(16)),
        ("local1", Self(17)),
        ("local2", Self(18)),
        ("local3", Self(19)),
        ("local4", Self(20)),
        ("local5", Self(21)),
        ("local6", Self(22)),
        ("local7", Self(23)),
    ];
}

/// `--max-log-line-length`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum LineLength {
    /// 500 for syslog, unlimited for stderr.
    Automatic,
    /// Never split.
    Unlimited,
    /// Split after so many characters.
    Characters(usize),
}

/// Everything about logging the daemon is told at its start.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Settings {
    /// `--log-level`.
    pub level: i8,
    /// `--log-level-SUBSYSTEM` where given or different by default.
    pub levels: Vec<(Subsystem, i8)>,
    /// Log to stderr instead of syslog.
    pub stderr: bool,
    /// `--foreground`: stderr is there for when syslog is not.
    pub foreground: bool,
    /// `--log-facility`.
    pub facility: Facility,
    /// `--log-format`.
    pub format: Format,
    /// `--split-logs`.
    pub split: bool,
    /// `--max-log-line-length`.
    pub line_length: LineLength,
    /// Timestamps on stderr.
    pub timestamps: bool,
    /// `--log-name`.
    pub name: String,
    /// `--log-mark-prefix`.
    pub mark_prefix: String,
    /// `--log-mark-suffix`.
    pub mark_suffix: String,
}
