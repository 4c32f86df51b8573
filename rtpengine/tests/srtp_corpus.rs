//! Replays every file under `fuzz/corpus/srtp` through the check of the fuzz target.

#![expect(clippy::panic, reason = "a check that does not hold has to fail the test")]

use std::path::Path;

#[path = "../../fuzz/src/srtp.rs"]
mod srtp;

#[test]
fn srtp_corpus() {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("../fuzz/corpus/srtp");
    let mut replayed = 0;
    for entry in std::fs::read_dir(&folder).expect("the corpus is committed") {
        let path = entry.expect("the corpus is readable").path();
        // Shown by the test harness when the check fails.
        println!("{}", path.display());
        srtp::check(&std::fs::read(&path).expect("the file is readable"));
        replayed += 1;
    }
    assert!(replayed >= 25, "only {replayed} files below {}", folder.display());
}
