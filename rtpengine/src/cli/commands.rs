//! From a command line to its answer.

use serde_json::{Value, json};

use super::backend::CliBackend;
use super::model::{CallDetail, CallSummary, Selection, TagDetail};
use super::params::{self, Start};
use super::settings::{self, Name};
use super::{dtls, help, json as machine, levels, limits, text, totals};
use crate::logging::{LogLevels, Subsystem};

/// The command line of one daemon.
pub struct Cli<B> {
    backend: B,
    levels: LogLevels,
    start: Start,
}

/// Calls one text line and one JSON value is made for.
enum Found {
    Call(Box<CallDetail>),
    Tag(Box<TagDetail>),
}

impl<B: CliBackend> Cli<B> {
    /// A command line over `backend`; `start` is what `params revert` goes back to.
    #[must_use]
    pub fn new(backend: B, levels: LogLevels, start: Start) -> Self {
        Self { backend, levels, start }
    }

    /// The answer to one line.
    pub async fn run(&self, line: &str) -> String {
        let words: Vec<&str> = line.split_whitespace().collect();
        match words.split_first() {
            None => help::unknown(""),
            Some((&"json", rest)) => self.machine(rest).await,
            Some((first, rest)) => self.text(first, rest).await,
        }
    }

    async fn text(&self, first: &str, rest: &[&str]) -> String {
        match (first, rest) {
            ("help", _) => help::level(help::TOP),
            ("list" | "get", ["help", ..]) => help::level(help::LIST),
            ("set", ["help"]) => help::level(help::SET),
            ("params", ["help", ..]) => help::level(help::PARAMS),
            ("call", [_, "help"]) => help::level(help::CALL),
            ("call", [_, "tag", _, "help"]) => help::level(help::TAG),
            ("list" | "get" | "set" | "params" | "terminate" | "call", []) => help::MORE.to_owned(),
            ("list" | "get", [what, rest @ ..]) => self.list(what, rest).await,
            ("set", [what, rest @ ..]) => self.set(what, rest).await,
            ("terminate", [which, ..]) => self.terminate(which).await,
            ("params", [what, ..]) => self.params(what).await,
            ("debug", []) => "No call ID specified\n".to_owned(),
            ("debug", [call_id, rest @ ..]) => self.debug(call_id, rest.first().copied()).await,
            ("call", [call_id, rest @ ..]) => self.call(call_id, rest).await,
            ("ksadd" | "ksrm" | "kslist" | "active" | "standby", _) => help::unavailable(first),
            _ => help::unknown(&[&[first], rest].concat().join(" ")),
        }
    }

    async fn list(&self, what: &str, rest: &[&str]) -> String {
        if let Some(name) = Name::find(what) {
            return name.line(&self.backend.settings().await);
        }
        match what {
            "numsessions" => text::numsessions(&self.backend.statistics().await.current),
            // The original wants a further word here.
            "sessions" => self.sessions(rest.first().copied().unwrap_or("all")).await,
            "totals" => totals::totals(&self.backend.statistics().await),
            "counters" => totals::counters(&self.backend.statistics().await.current),
            "interfaces" => text::interfaces(&self.backend.statistics().await.interfaces),
            "dtls" => dtls::text(&self.backend.dtls().await),
            "jsonstats" => self.backend.statistics().await.to_json(),
            "transcoders" => "No stats entries\n".to_owned(),
            "loglevels" => levels::subsystems(),
            "loglevel" => levels::levels(&self.levels, rest.first().copied()),
            "maxopenfiles" => limits::open_files(),
            known if help::LIST.contains(&known) => help::unavailable(&format!("list {known}")),
            unknown => help::unknown(unknown),
        }
    }

    async fn sessions(&self, which: &str) -> String {
        let (selection, none) = match which {
            "all" => (Selection::All, "No sessions on this media relay.\n"),
            "own" => (Selection::Own, "No own sessions on this media relay.\n"),
            "foreign" => (Selection::Foreign, "No foreign sessions on this media relay.\n"),
            call_id => {
                return match self.backend.call(call_id.to_owned()).await {
                    Some(call) => text::call(&call),
                    None => format!("\nCall ID not found ({call_id}).\n\n"),
                };
            }
        };
        let calls = self.backend.calls(selection).await;
        if calls.is_empty() { none.to_owned() } else { calls.iter().map(text::session_line).collect() }
    }

