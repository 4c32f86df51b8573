//! `docs/kernel-tables.md` explains every reason there is.

use std::path::Path;

#[test]
fn every_reason_is_explained_to_the_operator() {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("..");
    let code = std::fs::read_to_string(root.join("rtpengine-common/src/reason.rs")).unwrap();
    let page = std::fs::read_to_string(root.join("docs/kernel-tables.md")).unwrap();
    let names: Vec<&str> = code
        .lines()
        .filter_map(|line| line.strip_suffix(',')?.trim().split_once(" = "))
        .filter(|(_, number)| number.parse::<u32>().is_ok())
        .map(|(name, _)| name)
        .collect();
    assert!(names.len() > 30, "{names:?}");
    let missing: Vec<_> = names.iter().filter(|name| !page.contains(&format!("`{name}`"))).collect();
    assert!(missing.is_empty(), "docs/kernel-tables.md does not explain {missing:?}");
}
