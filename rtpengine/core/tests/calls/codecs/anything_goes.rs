//! Any flags over any body: what comes out reads back, and has no line about a format that is not listed.

use std::path::Path;

use proptest::prelude::*;
use rtpengine_core::{
    codecs::{CodecList, CodecSpec},
    ng::{Command, Flag, Outcome, Request, Value},
    sdp::{self, Media, Session},
};

use crate::pair::Pair;

const CODECS: [&str; 26] = [
    "all",
    "full",
    "PCMU",
    "PCMA",
    "G722",
    "G729",
    "GSM",
    "opus",
    "opus/48000",
    "opus/48000/2",
    "AMR",
    "AMR-WB/16000/1///octet-align=1",
    "EVS",
    "iLBC/8000/1///mode--30",
    "telephone-event",
    "telephone-event/8000",
    "telephone-event/48000",
    "CN",
    "red",
    "VP8",
    "rtx",
    "H264/90000/1///packetization-mode=1",
    "0",
    "8",
    "96",
    "101",
];

const FLAGS: [Flag; 6] = [
    Flag::AllowAsymmetricCodecs,
    Flag::AllowNoCodecMedia,
    Flag::ReuseCodecs,
    Flag::SingleCodec,
    Flag::StaticCodecs,
    Flag::NoRtcpAttribute,
];

#[derive(Clone, Debug)]
struct Step {
    /// Offer of the caller or the callee, or an answer to one.
    kind: u8,
    body: prop::sample::Index,
    members: Vec<(u8, u8)>,
    flags: u8,
}

fn steps() -> impl Strategy<Value = Vec<Step>> {
    let members = proptest::collection::vec((0u8..9, 0u8..26), 0..6);
    let step = (0u8..5, any::<prop::sample::Index>(), members, any::<u8>());
    let step = step.prop_map(|(kind, body, members, flags)| Step { kind, body, members, flags });
    proptest::collection::vec(step, 1..12)
}

/// The bodies of the corpus that can be read.
fn corpus() -> Vec<Vec<u8>> {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../fuzz/corpus/sdp");
    let mut files: Vec<_> = std::fs::read_dir(folder).unwrap().map(|file| file.unwrap().path()).collect();
    files.sort();
    let bodies = files.iter().map(|path| std::fs::read(path).unwrap());
    bodies.filter(|body| sdp::parse(body, sdp::ParseOptions::default()).is_ok()).collect()
}

fn read(body: &[u8]) -> Session<'_> {
    sdp::parse(body, sdp::ParseOptions::default()).expect("a body that can be read")
}

/// The formats of `a=rtpmap`, `a=fmtp` and `a=rtcp-fb`, `*` aside, and of lines that cannot be read.
fn described<'a>(session: &Session<'a>, media: &Media<'a>) -> Vec<String> {
    let mut formats = Vec::new();
    for line in session.media_lines(media) {
        for name in ["a=rtpmap:", "a=fmtp:", "a=rtcp-fb:"] {
            if let Some(value) = line.raw.strip_prefix(name.as_bytes()) {
                let format = value.split(u8::is_ascii_whitespace).next().unwrap_or_default();
                let format = String::from_utf8_lossy(format).into_owned();
                formats.extend((format.parse::<u8>().is_ok_and(|number| number < 128)).then_some(format));
            }
        }
    }
    formats
}

/// The formats of the result are some of those that were there, each once, and what is said is about them.
fn check(written: &[u8], body: &[u8]) {
    let (before, after) = (read(written), read(body));
    assert_eq!(before.medias.len(), after.medias.len());
    for (before_media, media) in before.medias.iter().zip(&after.medias) {
        let changed = before_media.formats != media.formats;
        let rejected = changed && media.port == 0 && media.formats == ["0"];
        for (at, format) in media.formats.iter().enumerate() {
            assert!(rejected || before_media.formats.contains(format), "{format} comes from nowhere");
            assert!(!changed || !media.formats[..at].contains(format), "{format} twice");
        }
        let stray = described(&before, before_media);
        for format in described(&after, media) {
            let listed = media.formats.contains(&format.as_str());
            assert!(listed || (!changed && stray.contains(&format)), "{format} is not listed");
        }
        // Whatever is asked for, media does not vanish silently.
        let media_left = |media: &Media<'_>| media.primary_codec().is_some();
        let unknown_left = media.formats.len() > media.codecs.len();
        assert!(
            !media_left(before_media) || rejected || media_left(media) || unknown_left,
            "{:?} of {:?}",
            media.formats,
            before_media.formats
        );
    }
}

fn run(pair: &mut Pair, bodies: &[Vec<u8>], step: &Step) {
    let body = step.body.get(bodies);
    let (command, from, to) = match step.kind {
        0 => (Command::Offer, "ft", ""),
        1 => (Command::Offer, "tt", "ft"),
        2 => (Command::Answer, "tt", "ft"),
        3 => (Command::Answer, "ft", "t2"),
        _ => (Command::Answer, "ft", "tt"),
    };
    let mut request: Request = Pair::request(command, from, to, "", |request| {
        for (list, codec) in &step.members {
            let list = CodecList::ALL[usize::from(*list)];
            assert!(request.codecs.add(list, CODECS[usize::from(*codec)]));
        }
        for (bit, flag) in FLAGS.into_iter().enumerate() {
            if step.flags >> bit & 1 == 1 {
                request.flags.insert(flag);
            }
        }
    });
    request.sdp = Some(body.clone());
    let reply = pair.send(&request);
    if reply.outcome == Outcome::Ok {
        check(body, reply.body.get("sdp").and_then(Value::as_bytes).expect("a body"));
    }
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 400, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn any_flags_over_any_body(steps in steps()) {
        let bodies = corpus();
        let mut pair = Pair::new();
        for step in &steps {
            run(&mut pair, &bodies, step);
        }
        pair.delete("ft", "");
        pair.delete("tt", "");
        pair.wait(1);
        pair.assert_empty();
    }

    #[test]
    fn any_text_is_a_codec_or_not(text in ".{0,40}") {
        if let Some(spec) = CodecSpec::parse(&text) {
            prop_assert_eq!(&spec.text, &text);
            prop_assert_eq!(spec.names("8", None), text.parse() == Ok(8u8) && spec.is_explicit());
        }
    }

    #[test]
    fn any_parameters_compare(one in ".{0,60}", two in "[0-9a-z=;, -]{0,60}", name in 0usize..9) {
        let names = ["AMR", "H264", "telephone-event", "VP9", "H265", "X", "opus", "G7221", "red"];
        let body = format!(
            "v=0\r\nm=audio 1 RTP/AVP 96 97\r\na=rtpmap:96 {0}/8000\r\na=rtpmap:97 {0}/8000\r\na=fmtp:96 {1}\r\na=fmtp:97 {2}\r\n",
            names[name], one.replace(['\r', '\n'], ""), two
        );
        let session = read(body.as_bytes());
        if let [one, two] = session.medias[0].codecs.as_slice() {
            use rtpengine_core::codecs::fmtp::compatible;
            prop_assert_eq!(compatible(one, two), compatible(two, one));
            prop_assert!(compatible(one, one), "a codec is itself");
        }
    }
}
