//! Scenarios of `tests/scenarios`: what parties write, what a proxy asks for, what the other party reads, and whether media
//! flows. The core plays them without sockets, the daemon with them; both read them here.
//!
//! `# TITLE` begins a scenario, `//` a comment. A line that begins with a word is a message: `WHO FLAGS {KEYS}`, with flags
//! as a proxy sends them in one string and further keys in JSON. Below it stand
//!
//! - `<` the lines of its body, separated by ` / `, without the lines of [`HEAD`] that come before its first one; `<<` is
//!   a body without any head;
//! - `>` the lines of the body in the reply, likewise, or `> ok` for a reply without one, or `> error: REASON`;
//! - `!` a warning, all of them, in order;
//! - `~` the media that flows afterwards: `~ A>B B>A`, `~ none`, or `~ untested: REASON`. Without it that follows from what
//!   the two bodies of an offer and its answer say.
//!
//! | WHO | message | writes | reads |
//! | --- | --- | --- | --- |
//! | `offer` | offer of A to B | A | B |
//! | `answer` | answer to it | B | A |
//! | `answer2` | answer of another callee to it | C | A |
//! | `back`, `reply` | offer of B to A, and its answer | B, A | A, B |
//! | `publish` | | A | A |
//! | `subscribe`, `accept`, `drop` | `subscribe request`, its answer, `unsubscribe` | D | D |
//! | `do COMMAND : FLAGS {KEYS}` | any other command | | |
//!
//! In bodies `KEY1`, `KEY2`... are keys of the parties and `FP1`... fingerprints of their certificates. In what is read, what
//! chance makes is a word: `PORT`, `KEY`, `FINGERPRINT`, `TLS-ID`, `UFRAG`, `PWD`, `MARK`,
//! `SESSION` and `OURS COMPONENT ADDRESS` of
//! a candidate. Ports of parties are 2000 to 5999. The short form of messages about codecs is described in [`short`].

pub mod expand;
mod parse;
pub mod short;

pub use expand::{Surroundings, expand, shown};
pub use parse::parse;
use serde_json::{Map, Value};
use std::path::Path;

/// What bodies begin with, unless they say otherwise; `ADDRESS` is the writer's, and the daemon's in what is read.
pub const HEAD: [&str; 5] = ["v=0", "o=- 7 1 IN IP4 ADDRESS", "s=x", "c=IN IP4 ADDRESS", "t=0 0"];
/// The daemon's address that is written unless something else is asked for.
pub const OURS: &str = "10.9.0.1";
/// Ports of parties, both inclusive.
pub const PARTY_PORTS: (u16, u16) = (2000, 5999);

/// Who takes part.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum Party {
    /// The caller, tag `ft`.
    A,
    /// The callee, tag `tt`.
    B,
    /// Another callee, tag `t2`.
    C,
    /// A subscriber, tag `rec`.
    D,
}

impl Party {
    /// All of them.
    pub const ALL: [Self; 4] = [Self::A, Self::B, Self::C, Self::D];

    /// Its tag.
    #[must_use]
    pub fn tag(self) -> &'static str {
        match self {
            Self::A => "ft",
            Self::B => "tt",
            Self::C => "t2",
            Self::D => "rec",
        }
    }

    /// Its address, unless its body says otherwise.
    #[must_use]
    pub fn address(self) -> &'static str {
        match self {
            Self::A => "192.0.2.1",
            Self::B => "192.0.2.2",
            Self::C => "192.0.2.3",
            Self::D => "192.0.2.4",
        }
    }

    /// Its first port in the short form.
    #[must_use]
    pub fn first_port(self) -> u16 {
        match self {
            Self::A => 2000,
            Self::B => 3000,
            Self::C => 4000,
            Self::D => 5000,
        }
    }

    /// The one called by this letter.
    #[must_use]
    pub fn find(letter: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|party| format!("{party:?}") == letter)
    }
}

