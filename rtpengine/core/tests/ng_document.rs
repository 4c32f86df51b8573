//! `docs/ng.md` and the pages below `docs/ng/` are made from the tables of the ng protocol:
//! `UPDATE_DOCS=1 cargo test -p rtpengine-core --test ng_document`.
#![expect(clippy::unwrap_used, clippy::indexing_slicing, clippy::panic, reason = "a test fails by panicking")]

use std::fmt::Write as _;
use std::path::{Path, PathBuf};

use rtpengine_core::ng::known::{FLAG_PREFIXES, Flag, HARMLESS_VALUES, Key, Replace, RtcpMux, Status};
use rtpengine_core::ng::scope::{Use, of_flag, of_key};
use rtpengine_core::ng::{Command, Dict, Request, Value, json};

#[path = "ng_document/keys.rs"]
mod keys;
#[path = "ng_document/pages.rs"]
mod pages;

use pages::{PAGES, page_of};

const CONTROL: &str = include_str!("ng_document_text/call_control.md");

const INTRODUCTION: &str = "\
# The ng control protocol

The tables are made from the daemon's own; do not edit.

A message is `COOKIE BODY`: a cookie without spaces, one space, and a dictionary in bencode or JSON. The reply repeats
the cookie and comes in the encoding of the request. Over UDP (`listen-ng`) a message is one datagram; over TCP
(`listen-tcp-ng`) messages follow each other, and the end of the dictionary is the end of the message.

- A repeated cookie gets the same reply again for 30 seconds, from whatever socket it comes and whatever its body says.
  Repeats that come while the first is being handled wait for its reply. A message without a cookie gets no reply.
- Bodies are limited to 256 kB and 32 levels. What cannot be read is answered with the error `Invalid NG data format`
  or `Failed to parse JSON document`; the log says why.
- A reply that does not fit a datagram is replaced with an error that says so; `list` with a large `limit` belongs on
  TCP.
- In names of commands, keys, flags and in fixed values, case does not matter, and space, hyphen and underscore are the
  same.
- `flags`, `replace`, `rtcp-mux` and `direction` are lists, or one string with white space between the members. In
  `flags`, also called `rtpp-flags`, a member may be `flag`, `key=value` or `key=[value value]`, and in brackets
  `key=[value value]` again.
- A key or flag that is known and not available is ignored, and the reply's `warning` names it; so is one that has a
  meaning in other commands only. The pages of the commands say what each takes, and what it passes over without a word
  because proxies say it to several. One that nobody knows is ignored and logged once. A value that makes no sense is
  ignored and named in the `warning`.
";

/// Below the page of `query`.
pub const QUALITY: &str = "
## The dictionary `SSRC`

Replies to `query` and `delete` tell how media arrived: under the SSRC of a party, in decimal digits, what that party
hears, hence by its own reports ([how calls behave](../calls.md#quality)). Which SSRC is whose, the key `SSRC` of the streams
below `tags` says. An SSRC without a score is left out.

| key | content |
| --- | --- |
| `average MOS` | means of all samples, and their number: `samples` |
| `lowest MOS`, `highest MOS` | the sample with this score, and when it was `reported at` (Unix seconds) |
| `MOS progression` | `entries`, each with the first `reported at` of its samples and their means; at most 24, at least `interval` seconds apart: 0 while each sample has an entry |

Each of them, and each entry, has the keys

| key | content |
| --- | --- |
| `MOS` | mean opinion score times ten: 10 to 45 |
| `round-trip time` | between the parties, microseconds; 0: not known |
| `round-trip time leg` | between the party and the daemon, microseconds; 0: not known |
| `jitter` | interarrival jitter, milliseconds |
| `packet loss` | packets lost since the report before, percent |
";

fn status(status: Status) -> &'static str {
    match status {
        Status::Built => "yes",
        Status::Harmless => "accepted, nothing to do",
        Status::NotYet => "not yet",
    }
}

fn spellings(names: &[&str]) -> String {
    names.iter().map(|name| format!("`{name}`")).collect::<Vec<_>>().join(", ")
}

fn heading(out: &mut String, title: &str, column: &str) {
    write!(out, "\n## {title}\n\n| {column} | available |\n| --- | --- |\n").unwrap();
}

/// A link for every heading there was on this page before there were others.
fn elsewhere(out: &mut String) {
    out.push_str("\n## Further pages\n\n");
    for page in PAGES.iter().filter(|page| Command::ALL.iter().all(|command| page_of(*command) != page.name))
    {
        writeln!(out, "- [{}](ng/{}.md)", page.title, page.name).unwrap();
    }
}

fn index() -> String {
    let mut out = INTRODUCTION.to_owned();
    heading(&mut out, "Commands", "command");
    for command in Command::ALL {
        let built = if command.is_built() { "yes" } else { "not yet: answered with an error" };
        writeln!(out, "| [`{}`](ng/{}.md) | {built} |", command.wire_name(), page_of(*command)).unwrap();
    }
    elsewhere(&mut out);
    heading(&mut out, "Keys", "key");
    for key in Key::ALL {
        let harmless = HARMLESS_VALUES.iter().find(|(of, _)| of == key);
        let values = harmless.map(|(_, values)| format!("; {} accepted, nothing to do", spellings(values)));
        let values = values.unwrap_or_default();
        writeln!(out, "| {} | {}{values} |", spellings(key.spellings()), status(key.status())).unwrap();
    }
    heading(&mut out, "Flags", "flag");
    for flag in Flag::ALL {
        writeln!(out, "| {} | {} |", spellings(flag.spellings()), status(flag.status())).unwrap();
    }
    out.push_str("\nA flag with one of these prefixes stands for a key with the rest as its value:\n\n");
    for (prefix, key) in FLAG_PREFIXES {
        writeln!(out, "- `{prefix}` for `{}`", key.name()).unwrap();
    }
    out.push_str(
        "\nA profile (`RTP/AVP`, `UDP/TLS/RTP/SAVPF`...) by itself stands for `transport protocol`.\n",
    );
    heading(&mut out, "Members of `replace`", "member");
    for member in Replace::ALL {
        writeln!(out, "| {} | {} |", spellings(member.spellings()), status(member.status())).unwrap();
    }
    heading(&mut out, "Members of `rtcp-mux`", "member");
    for member in RtcpMux::ALL {
        writeln!(out, "| {} | {} |", spellings(member.spellings()), status(member.status())).unwrap();
    }
    out
}

fn folder() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../../docs")
}

