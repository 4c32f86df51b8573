//! One scenario: its messages, and media where an exchange of bodies is complete.

use std::collections::HashMap;
use std::net::IpAddr;

use anyhow::{Context as _, Result, anyhow};
use rtpengine_tests::dtls::Certificate;
use rtpengine_tests::ng::{Encoding, NgClient, cookie};
use rtpengine_tests::scenario::{self, Media, Party, Scenario, Step, Surroundings};
use serde_json::{Value, json};

use crate::body;
use crate::media::{Flow, Leg, Stage};

/// The address a proxy has the message from, where that counts.
pub fn received_from(step: &Step) -> Option<IpAddr> {
    let flags = step.request.get("flags").map(Value::to_string).unwrap_or_default();
    let counts = flags.contains("SIP-source-address");
    let pair = step.request.get("received-from").filter(|_| counts)?;
    pair.get(1)?.as_str()?.parse().ok()
}

/// The bodies of an offer.
#[derive(Clone)]
struct Offered {
    writer: Party,
    written: Vec<body::Media>,
    read: String,
}

/// Plays it; how many flows of media were tried.
pub fn play(
    ng: &mut NgClient,
    scenario: &Scenario,
    index: usize,
    surroundings: &Surroundings,
    certificates: &[Certificate],
) -> Result<usize> {
    ng.encoding = if index.is_multiple_of(2) { Encoding::Bencode } else { Encoding::Json };
    let call = format!("scenario-{}", cookie());
    let mut stage = Stage::new(certificates);
    // Once asked for, reports are the daemon's, in the whole call.
    let text = |step: &Step| Value::Object(step.request.clone()).to_string().replace('-', " ");
    stage.reports = !scenario.steps.iter().any(|step| text(step).contains("generate RTCP"));
    let mut offers: HashMap<(Party, String), Offered> = HashMap::new();
    let mut unanswered: Option<(Party, Step)> = None;
    for step in &scenario.steps {
        let place = || format!("line {}: {}", step.line, step.who);
        let (written, read) = exchange(ng, step, &call, surroundings).with_context(place)?;
        let branch = step.request.get("via-branch").and_then(Value::as_str).unwrap_or_default().to_owned();
        let mut pair = None;
        if let (Some((writer, reader)), Some(read)) = (step.parties, read) {
            match step.request["command"].as_str() {
                Some("offer") => {
                    offers.insert((writer, branch), Offered { writer, written, read });
                    unanswered = Some((writer, step.clone()));
                }
                Some("answer") => {
                    let offered =
                        offers.get(&(reader, branch)).context("an offer comes before its answer")?;
                    stage.legs.insert(reader, Leg::of(&offered.written, &body::medias(&read), false));
                    stage.legs.insert(writer, Leg::of(&written, &body::medias(&offered.read), true));
                    pair = Some((offered.writer, writer));
                    unanswered = None;
                }
                Some("subscribe request") => {
                    _ = offers.insert((Party::D, branch), Offered { writer, written, read })
                }
                Some("publish") => {
                    _ = stage.legs.insert(writer, Leg::of(&written, &body::medias(&read), false))
                }
                _ => {}
            }
        } else if let (Some("subscribe answer"), Some(offered)) =
            (step.request["command"].as_str(), offers.get(&(Party::D, String::new())))
        {
            stage.legs.insert(Party::D, Leg::of(&written, &body::medias(&offered.read), true));
        }
        let flows = match (&step.media, pair) {
            (Media::Derived, Some(pair)) => stage.derived(pair),
            (Media::Only(pairs), _) => stage.only(pairs),
            (Media::Derived, None) => continue,
            (Media::Untested, _) => {
                unanswered = None;
                continue;
            }
        };
        stage.run(flows).with_context(place)?;
    }
    // Whoever is left without an answer gets one, so that media can flow.
    if let Some((writer, step)) = unanswered {
        let branch = step.request.get("via-branch").and_then(Value::as_str).unwrap_or_default().to_owned();
        let offered = offers.get(&(writer, branch)).context("it was offered")?;
        let answer = body::mirror(&offered.read, surroundings.shift, &surroundings.fingerprints[1]);
        let mut request = step.request.clone();
        let from = request["from-tag"].clone();
        request.retain(|key, _| key == "call-id" || key == "via-branch");
        let (other, tag) = if offered.writer == Party::A { (Party::B, "tt") } else { (Party::A, "ft") };
        request.extend([
            ("command".to_owned(), json!("answer")),
            ("call-id".to_owned(), json!(call)),
            ("from-tag".to_owned(), from),
            ("to-tag".to_owned(), json!(tag)),
            ("sdp".to_owned(), json!(answer)),
        ]);
        let reply = ng.expect_ok(&Value::Object(request)).context("the answer that was not written")?;
        let read = reply["sdp"].as_str().context("no body")?;
        stage.legs.insert(offered.writer, Leg::of(&offered.written, &body::medias(read), false));
        stage.legs.insert(other, Leg::of(&body::medias(&answer), &body::medias(&offered.read), true));
        let flows = stage.derived((offered.writer, other));
        stage.run(flows).with_context(|| format!("after an answer like the offer: {answer}{read}"))?;
    }
    ng.request(&json!({"command": "delete", "call-id": call, "delete delay": 0}))?;
    let tried = stage.tried;
    stage.close();
    Ok(tried)
}

/// Sends a message and holds its reply to what is written; the m-lines sent, and the body read.
fn exchange(
    ng: &mut NgClient,
    step: &Step,
    call: &str,
    surroundings: &Surroundings,
) -> Result<(Vec<body::Media>, Option<String>)> {
    let mut request = step.request.clone();
    request.insert("call-id".to_owned(), json!(call));
    let mut written = Vec::new();
    if let Some(lines) = &step.body {
        let text = scenario::expand(lines, surroundings);
        written = body::medias(&text);
        if let Some(address) = received_from(step) {
            written.iter_mut().for_each(|media| media.address = Some(address));
        }
        request.insert("sdp".to_owned(), json!(text));
    }
    let reply = ng.request(&Value::Object(request))?;
    let read = reply["sdp"].as_str().map(str::to_owned);
    let outcome = match reply["error-reason"].as_str() {
        Some(reason) => Err(reason),
        None => Ok(read.as_deref()),
    };
    let warnings = reply["warning"].as_str().unwrap_or_default();
    step.check(outcome, warnings, surroundings).map_err(|error| anyhow!("{error}"))?;
    Ok((written, read))
}

/// What is to flow.
pub type Flows = Vec<Flow>;
