//! `a=fmtp` parameters by the rules of their codecs: which describe the stream, and which only a wish of the receiver.

use crate::sdp::Codec;

/// What has to agree for two descriptions to be of one codec.
enum Rule {
    /// Nothing: every parameter is a wish, or settled by a rule that both ends know.
    Nothing,
    /// These parameters, each with its default.
    Parameters(&'static [(&'static str, &'static str)]),
    /// AMR and AMR-WB (RFC 4867 §8.3.1).
    Amr,
    /// H.264 (RFC 6184 §8.2.2).
    H264,
    /// telephone-event (RFC 4733 §2.4.1).
    Events,
    /// All of them.
    All,
}

/// What `name` goes by. Of an encoding that is not listed every parameter counts.
fn rule(name: &str) -> Rule {
    /// RFC 7587 §7.1 (Opus), RFC 7261 §3 (G.729 and G.723: the answer to annexb or annexa is what both use),
    /// RFC 3952 §5 (iLBC: the longer frame wins), RFC 7741 §6.2 (VP8), RFC 5574 §3.3 (Speex).
    const FREE: [&str; 14] = [
        "PCMU", "PCMA", "G722", "GSM", "CN", "L16", "opus", "G729", "G729a", "G723", "iLBC", "VP8", "speex",
        "SILK",
    ];
    let is = |known: &str| known.eq_ignore_ascii_case(name);
    if FREE.into_iter().any(is) {
        Rule::Nothing
    } else if is("AMR") || is("AMR-WB") {
        Rule::Amr
    } else if is("H264") {
        Rule::H264
    } else if is("telephone-event") {
        Rule::Events
    } else if is("VP9") {
        // RFC 9628 §6.2.
        Rule::Parameters(&[("profile-id", "0")])
    } else if is("AV1") {
        Rule::Parameters(&[("profile", "0")])
    } else if is("H265") {
        // RFC 7798 §7.2.2.
        Rule::Parameters(&[("profile-space", "0"), ("profile-id", "1"), ("tier-flag", "0")])
    } else if is("G7221") {
        // RFC 5577 §4.1.
        Rule::Parameters(&[("bitrate", "")])
    } else {
        Rule::All
    }
}

/// Values in effect where the parameter is not written.
const DEFAULTS: [(&str, &str, &str); 22] = [
    ("AMR", "octet-align", "0"),
    ("AMR", "crc", "0"),
    ("AMR", "robust-sorting", "0"),
    ("AMR-WB", "octet-align", "0"),
    ("AMR-WB", "crc", "0"),
    ("AMR-WB", "robust-sorting", "0"),
    ("iLBC", "mode", "30"),
    ("G729", "annexb", "yes"),
    ("G723", "annexa", "yes"),
    ("H264", "packetization-mode", "0"),
    ("H264", "profile-level-id", "42000a"),
    ("VP9", "profile-id", "0"),
    ("AV1", "profile", "0"),
    ("H265", "profile-space", "0"),
    ("H265", "profile-id", "1"),
    ("H265", "tier-flag", "0"),
    ("opus", "stereo", "0"),
    ("opus", "sprop-stereo", "0"),
    ("opus", "useinbandfec", "0"),
    ("opus", "usedtx", "0"),
    ("opus", "cbr", "0"),
    ("opus", "maxplaybackrate", "48000"),
];

/// Whether the two describe the same codec: encoding, clock rate, channels, and those parameters that fix the stream.
#[must_use]
pub fn compatible(one: &Codec<'_>, two: &Codec<'_>) -> bool {
    if !one.same_encoding(two) {
        return false;
    }
    let fmtps = [one.fmtp.unwrap_or_default(), two.fmtp.unwrap_or_default()];
    let [left, right] = fmtps;
    match rule(one.encoding) {
        Rule::Nothing => true,
        Rule::Parameters(wanted) => wanted.iter().all(|(name, default)| {
            let [left, right] = fmtps.map(|fmtp| parameter(fmtp, name).unwrap_or(default));
            left.eq_ignore_ascii_case(right)
        }),
        Rule::Amr => {
            let [left, right] = fmtps.map(Amr::of);
            left.framing == right.framing && left.modes & right.modes != 0
        }
        Rule::H264 => fmtps.map(Avc::of).windows(2).all(|pair| matches!(pair, [one, two] if one == two)),
        Rule::Events => {
            let shared = events(left).iter().zip(events(right)).any(|(one, two)| one & two != 0);
            shared || left == right
        }
        Rule::All => covers(left, right) && covers(right, left),
    }
}

/// Whether every parameter in `wanted` is in effect for `codec`.
#[must_use]
pub fn has(codec: &Codec<'_>, wanted: &str) -> bool {
    let fmtp = codec.fmtp.unwrap_or_default();
    if codec.is_telephone_event() {
        return events(fmtp) == events(wanted);
    }
    parameters(wanted).all(|(name, value)| {
        let written = parameter(fmtp, name);
        let default = || {
            let mut known =
                DEFAULTS.iter().filter(|(codec_name, ..)| codec.encoding.eq_ignore_ascii_case(codec_name));
            known.find(|(_, known, _)| known.eq_ignore_ascii_case(name)).map(|(.., value)| *value)
        };
        written.or_else(default).is_some_and(|found| found.eq_ignore_ascii_case(value))
    })
}

/// Every parameter of `right` is in `left`.
fn covers(left: &str, right: &str) -> bool {
    parameters(right)
        .all(|(name, value)| parameter(left, name).is_some_and(|found| found.eq_ignore_ascii_case(value)))
}

/// `name=value` pairs; what has no equals sign is a name without a value.
fn parameters(fmtp: &str) -> impl Iterator<Item = (&str, &str)> {
    fmtp.split(';').map(str::trim).filter(|pair| !pair.is_empty()).map(|pair| {
        let (name, value) = pair.split_once('=').unwrap_or((pair, ""));
        (name.trim_end(), value.trim())
    })
}

fn parameter<'f>(fmtp: &'f str, name: &str) -> Option<&'f str> {
    parameters(fmtp).find(|(known, _)| known.eq_ignore_ascii_case(name)).map(|(_, value)| value)
}

