//! From one event to the lines that are written.

use super::Format;
use super::mark::Marks;

/// Least number of message characters in each piece of a split line, however long its prefix is.
const LEAST_PIECE: usize = 50;
/// Before the second and later lines of a message that is not split: no log line starts like this.
const INDENT: &str = "    ";

/// An event, with everything escaped.
#[derive(Clone, Debug, Default)]
pub(super) struct Record {
    /// `ERR`, `WARNING`, ...
    pub severity: &'static str,
    /// Name of the subsystem.
    pub subsystem: &'static str,
    /// Call-id.
    pub call: Option<String>,
    /// Local port.
    pub port: Option<String>,
    /// The message and its fields; may have several lines.
    pub text: String,
}

/// How lines look.
#[derive(Clone, Debug)]
pub(super) struct Style {
    /// Style of the prefix.
    pub format: Format,
    /// One line per line of the message.
    pub split: bool,
    /// Longest line in characters, prefix included.
    pub limit: Option<usize>,
    /// Around call-ids and private fields.
    pub marks: Marks,
}

impl Style {
    /// Passes each line of the record to `write`, without a line break at its end.
    pub fn lines(&self, record: &Record, mut write: impl FnMut(&str)) {
        let prefix = self.prefix(record);
        let mut line = String::with_capacity(prefix.len() + record.text.len());
        let text = record.text.trim_end_matches('\n');
        if self.split {
            for part in text.split('\n') {
                self.pieces(&prefix, part, &mut line, &mut write);
            }
        } else if text.contains('\n') {
            let indented = text.replace('\n', &format!("\n{INDENT}"));
            self.pieces(&prefix, &indented, &mut line, &mut write);
        } else {
            self.pieces(&prefix, text, &mut line, &mut write);
        }
    }

    fn pieces(&self, prefix: &str, text: &str, line: &mut String, write: &mut impl FnMut(&str)) {
        let room = match self.limit {
            Some(limit) => limit.saturating_sub(prefix.chars().count()).max(LEAST_PIECE),
            None => usize::MAX,
        };
        let mut rest = text;
        loop {
            let (piece, after) = match rest.char_indices().nth(room) {
                Some((end, _)) => rest.split_at(end),
                None => (rest, ""),
            };
            line.clear();
            line.push_str(prefix);
            line.push_str(piece);
            write(line);
            if after.is_empty() {
                return;
            }
            rest = after;
        }
    }

    fn prefix(&self, record: &Record) -> String {
        let Marks { prefix, suffix } = &self.marks;
        let entity = match (self.format, &record.call, &record.port) {
            (_, None, None) => String::new(),
            (Format::Default, Some(call), None) => format!("[{prefix}{call}{suffix}]: "),
            (Format::Default, Some(call), Some(port)) => format!("[{prefix}{call}{suffix} port {port}]: "),
            (Format::Default, None, Some(port)) => format!("[port {port}]: "),
            (Format::Parsable, Some(call), None) => format!("[ID=\"{prefix}{call}{suffix}\"]: "),
            (Format::Parsable, Some(call), Some(port)) => {
                format!("[ID=\"{prefix}{call}{suffix}\" port=\"{port}\"]: ")
            }
            (Format::Parsable, None, Some(port)) => format!("[port=\"{port}\"]: "),
        };
        format!("{}: {entity}[{}] ", record.severity, record.subsystem)
    }
}

#[cfg(test)]
mod tests {
    use super::super::escape::{Escaped, Keep};
    use super::*;

    fn style() -> Style {
        Style { format: Format::Default, split: false, limit: None, marks: Marks::default() }
    }

    fn record(call: Option<&str>, port: Option<&str>, text: &str) -> Record {
        let owned = |text: Option<&str>| text.map(str::to_owned);
        Record {
            severity: "INFO",
            subsystem: "core",
            call: owned(call),
            port: owned(port),
            text: text.to_owned(),
        }
    }

    fn lines(style: &Style, record: &Record) -> Vec<String> {
        let mut lines = Vec::new();
        style.lines(record, |line| lines.push(line.to_owned()));
        lines
    }

    #[test]
    fn both_formats_name_the_call_and_the_port() {
        let parsable = Style { format: Format::Parsable, ..style() };
        let both = record(Some("abc@h"), Some("12345"), "hello");
        assert_eq!(lines(&style(), &both), ["INFO: [abc@h port 12345]: [core] hello"]);
        assert_eq!(lines(&parsable, &both), [r#"INFO: [ID="abc@h" port="12345"]: [core] hello"#]);
        let call = record(Some("abc@h"), None, "hello");
        assert_eq!(lines(&style(), &call), ["INFO: [abc@h]: [core] hello"]);
        assert_eq!(lines(&parsable, &call), [r#"INFO: [ID="abc@h"]: [core] hello"#]);
        assert_eq!(lines(&parsable, &record(None, None, "hello")), ["INFO: [core] hello"]);
    }

    #[test]
    fn call_ids_are_marked_as_private() {
        let marked = Style { marks: Marks { prefix: "{".into(), suffix: "}".into() }, ..style() };
        assert_eq!(lines(&marked, &record(Some("abc"), None, "x")), ["INFO: [{abc}]: [core] x"]);
    }

    #[test]
    fn several_lines_are_split_or_indented() {
        let two = record(Some("a"), None, "first\nERR: [core] forged\n");
        let split = Style { split: true, ..style() };
        assert_eq!(lines(&split, &two), ["INFO: [a]: [core] first", "INFO: [a]: [core] ERR: [core] forged"]);
        assert_eq!(lines(&style(), &two), ["INFO: [a]: [core] first\n    ERR: [core] forged"]);
    }

    #[test]
    fn long_lines_are_cut_between_characters_and_lose_nothing() {
        let text = "é".repeat(260);
        let limited = Style { limit: Some(113), ..style() };
        let found = lines(&limited, &record(None, None, &text));
        let texts: Vec<&str> = found.iter().map(|line| line.strip_prefix("INFO: [core] ").unwrap()).collect();
        assert_eq!(texts.concat(), text);
        assert_eq!(found.iter().map(|line| line.chars().count()).collect::<Vec<_>>(), [113, 113, 73]);
    }

    #[test]
    fn a_prefix_longer_than_the_limit_still_leaves_room() {
        let limited = Style { limit: Some(1), ..style() };
        let found = lines(&limited, &record(Some(&"c".repeat(300)), None, &"x".repeat(100)));
        assert_eq!(found.len(), 2);
    }

    proptest::proptest! {
        /// Whatever a peer puts into a message: every line that is written starts with our prefix or is indented.
        #[test]
        fn no_text_forges_a_line(
            text in "[a-z\\n\\r\\t \\x1b\u{2028}]{0,200}",
            split in proptest::bool::ANY,
            limit in proptest::option::of(1usize..200),
        ) {
            let mut escaped = String::new();
            std::fmt::Write::write_str(&mut Escaped { out: &mut escaped, keep: Keep::LineBreaks, quoted: false }, &text)
                .unwrap();
            let style = Style { split, limit, ..style() };
            for line in lines(&style, &record(Some("c"), None, &escaped)) {
                let mut parts = line.split('\n');
                proptest::prop_assert!(parts.next().unwrap().starts_with("INFO: [c]: [core] "));
                for part in parts {
                    // A cut may fall into the indentation.
                    let indented = part.starts_with(INDENT) || part.trim_matches(' ').is_empty();
                    proptest::prop_assert!(!split && indented, "{part:?}");
                }
                proptest::prop_assert!(!line.chars().any(|c| c.is_control() && c != '\n' && c != '\t'));
            }
        }
    }
}
