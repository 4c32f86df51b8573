//! What a party understands of a body.

use std::net::IpAddr;

/// An m-line with what its session says of it.
#[derive(Clone, Debug, Default)]
pub struct Media {
    pub kind: String,
    pub port: u16,
    pub protocol: String,
    pub formats: Vec<String>,
    pub address: Option<IpAddr>,
    pub lines: Vec<String>,
}

impl Media {
    /// The value of an attribute.
    pub fn attribute(&self, name: &str) -> Option<&str> {
        // The m-line's own come after the session's.
        self.lines.iter().rev().find_map(|line| {
            let rest = line.strip_prefix("a=")?.strip_prefix(name)?;
            if rest.is_empty() { Some("") } else { rest.strip_prefix(':') }
        })
    }

    pub fn has(&self, name: &str) -> bool {
        self.attribute(name).is_some()
    }

    fn direction(&self) -> &str {
        let known = ["sendrecv", "sendonly", "recvonly", "inactive"];
        let own = self.lines.iter().rev().filter_map(|line| line.strip_prefix("a="));
        own.into_iter().find_map(|name| known.into_iter().find(|known| *known == name)).unwrap_or("sendrecv")
    }

    pub fn sends(&self) -> bool {
        matches!(self.direction(), "sendrecv" | "sendonly")
    }

    pub fn receives(&self) -> bool {
        let on_hold = self.address.is_none_or(|address| address.is_unspecified());
        !on_hold && matches!(self.direction(), "sendrecv" | "recvonly")
    }

    pub fn is_rtp(&self) -> bool {
        self.protocol.contains("RTP/")
    }

    /// Whether it is there and goes over UDP.
    pub fn is_open(&self) -> bool {
        self.port != 0 && !self.protocol.starts_with("TCP/")
    }

    pub fn rtcp_port(&self) -> u16 {
        let own = self.attribute("rtcp").and_then(|value| value.split(' ').next()?.parse().ok());
        own.unwrap_or(self.port + 1)
    }

    /// Key of the crypto line of this suite, with this tag if there are several.
    pub fn crypto(&self, tag: &str, suite: &str) -> Option<&str> {
        let lines = self.lines.iter().filter_map(|line| {
            let mut words = line.strip_prefix("a=crypto:")?.split(' ');
            let (own, known, key) = (words.next()?, words.next()?, words.next()?);
            (known == suite).then_some((own == tag, key.strip_prefix("inline:")?))
        });
        lines.max_by_key(|(same, _)| *same).map(|(_, key)| key)
    }

    /// Tag and suite of the first crypto line.
    pub fn first_crypto(&self) -> Option<(&str, &str)> {
        let mut words = self.lines.iter().find_map(|line| line.strip_prefix("a=crypto:"))?.split(' ');
        Some((words.next()?, words.next()?))
    }
}

/// The m-lines of a body.
pub fn medias(text: &str) -> Vec<Media> {
    let mut session = Media::default();
    let mut medias: Vec<Media> = Vec::new();
    for line in text.lines() {
        if let Some(rest) = line.strip_prefix("m=") {
            let mut words = rest.split(' ').map(str::to_owned);
            let mut media = session.clone();
            media.kind = words.next().unwrap_or_default();
            media.port = words.next().and_then(|port| port.parse().ok()).unwrap_or_default();
            media.protocol = words.next().unwrap_or_default();
            media.formats = words.collect();
            medias.push(media);
        }
        let here = medias.last_mut().unwrap_or(&mut session);
        if let Some(address) = line.strip_prefix("c=IN IP").and_then(|rest| rest.get(2..)) {
            here.address = address.parse().ok();
        }
        here.lines.push(line.to_owned());
    }
    medias
}

/// The answer of a party that takes all it is offered, for offers that the scenario leaves unanswered.
pub fn mirror(offered: &str, shift: u16, fingerprint: &str) -> String {
    let offered = medias(offered);
    let six = offered.iter().any(|media| media.address.is_some_and(|address| address.is_ipv6()));
    let address = if six { "IP6 2001:db8::2" } else { "IP4 192.0.2.2" };
    let mut lines = vec!["v=0".to_owned(), format!("o=- 1 1 IN {address}"), "s=x".to_owned()];
    lines.extend([format!("c=IN {address}"), "t=0 0".to_owned()]);
    for (at, media) in (0u16..).zip(&offered) {
        let port = if media.is_open() { 3000 + 10 * at + shift } else { media.port };
        lines.push(format!("m={} {port} {} {}", media.kind, media.protocol, media.formats.join(" ")));
        let kept = ["a=rtpmap:", "a=fmtp:", "a=mid:", "a=T38"];
        let own = |line: &&String| kept.iter().any(|start| line.starts_with(start)) || *line == "a=rtcp-mux";
        lines.extend(media.lines.iter().filter(own).cloned());
        lines.push(match (media.sends(), media.direction()) {
            (true, "sendonly") => "a=recvonly".to_owned(),
            (_, "recvonly") => "a=sendonly".to_owned(),
            (_, other) => format!("a={other}"),
        });
        if media.has("fingerprint") {
            lines.extend([format!("a=fingerprint:{fingerprint}"), "a=setup:active".to_owned()]);
        } else if let Some((tag, suite)) = media.first_crypto() {
            let key = rtpengine_tests::scenario::expand::key_text(suite, 2);
            lines.push(format!("a=crypto:{tag} {suite} inline:{key}"));
        }
    }
    lines.iter().map(|line| format!("{line}\r\n")).collect()
}
