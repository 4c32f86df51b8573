//! Replays every file under `fuzz/corpus/dtls` through the check of the fuzz target.

#![expect(clippy::panic, reason = "a check that does not hold has to fail the test")]

use std::path::Path;

use rtpengine::dtls::record::demultiplex;

#[path = "../../fuzz/src/dtls.rs"]
mod dtls;

#[test]
fn dtls_corpus() {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("../fuzz/corpus/dtls");
    let mut replayed = 0;
    for entry in std::fs::read_dir(&folder).expect("the corpus is committed") {
        let path = entry.expect("the corpus is readable").path();
        // Shown by the test harness when the check fails.
        println!("{}", path.display());
        let datagram = std::fs::read(&path).expect("the file is readable");
        let name = path.file_name().unwrap_or_default().to_string_lossy();
        assert_eq!(demultiplex(&datagram).is_err(), name.starts_with("broken-"), "{name}");
        dtls::check(&datagram);
        replayed += 1;
    }
    assert!(replayed >= 25, "only {replayed} files below {}", folder.display());
}
