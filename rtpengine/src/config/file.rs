//! The `.ini` configuration file.

use std::path::{Path, PathBuf};

use ini::{Ini, ParseOption};

use super::ConfigError;
use super::options::{self, Kind, OptionSpec};
use super::settings::{Given, Origin, Settings};
use super::unavailable;

/// Read when `--config-file` is not given; it need not exist.
pub const DEFAULT_FILE: &str = "/etc/rtpengine/rtpengine.conf";

/// Adds what the file says to `settings`, except for options that are already there.
///
/// # Errors
/// Unreadable or malformed file, missing section, unknown, repeated or unavailable key, bad boolean.
/// A missing file is an error only if `explicit`.
pub fn read(path: &Path, section: &str, explicit: bool, settings: &mut Settings) -> Result<(), ConfigError> {
    let text = match std::fs::read_to_string(path) {
        Ok(text) => text,
        Err(error) if error.kind() == std::io::ErrorKind::NotFound && !explicit => return Ok(()),
        Err(source) => return Err(ConfigError::FileRead { path: path.to_owned(), source }),
    };
    parse(&text, path, section, settings)
}

/// [`read`] on a text at hand.
pub(super) fn parse(
    text: &str,
    path: &Path,
    section: &str,
    settings: &mut Settings,
) -> Result<(), ConfigError> {
    // Backslashes, quotes and percent signs are ordinary characters of the values.
    let plain = ParseOption { enabled_quote: false, enabled_escape: false, ..ParseOption::default() };
    let ini = Ini::load_from_str_opt(&without_indented_comments(text), plain).map_err(|error| {
        ConfigError::FileSyntax { path: path.to_owned(), line: error.line, message: error.msg.into_owned() }
    })?;
    let mut parts = ini.section_all(Some(section)).peekable();
    if parts.peek().is_none() {
        let found: Vec<String> = ini.sections().flatten().map(|name| format!("[{name}]")).collect();
        let found = if found.is_empty() { "none".to_owned() } else { found.join(", ") };
        return Err(ConfigError::NoSection { path: path.to_owned(), section: section.to_owned(), found });
    }
    let origin = Origin::File { path: PathBuf::from(path), section: section.to_owned() };
    let mut seen: Vec<&'static str> = Vec::new();
    for (key, value) in parts.flat_map(|part| part.iter()) {
        let spec = lookup(key, &origin)?;
        if seen.contains(&spec.name) {
            return Err(ConfigError::Repeated { origin, key: spec.name.to_owned() });
        }
        seen.push(spec.name);
        let given = interpret(spec, value.trim(), &origin)?;
        if let Some((feature, _)) = unavailable::find(spec.name) {
            if given == Given::Flag(false) {
                continue;
            }
            return Err(ConfigError::Unavailable { option: spec.name.to_owned(), feature, origin });
        }
        settings.insert_below(spec.name, given, origin.clone());
    }
    templates(&ini, path, settings)
}

/// Reads the section of signalling templates, wherever its name was given.
fn templates(ini: &Ini, path: &Path, settings: &mut Settings) -> Result<(), ConfigError> {
    let Some(section) =
        settings.text("templates").map(|(name, _)| name.to_owned()).filter(|name| !name.is_empty())
    else {
        return Ok(());
    };
    let mut parts = ini.section_all(Some(section.as_str())).peekable();
    if parts.peek().is_none() {
        return Err(ConfigError::NoTemplates { path: path.to_owned(), section: section.clone() });
    }
    let mut lines: Vec<(String, String)> = Vec::new();
    for (key, text) in parts.flat_map(|part| part.iter()) {
        if lines.iter().any(|(known, _)| known == key.trim()) {
            let origin = Origin::File { path: path.to_owned(), section: section.clone() };
            return Err(ConfigError::Repeated { origin, key: key.trim().to_owned() });
        }
        lines.push((key.trim().to_owned(), text.trim().to_owned()));
    }
    settings.set_templates(lines);
    Ok(())
}

/// The parser takes an indented `#` for the beginning of a key. Lines keep their numbers.
fn without_indented_comments(text: &str) -> String {
    let is_comment = |line: &str| line.trim_start().starts_with(['#', ';']);
    let lines = text.trim_start_matches('\u{feff}').split_inclusive('\n');
    lines.map(|line| if is_comment(line) { line.trim_start() } else { line }).collect()
}

fn lookup(key: &str, origin: &Origin) -> Result<OptionSpec, ConfigError> {
    // A line without '=' is taken for the beginning of the next line's key.
    if let Some((line, _)) = key.split_once('\n') {
        return Err(ConfigError::NoValue { key: line.trim().to_owned(), origin: origin.clone() });
    }
    if let Some(spec) = options::find(key).or_else(|| unavailable::find(key).map(|(_, spec)| spec)) {
        return Ok(spec);
    }
    if options::COMMAND_LINE_ONLY.iter().any(|spec| spec.name == key) {
        return Err(ConfigError::CommandLineOnly { key: key.to_owned(), origin: origin.clone() });
    }
    Err(ConfigError::UnknownKey { key: key.to_owned(), origin: origin.clone() })
}

fn interpret(spec: OptionSpec, value: &str, origin: &Origin) -> Result<Given, ConfigError> {
    match spec.kind {
        Kind::Flag => match value.to_ascii_lowercase().as_str() {
            "true" | "yes" | "1" | "on" => Ok(Given::Flag(true)),
            "false" | "no" | "0" | "off" => Ok(Given::Flag(false)),
            _ => Err(ConfigError::Value {
                option: spec.name.to_owned(),
                value: value.to_owned(),
                allowed: "true or false".to_owned(),
                origin: origin.clone(),
            }),
        },
        Kind::Value => Ok(Given::Values(vec![value.to_owned()])),
        Kind::List => {
            // The manual page separates interfaces with blanks in one place; no list has members with blanks.
            let members =
                value.split(|c: char| c == ';' || c.is_whitespace()).filter(|member| !member.is_empty());
            Ok(Given::Values(members.map(str::to_owned).collect()))
        }
    }
}
