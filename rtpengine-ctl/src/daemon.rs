//! Commands the daemon carries out.

use std::io::IsTerminal as _;

use serde_json::Value;

use crate::args::Arguments;
use crate::{Failure, client, render};

/// Beginnings of the daemon's answers that mean failure.
const FAILURES: &[&str] = &[
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

/// Runs a command: JSON where asked for, a table on a terminal, the daemon's own text everywhere else.
pub fn run(arguments: &Arguments, words: &[String]) -> Result<String, Failure> {
    // Options after the first word of the daemon's command are not clap's.
    let json = arguments.json || words.iter().any(|word| word == "--json");
    let words: Vec<&str> = words.iter().map(String::as_str).filter(|word| *word != "--json").collect();
    let command = words.join(" ");
    if command.chars().any(char::is_control) {
        return Err(Failure::Refused("a command is one line of text".to_owned()));
    }
    let address = client::address(arguments).map_err(Failure::Unreachable)?;
    let ask = |command: &str| client::ask(address, command).map_err(Failure::Unreachable);
    if json {
        let answer = ask(&format!("json {command}"))?;
        return match serde_json::from_str::<Value>(&answer) {
            Ok(Value::Object(object)) if object.contains_key("error") => {
                let text = object.get("error").and_then(Value::as_str).unwrap_or_default();
                Err(Failure::Refused(text.to_owned()))
            }
            Ok(_) => Ok(answer),
            Err(_) => {
                Err(Failure::Refused("this daemon does not answer in JSON; leave --json out".to_owned()))
            }
        };
    }
    if !arguments.plain
        && std::io::stdout().is_terminal()
        && let Some(kind) = render::Kind::of(&words)
        && let Ok(value) = serde_json::from_str::<Value>(&ask(&format!("json {command}"))?)
        && let Some(table) = render::table(kind, &value)
    {
        return Ok(table);
    }
    let answer = ask(&command)?;
    if FAILURES.iter().any(|beginning| answer.starts_with(beginning)) {
        Err(Failure::Refused(answer))
    } else {
        Ok(answer)
    }
}
