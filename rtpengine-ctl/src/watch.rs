//! `watch`: repeats a command on a cleared screen.

use std::io::{IsTerminal as _, Write as _};
use std::time::Duration;

use clap::Parser as _;

use crate::Failure;
use crate::args::{Arguments, Verb};

/// Cursor home, then everything below cleared after the text: no flicker.
const HOME: &str = "\x1b[H";
const CLEAR_LINE: &str = "\x1b[K";
const CLEAR_REST: &str = "\x1b[J";

/// Runs the watched command once.
pub fn run_once(arguments: &Arguments, words: &[String]) -> Result<String, Failure> {
    let all = std::iter::once("rtpengine-ctl".to_owned()).chain(words.iter().cloned());
    let mut inner = Arguments::try_parse_from(all).map_err(|error| Failure::Refused(error.to_string()))?;
    if matches!(inner.verb, Verb::Watch { .. }) {
        return Err(Failure::Refused("watch cannot watch itself".to_owned()));
    }
    inner.ip = inner.ip.or_else(|| arguments.ip.clone());
    inner.port = inner.port.or(arguments.port);
    inner.json |= arguments.json;
    inner.plain |= arguments.plain;
    inner.config_file.clone_from(&arguments.config_file);
    inner.config_section.clone_from(&arguments.config_section);
    crate::run(&inner)
}

/// Repeats until interrupted or standard output is closed. Failures are shown and tried again: a daemon may restart.
pub fn run(arguments: &Arguments, interval: u64, words: &[String]) -> Result<String, Failure> {
    let terminal = std::io::stdout().is_terminal();
    loop {
        let text = match run_once(arguments, words) {
            Ok(text) => text,
            Err(failure @ Failure::Refused(_)) => return Err(failure),
            Err(failure) => format!("{}\n", failure.text()),
        };
        let mut out = std::io::stdout().lock();
        if terminal {
            let body = text.replace('\n', &format!("{CLEAR_LINE}\n"));
            write!(
                out,
                "{HOME}every {interval} s: {}{CLEAR_LINE}\n{CLEAR_LINE}\n{body}{CLEAR_REST}",
                words.join(" ")
            )?;
        } else {
            writeln!(out, "{text}")?;
        }
        out.flush()?;
        drop(out);
        std::thread::sleep(Duration::from_secs(interval));
    }
}
