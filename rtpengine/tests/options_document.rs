//! `docs/options.md` is made from the tables of options: `UPDATE_DOCS=1 cargo test -p rtpengine --test options_document`.
#![expect(clippy::unwrap_used, reason = "a test fails by panicking")]

use std::fmt::Write;

use rtpengine::config::options::{self, Kind, OptionSpec};
use rtpengine::config::unavailable;

const PATH: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/../docs/options.md");

const INTRODUCTION: &str = "\
# Options

Made from the daemon's own tables; do not edit. Options may stand on the command line or, by their long names
and without dashes, in the configuration file (`--config-file`, `--config-section`). The command line overrides
the file option by option; lists are replaced, not extended.

In the file, flags take `true` or `false`, and options marked *list* are given once with semicolons between the
values. On the command line flags take no value and lists are repeated. An unknown option, a value that is not
allowed, or an option given twice in the file ends the daemon with exit status 1 and one line that says what to
change.
";

const LISTENERS: &str = "\
## Notes

- Listeners take `PORT` (both 0.0.0.0 and [::]), `IPV4:PORT`, `[IPV6]:PORT` or `HOSTNAME:PORT` (every address of
  the name). At least one interface and one of `listen-ng`, `listen-tcp-ng`, `listen-http`, `listen-https`,
  `listen-udp` and `listen-tcp` are mandatory.
- The manual page of the original prints a few letters twice. Here `-t` is `table` and `-T` is `tos`, `-n` is
  `listen-ng` and `-N` is `listen-tcp-ng`, `-w` is `redis-write` and `-G` is `graphite-interval`.
- `interface`: with a device name, a host name or `any`, IPv6 link-local addresses come last, so that they are
  never the primary address if there is another one. An advertised address replaces local addresses of its own
  family only.
- `log-level`: 7 shows everything but single packets; 8, which the original does not have, shows those too.
  Subsystems with a level of their own are not changed by SIGUSR1 and SIGUSR2.
- `dtls-cert-lifetime` is ours: the original does not have it.
- Log lines on stderr start with the time in UTC. Control characters in log lines are escaped.
- `log-stderr` without `foreground` is ignored with a warning. In the foreground without a syslog daemon, log
  messages go to stderr.
";

fn row(out: &mut String, spec: OptionSpec) {
    let letter = spec.short.map_or_else(String::new, |letter| format!("`-{letter}`, "));
    let aliases: String = spec.aliases.iter().map(|alias| format!(", `--{alias}`")).collect();
    let value = match spec.kind {
        Kind::Flag => "flag".to_owned(),
        Kind::Value => format!("`{}`", spec.value.replace('|', "\\|")),
        Kind::List => format!("`{}`, list", spec.value.replace('|', "\\|")),
    };
    let default = spec.default.map_or_else(String::new, |default| match default {
        "" => "empty".to_owned(),
        default => format!("`{default}`"),
    });
    writeln!(out, "| {letter}`--{}`{aliases} | {value} | {default} | {} |", spec.name, spec.help).unwrap();
}

fn table(out: &mut String, title: &str, specs: impl Iterator<Item = OptionSpec>) {
    write!(out, "\n## {title}\n\n| option | value | default | effect |\n| --- | --- | --- | --- |\n")
        .unwrap();
    for spec in specs {
        row(out, spec);
    }
}

fn document() -> String {
    let mut out = INTRODUCTION.to_owned();
    table(&mut out, "On the command line only", options::COMMAND_LINE_ONLY.iter().copied());
    table(&mut out, "Available", options::general());
    table(&mut out, "Log levels of subsystems", options::log_levels());
    out.push_str("\n## Known, but not available in this release\n\n");
    out.push_str("Using one of these is an error. A flag set to `false` in the file is accepted.\n\n");
    out.push_str("| feature | options |\n| --- | --- |\n");
    for feature in unavailable::FEATURES {
        let names: Vec<String> = feature.options.iter().map(|spec| format!("`{}`", spec.name)).collect();
        let name = feature.name.trim_end_matches(" is").trim_end_matches(" are");
        writeln!(out, "| {name} | {} |", names.join(", ")).unwrap();
    }
    out.push('\n');
    out.push_str(LISTENERS);
    out
}

#[test]
fn the_document_lists_the_options_as_they_are() {
    let expected = document();
    if std::env::var_os("UPDATE_DOCS").is_some() {
        std::fs::write(PATH, &expected).unwrap();
    }
    let found = std::fs::read_to_string(PATH).unwrap_or_default();
    assert!(
        found == expected,
        "docs/options.md is out of date: run this test with UPDATE_DOCS=1 and commit the file"
    );
}
