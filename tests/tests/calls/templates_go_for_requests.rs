//! `--templates`: flags under a name, from the configuration file.

use rtpengine_tests::daemon::Table;
use rtpengine_tests::engine::Engine;
use rtpengine_tests::require::{NAMESPACES, available};
use rtpengine_tests::sdp;
use rtpengine_tests::topology::{CALLEE, CALLER};
use serde_json::json;

const FILE: &str = "
[rtpengine]
# Everything else is on the command line.
templates = named

[named]
secure = transport-protocol=RTP/SAVP SDES=[only-AES_CM_128_HMAC_SHA1_80] sdp-attr-add-audio-x:secure
answer = sdp-attr-add-none-x:answered
default = replace-origin
";

#[test]
fn templates_go_for_requests() {
    if !available(NAMESPACES) {
        return;
    }
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("rtpengine.conf");
    std::fs::write(&path, FILE).unwrap();
    let file = format!("--config-file={}", path.display());
    let mut engine = Engine::start(Table::Off, &[&file]).unwrap();
    let call =
        engine.call_with(CALLER, CALLEE, &json!({"flags": ["template=secure"], "replace": []})).unwrap();
    let offered = sdp::first_media(&call.offered).unwrap();
    assert!(offered.lines[0].contains(" RTP/SAVP ") && offered.has("a=x:secure"), "{}", call.offered);
    assert_eq!(call.offered.matches("a=crypto:").count(), 1, "{}", call.offered);
    let origin = |body: &str| body.lines().find(|line| line.starts_with("o=")).unwrap().to_owned();
    assert!(origin(&call.offered).ends_with("10.77.2.1"), "{}", call.offered);
    assert!(call.answered.contains("a=x:answered") && origin(&call.answered).ends_with("10.77.1.1"));
    call.hang_up(&mut engine.ng).unwrap();

    let call = engine.call_with(CALLER, CALLEE, &json!({"template": "nothing"})).unwrap();
    assert!(!call.offered.contains("a=x:") && call.answered.contains("a=x:answered"));
    call.hang_up(&mut engine.ng).unwrap();
    engine.daemon.stop().unwrap();
}
