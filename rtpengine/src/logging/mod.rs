//! Logging: `tracing` events to syslog or stderr, in the formats of the manual page.
//!
//! Conventions for whoever logs:
//! - `target:` is the name of a [`Subsystem`].
//! - The fields `call` and `port`, of the event or of a span around it, become the prefix `[CALLID port 12345]`.
//! - A field whose name starts with `private.` holds private data: the mark prefix and suffix are put around
//!   its value and the `private.` is dropped. Inside a message, [`Marked`] does the same. Call-ids are marked.
//! - Events of the target `rtcp-data` go to the facility of `--log-facility-rtcp` alone, those of `cdr-data` to the one of
//!   `--log-facility-cdr`, whatever the levels are.
//! - Other fields follow the message as `name=value`.
//! - Control characters are escaped everywhere but for line breaks of the message itself.

mod clock;
mod escape;
mod layer;
mod levels;
mod line;
mod mark;
mod sink;
mod subsystem;

pub use levels::LogLevels;
pub use mark::Marked;
pub use subsystem::Subsystem;

use tracing_subscriber::layer::SubscriberExt;

use layer::LogLayer;
use line::Style;
use mark::Marks;
use sink::{Sink, Syslog};

/// Level that switches a subsystem off.
pub const LOWEST_LEVEL: i8 = -1;
/// Default of `--log-level`: LOG_INFO.
pub const DEFAULT_LEVEL: i8 = 6;
/// One more than LOG_DEBUG: one message per packet.
pub const HIGHEST_LEVEL: i8 = 8;

/// Target of events that hold the contents of RTCP.
const RTCP_DATA: &str = "rtcp-data";
/// Target of events that are records of calls: written as they are, in one piece.
const CDR_DATA: &str = "cdr-data";

/// Characters of a line in syslog unless `--max-log-line-length` says otherwise.
const SYSLOG_LINE_LENGTH: usize = 500;

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
    /// `--log-facility-rtcp`: where the contents of RTCP go, to syslog in any case.
    pub rtcp_facility: Option<Facility>,
    /// `--log-facility-cdr`: where the records of calls go, to syslog in any case.
    pub cdr_facility: Option<Facility>,
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

/// Why logging cannot start.
#[derive(Debug, thiserror::Error)]
pub enum LoggingError {
    /// A second call of [`init`].
    #[error("logging was started twice in one process")]
    Twice,
}

/// Starts logging for the whole process and returns the handle that changes levels at run time.
///
/// # Errors
/// When it was started before.
pub fn init(settings: &Settings) -> Result<LogLevels, LoggingError> {
    let syslog = Syslog::new(sink::SYSLOG_SOCKET, settings.facility, &settings.name);
    let sink = if settings.stderr {
        Sink::Stderr { timestamps: settings.timestamps }
    } else if settings.foreground && !syslog.is_reachable() {
        eprintln!("{}: no syslog at {}: logging to stderr", settings.name, sink::SYSLOG_SOCKET);
        Sink::Stderr { timestamps: settings.timestamps }
    } else {
        Sink::Syslog(syslog)
    };
    let limit = match settings.line_length {
        LineLength::Automatic => matches!(sink, Sink::Syslog(_)).then_some(SYSLOG_LINE_LENGTH),
        LineLength::Unlimited => None,
        LineLength::Characters(characters) => Some(characters),
    };
    let marks = Marks { prefix: settings.mark_prefix.clone(), suffix: settings.mark_suffix.clone() };
    let style = Style { format: settings.format, split: settings.split, limit, marks: marks.clone() };
    let levels = LogLevels::new(settings.level, &settings.levels);
    let own = |facility: Option<Facility>| {
        facility.map(|facility| Sink::Syslog(Syslog::new(sink::SYSLOG_SOCKET, facility, &settings.name)))
    };
    let layer = LogLayer::new(levels.clone(), style, sink)
        .with_rtcp(own(settings.rtcp_facility))
        .with_cdr(own(settings.cdr_facility));
    mark::set(marks);
    tracing::subscriber::set_global_default(tracing_subscriber::registry().with(layer))
        .map_err(|_| LoggingError::Twice)?;
    Ok(levels)
}