    async fn set(&self, what: &str, rest: &[&str]) -> String {
        if !help::SET.contains(&what) {
            return help::unknown(&[&[what], rest].concat().join(" "));
        }
        let Some(value) = rest.first() else { return help::MORE.to_owned() };
        if let Some(name) = Name::find(what) {
            let result = match name.change(value) {
                Ok(change) => self.backend.set(change).await,
                Err(allowed) => Err(format!("allowed is {allowed}")),
            };
            return match result {
                Ok(()) => format!("Success setting {} to {value}\n", name.answer()),
                Err(reason) => format!("Fail setting {} to {value}; {reason}\n", name.answer()),
            };
        }
        match what {
            "loglevel" => levels::set(&self.levels, rest),
            "maxopenfiles" => limits::set_open_files(value),
            _ => help::unavailable(&format!("set {what}")),
        }
    }

    async fn terminate(&self, which: &str) -> String {
        let (selection, done) = match which {
            "all" => (Selection::All, "All calls terminated by operator.\n"),
            "own" => (Selection::Own, "All own calls terminated by operator.\n"),
            "foreign" => (Selection::Foreign, "All foreign calls terminated by operator.\n"),
            call_id => {
                return match self.backend.terminate(Selection::Call(call_id.to_owned())).await {
                    0 => format!("\nCall Id not found ({call_id}).\n\n"),
                    _ => format!("\nCall Id ({call_id}) successfully terminated by operator.\n\n"),
                };
            }
        };
        self.backend.terminate(selection).await;
        done.to_owned()
    }

    async fn params(&self, what: &str) -> String {
        match what {
            "start" => self.start.text(),
            "current" => self.start.text_now(&self.backend.settings().await, &self.levels),
            "diff" => self.start.differences(&self.backend.settings().await, &self.levels),
            "revert" => self.revert().await,
            unknown => help::unknown(unknown),
        }
    }

    /// Prints nothing on success, as the original does.
    async fn revert(&self) -> String {
        for (subsystem, level) in &self.start.levels {
            if self.levels.get(*subsystem) != *level {
                self.levels.set(*subsystem, *level);
            }
        }
        let mut failures = String::new();
        for change in settings::changes(&self.backend.settings().await, &self.start.settings) {
            if let Err(reason) = self.backend.set(change).await {
                failures.push_str(&format!("Fail reverting {change:?}; {reason}\n"));
            }
        }
        failures
    }

    async fn debug(&self, call_id: &str, flag: Option<&str>) -> String {
        let enabled = match flag {
            None | Some("on" | "yes" | "enable") => true,
            Some("off" | "no" | "disable") => false,
            Some(other) => return format!("Invalid on/off flag ('{other}') specified\n"),
        };
        if !self.backend.set_debug(call_id.to_owned(), enabled).await {
            return no_call(call_id);
        }
        format!("{} debugging for call '{call_id}'\n", if enabled { "Enabled" } else { "Disabled" })
    }

    async fn call(&self, call_id: &str, rest: &[&str]) -> String {
        match rest {
            ["terminate", ..] => match self.backend.terminate(Selection::Call(call_id.to_owned())).await {
                0 => no_call(call_id),
                _ => format!("\nCall Id ({call_id}) successfully terminated by operator.\n\n"),
            },
            ["debug", rest @ ..] => self.debug(call_id, rest.first().copied()).await,
            _ => match self.find(call_id, rest).await {
                Ok(Found::Call(call)) => text::call(&call),
                Ok(Found::Tag(tag)) => text::tag(&tag),
                Err(text) => text,
            },
        }
    }

    /// What `call CALLID info` or `call CALLID tag TAG info` is about.
    async fn find(&self, call_id: &str, rest: &[&str]) -> Result<Found, String> {
        let Some(call) = self.backend.call(call_id.to_owned()).await else { return Err(no_call(call_id)) };
        match rest {
            ["info", ..] => Ok(Found::Call(Box::new(call))),
            ["tag"] => Err(help::MORE.to_owned()),
            ["tag", tag, rest @ ..] => {
                let found = call.tags.into_iter().find(|one| one.tag == *tag);
                let found = found.ok_or_else(|| format!("No such tag '{tag}'\n"))?;
                match rest {
                    ["info", ..] => Ok(Found::Tag(Box::new(found))),
                    ["delay" | "detect-dtmf", ..] => {
                        Err(help::unavailable(&format!("call CALLID tag TAG {}", rest.join(" "))))
                    }
                    _ => Err(help::unknown(&rest.join(" "))),
                }
            }
            _ => Err(help::unknown(&rest.join(" "))),
        }
    }

