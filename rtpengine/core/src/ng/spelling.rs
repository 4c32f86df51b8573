//! Spelling variants of keys, flags and commands.

/// The canonical form of one byte of a name: lower case, with a hyphen for every separator.
fn fold(byte: u8) -> u8 {
    match byte {
        b' ' | b'_' | b'-' => b'-',
        other => other.to_ascii_lowercase(),
    }
}

/// Whether two names are spelling variants of each other: space, hyphen and underscore are one, case does not matter.
#[must_use]
pub fn same(left: &[u8], right: &[u8]) -> bool {
    left.len() == right.len() && left.iter().zip(right).all(|(a, b)| fold(*a) == fold(*b))
}

/// The rest of `name` after `prefix`, compared as by [`same`].
#[must_use]
pub fn strip_prefix<'a>(name: &'a [u8], prefix: &str) -> Option<&'a [u8]> {
    let (head, rest) = name.split_at_checked(prefix.len())?;
    same(head, prefix.as_bytes()).then_some(rest)
}

/// The canonical spelling of a name: lower case with hyphens.
#[must_use]
pub fn canonical(name: &[u8]) -> String {
    String::from_utf8_lossy(&name.iter().copied().map(fold).collect::<Vec<u8>>()).into_owned()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn separators_and_case_do_not_matter() {
        assert!(same(b"SIP source address", b"sip-source_address"));
        assert!(!same(b"rtcp-mux", b"rtcpmux"));
        assert_eq!(strip_prefix(b"Endpoint Learning-off", "endpoint-learning-"), Some(b"off".as_slice()));
        assert_eq!(strip_prefix(b"end", "endpoint-learning-"), None);
        assert_eq!(canonical(b"NAT wait"), "nat-wait");
    }
}
