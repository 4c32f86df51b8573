//! The scenarios of `tests/scenarios`, played without sockets: the body of every reply, its warnings, and that nothing is
//! left of a call. `tests/tests/scenarios` plays the same with the daemon, and with media.

use std::collections::BTreeMap;
use std::path::Path;

use rtpengine_core::ng::{Outcome, Request, Value, json};

use crate::{
    dtls_support,
    scenario::{self, Scenario, Surroundings},
};

/// At least so many scenarios there are.
const SCENARIOS: usize = 314;

/// All scenarios, by file.
pub fn all() -> Vec<Scenario> {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../tests/scenarios");
    scenario::load(&folder).unwrap_or_else(|error| panic!("{error}"))
}

/// The outcome of a scenario, and keys and flags nobody knew.
fn play(scenario: &Scenario) -> Result<(), String> {
    let surroundings = Surroundings {
        shift: 0,
        fingerprints: (1..=4).map(|byte| dtls_support::print(byte).to_string()).collect(),
    };
    let mut pair = dtls_support::pair();
    for step in &scenario.steps {
        let place = |error: String| format!("line {}: {}: {error}", step.line, step.who);
        let text = serde_json::to_vec(&step.request).unwrap();
        let mut request =
            Request::parse(&json::decode(&text).unwrap()).map_err(|error| place(format!("{error:?}")))?;
        if let Some(body) = &step.body {
            request.sdp = Some(scenario::expand(body, &surroundings).into_bytes());
        }
        if !request.unknown.is_empty() {
            return Err(place(format!("unknown: {:?}", request.unknown)));
        }
        let reply = pair.send(&request);
        let warnings = [request.warnings(), reply.warnings.clone()].concat().join("; ");
        let outcome = match &reply.outcome {
            Outcome::Ok | Outcome::Pong => Ok(reply.body.get("sdp").and_then(Value::as_str)),
            Outcome::Error(reason) | Outcome::LoadLimit(reason) => Err(reason.as_str()),
        };
        step.check(outcome, &warnings, &surroundings).map_err(place)?;
    }
    let mut delete = Request::new(rtpengine_core::ng::Command::Delete);
    delete.call_id = Some("call1".to_owned());
    pair.send(&delete);
    pair.wait(1);
    pair.assert_empty();
    Ok(())
}

#[test]
fn every_scenario_goes_as_it_is_written() {
    let all = all();
    let mut files: BTreeMap<&str, usize> = BTreeMap::new();
    for scenario in &all {
        *files.entry(scenario.place.split(':').next().unwrap_or_default()).or_default() += 1;
    }
    println!("{} scenarios: {files:?}", all.len());
    let wrong: Vec<String> = all
        .iter()
        .filter_map(|scenario| {
            Some(format!("{}: {}: {}", scenario.place, scenario.title, play(scenario).err()?))
        })
        .collect();
    assert!(wrong.is_empty(), "{} of {} scenarios:\n{}", wrong.len(), all.len(), wrong.join("\n"));
    assert!(all.len() >= SCENARIOS, "only {} scenarios", all.len());
}
