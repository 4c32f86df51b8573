//! `docs/ng.md` is made from the tables of the ng protocol: `UPDATE_DOCS=1 cargo test -p rtpengine-core --test ng_document`.
#![expect(clippy::unwrap_used, reason = "a test fails by panicking")]

use std::fmt::Write as _;

use rtpengine_core::ng::Command;
use rtpengine_core::ng::known::{FLAG_PREFIXES, Flag, HARMLESS_VALUES, Key, Replace, RtcpMux, Status};

const PATH: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/../../docs/ng.md");

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
- A key or flag that is known and not available is ignored, and the reply's `warning` names it. One that nobody knows
  is ignored and logged once. A value that makes no sense is ignored and named in the `warning`.
";

const QUALITY: &str = "
## The dictionary `SSRC`

Replies to `query` and `delete` tell how media arrived: under the SSRC of a party, in decimal digits, what that party
hears, hence by its own reports ([how calls behave](calls.md#quality)). Which SSRC is whose, the key `SSRC` of the streams
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

fn document() -> String {
    let mut out = INTRODUCTION.to_owned();
    heading(&mut out, "Commands", "command");
    for command in Command::ALL {
        let built = if command.is_built() { "yes" } else { "not yet: answered with an error" };
        writeln!(out, "| `{}` | {built} |", command.wire_name()).unwrap();
    }
    out.push_str(include_str!("ng_document_text/call_control.md"));
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
    heading(&mut out, "Members of `replace`", "member");
    for member in Replace::ALL {
        writeln!(out, "| {} | {} |", spellings(member.spellings()), status(member.status())).unwrap();
    }
    heading(&mut out, "Members of `rtcp-mux`", "member");
    for member in RtcpMux::ALL {
        writeln!(out, "| {} | {} |", spellings(member.spellings()), status(member.status())).unwrap();
    }
    out.push_str(QUALITY);
    out.push_str(include_str!("ng_document/codecs.md"));
    out.push_str(include_str!("ng_document/bodies.md"));
    out
}

#[test]
fn the_document_lists_what_the_tables_say() {
    let made = document();
    if std::env::var_os("UPDATE_DOCS").is_some() {
        std::fs::write(PATH, &made).unwrap();
    }
    let written = std::fs::read_to_string(PATH).unwrap_or_default();
    assert!(
        written == made,
        "docs/ng.md is out of date: UPDATE_DOCS=1 cargo test -p rtpengine-core --test ng_document"
    );
}