/// What is sent, and what is to come of it.
#[derive(Clone, Debug)]
pub struct Step {
    /// Its line in the file.
    pub line: usize,
    /// The word it begins with.
    pub who: String,
    /// Who writes the body and who reads the reply's.
    pub parties: Option<(Party, Party)>,
    /// The request but for its body.
    pub request: Map<String, Value>,
    /// Lines of the body, with words for keys and fingerprints.
    pub body: Option<Vec<String>>,
    /// What comes back.
    pub expected: Expected,
    /// Warnings, all of them.
    pub warnings: Vec<String>,
    /// The media that flows then.
    pub media: Media,
}

/// A reply.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Expected {
    /// `ok` with a body, line by line as [`shown`] shows it.
    Body(Vec<String>),
    /// `ok` with a body of which only what is about codecs is compared ([`short::actual`]).
    Codecs(Vec<String>),
    /// `ok` without a body.
    Ok,
    /// An error that begins so.
    Error(String),
}

/// What flows after a message.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Media {
    /// What the bodies say.
    Derived,
    /// This and nothing else: from whom to whom.
    Only(Vec<(Party, Party)>),
    /// It is not looked at, and the scenario says why.
    Untested,
}

/// A call.
#[derive(Clone, Debug)]
pub struct Scenario {
    /// File and line.
    pub place: String,
    /// What it is about.
    pub title: String,
    /// What happens, in order.
    pub steps: Vec<Step>,
}

/// Reads all files of a folder and of those in it, in order of their names.
pub fn load(folder: &Path) -> Result<Vec<Scenario>, String> {
    let mut scenarios = Vec::new();
    let listing = std::fs::read_dir(folder).and_then(Iterator::collect::<Result<Vec<_>, _>>);
    let listing = listing.map_err(|error| format!("{}: {error}", folder.display()))?;
    let mut paths: Vec<_> = listing.into_iter().map(|entry| entry.path()).collect();
    paths.sort();
    for path in paths {
        if path.is_dir() {
            scenarios.extend(load(&path)?);
        } else if path.extension().is_some_and(|extension| extension == "txt") {
            let text =
                std::fs::read_to_string(&path).map_err(|error| format!("{}: {error}", path.display()))?;
            let file = path.file_name().unwrap_or_default().to_string_lossy();
            let within = folder.file_name().unwrap_or_default().to_string_lossy();
            scenarios.extend(parse(&format!("{within}/{file}"), &text)?);
        }
    }
    Ok(scenarios)
}

impl Step {
    /// Holds a reply to the expectation; what differs.
    pub fn check(
        &self,
        outcome: Result<Option<&str>, &str>,
        warnings: &str,
        surroundings: &Surroundings,
    ) -> Result<(), String> {
        let wanted_warnings = self.warnings.join("; ");
        if outcome.is_ok() && warnings != wanted_warnings {
            return Err(format!("warnings\n  got    {warnings}\n  wanted {wanted_warnings}"));
        }
        let differ = |got: &[String], wanted: &[String]| {
            format!("\n  got    {}\n  wanted {}", got.join(" / "), wanted.join(" / "))
        };
        match (&self.expected, outcome) {
            (Expected::Body(wanted), Ok(Some(body))) => {
                let got = shown(body, surroundings);
                if got == *wanted { Ok(()) } else { Err(differ(&got, wanted)) }
            }
            (Expected::Codecs(wanted), Ok(Some(body))) => {
                let got = short::actual(body);
                if got == *wanted { Ok(()) } else { Err(format!("{}\n{body}", differ(&got, wanted))) }
            }
            (Expected::Ok, Ok(None)) => Ok(()),
            (Expected::Error(wanted), Err(reason)) if reason.starts_with(wanted.as_str()) => Ok(()),
            (wanted, got) => Err(format!("\n  got    {got:?}\n  wanted {wanted:?}")),
        }
    }
}
