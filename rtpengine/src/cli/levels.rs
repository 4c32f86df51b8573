//! `list loglevels`, `list loglevel` and `set loglevel`.

use std::fmt::Write as _;

use crate::logging::{HIGHEST_LEVEL, LOWEST_LEVEL, LogLevels, Subsystem};

/// `list loglevels`: the subsystems and what they are.
#[must_use]
pub fn subsystems() -> String {
    Subsystem::ALL.iter().map(|one| format!("{} - {}\n", one.name(), description(*one))).collect()
}

/// Without the words that only `--help` needs.
fn description(subsystem: Subsystem) -> &'static str {
    let text = subsystem.description();
    text.strip_prefix("Log level: ").unwrap_or(text)
}

/// `list loglevel [SUBSYSTEM]`.
#[must_use]
pub fn levels(levels: &LogLevels, only: Option<&str>) -> String {
    let Some(word) = only else {
        return Subsystem::ALL.iter().fold(String::new(), |mut out, one| {
            // Writing to a String cannot fail.
            let _ = writeln!(out, "{} = {}", one.name(), levels.get(*one));
            out
        });
    };
    match Subsystem::from_name(word) {
        Some(one) => format!("{}\n", levels.get(one)),
        None => unknown(word),
    }
}

/// `set loglevel [SUBSYSTEM] N`; without a subsystem all of them.
#[must_use]
pub fn set(levels: &LogLevels, words: &[&str]) -> String {
    let (only, text) = match words {
        [text] => (None, *text),
        [word, text] => match Subsystem::from_name(word) {
            Some(one) => (Some(one), *text),
            None => return unknown(word),
        },
        _ => return "Syntax: set loglevel [SUBSYSTEM] LEVEL\n".to_owned(),
    };
    let Some(level) = text.parse::<i8>().ok().filter(|level| (LOWEST_LEVEL..=HIGHEST_LEVEL).contains(level))
    else {
        return format!("Invalid log level '{text}': allowed is {LOWEST_LEVEL} to {HIGHEST_LEVEL}\n");
    };
    match only {
        Some(one) => {
            levels.set(one, level);
        }
        None => {
            for one in Subsystem::ALL {
                levels.set(one, level);
            }
        }
    }
    format!("Success setting loglevel to {level}\n")
}

fn unknown(word: &str) -> String {
    format!("Unknown log subsystem '{word}': see `list loglevels`\n")
}
