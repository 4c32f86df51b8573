//! `extmap` and `strip extmap`: which RTP header extensions (RFC 8285) are left in a body.

/// Names of extensions to remove.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct ExtmapFilter {
    /// All of them, `a=extmap-allow-mixed` included (`strip extmap`).
    pub everything: bool,
    /// All but those excepted.
    all: bool,
    strip: Vec<String>,
    except: Vec<String>,
}

impl ExtmapFilter {
    /// Names kept of each list.
    const MAX_NAMES: usize = 64;

    /// Adds to the extensions to remove; `all` stands for every one that is not excepted.
    pub fn strip(&mut self, name: &str) {
        match name {
            "all" => self.all = true,
            name if self.strip.len() < Self::MAX_NAMES => self.strip.push(name.to_owned()),
            _ => {}
        }
    }

    /// Adds to the extensions to keep.
    pub fn except(&mut self, name: &str) {
        if self.except.len() < Self::MAX_NAMES {
            self.except.push(name.to_owned());
        }
    }

    /// Whether there is nothing to do.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        !self.everything && !self.all && self.strip.is_empty()
    }

    /// Whether an attribute is to go. `a=extmap:<id>[/<direction>] <URI> [<parameters>]`
    pub(super) fn removes(&self, attribute: &[u8]) -> bool {
        if self.everything && attribute == b"extmap-allow-mixed" {
            return true;
        }
        let Some(value) = attribute.strip_prefix(b"extmap:") else { return false };
        let uri = value.split(u8::is_ascii_whitespace).filter(|word| !word.is_empty()).nth(1);
        let uri = uri.unwrap_or_default();
        let named = |names: &[String]| names.iter().any(|name| name.as_bytes() == uri);
        self.everything || ((self.all || named(&self.strip)) && !named(&self.except))
    }
}