/// What fixes the form of AMR packets, and the modes allowed.
struct Amr<'f> {
    framing: (bool, bool, bool, Option<&'f str>),
    /// One bit a mode; all without a `mode-set` that can be read.
    modes: u16,
}

impl<'f> Amr<'f> {
    fn of(fmtp: &'f str) -> Self {
        let on = |name: &str| parameter(fmtp, name) == Some("1");
        let interleaving = parameter(fmtp, "interleaving");
        let (crc, robust) = (on("crc"), on("robust-sorting"));
        // Each of these implies octet-aligned operation (RFC 4867 §8.1).
        let aligned = on("octet-align") || crc || robust || interleaving.is_some();
        let set = parameter(fmtp, "mode-set").unwrap_or_default();
        let modes = set.split(',').filter_map(|mode| mode.trim().parse().ok());
        let modes = modes.filter_map(|mode| 1u16.checked_shl(mode)).fold(0, |set, mode| set | mode);
        let modes = if modes == 0 { u16::MAX } else { modes };
        Self { framing: (aligned, crc, robust, interleaving), modes }
    }
}

/// Packetization and profile of H.264; the level is not among what has to agree.
#[derive(PartialEq, Eq)]
struct Avc<'f> {
    packetization: &'f str,
    profile: Profile,
}

/// Profiles that have several codes (RFC 6184 §8.1, table 5), and others by `profile_idc` and `profile-iop`.
#[derive(PartialEq, Eq)]
enum Profile {
    ConstrainedBaseline,
    Baseline,
    Main,
    Extended,
    Other(u32),
}

impl<'f> Avc<'f> {
    fn of(fmtp: &'f str) -> Self {
        // Without one it is Baseline at level 1 (RFC 6184 §8.1).
        let id = parameter(fmtp, "profile-level-id").and_then(|id| u32::from_str_radix(id, 16).ok());
        let id = id.unwrap_or(0x42_00_0a);
        let (idc, iop) = (id >> 16 & 0xff, id >> 8 & 0xff);
        let profile = match idc {
            0x42 if iop & 0x40 != 0 => Profile::ConstrainedBaseline,
            0x4d if iop & 0x80 != 0 => Profile::ConstrainedBaseline,
            0x58 if iop & 0xc0 == 0xc0 => Profile::ConstrainedBaseline,
            0x42 => Profile::Baseline,
            0x58 if iop & 0xc0 == 0x80 => Profile::Baseline,
            0x4d => Profile::Main,
            0x58 => Profile::Extended,
            _ => Profile::Other(id >> 8),
        };
        Self { packetization: parameter(fmtp, "packetization-mode").unwrap_or("0"), profile }
    }
}

