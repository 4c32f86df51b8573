//! The pages of the protocol's document, and what stands on which.

use std::fmt::Write as _;

use rtpengine_core::ng::known::Status;
use rtpengine_core::ng::scope::{Use, of_flag, of_key};
use rtpengine_core::ng::{Command, Flag, Key};

use super::keys::{FLAGS, KEYS};

/// One page.
pub struct Page {
    /// File below `docs/ng/`, without its ending.
    pub name: &'static str,
    pub title: &'static str,
    /// The commands whose keys and flags are listed.
    pub commands: &'static [Command],
    /// What stands at the top, with examples.
    pub text: &'static str,
    /// Headings of `call_control.md` whose sections belong here.
    pub sections: &'static [&'static str],
    /// What stands below.
    pub more: &'static str,
}

const RESTRAINTS: &[Command] = &[
    Command::BlockMedia,
    Command::UnblockMedia,
    Command::SilenceMedia,
    Command::UnsilenceMedia,
    Command::BlockDtmf,
    Command::UnblockDtmf,
];

/// Sections of `call_control.md` that no other page names stand on this one.
pub const REST: &str = "connect";

macro_rules! page {
    ($name:literal, $title:literal, $commands:expr, $sections:expr, $more:expr) => {
        Page {
            name: $name,
            title: $title,
            commands: $commands,
            text: include_str!(concat!("../ng_document_text/pages/", $name, ".md")),
            sections: $sections,
            more: $more,
        }
    };
}

/// All of them, in the order of the index.
pub const PAGES: &[Page] = &[
    page!("offer", "`offer`", &[Command::Offer], &[], ""),
    page!("answer", "`answer`", &[Command::Answer], &[], ""),
    page!("delete", "`delete`", &[Command::Delete], &[], ""),
    page!("query", "`query`", &[Command::Query], &[], super::QUALITY),
    page!("list", "`list`", &[Command::List], &[], ""),
    page!("ping", "`ping`", &[Command::Ping], &[], ""),
    page!("statistics", "`statistics`", &[Command::Statistics], &[], ""),
    page!(
        "block",
        "`block media`, `silence media`, `block DTMF`, and what undoes them",
        RESTRAINTS,
        &["Blocking and silencing"],
        ""
    ),
    page!(
        "forwarding",
        "`start forwarding`, `stop forwarding`",
        &[Command::StartForwarding, Command::StopForwarding],
        &[],
        ""
    ),
    page!("publish", "`publish`", &[Command::Publish], &[], ""),
    page!(
        "subscribe",
        "`subscribe request`, `subscribe answer`, `unsubscribe`",
        &[Command::SubscribeRequest, Command::SubscribeAnswer, Command::Unsubscribe],
        &["Publishing and subscribing"],
        ""
    ),
    page!(
        "connect",
        "`connect`, `create`, `create answer`, `inject start`, `inject stop`, `mesh`",
        &[
            Command::Connect,
            Command::Create,
            Command::CreateAnswer,
            Command::InjectStart,
            Command::InjectStop,
            Command::Mesh,
        ],
        &[],
        ""
    ),
    page!("recording", "`start recording`, `stop recording`, `pause recording`", &[], &[], ""),
    page!("media", "`play media`, `stop media`, `play DTMF`", &[], &[], ""),
    page!("codecs", "Codecs", &[], &[], include_str!("codecs.md")),
    page!("bodies", "Bodies and packets", &[], &[], include_str!("bodies.md")),
];

/// The page of a command.
pub fn page_of(command: Command) -> &'static str {
    let own = PAGES.iter().find(|page| page.commands.contains(&command)).map(|page| page.name);
    own.unwrap_or(match command {
        Command::StartRecording | Command::StopRecording | Command::PauseRecording => "recording",
        Command::PlayMedia | Command::StopMedia | Command::PlayDtmf => "media",
        _ => REST,
    })
}

/// Heading and text of each section of a file.
pub fn sections(text: &'static str) -> Vec<(&'static str, &'static str)> {
    let mut starts: Vec<usize> = text.match_indices("\n## ").map(|(at, _)| at + 1).collect();
    starts.push(text.len());
    let of = |pair: &[usize]| {
        let section = text[pair[0]..pair[1]].trim_end();
        let (heading, _) = section.split_once('\n').unwrap_or((section, ""));
        (heading.trim_start_matches("## "), section)
    };
    starts.windows(2).map(of).collect()
}

/// The text of a page.
pub fn written(page: &Page, control: &'static str) -> String {
    let mut out = format!(
        "# {}\n\n[All of the *ng* protocol](../ng.md). The tables are made from the daemon's own; do not edit.\n\n{}",
        page.title,
        page.text.trim()
    );
    let named = |heading: &str| PAGES.iter().any(|page| page.sections.contains(&heading));
    for (heading, section) in sections(control) {
        if page.sections.contains(&heading) || (page.name == REST && !named(heading)) {
            write!(out, "\n\n{section}").unwrap();
        }
    }
    if !page.more.is_empty() {
        write!(out, "\n\n{}", page.more.trim()).unwrap();
    }
    out.push('\n');
    let mut done: Vec<Command> = Vec::new();
    for &command in page.commands {
        let same = |other: &Command| tables(*other) == tables(command);
        if done.iter().any(same) {
            continue;
        }
        done.push(command);
        let alike: Vec<String> = page
            .commands
            .iter()
            .filter(|other| same(other))
            .map(|other| format!("`{}`", other.wire_name()))
            .collect();
        write!(out, "\n## What {} takes\n{}", listing(&alike), tables(command)).unwrap();
    }
    out
}

fn listing(names: &[String]) -> String {
    match names {
        [] => String::new(),
        [one] => one.clone(),
        [first @ .., last] => format!("each of {} and {last}", first.join(", ")),
    }
}

fn tables(command: Command) -> String {
    let keys = |used: Use| {
        let known = Key::ALL.iter().copied().filter(|key| key.status() == Status::Built);
        let known = known.filter(|key| !matches!(key, Key::Command | Key::Template | Key::Flags));
        known.filter(move |key| of_key(command, *key) == used).collect::<Vec<Key>>()
    };
    let flags = |used: Use| {
        let known = Flag::ALL.iter().copied().filter(|flag| flag.status() == Status::Built);
        known.filter(move |flag| of_flag(command, *flag) == used).collect::<Vec<Flag>>()
    };
    let mut out = String::new();
    if keys(Use::Acts).is_empty() {
        out.push_str("\nNo keys but `command`.\n");
    } else {
        out.push_str("\n| key | for example | |\n| --- | --- | --- |\n");
        for key in keys(Use::Acts) {
            let (_, example, meaning) = KEYS.iter().find(|(known, ..)| *known == key).unwrap();
            writeln!(out, "| `{}` | `{example}` | {meaning} |", key.name()).unwrap();
        }
    }
    if !flags(Use::Acts).is_empty() {
        out.push_str("\n| flag | |\n| --- | --- |\n");
        for flag in flags(Use::Acts) {
            let (_, meaning) = FLAGS.iter().find(|(known, _)| *known == flag).unwrap();
            writeln!(out, "| `{}` | {meaning} |", flag.name()).unwrap();
        }
    }
    let passed = keys(Use::PassesOver).into_iter().map(Key::name);
    let passed = passed.chain(flags(Use::PassesOver).into_iter().map(Flag::name));
    let passed: Vec<String> = passed.map(|name| format!("`{name}`")).collect();
    if !passed.is_empty() {
        writeln!(out, "\nPassed over without a word: {}.", passed.join(", ")).unwrap();
    }
    out
}
