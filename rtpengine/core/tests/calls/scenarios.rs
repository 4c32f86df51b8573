//! The scenarios of `tests/scenarios`, played without sockets: the body of every reply, its warnings, and that nothing is
//! left of a call. `tests/tests/scenarios` plays the same with the daemon, and with media.

use std::collections::BTreeMap;
use std::path::Path;

use rtpengine_core::ng::known::{FLAG_PREFIXES, Flag, Key, Replace, RtcpMux, Status};
use rtpengine_core::ng::{Outcome, Request, Value, json};

use crate::{
    dtls_support,
    scenario::{self, Scenario, Surroundings},
};

/// At least so many scenarios there are.
const SCENARIOS: usize = 600;

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

/// What is written outside of scenarios, and why.
const ELSEWHERE: &[(Key, &str)] = &[
    (Key::Limit, "of `list`, which concerns no call"),
    (Key::Template, "needs a daemon with templates: `templates_go_for_requests`"),
    (Key::Sdp, "is what the lines of a scenario are"),
];

/// Words of a request that may be keys or flags: all keys, all texts, and the parts of texts.
fn words(value: &serde_json::Value, out: &mut Vec<String>) {
    match value {
        serde_json::Value::Object(entries) => {
            for (key, value) in entries {
                out.push(key.clone());
                words(value, out);
            }
        }
        serde_json::Value::Array(values) => values.iter().for_each(|value| words(value, out)),
        serde_json::Value::String(text) => {
            out.push(text.clone());
            for word in text.split(' ') {
                out.push(word.to_owned());
                out.extend(word.split_once('=').map(|(key, _)| key.to_owned()));
                let prefixed = FLAG_PREFIXES.iter().filter_map(|(prefix, key)| {
                    let rest = word.get(..prefix.len()).filter(|start| start.eq_ignore_ascii_case(prefix))?;
                    Some([key.name().to_owned(), word[rest.len()..].to_owned()])
                });
                out.extend(prefixed.flatten());
            }
        }
        _ => {}
    }
}

#[test]
fn every_key_and_flag_that_is_built_is_in_a_scenario() {
    let mut said = Vec::new();
    for step in all().iter().flat_map(|scenario| &scenario.steps) {
        words(&serde_json::Value::Object(step.request.clone()), &mut said);
    }
    said.sort();
    said.dedup();
    let is_said = |find: &dyn Fn(&[u8]) -> bool| said.iter().any(|word| find(word.as_bytes()));
    let mut missing = Vec::new();
    for flag in Flag::ALL.iter().filter(|flag| flag.status() != Status::NotYet) {
        if !is_said(&|word| Flag::find(word) == Some(*flag)) {
            missing.push(format!("flag {}", flag.name()));
        }
    }
    for key in Key::ALL.iter().filter(|key| key.status() != Status::NotYet) {
        let elsewhere = ELSEWHERE.iter().any(|(known, _)| known == key);
        if !elsewhere && !is_said(&|word| Key::find(word) == Some(*key)) {
            missing.push(format!("key {}", key.name()));
        }
    }
    for member in Replace::ALL {
        if !is_said(&|word| Replace::find(word) == Some(*member)) {
            missing.push(format!("replace {}", member.name()));
        }
    }
    for member in RtcpMux::ALL {
        if !is_said(&|word| RtcpMux::find(word) == Some(*member)) {
            missing.push(format!("rtcp-mux {}", member.name()));
        }
    }
    assert!(missing.is_empty(), "in no scenario: {missing:#?}");
}
