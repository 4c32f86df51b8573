//! Words for what a scenario cannot know: ports, keys, fingerprints.

use super::PARTY_PORTS;

/// Where a scenario is played.
#[derive(Clone, Debug, Default)]
pub struct Surroundings {
    /// Added to the ports of parties, so that several scenarios may be played at once.
    pub shift: u16,
    /// Fingerprints of the parties' certificates: `sha-256 01:02...`, for `FP1` and so on.
    pub fingerprints: Vec<String>,
}

impl Surroundings {
    fn shifted(&self, port: &str) -> Option<String> {
        let port: u16 = port.parse().ok()?;
        (PARTY_PORTS.0..=PARTY_PORTS.1).contains(&port).then(|| (port + self.shift).to_string())
    }

    /// A port as scenarios name it.
    fn named(&self, port: &str) -> String {
        let Ok(number) = port.parse::<u16>() else { return port.to_owned() };
        match number.checked_sub(self.shift) {
            Some(own) if (PARTY_PORTS.0..=PARTY_PORTS.1).contains(&own) => own.to_string(),
            _ if number < 1024 => port.to_owned(),
            _ => "PORT".to_owned(),
        }
    }
}

/// Which word of a line is a port.
fn port_of(words: &[&str]) -> Option<usize> {
    let first = words.first()?;
    if first.starts_with("m=") {
        Some(1)
    } else if first.starts_with("a=rtcp:") {
        Some(0)
    } else if first.starts_with("a=candidate:") {
        Some(5)
    } else {
        None
    }
}

/// The body a party sends.
#[must_use]
pub fn expand(lines: &[String], surroundings: &Surroundings) -> String {
    lines.iter().map(|line| expand_line(line, surroundings) + "\r\n").collect()
}

fn expand_line(line: &str, surroundings: &Surroundings) -> String {
    let words: Vec<&str> = line.split(' ').collect();
    let mut out: Vec<String> = words.iter().map(|word| (*word).to_owned()).collect();
    if let Some(at) = port_of(&words) {
        let (before, port) = match words.get(at).and_then(|word| word.split_once("rtcp:")) {
            Some((before, port)) => (format!("{before}rtcp:"), port),
            None => (String::new(), words.get(at).copied().unwrap_or_default()),
        };
        if let (Some(port), Some(word)) = (surroundings.shifted(port), out.get_mut(at)) {
            *word = before + &port;
        }
    } else if let (true, Some(suite), Some(word)) =
        (line.starts_with("a=crypto:"), words.get(1), out.get_mut(2))
    {
        let seed =
            word.strip_prefix("KEY").and_then(|rest| rest.get(..1)).and_then(|digit| digit.parse().ok());
        if let Some(seed) = seed {
            *word = format!("inline:{}{}", key_text(suite, seed), &word[4..]);
        }
    } else if let Some(seed) = line.strip_prefix("a=fingerprint:FP").and_then(|digit| digit.parse().ok()) {
        let seed: usize = seed;
        let print = seed.checked_sub(1).and_then(|at| surroundings.fingerprints.get(at));
        return format!("a=fingerprint:{}", print.map_or("", String::as_str));
    }
    out.join(" ")
}

/// A master key and salt in Base64 without padding, as long as its suite wants.
#[must_use]
pub fn key_text(suite: &str, seed: u8) -> String {
    let key = if suite.contains("256") {
        32
    } else if suite.contains("192") {
        24
    } else {
        16
    };
    let salt = if suite.starts_with("AEAD") { 12 } else { 14 };
    let bytes: Vec<u8> = (0..key + salt).map(|at: u8| seed.wrapping_mul(37) ^ at).collect();
    base64(&bytes)
}

fn base64(bytes: &[u8]) -> String {
    const ALPHABET: &[u8; 64] = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
    let mut text = String::new();
    for chunk in bytes.chunks(3) {
        let bits =
            chunk.iter().zip([16, 8, 0]).fold(0, |bits, (byte, shift)| bits | u32::from(*byte) << shift);
        text.extend((0..=chunk.len()).map(|at| char::from(ALPHABET[(bits >> (18 - 6 * at) & 63) as usize])));
    }
    text
}

/// A body line by line, with words for what chance made.
#[must_use]
pub fn shown(body: &str, surroundings: &Surroundings) -> Vec<String> {
    body.lines().map(|line| shown_line(line, surroundings)).collect()
}

fn shown_line(line: &str, surroundings: &Surroundings) -> String {
    let words: Vec<&str> = line.split(' ').collect();
    let mut out: Vec<String> = words.iter().map(|word| (*word).to_owned()).collect();
    if let Some(at) = port_of(&words) {
        let Some(word) = out.get_mut(at) else { return line.to_owned() };
        *word = match word.split_once("rtcp:") {
            Some((before, port)) => format!("{before}rtcp:{}", surroundings.named(port)),
            None => surroundings.named(word),
        };
        return match out.as_slice() {
            [first, component, _, _, address, port, ..]
                if first.starts_with("a=candidate:") && port == "PORT" =>
            {
                format!("a=candidate:OURS {component} {address}")
            }
            _ => out.join(" "),
        };
    }
    if let (Some(rest), Some(word)) = (line.strip_prefix("o=- "), out.get_mut(1)) {
        // Numbers of ours are long, those of parties are not.
        if rest.find(' ').is_some_and(|length| length > 9) {
            *word = "SESSION".to_owned();
        }
        return out.join(" ");
    }
    let Some((name, value)) = line.split_once(':') else { return line.to_owned() };
    match name {
        "a=crypto" => {
            if let (Some(suite), Some(word)) = (words.get(1), out.get_mut(2)) {
                *word = key_word(suite, word);
            }
            out.join(" ")
        }
        "a=ice-ufrag" if value.len() != 4 => "a=ice-ufrag:UFRAG".to_owned(),
        "a=ice-pwd" if !value.starts_with("party") => "a=ice-pwd:PWD".to_owned(),
        "a=fingerprint" => match surroundings.fingerprints.iter().position(|own| own == value) {
            Some(at) => format!("a=fingerprint:FP{}", at + 1),
            None => format!("{} FINGERPRINT", words[0]),
        },
        "a=tls-id" if !value.starts_with("party") => "a=tls-id:TLS-ID".to_owned(),
        "a=rtpengine" if value.len() == 16 => "a=rtpengine:MARK".to_owned(),
        _ => line.to_owned(),
    }
}

fn key_word(suite: &str, word: &str) -> String {
    let Some(text) = word.strip_prefix("inline:") else { return word.to_owned() };
    let end = text.find(['=', '|', ';']).unwrap_or(text.len());
    let (key, rest) = text.split_at(end);
    match (1..=9).find(|seed| key_text(suite, *seed) == key) {
        Some(seed) => format!("KEY{seed}{rest}"),
        None => format!("KEY{rest}"),
    }
}
