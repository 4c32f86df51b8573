//! The command line.

use std::ffi::OsString;
use std::path::PathBuf;

use clap::{Args, Parser, Subcommand};

/// Client of rtpengine: talks to the daemon's command line socket and reads its kernel tables.
#[derive(Debug, Parser)]
#[command(
    name = "rtpengine-ctl",
    version,
    arg_required_else_help = true,
    disable_help_subcommand = true,
    after_help = "Any other command goes to the daemon as it is: `rtpengine-ctl help` lists them, `rtpengine-ctl list numsessions` is one.\n\nExit status: 0 done, 1 refused or not found, 2 wrong usage, 3 daemon not reachable, 4 kernel tables not readable."
)]
pub struct Arguments {
    /// Address of the daemon's command line socket, with or without a port.
    #[arg(long, value_name = "ADDRESS[:PORT]")]
    pub ip: Option<String>,
    /// Its port.
    #[arg(long, value_name = "PORT")]
    pub port: Option<u16>,
    /// Where `listen-cli` is looked up when no address is given.
    #[arg(long, value_name = "FILE", default_value = "/etc/rtpengine/rtpengine.conf")]
    pub config_file: PathBuf,
    /// Section of that file.
    #[arg(long, value_name = "NAME", default_value = "rtpengine")]
    pub config_section: String,
    /// Print JSON.
    #[arg(long)]
    pub json: bool,
    /// Print the daemon's text as it is, also on a terminal.
    #[arg(long, conflicts_with = "json")]
    pub plain: bool,
    /// What to do.
    #[command(subcommand)]
    pub verb: Verb,
}

/// What the client does itself.
#[derive(Debug, Subcommand)]
pub enum Verb {
    /// Show kernel tables, also while the daemon is down.
    Table(TableSelection),
    /// Repeat a command until interrupted.
    Watch {
        /// Seconds between repetitions.
        #[arg(long, short = 'n', value_name = "SECONDS", default_value_t = 2, value_parser = clap::value_parser!(u64).range(1..=3600))]
        interval: u64,
        /// The command, for example `table 0 flows`.
        #[arg(required = true, trailing_var_arg = true, allow_hyphen_values = true, value_name = "COMMAND")]
        words: Vec<String>,
    },
    /// Print the completion script for a shell.
    Completion {
        /// The shell.
        shell: clap_complete::Shell,
    },
    /// Print the manual page.
    Man,
    /// A command for the daemon.
    #[command(external_subcommand)]
    Daemon(Vec<String>),
}

/// What `table` shows.
#[derive(Args, Clone, Debug)]
pub struct TableSelection {
    /// Table number; all tables without one.
    #[arg(value_parser = clap::value_parser!(u32).range(0..64))]
    pub table: Option<u32>,
    /// `flows` lists the flows of the table, `reasons` counts its packets by what became of them.
    #[arg(value_enum, requires = "table")]
    pub what: Option<What>,
    /// Only flows of this Call-ID.
    #[arg(long, value_name = "CALLID", requires = "what")]
    pub call: Option<String>,
    /// Print JSON.
    #[arg(long)]
    pub json: bool,
    /// Where the daemon pins its maps.
    #[arg(long, value_name = "DIRECTORY", default_value = "/sys/fs/bpf/rtpengine", hide = true)]
    pub root: PathBuf,
}

/// Parts of a table.
#[derive(Clone, Copy, Debug, PartialEq, Eq, clap::ValueEnum)]
pub enum What {
    /// Its flows.
    Flows,
    /// Packets by what became of them.
    Reasons,
}

/// Turns the original client's `-ip` and `-port` into today's spelling, before the first command word.
pub fn modern(arguments: impl Iterator<Item = OsString>) -> Vec<OsString> {
    let mut options = true;
    arguments
        .enumerate()
        .map(|(index, argument)| {
            let Some(text) = argument.to_str() else { return argument };
            for name in ["-ip", "-port"] {
                if options
                    && (text == name || text.strip_prefix(name).is_some_and(|rest| rest.starts_with('=')))
                {
                    return OsString::from(format!("-{text}"));
                }
            }
            // Values of options do not begin with letters, except for host names, which no option follows as a word.
            options &= index == 0 || !text.starts_with(|first: char| first.is_ascii_alphabetic());
            argument
        })
        .collect()
}

#[cfg(test)]
mod tests {
    use clap::CommandFactory as _;

    use super::*;

    fn parse(words: &[&str]) -> Arguments {
        Arguments::try_parse_from(modern(words.iter().map(OsString::from))).unwrap()
    }

    #[test]
    fn the_definition_is_consistent() {
        Arguments::command().debug_assert();
    }

    #[test]
    fn the_original_spelling_of_options_works() {
        let arguments = parse(&["rtpengine-ctl", "-ip", "127.0.0.1", "-port", "9901", "list", "numsessions"]);
        assert_eq!((arguments.ip.as_deref(), arguments.port), (Some("127.0.0.1"), Some(9901)));
        assert!(matches!(arguments.verb, Verb::Daemon(words) if words == ["list", "numsessions"]));
        let arguments = parse(&["rtpengine-ctl", "-ip=[::1]:9901", "help"]);
        assert_eq!(arguments.ip.as_deref(), Some("[::1]:9901"));
        assert!(matches!(arguments.verb, Verb::Daemon(words) if words == ["help"]));
    }

    #[test]
    fn words_of_a_daemon_command_are_left_alone() {
        let arguments = parse(&["rtpengine-ctl", "terminate", "-ip"]);
        assert!(matches!(arguments.verb, Verb::Daemon(words) if words == ["terminate", "-ip"]));
    }

    #[test]
    fn flows_need_a_table() {
        assert!(Arguments::try_parse_from(["rtpengine-ctl", "table", "flows"]).is_err());
        assert!(Arguments::try_parse_from(["rtpengine-ctl", "table", "64"]).is_err());
        assert!(matches!(
            parse(&["rtpengine-ctl", "table", "3", "flows", "--call", "c"]).verb,
            Verb::Table(TableSelection { table: Some(3), what: Some(What::Flows), call: Some(call), .. }) if call == "c"
        ));
    }
}
