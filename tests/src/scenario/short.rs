//! The short form of messages about codecs:
//!
//! ```text
//! WHO FLAGS : SECTIONS => SECTIONS ! WARNINGS
//! ```
//!
//! - SECTIONS, separated by ` | `: `[KIND][/PROFILE] FORMAT...`, by default `audio/AVP`. A format is a number of
//!   `lines_of`, or `96:111` for codec 111 under the number 96. `@sendonly` and the like say the direction. `-` is
//!   port 0, `rejected` an m-line without codecs.
//! - WARNINGS, all of them, separated by ` ; `.
//!
//! The body read has exactly the m-lines of the right-hand side, with all attributes of the formats that stand in them, in
//! the order they were written, and none of others.

use super::Party;

/// The attributes of a codec, without `a=`; `%` is its number.
fn lines_of(codec: &str) -> Option<&'static [&'static str]> {
    Some(match codec {
        "0" => &["rtpmap:% PCMU/8000"],
        "3" => &["rtpmap:% GSM/8000"],
        "4" => &["rtpmap:% G723/8000"],
        "8" => &["rtpmap:% PCMA/8000"],
        "9" => &["rtpmap:% G722/8000"],
        "13" => &["rtpmap:% CN/8000"],
        "18" => &["rtpmap:% G729/8000", "fmtp:% annexb=no"],
        "34" => &["rtpmap:% H263/90000", "framesize:% 352-288"],
        "63" => &["rtpmap:% red/48000/2", "fmtp:% 111/111"],
        "96" => &["rtpmap:% VP8/90000", "rtcp-fb:% nack pli", "imageattr:% send [x=640,y=480]"],
        "97" => &["rtpmap:% iLBC/8000", "fmtp:% mode=30"],
        "98" => &["rtpmap:% iLBC/8000", "fmtp:% mode=20"],
        "99" => &[],
        "100" => &["rtpmap:% VP9/90000", "fmtp:% profile-id=0"],
        "101" => &["rtpmap:% telephone-event/8000", "fmtp:% 0-16"],
        "102" => &["rtpmap:% AMR/8000"],
        "103" => &["rtpmap:% AMR/8000", "fmtp:% octet-align=1; mode-change-capability=2"],
        "104" => &["rtpmap:% AMR-WB/16000", "fmtp:% octet-align=1;mode-set=0,1,2"],
        "105" => &["rtpmap:% telephone-event/16000", "fmtp:% 0-15"],
        "106" => &["rtpmap:% AMR-WB/16000"],
        "107" => &["rtpmap:% rtx/90000", "fmtp:% apt=96"],
        "108" => {
            &["rtpmap:% H264/90000", "fmtp:% packetization-mode=1;profile-level-id=42e01f", "rtcp-fb:% nack"]
        }
        "109" => &["rtpmap:% H264/90000", "fmtp:% profile-level-id=42e01f"],
        "110" => &["rtpmap:% telephone-event/48000"],
        "111" => &["rtpmap:% opus/48000/2", "rtcp-fb:% transport-cc", "fmtp:% minptime=10;useinbandfec=1"],
        "112" => &["rtpmap:% L16/16000"],
        "113" => &["rtpmap:% OPUS/48000/2", "fmtp:% stereo=1"],
        "114" => &["rtpmap:% rtx/90000", "fmtp:% apt=108"],
        "116" => &["rtpmap:% red/90000"],
        "117" => &["rtpmap:% ulpfec/90000"],
        "118" => &["rtpmap:% CN/16000"],
        "119" => &["rtpmap:% H264/90000", "fmtp:% profile-level-id=42E00D;packetization-mode=1;max-br=400"],
        "120" => &["rtpmap:% opus/48000"],
        "121" => &["rtpmap:% H264/90000", "fmtp:% packetization-mode=1;profile-level-id=64001f"],
        "126" => &["rtpmap:% telephone-event/8000"],
        _ => return None,
    })
}

/// One m-line of a scenario.
#[derive(Debug)]
pub struct Section<'t> {
    kind: &'t str,
    profile: &'t str,
    formats: Vec<(&'t str, &'t str)>,
    direction: Option<&'t str>,
    off: bool,
    rejected: bool,
}

impl<'t> Section<'t> {
    fn parse(text: &'t str) -> Result<Self, String> {
        let mut section = Self {
            kind: "audio",
            profile: "AVP",
            formats: Vec::new(),
            direction: None,
            off: false,
            rejected: false,
        };
        for word in text.split_whitespace() {
            if let Some(direction) = word.strip_prefix('@') {
                section.direction = Some(direction);
            } else if word == "-" {
                section.off = true;
            } else if word == "rejected" {
                section.rejected = true;
            } else if word.starts_with(|first: char| first.is_ascii_digit()) {
                section.formats.push(word.split_once(':').unwrap_or((word, word)));
            } else if let Some((kind, profile)) = word.split_once('/') {
                (section.kind, section.profile) = (if kind.is_empty() { "audio" } else { kind }, profile);
            } else {
                section.kind = word;
            }
        }
        if let Some((_, codec)) = section.formats.iter().find(|(_, codec)| lines_of(codec).is_none()) {
            return Err(format!("no codec {codec}"));
        }
        if !["AVP", "AVPF", "SAVP", "TLS"].contains(&section.profile) {
            return Err(format!("no profile {}", section.profile));
        }
        Ok(section)
    }

