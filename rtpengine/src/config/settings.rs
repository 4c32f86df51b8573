//! Options as given, before they get their types, with where each one came from.

use std::collections::BTreeMap;
use std::fmt;
use std::ops::RangeInclusive;
use std::path::PathBuf;

use super::ConfigError;
use super::options;

/// Where an option was given.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Origin {
    /// `--option`.
    CommandLine,
    /// In a configuration file.
    File {
        /// The file.
        path: PathBuf,
        /// Its section, without brackets.
        section: String,
    },
    /// Nowhere: the built-in value.
    BuiltIn,
}

impl fmt::Display for Origin {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::CommandLine => f.write_str("on the command line"),
            Self::File { path, section } => write!(f, "in {}, section [{section}]", path.display()),
            Self::BuiltIn => f.write_str("built in"),
        }
    }
}

/// What was given for an option.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Given {
    /// A flag.
    Flag(bool),
    /// One value or, for lists, any number.
    Values(Vec<String>),
}

/// All options given, by long name.
#[derive(Clone, Debug, Default)]
pub struct Settings {
    entries: BTreeMap<&'static str, (Given, Origin)>,
    templates: Option<Vec<(String, String)>>,
}

impl Settings {
    /// Sets an option unless it is set already: insert the stronger origin first.
    pub fn insert_below(&mut self, name: &'static str, given: Given, origin: Origin) {
        self.entries.entry(name).or_insert((given, origin));
    }

    /// Keeps the lines of the section that `--templates` names.
    pub fn set_templates(&mut self, lines: Vec<(String, String)>) {
        self.templates = Some(lines);
    }

    /// Name and text of every signalling template; `None` where no section was read.
    #[must_use]
    pub fn templates(&self) -> Option<&[(String, String)]> {
        self.templates.as_deref()
    }

    /// Whether a flag is set.
    #[must_use]
    pub fn flag(&self, name: &str) -> bool {
        debug_assert!(options::find(name).is_some(), "{name} is not in the table of options");
        matches!(self.entries.get(name), Some((Given::Flag(true), _)))
    }

    /// All values of a list and where they were given.
    #[must_use]
    pub fn list(&self, name: &str) -> (&[String], Origin) {
        debug_assert!(options::find(name).is_some(), "{name} is not in the table of options");
        match self.entries.get(name) {
            Some((Given::Values(values), origin)) => (values, origin.clone()),
            Some((Given::Flag(_), _)) | None => (&[], Origin::BuiltIn),
        }
    }

    /// The value of an option, the table's default if it was not given.
    #[must_use]
    pub fn text(&self, name: &str) -> Option<(&str, Origin)> {
        let (values, origin) = self.list(name);
        match values.last() {
            Some(value) => Some((value, origin)),
            None => options::find(name)?.default.map(|value| (value, Origin::BuiltIn)),
        }
    }

    /// A whole number of `range`; `None` if the option was not given and has no default.
    ///
    /// # Errors
    /// Anything else.
    pub fn number(&self, name: &str, range: RangeInclusive<i64>) -> Result<Option<i64>, ConfigError> {
        let Some((text, origin)) = self.text(name) else { return Ok(None) };
        match text.parse::<i64>() {
            Ok(number) if range.contains(&number) => Ok(Some(number)),
            Ok(_) | Err(_) => {
                let allowed = match (*range.start(), *range.end()) {
                    (i64::MIN, i64::MAX) => "a whole number".to_owned(),
                    (low, i64::MAX) => format!("a whole number of at least {low}"),
                    (low, high) => format!("a whole number from {low} to {high}"),
                };
                Err(bad_value(name, text, allowed, origin))
            }
        }
    }

    /// A number that may have decimals, not negative; `None` as with [`Settings::number`].
    ///
    /// # Errors
    /// Anything else.
    pub fn decimal(&self, name: &str) -> Result<Option<f64>, ConfigError> {
        let Some((text, origin)) = self.text(name) else { return Ok(None) };
        match text.parse::<f64>() {
            Ok(number) if number.is_finite() && number >= 0.0 => Ok(Some(number)),
            Ok(_) | Err(_) => {
                Err(bad_value(name, text, "a number of at least 0, with or without decimals", origin))
            }
        }
    }

    /// One of the named choices.
    ///
    /// # Errors
    /// Any other word.
    pub fn choice<T: Copy>(&self, name: &str, choices: &[(&str, T)]) -> Result<Option<T>, ConfigError> {
        let Some((text, origin)) = self.text(name) else { return Ok(None) };
        match choices.iter().find(|(word, _)| word.eq_ignore_ascii_case(text)) {
            Some((_, choice)) => Ok(Some(*choice)),
            None => {
                let words: Vec<&str> = choices.iter().map(|(word, _)| *word).collect();
                Err(bad_value(name, text, words.join(", "), origin))
            }
        }
    }
}

/// The error for a value that is not allowed.
pub(super) fn bad_value(
    option: &str,
    value: &str,
    allowed: impl Into<String>,
    origin: Origin,
) -> ConfigError {
    ConfigError::Value { option: option.to_owned(), value: value.to_owned(), allowed: allowed.into(), origin }
}