    /// `json COMMAND`. Commands without a JSON form of their own carry their text line by line.
    async fn machine(&self, words: &[&str]) -> String {
        let (first, rest) = words.split_first().map_or(("help", words), |(first, rest)| (*first, rest));
        let value = match (first, rest) {
            ("list" | "get", ["numsessions", ..]) => {
                machine::numsessions(&self.backend.statistics().await.current)
            }
            ("list" | "get", ["counters", ..]) => machine::counters(&self.backend.statistics().await.current),
            ("list" | "get", ["interfaces", ..]) => {
                machine::interfaces(&self.backend.statistics().await.interfaces)
            }
            ("list" | "get", ["totals" | "jsonstats", ..]) => {
                return self.backend.statistics().await.to_json() + "\n";
            }
            ("list" | "get", ["dtls", ..]) => dtls::json(&self.backend.dtls().await),
            ("list" | "get", ["sessions"]) => self.summaries(Selection::All).await,
            ("list" | "get", ["sessions", which, ..]) => match *which {
                "all" => self.summaries(Selection::All).await,
                "own" => self.summaries(Selection::Own).await,
                "foreign" => self.summaries(Selection::Foreign).await,
                call_id => match self.backend.call(call_id.to_owned()).await {
                    Some(call) => machine::call(&call),
                    None => return machine::error(&no_call(call_id)),
                },
            },
            ("list" | "get", ["loglevel"]) => Subsystem::ALL
                .iter()
                .map(|one| (one.name().to_owned(), json!(self.levels.get(*one))))
                .collect(),
            ("list" | "get", [what, ..]) if Name::find(what).is_some() => {
                let settings = self.backend.settings().await;
                Name::ALL
                    .iter()
                    .filter(|name| name.word() == *what)
                    .map(|name| (name.word().to_owned(), number(&name.value(&settings))))
                    .collect()
            }
            ("call", [call_id, rest @ ..])
                if rest.first().is_none_or(|word| matches!(*word, "info" | "tag")) =>
            {
                let rest = if rest.is_empty() { &["info"] } else { rest };
                match self.find(call_id, rest).await {
                    Ok(Found::Call(call)) => machine::call(&call),
                    Ok(Found::Tag(tag)) => machine::tag(&tag),
                    Err(text) => return machine::error(&text),
                }
            }
            ("params", ["current" | "start", ..]) => {
                let settings = self.backend.settings().await;
                let entries = if rest.first() == Some(&"start") {
                    self.start.entries(&self.start.settings, &self.start.levels)
                } else {
                    self.start.entries(&settings, &params::current(&self.levels))
                };
                // Listener options repeat, so this is a list of pairs.
                entries.iter().map(|(name, value)| json!({ "name": name, "value": value.trim() })).collect()
            }
            _ => {
                let text = self.text(first, rest).await;
                if is_failure(&text) {
                    return machine::error(&text);
                }
                json!({ "text": text.lines().collect::<Vec<_>>() })
            }
        };
        machine::document(&value)
    }

    async fn summaries(&self, selection: Selection) -> Value {
        self.backend.calls(selection).await.iter().map(|call: &CallSummary| machine::summary(call)).collect()
    }
}

fn no_call(call_id: &str) -> String {
    format!("No such call '{call_id}'\n")
}

/// A JSON number where the text is one.
fn number(text: &str) -> Value {
    text.parse::<i64>().map_or_else(|_| json!(text), |number| json!(number))
}

/// Beginnings of all answers that mean failure. `rtpengine-ctl` knows them too, for its exit status.
pub const FAILURES: &[&str] = &[
    "Unknown or incomplete command",
    "More parameters required",
    "Command not available",
    "Fail ",
    "Invalid ",
    "No such ",
    "No call ID specified",
    "Unknown log subsystem",
    "Syntax: ",
    "\nCall ID not found",
    "\nCall Id not found",
];

/// Whether an answer means that the command failed.
#[must_use]
pub fn is_failure(answer: &str) -> bool {
    FAILURES.iter().any(|beginning| answer.starts_with(beginning))
}
