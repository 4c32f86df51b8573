//! Replays `fuzz/corpus/ng`. What a file is called says what has to become of it.

use std::path::Path;

use rtpengine_core::ng::message::{self, Framed, Framer, Message};
use rtpengine_core::ng::{Outcome, Reply, Request};

/// What a datagram is answered with before any engine sees it; `None`: nothing at all.
fn answer(datagram: &[u8]) -> Option<Reply> {
    let message = Message::split(datagram)?;
    Some(match message::decode(message.body) {
        Err(_) => message::invalid(message.body),
        Ok(dict) => match Request::parse(&dict) {
            Err(error) => Reply::error(error.to_string()),
            Ok(_) => Reply::ok(),
        },
    })
}

/// Feeds a TCP stream byte by byte; the number of messages found, or `None` where the stream has to be closed.
fn frames(stream: &[u8]) -> Option<usize> {
    let mut framer = Framer::default();
    let (mut begin, mut found) = (0, 0);
    for end in 1..=stream.len() {
        while begin < end {
            match framer.next(&stream[begin..end]) {
                Ok(Framed::Incomplete) => break,
                Ok(Framed::Message { end: length, .. }) => {
                    begin += length;
                    found += 1;
                }
                Err(_) => return None,
            }
        }
    }
    Some(found)
}

#[test]
fn every_malformed_ng_message_yields_one_clear_error() {
    let corpus = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../fuzz/corpus/ng");
    let mut replayed = 0;
    for entry in std::fs::read_dir(&corpus).unwrap() {
        let path = entry.unwrap().path();
        let name = path.file_name().unwrap().to_string_lossy().into_owned();
        let datagram = std::fs::read(&path).unwrap();
        let reply = answer(&datagram);
        match name.split('-').next().unwrap() {
            "ignored" => assert_eq!(reply, None, "{name}"),
            "refused" if name.starts_with("refused-json-") => {
                assert_eq!(reply, Some(Reply::error("Failed to parse JSON document")), "{name}");
            }
            "refused" => assert_eq!(reply, Some(Reply::error("Invalid NG data format")), "{name}"),
            "error" => {
                let Some(Outcome::Error(reason)) = reply.map(|reply| reply.outcome) else {
                    panic!("{name}: accepted")
                };
                assert!(
                    ![message::INVALID_FORMAT, message::INVALID_JSON].contains(&reason.as_str()),
                    "{name}"
                );
            }
            "accepted" => {
                assert_eq!(reply, Some(Reply::ok()), "{name}");
                assert_eq!(frames(&datagram), Some(1), "{name}");
            }
            _ => continue, // Found by the fuzzer: only has to be survived.
        }
        let _ = frames(&datagram);
        replayed += 1;
    }
    assert!(replayed >= 60, "only {replayed} files below {}", corpus.display());
}