/// The events of a telephone-event line, one bit each; 0 to 15 where it names none that can be read.
fn events(fmtp: &str) -> [u64; 4] {
    let mut set = [0u64; 4];
    for range in fmtp.split(',').map(str::trim) {
        let (low, high) = range.split_once('-').unwrap_or((range, range));
        let (Ok(low), Ok(high)) = (low.parse::<u8>(), high.parse::<u8>()) else { continue };
        for event in low..=high {
            if let Some(word) = set.get_mut(usize::from(event >> 6)) {
                *word |= 1 << (event & 63);
            }
        }
    }
    if set == [0; 4] { [0xffff, 0, 0, 0] } else { set }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn codec<'a>(rtpmap: &'a str, fmtp: &'a str) -> Codec<'a> {
        let codec = Codec::parse_rtpmap(rtpmap).unwrap();
        Codec { fmtp: (!fmtp.is_empty()).then_some(fmtp), ..codec }
    }

    fn same(name: &str, one: &str, two: &str) -> bool {
        let [one, two] = [one, two].map(|fmtp| (format!("96 {name}"), fmtp));
        let forth = compatible(&codec(&one.0, one.1), &codec(&two.0, two.1));
        assert_eq!(compatible(&codec(&two.0, two.1), &codec(&one.0, one.1)), forth, "symmetric");
        forth
    }

    #[test]
    fn wishes_of_the_receiver_do_not_count() {
        for (name, one, two) in [
            ("opus/48000/2", "minptime=10;useinbandfec=1", ""),
            ("opus/48000/2", "stereo=1", "maxaveragebitrate=20000; stereo=0"),
            ("G729/8000", "annexb=no", ""),
            ("G729/8000", "annexb=no", "annexb=yes"),
            ("G723/8000", "annexa=no", "bitrate=6.3"),
            ("iLBC/8000", "mode=20", ""),
            ("VP8/90000", "max-fr=30;max-fs=8040", ""),
            ("PCMA/8000", "x", ""),
        ] {
            assert!(same(name, one, two), "{name}: {one} and {two}");
        }
    }

    #[test]
    fn amr_goes_by_framing_and_modes() {
        for name in ["AMR/8000", "AMR-WB/16000"] {
            assert!(same(name, "", "octet-align=0"));
            assert!(same(name, "octet-align=1", "octet-align=1; mode-change-capability=2; max-red=0"));
            assert!(!same(name, "octet-align=1", ""));
            assert!(same(name, "crc=1", "octet-align=1;crc=1"), "implied");
            assert!(!same(name, "crc=1", "octet-align=1"));
            assert!(!same(name, "octet-align=1;interleaving=30", "octet-align=1"));
            assert!(same(name, "mode-set=0,2,4,7", "mode-set=7"));
            assert!(same(name, "mode-set=0", ""));
            assert!(!same(name, "mode-set=0,1", "mode-set=2"));
            assert!(same(name, "mode-set=99", "mode-set=0"), "unreadable is as good as none");
        }
    }

    #[test]
    fn h264_goes_by_profile_and_packetization_and_not_by_level() {
        let h264 = |one, two| same("H264/90000", one, two);
        assert!(h264("profile-level-id=42e01f", "profile-level-id=42E00D;max-br=100"));
        assert!(!h264("profile-level-id=42e01f", "profile-level-id=42001f"));
        assert!(h264("profile-level-id=42e01f", "profile-level-id=4d801f"), "constrained baseline twice");
        assert!(h264("profile-level-id=58801f", "profile-level-id=420014"));
        assert!(!h264("profile-level-id=4d001f", "profile-level-id=64001f"));
        assert!(h264("", "profile-level-id=420029;packetization-mode=0"));
        assert!(!h264("packetization-mode=1", ""));
        assert!(h264("profile-level-id=zz", ""), "unreadable is as good as none");
    }

    #[test]
    fn other_video_goes_by_its_profile() {
        assert!(same("VP9/90000", "profile-id=0", ""));
        assert!(!same("VP9/90000", "profile-id=2", ""));
        assert!(!same("AV1/90000", "profile=1", "level-idx=5"));
        assert!(same("H265/90000", "level-id=93", "profile-id=1;tier-flag=0"));
    }

    #[test]
    fn events_have_to_overlap() {
        let events = |one, two| same("telephone-event/8000", one, two);
        assert!(events("0-15", ""));
        assert!(events("0-16", "0-15,66,70"));
        assert!(!events("0-15", "32-49"));
        assert!(events("255", "192-255"));
        assert!(events("9-1", ""), "an empty range names nothing");
    }

    #[test]
    fn of_others_every_parameter_counts() {
        assert!(same("X/8000", "b=2; A=1", "a=1;b=2"));
        assert!(!same("X/8000", "a=1;b=2", "a=1"));
        assert!(!same("G7221/16000", "bitrate=32000", "bitrate=24000"));
        assert!(!compatible(&codec("96 opus/48000/2", ""), &codec("96 opus/48000", "")));
        assert!(!compatible(&codec("96 G722/8000", ""), &codec("96 G722/16000", "")));
        assert!(compatible(&codec("96 OPUS/48000/2", ""), &codec("97 opus/48000/2", "")));
    }

    #[test]
    fn parameters_are_in_effect_by_default() {
        let has = |name: &str, fmtp: &str, wanted: &str| has(&codec(&format!("96 {name}"), fmtp), wanted);
        assert!(has("iLBC/8000", "", "mode=30") && !has("iLBC/8000", "mode=20", "mode=30"));
        assert!(has("G729/8000", "", "annexb=yes") && has("G729/8000", "annexb=no", "annexb=no"));
        assert!(has("H264/90000", "packetization-mode=1;profile-level-id=42e01f", "packetization-mode=1"));
        assert!(!has("H264/90000", "", "packetization-mode=1"));
        assert!(has("AMR-WB/16000", "octet-align=1; mode-set=0,1", "mode-set=0,1;octet-align=1"));
        assert!(has("telephone-event/8000", "", "0-15") && !has("telephone-event/8000", "0-15", "0-16"));
        assert!(!has("X/8000", "", "mode=30") && has("X/8000", "a", "a"));
    }
}
