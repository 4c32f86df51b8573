//! Replays every file under `fuzz/corpus` through the checks of the fuzz targets.

#![expect(clippy::expect_used, reason = "a corpus that cannot be read has to fail the test")]

use std::path::Path;

#[path = "../../../fuzz/src/lib.rs"]
mod checks;

fn replay(corpus: &str, least: usize, check: fn(&[u8])) {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../fuzz/corpus").join(corpus);
    let mut replayed = 0;
    for entry in std::fs::read_dir(&folder).expect("the corpus is committed") {
        let path = entry.expect("the corpus is readable").path();
        // Shown by the test harness when the check fails.
        println!("{}", path.display());
        check(&std::fs::read(&path).expect("the file is readable"));
        replayed += 1;
    }
    assert!(replayed >= least, "only {replayed} files below {}", folder.display());
}

#[test]
fn sdp_corpus() {
    replay("sdp", 40, checks::sdp::check);
}

#[test]
fn legacy_corpus() {
    replay("legacy", 45, checks::legacy::check);
}

#[test]
fn ng_corpus() {
    replay("ng", 80, checks::ng::check);
}

#[test]
fn rtp_corpus() {
    replay("rtp", 55, checks::rtp::check);
}

#[test]
fn stun_corpus() {
    replay("stun", 25, checks::stun::check);
}

#[test]
fn security_corpus() {
    replay("security", 16, checks::security::check);
}
