//! Replays the committed fuzz corpus.

use std::collections::BTreeMap;
use std::path::Path;

use super::super::*;
use super::properties::{full_plan, unchanged_lines};

fn corpus() -> BTreeMap<String, Vec<u8>> {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../fuzz/corpus/sdp");
    let files = std::fs::read_dir(&folder).unwrap_or_else(|error| panic!("{}: {error}", folder.display()));
    files
        .map(|file| {
            let path = file.unwrap().path();
            (path.file_name().unwrap().to_string_lossy().into_owned(), std::fs::read(&path).unwrap())
        })
        .collect()
}

#[test]
fn every_body_is_read_or_refused_as_its_name_says() {
    let corpus = corpus();
    assert!(corpus.len() >= 20, "the corpus is missing");
    // Broken in ways that leave the lines we rely on readable.
    let harmless = ["broken_attributes.sdp"];
    for (name, body) in &corpus {
        let parsed = parse(body, ParseOptions::default());
        let good = !name.starts_with("broken_") || harmless.contains(&name.as_str());
        assert_eq!(parsed.is_ok(), good, "{name}: {parsed:?}");
        if let Ok(session) = parsed {
            assert_eq!(rewrite(&session, &RewritePlan::default()), *body, "{name}");
        }
    }
}

#[test]
fn full_rewrites_of_the_corpus_read_back_as_planned() {
    for (name, body) in &corpus() {
        let Ok(session) = parse(body, ParseOptions::default()) else { continue };
        let plan = full_plan(&session);
        let out = rewrite(&session, &plan);
        let back = parse(&out, ParseOptions::default()).unwrap_or_else(|error| panic!("{name}: {error}"));
        assert_eq!(back.medias.len(), session.medias.len(), "{name}");
        for (media, planned) in back.medias.iter().zip(&plan.medias) {
            assert_eq!(media.port, planned.port.unwrap(), "{name}");
            assert_eq!(media.connection.unwrap().ip, planned.address, "{name}");
            assert_eq!(media.own_direction, planned.direction, "{name}");
            assert_eq!(media.security, Security::default(), "{name}");
        }
        assert_eq!(unchanged_lines(&back), unchanged_lines(&session), "{name}");
        assert_eq!(rewrite(&back, &plan), out, "{name}: a second rewrite changes nothing");
    }
}

#[test]
fn an_independent_parser_agrees_with_our_output() {
    let mut compared = 0;
    for (name, body) in &corpus() {
        let Ok(session) = parse(body, ParseOptions::default()) else { continue };
        // The other parser wants every line to have the order and form of the RFC.
        if sdp_types::Session::parse(body).is_err() {
            continue;
        }
        let plan = full_plan(&session);
        let out = rewrite(&session, &plan);
        let other = sdp_types::Session::parse(&out).unwrap_or_else(|error| panic!("{name}: {error}"));
        assert_eq!(other.medias.len(), plan.medias.len(), "{name}");
        for (media, planned) in other.medias.iter().zip(&plan.medias) {
            assert_eq!(Some(media.port), planned.port, "{name}");
            let connection = media.connections.first().or(other.connection.as_ref()).unwrap();
            let address = planned.address.unwrap();
            assert_eq!(connection.connection_address, address.to_string(), "{name}");
            assert_eq!(connection.is_ipv6(), address.is_ipv6(), "{name}");
            let direction = planned.direction.unwrap().as_str();
            assert!(media.attributes.iter().any(|a| a.attribute == direction), "{name}");
            let RtcpPlan::Full(_, rtcp) = planned.rtcp else { panic!("{name}") };
            let value = format!("{rtcp} IN {} {address}", if address.is_ipv6() { "IP6" } else { "IP4" });
            let found = media.attributes.iter().find(|a| a.attribute == "rtcp").unwrap();
            assert_eq!(found.value.as_deref(), Some(value.as_str()), "{name}");
        }
        compared += 1;
    }
    assert!(compared >= 20, "only {compared} bodies were compared");
}
