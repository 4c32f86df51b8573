//! Tables for people.

use comfy_table::{CellAlignment, Table, presets};
use serde_json::Value;

/// Answers of the daemon that have a table.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Kind {
    /// `list sessions`.
    Sessions,
    /// `list interfaces`.
    Interfaces,
}

impl Kind {
    /// The one a command asks for.
    pub fn of(words: &[&str]) -> Option<Self> {
        match words {
            ["list" | "get", "sessions"] | ["list" | "get", "sessions", "all" | "own" | "foreign"] => {
                Some(Self::Sessions)
            }
            ["list" | "get", "interfaces"] => Some(Self::Interfaces),
            _ => None,
        }
    }

    const fn columns(self) -> &'static [(&'static str, &'static str)] {
        match self {
            Self::Sessions => &[
                ("CALL-ID", "call_id"),
                ("CREATED", "created"),
                ("PROXY", "proxy"),
                ("DELETING", "deleting"),
                ("FOREIGN", "foreign"),
            ],
            Self::Interfaces => &[
                ("NAME", "name"),
                ("ADDRESS", "address"),
                ("FIRST", "port_min"),
                ("LAST", "port_max"),
                ("USED", "ports_used"),
                ("PORTS", "ports_total"),
            ],
        }
    }
}

/// A table without lines, so that it can be cut with awk as well.
pub fn plain(header: &[&str]) -> Table {
    let mut table = Table::new();
    table.load_style(presets::NOTHING).set_header(header);
    table
}

/// Aligns columns of numbers to the right.
pub fn align_right(table: &mut Table, columns: &[usize]) {
    for column in columns {
        if let Some(column) = table.column_mut(*column) {
            column.set_cell_alignment(CellAlignment::Right);
        }
    }
}

/// The table of an answer; `None` where the answer has another form.
pub fn table(kind: Kind, value: &Value) -> Option<String> {
    let rows = value.as_array()?;
    let columns = kind.columns();
    let mut table = plain(&columns.iter().map(|(title, _)| *title).collect::<Vec<_>>());
    for row in rows {
        table.add_row(columns.iter().map(|(_, key)| cell(row.get(key).unwrap_or(&Value::Null))));
    }
    Some(format!("{}\n{} in total\n", table.trim_fmt(), rows.len()))
}

fn cell(value: &Value) -> String {
    match value {
        Value::String(text) => text.clone(),
        Value::Bool(true) => "yes".to_owned(),
        Value::Bool(false) => "no".to_owned(),
        Value::Null => "-".to_owned(),
        Value::Number(_) | Value::Array(_) | Value::Object(_) => value.to_string(),
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn sessions_become_a_table() {
        let value = json!([{"call_id": "c1", "created": 5, "proxy": "127.0.0.1:1", "deleting": false, "foreign": true}]);
        let text = table(Kind::Sessions, &value).unwrap();
        let lines: Vec<Vec<&str>> = text.lines().map(|line| line.split_whitespace().collect()).collect();
        assert_eq!(lines[0], ["CALL-ID", "CREATED", "PROXY", "DELETING", "FOREIGN"]);
        assert_eq!(lines[1], ["c1", "5", "127.0.0.1:1", "no", "yes"]);
        assert_eq!(lines[2], ["1", "in", "total"]);
        assert_eq!(table(Kind::Sessions, &json!({"error": "x"})), None);
    }

    #[test]
    fn only_lists_have_tables() {
        assert_eq!(Kind::of(&["list", "sessions"]), Some(Kind::Sessions));
        assert_eq!(Kind::of(&["list", "sessions", "call1"]), None);
        assert_eq!(Kind::of(&["get", "interfaces"]), Some(Kind::Interfaces));
    }
}