    fn protocol(&self) -> &'t str {
        match self.profile {
            _ if self.kind == "image" => "udptl",
            "AVPF" => "RTP/AVPF",
            "SAVP" => "RTP/SAVP",
            "TLS" => "UDP/TLS/RTP/SAVPF",
            _ => "RTP/AVP",
        }
    }

    fn has_feedback(&self) -> bool {
        self.protocol().ends_with('F')
    }

    fn media_line(&self, port: &str) -> String {
        let port = if self.off || self.rejected { "0" } else { port };
        let mut line = format!("m={} {port} {}", self.kind, self.protocol());
        if self.kind == "image" {
            line += " t38";
        } else if self.rejected {
            line += " 0";
        }
        for (number, _) in &self.formats {
            line += &format!(" {number}");
        }
        line
    }

    /// The lines about formats, those `wanted` only.
    fn format_lines(&self, feedback: bool, wanted: impl Fn(&str) -> bool) -> Vec<String> {
        let mut lines = Vec::new();
        for (number, codec) in self.formats.iter().filter(|(number, _)| wanted(number)) {
            let all = lines_of(codec)
                .unwrap_or_default()
                .iter()
                .filter(|line| feedback || !line.starts_with("rtcp-fb"));
            lines.extend(all.map(|line| format!("a={}", line.replace('%', number))));
        }
        lines
    }

    fn is_rtp(&self) -> bool {
        self.kind != "image"
    }
}

/// Reads SECTIONS.
pub fn sections(text: &str) -> Result<Vec<Section<'_>>, String> {
    text.split(" | ").map(Section::parse).collect()
}

/// The body of a party.
pub fn body(sections: &[Section<'_>], party: Party, offer: bool) -> Vec<String> {
    let address = party.address();
    let mut lines = vec!["v=0".to_owned(), format!("o=- 1 1 IN IP4 {address}"), "s=x".to_owned()];
    lines.extend([format!("c=IN IP4 {address}"), "t=0 0".to_owned()]);
    for (port, section) in (party.first_port()..).step_by(10).zip(sections) {
        lines.push(section.media_line(&port.to_string()));
        lines.extend(section.format_lines(section.has_feedback(), |_| true));
        lines.push(if section.is_rtp() { "a=ptime:20" } else { "a=T38FaxVersion:0" }.to_owned());
        lines.extend(section.direction.map(|direction| format!("a={direction}")));
        match section.profile {
            "TLS" => {
                let (print, setup) = if offer { ("FP1", "actpass") } else { ("FP2", "active") };
                lines.extend([format!("a=fingerprint:{print}"), format!("a=setup:{setup}")]);
                lines.push("a=rtcp-mux".to_owned());
            }
            "SAVP" => {
                let key = if offer { "KEY1" } else { "KEY2" };
                lines.push(format!("a=crypto:1 AES_CM_128_HMAC_SHA1_80 {key}"));
            }
            _ => {}
        }
    }
    lines
}

/// What the receiver is to read, ports aside, below the first m-line.
pub fn expected(written: &[Section<'_>], read: &[Section<'_>]) -> Result<Vec<String>, String> {
    if written.len() != read.len() {
        return Err("every m-line has its counterpart".to_owned());
    }
    let mut lines = Vec::new();
    for (written, read) in written.iter().zip(read) {
        lines.push(read.media_line("P"));
        let feedback =
            written.has_feedback() && (read.has_feedback() || written.protocol() == read.protocol());
        let numbers: Vec<&str> =
            if read.rejected { vec!["0"] } else { read.formats.iter().map(|(number, _)| *number).collect() };
        lines.extend(written.format_lines(feedback, |number| numbers.contains(&number)));
        if !written.is_rtp() {
            lines.push("a=T38FaxVersion:0".to_owned());
            continue;
        }
        lines.push("a=ptime:20".to_owned());
        if read.rejected {
            lines.push("a=inactive".to_owned());
        } else if !read.off {
            lines.push(format!("a={}", read.direction.unwrap_or("sendrecv")));
            lines.push("a=rtcp:P".to_owned());
        }
    }
    Ok(lines)
}

/// A body below the first m-line, without what is not about codecs, and with its ports hidden.
#[must_use]
pub fn actual(text: &str) -> Vec<String> {
    const OTHERS: [&str; 9] = [
        "c=",
        "a=crypto:",
        "a=fingerprint:",
        "a=setup:",
        "a=tls-id:",
        "a=ice-",
        "a=candidate:",
        "a=end-of-candidates",
        "a=rtcp-mux",
    ];
    let below = text.find("m=").map(|at| &text[at..]).unwrap_or_default();
    let lines = below.lines().filter(|line| !OTHERS.iter().any(|other| line.starts_with(other)));
    lines
        .map(|line| {
            let mut words: Vec<&str> = line.split(' ').collect();
            if line.starts_with("m=") && words[1] != "0" {
                words[1] = "P";
            }
            if line.starts_with("a=rtcp:") { "a=rtcp:P".to_owned() } else { words.join(" ") }
        })
        .collect()
}
