//! SDP bodies for tests, and a reader for the few lines tests look at.

use std::fmt::Write as _;
use std::net::IpAddr;

use anyhow::{Context as _, Result};

/// One audio stream, G.711 a-law and µ-law with telephone events, CRLF line ends.
#[must_use]
pub fn audio(address: IpAddr, port: u16) -> String {
    audio_with(address, port, &[])
}

/// Same with more lines in the media section, each without its line end: `a=sendonly`.
#[must_use]
pub fn audio_with(address: IpAddr, port: u16, lines: &[&str]) -> String {
    let family = if address.is_ipv4() { "IP4" } else { "IP6" };
    let mut sdp = format!(
        "v=0\r\no=- 1545997027 1 IN {family} {address}\r\ns=tester\r\nc=IN {family} {address}\r\nt=0 0\r\n\
         m=audio {port} RTP/AVP 8 0 101\r\na=rtpmap:8 PCMA/8000\r\na=rtpmap:0 PCMU/8000\r\n\
         a=rtpmap:101 telephone-event/8000\r\n"
    );
    for line in lines {
        // Writing to a String cannot fail.
        let _ = write!(sdp, "{line}\r\n");
    }
    sdp
}

/// A media section.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Media {
    /// Address of its own or else the session's `c=` line.
    pub address: IpAddr,
    /// Port of the `m=` line.
    pub port: u16,
    /// Port of `a=rtcp`, otherwise the next one.
    pub rtcp_port: u16,
    /// All its lines.
    pub lines: Vec<String>,
}

impl Media {
    /// Whether the section has this line.
    #[must_use]
    pub fn has(&self, line: &str) -> bool {
        self.lines.iter().any(|own| own == line)
    }
}

/// Reads the media sections.
pub fn medias(sdp: &str) -> Result<Vec<Media>> {
    let mut session_address = None;
    let mut medias: Vec<Media> = Vec::new();
    for line in sdp.lines().map(str::trim_end) {
        if let Some(rest) = line.strip_prefix("m=") {
            let port: u16 = rest.split(' ').nth(1).context("no port in the m= line")?.parse()?;
            medias.push(Media {
                address: session_address.unwrap_or(IpAddr::from([0, 0, 0, 0])),
                port,
                rtcp_port: port.wrapping_add(1),
                lines: vec![],
            });
        }
        let address = line.strip_prefix("c=").and_then(|rest| rest.split(' ').nth(2));
        let address = address.map(str::parse::<IpAddr>).transpose().with_context(|| line.to_owned())?;
        match medias.last_mut() {
            Some(media) => {
                media.address = address.unwrap_or(media.address);
                let rtcp = line.strip_prefix("a=rtcp:").and_then(|rest| rest.split(' ').next());
                if let Some(rtcp) = rtcp {
                    media.rtcp_port = rtcp.parse()?;
                }
                media.lines.push(line.to_owned());
            }
            None => session_address = address.or(session_address),
        }
    }
    Ok(medias)
}

/// The first media section.
pub fn first_media(sdp: &str) -> Result<Media> {
    medias(sdp)?.into_iter().next().with_context(|| format!("no media section in {sdp:?}"))
}

#[cfg(test)]
mod tests {
    use super::{audio_with, first_media};

    #[test]
    fn own_templates_are_read_back() {
        let media =
            first_media(&audio_with([10, 0, 0, 1].into(), 4000, &["a=rtcp:4005", "a=sendonly"])).unwrap();
        assert_eq!((media.port, media.rtcp_port), (4000, 4005));
        assert!(media.has("a=sendonly"));
    }
}
