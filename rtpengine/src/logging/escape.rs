//! Control characters made harmless: what comes from the network must not forge lines or drive terminals.

use std::fmt::{self, Write};

/// What to leave alone besides printable characters.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Keep {
    /// Nothing: for values.
    Nothing,
    /// Line feeds and tabs: for messages, whose lines are told apart when they are written.
    LineBreaks,
}

/// A writer that escapes control characters as `\n`, `\r`, `\t` or `\x1b`, and optionally quotes.
pub struct Escaped<'a> {
    /// Where the text goes.
    pub out: &'a mut String,
    /// What stays as it is.
    pub keep: Keep,
    /// Escape `"` and `\` as well, for values between quotes.
    pub quoted: bool,
}

impl Write for Escaped<'_> {
    fn write_str(&mut self, text: &str) -> fmt::Result {
        let keeps_breaks = self.keep == Keep::LineBreaks;
        for c in text.chars() {
            match c {
                '\n' | '\t' if keeps_breaks => self.out.push(c),
                // The end of a line as SDP has it.
                '\r' if keeps_breaks => {}
                '\n' => self.out.push_str("\\n"),
                '\r' => self.out.push_str("\\r"),
                '\t' => self.out.push_str("\\t"),
                '"' | '\\' if self.quoted => {
                    self.out.push('\\');
                    self.out.push(c);
                }
                c if c.is_control() => write!(self.out, "\\x{:02x}", u32::from(c))?,
                // Separators that some viewers show as line breaks, and those that reverse the text after them.
                '\u{2028}' | '\u{2029}' | '\u{202a}'..='\u{202e}' | '\u{2066}'..='\u{2069}' => {
                    write!(self.out, "\\u{{{:x}}}", u32::from(c))?;
                }
                c => self.out.push(c),
            }
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn escaped(text: &str, keep: Keep, quoted: bool) -> String {
        let mut out = String::new();
        Escaped { out: &mut out, keep, quoted }.write_str(text).unwrap();
        out
    }

    #[test]
    fn values_keep_no_control_character() {
        assert_eq!(
            escaped("a\r\nb\t\x1b[31m\u{85}\u{202e}", Keep::Nothing, false),
            r"a\r\nb\t\x1b[31m\x85\u{202e}"
        );
        assert_eq!(escaped(r#"a"b\c"#, Keep::Nothing, true), r#"a\"b\\c"#);
        assert_eq!(escaped("é ✓ \\", Keep::Nothing, false), "é ✓ \\");
    }

    #[test]
    fn messages_keep_their_lines() {
        assert_eq!(escaped("v=0\r\no=-\x07\r\n", Keep::LineBreaks, false), "v=0\no=-\\x07\n");
    }
}
