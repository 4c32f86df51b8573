//! The command line, built with clap from the tables of options.

use std::ffi::OsString;
use std::path::PathBuf;

use clap::parser::ValueSource;
use clap::{Arg, ArgAction, ArgMatches, Command};

use super::options::{self, Kind, OptionSpec};
use super::settings::{Given, Origin, Settings};
use super::{ConfigError, file, unavailable};

/// What the command line says.
#[derive(Debug)]
pub struct CommandLine {
    /// The options given.
    pub settings: Settings,
    /// The file to read, `None` for `--config-file=none`.
    pub file: Option<PathBuf>,
    /// The file or the section was asked for by name.
    pub explicit: bool,
    /// The section to read.
    pub section: String,
}

/// The clap command: used by the daemon and by whoever generates documents.
#[must_use]
pub fn command() -> Command {
    let mut command = Command::new("rtpengine")
        .about("Proxy for RTP and other UDP based media, controlled by a SIP proxy such as Kamailio")
        .version(env!("CARGO_PKG_VERSION"))
        .disable_version_flag(true)
        .disable_help_flag(true)
        .args_override_self(true)
        .after_help("All options but those of the first group may stand in the configuration file, by their long names.");
    command = command.next_help_heading("Command line only");
    for spec in options::COMMAND_LINE_ONLY {
        let arg = argument(*spec);
        command = command.arg(match spec.name {
            "help" => arg.action(ArgAction::Help),
            "version" => arg.action(ArgAction::Version),
            _ => arg,
        });
    }
    command = command.next_help_heading("Options");
    for spec in options::general() {
        command = command.arg(argument(spec));
    }
    command = command.next_help_heading("Log levels of subsystems (-1: none, otherwise as --log-level)");
    for spec in options::log_levels() {
        command = command.arg(argument(spec));
    }
    command = command.next_help_heading("Known, but not available in this release");
    for (_, spec) in unavailable::all() {
        command = command.arg(argument(spec));
    }
    command
}

fn argument(spec: OptionSpec) -> Arg {
    let help = match spec.default {
        Some(default) if !default.is_empty() => format!("{} [default: {default}]", spec.help),
        Some(_) | None => spec.help.to_owned(),
    };
    let mut arg = Arg::new(spec.name).long(spec.name).help(help).aliases(spec.aliases.iter().copied());
    if let Some(letter) = spec.short {
        arg = arg.short(letter);
    }
    match spec.kind {
        Kind::Flag => arg.action(ArgAction::SetTrue),
        // Single values are appended as well and the last one is taken, so that repeating one is no error.
        Kind::Value | Kind::List => {
            arg.action(ArgAction::Append).value_name(spec.value).allow_hyphen_values(true)
        }
    }
}

/// Reads the arguments, program name first.
///
/// # Errors
/// Unknown or unavailable options, and [`ConfigError::Usage`] for `--help` and `--version`.
pub fn parse<I, T>(arguments: I) -> Result<CommandLine, ConfigError>
where
    I: IntoIterator<Item = T>,
    T: Into<OsString> + Clone,
{
    let matches = command().try_get_matches_from(arguments)?;
    if let Some((feature, spec)) = unavailable::all().find(|(_, spec)| is_given(&matches, spec.name)) {
        let option = spec.name.to_owned();
        return Err(ConfigError::Unavailable { option, feature, origin: Origin::CommandLine });
    }
    let mut settings = Settings::default();
    for spec in options::available().filter(|spec| is_given(&matches, spec.name)) {
        let given = match spec.kind {
            Kind::Flag => Given::Flag(true),
            Kind::Value | Kind::List => Given::Values(values(&matches, spec.name)),
        };
        settings.insert_below(spec.name, given, Origin::CommandLine);
    }
    let file_name = values(&matches, "config-file").pop();
    let section = values(&matches, "config-section").pop();
    Ok(CommandLine {
        settings,
        explicit: file_name.is_some() || section.is_some(),
        file: match file_name.as_deref() {
            Some("none") => None,
            Some(name) => Some(PathBuf::from(name)),
            None => Some(PathBuf::from(file::DEFAULT_FILE)),
        },
        section: section.unwrap_or_else(|| "rtpengine".to_owned()),
    })
}

fn is_given(matches: &ArgMatches, name: &str) -> bool {
    matches.value_source(name) == Some(ValueSource::CommandLine)
}

fn values(matches: &ArgMatches, name: &str) -> Vec<String> {
    matches.get_many::<String>(name).into_iter().flatten().cloned().collect()
}