/// Every file with its text.
fn documents() -> Vec<(PathBuf, String)> {
    let pages = PAGES.iter().map(|page| {
        (folder().join("ng").join(page.name).with_extension("md"), pages::written(page, CONTROL))
    });
    std::iter::once((folder().join("ng.md"), index())).chain(pages).collect()
}

#[test]
fn the_documents_list_what_the_tables_say() {
    for (path, made) in documents() {
        if std::env::var_os("UPDATE_DOCS").is_some() {
            std::fs::create_dir_all(path.parent().unwrap()).unwrap();
            std::fs::write(&path, &made).unwrap();
        }
        let written = std::fs::read_to_string(&path).unwrap_or_default();
        assert!(
            written == made,
            "{} is out of date: UPDATE_DOCS=1 cargo test -p rtpengine-core --test ng_document",
            path.display()
        );
    }
    let there = std::fs::read_dir(folder().join("ng")).unwrap();
    assert_eq!(there.count(), PAGES.len(), "a page that nobody writes");
}

#[test]
fn every_section_stands_on_one_page() {
    for (heading, section) in pages::sections(CONTROL) {
        let on = |page: &&pages::Page| pages::written(page, CONTROL).contains(section);
        assert_eq!(PAGES.iter().filter(on).count(), 1, "{heading}");
    }
}

/// The examples in the text of a page: requests and replies in turn.
fn examples(text: &str) -> Vec<(Dict, Dict)> {
    let mut objects: Vec<String> = Vec::new();
    for block in text.split("```json\n").skip(1).map(|rest| rest.split("```").next().unwrap()) {
        for line in block.lines() {
            if line.starts_with('{') {
                objects.push(String::new());
            }
            let object = objects.last_mut().unwrap();
            object.push_str(line);
            object.push('\n');
        }
    }
    let read =
        |text: &String| json::decode(text.as_bytes()).unwrap_or_else(|error| panic!("{error}: {text}"));
    assert!(objects.len().is_multiple_of(2), "a request without its reply: {text}");
    objects.chunks_exact(2).map(|pair| (read(&pair[0]), read(&pair[1]))).collect()
}

#[test]
fn examples_are_requests_the_daemon_understands() {
    let mut shown: Vec<Command> = Vec::new();
    for page in PAGES {
        for (request, reply) in examples(page.text) {
            let request = Request::parse(&request).unwrap();
            assert_eq!(request.warnings(), Vec::<String>::new(), "{}", page.name);
            assert_eq!(request.unknown, Vec::<String>::new(), "{}", page.name);
            assert_eq!(page_of(request.command), page.name, "{}", request.command.wire_name());
            shown.push(request.command);
            let result = reply.get("result").and_then(Value::as_str).unwrap();
            assert!(matches!(result, "ok" | "pong" | "load limit" | "error"), "{}: {result}", page.name);
            assert_eq!(reply.get("error-reason").is_some(), result == "error", "{}", page.name);
        }
    }
    for command in Command::ALL.iter().filter(|command| page_of(**command) != pages::REST) {
        assert!(shown.contains(command), "no example of '{}'", command.wire_name());
    }
}

#[test]
fn examples_of_keys_and_flags_are_taken_by_the_commands_that_list_them() {
    for &command in PAGES.iter().flat_map(|page| page.commands) {
        let parse = |extra: String| {
            let text = format!(r#"{{"command":"{}",{extra}}}"#, command.wire_name());
            let request = Request::parse(&json::decode(text.as_bytes()).unwrap()).unwrap();
            assert_eq!((request.warnings(), request.unknown), Default::default(), "{text}");
        };
        for (key, example, _) in keys::KEYS.iter().filter(|(key, ..)| of_key(command, *key) == Use::Acts) {
            parse(format!(r#""{}":{example}"#, key.name()));
        }
        for (flag, _) in keys::FLAGS.iter().filter(|(flag, _)| of_flag(command, *flag) == Use::Acts) {
            for spelling in flag.spellings() {
                parse(format!(r#""flags":["{spelling}"]"#));
            }
        }
    }
}
