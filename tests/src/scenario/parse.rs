//! From text to scenarios.

use serde_json::{Map, Value};

use super::{Expected, HEAD, Media, OURS, Party, Scenario, Step, short};

/// Reads a file; an error names its line.
pub fn parse(file: &str, text: &str) -> Result<Vec<Scenario>, String> {
    let mut scenarios: Vec<Scenario> = Vec::new();
    for (number, line) in text.lines().enumerate() {
        let (number, line) = (number + 1, line.trim());
        let place = format!("{file}:{number}");
        if line.is_empty() || line.starts_with("//") {
            continue;
        }
        if let Some(title) = line.strip_prefix("# ") {
            scenarios.push(Scenario { place, title: title.to_owned(), steps: Vec::new() });
            continue;
        }
        let result =
            scenarios.last_mut().ok_or_else(|| "a title comes first".to_owned()).and_then(|scenario| {
                match line.split_once(' ') {
                    Some((mark @ ("<" | "<<" | ">" | "!" | "~"), rest)) => {
                        let step =
                            scenario.steps.last_mut().ok_or_else(|| "a message comes first".to_owned())?;
                        detail(step, mark, rest.trim())
                    }
                    _ => {
                        let answered = scenario.steps.iter().any(|step| step.request["command"] == "answer");
                        scenario.steps.push(message(number, line, answered)?);
                        Ok(())
                    }
                }
            });
        result.map_err(|error| format!("{place}: {error}"))?;
    }
    match scenarios.iter().find(|scenario| scenario.steps.is_empty()) {
        Some(empty) => Err(format!("{}: nothing happens", empty.place)),
        None => Ok(scenarios),
    }
}

/// The line that begins a message.
fn message(number: usize, line: &str, answered: bool) -> Result<Step, String> {
    let Some((left, right)) = line.split_once(" => ") else {
        let at = line.find(" {").map_or(line.len(), |at| at);
        let (head, keys) = line.split_at(at);
        let keys: Map<String, Value> = match keys.trim() {
            "" => Map::new(),
            keys => serde_json::from_str(keys).map_err(|error| format!("{error}: {keys}"))?,
        };
        let (who, flags) = match head.strip_prefix("do ") {
            Some(command) => {
                let (command, flags) = command.split_once(" : ").unwrap_or((command, ""));
                return request(number, "do", command, None, flags, keys);
            }
            None => head.split_once(' ').unwrap_or((head, "")),
        };
        return sent(number, who, flags, keys, answered);
    };
    let (head, written) = left.split_once(':').ok_or("no colon")?;
    let (who, flags) = head.trim().split_once(' ').unwrap_or((head.trim(), ""));
    let (read, warnings) = right.split_once(" ! ").unwrap_or((right, ""));
    let mut step = sent(number, who, flags, Map::new(), answered)?;
    let (party, _) = step.parties.ok_or("nobody writes this")?;
    let (written, read) = (short::sections(written)?, short::sections(read)?);
    step.body = Some(short::body(&written, party, step.request["command"] == "offer"));
    step.expected = Expected::Codecs(short::expected(&written, &read)?);
    step.warnings = warnings.split(" ; ").filter(|warning| !warning.is_empty()).map(str::to_owned).collect();
    Ok(step)
}

/// A message of a party.
fn sent(
    number: usize,
    who: &str,
    flags: &str,
    mut keys: Map<String, Value>,
    answered: bool,
) -> Result<Step, String> {
    // Each branch begins a dialogue.
    let is_branch = keys.contains_key("via-branch");
    let [a, b, c, d] = Party::ALL.map(Party::tag);
    let (command, from, to, parties) = match who {
        "offer" => ("offer", a, if answered && !is_branch { b } else { "" }, (Party::A, Party::B)),
        "answer" => ("answer", a, b, (Party::B, Party::A)),
        "answer2" => ("answer", a, c, (Party::C, Party::A)),
        "back" => ("offer", b, a, (Party::B, Party::A)),
        "reply" => ("answer", b, a, (Party::A, Party::B)),
        "publish" => ("publish", a, "", (Party::A, Party::A)),
        "subscribe" => ("subscribe request", "", d, (Party::D, Party::D)),
        "accept" => ("subscribe answer", "", d, (Party::D, Party::D)),
        "drop" => ("unsubscribe", "", d, (Party::D, Party::D)),
        other => return Err(format!("who is {other}")),
    };
    for (key, tag) in [("from-tag", from), ("to-tag", to)] {
        if !tag.is_empty() && !keys.contains_key(key) {
            keys.insert(key.to_owned(), tag.into());
        }
    }
    request(number, who, command, Some(parties), flags, keys)
}

fn request(
    number: usize,
    who: &str,
    command: &str,
    parties: Option<(Party, Party)>,
    flags: &str,
    keys: Map<String, Value>,
) -> Result<Step, String> {
    let mut request = Map::new();
    request.insert("command".to_owned(), command.trim().into());
    request.insert("call-id".to_owned(), "call1".into());
    request.extend(keys.into_iter().filter(|(_, value)| value != ""));
    if !flags.is_empty() {
        if request.contains_key("flags") {
            return Err("flags twice".to_owned());
        }
        request.insert("flags".to_owned(), flags.into());
    }
    Ok(Step {
        line: number,
        who: who.to_owned(),
        parties,
        request,
        body: None,
        expected: Expected::Ok,
        warnings: Vec::new(),
        media: Media::Derived,
    })
}

/// A line below a message.
fn detail(step: &mut Step, mark: &str, rest: &str) -> Result<(), String> {
    let lines = || rest.split(" / ").map(str::to_owned);
    match mark {
        "<" | "<<" => match &mut step.body {
            Some(body) => body.extend(lines()),
            None => {
                let (writer, _) = step.parties.ok_or("nobody writes this")?;
                let whole = if mark == "<" {
                    with_head(lines(), writer.address(), writer.address())
                } else {
                    lines().collect()
                };
                step.body = Some(whole);
            }
        },
        ">" => match (&mut step.expected, rest) {
            (_, "ok") => {}
            (_, error) if error.starts_with("error: ") => {
                step.expected = Expected::Error(error["error: ".len()..].to_owned());
            }
            (Expected::Body(body), _) => body.extend(lines()),
            (expected, _) => {
                let (writer, _) = step.parties.ok_or("nobody reads this")?;
                *expected = Expected::Body(with_head(lines(), writer.address(), OURS));
            }
        },
        "!" => step.warnings.push(rest.to_owned()),
        _ => step.media = media(rest)?,
    }
    Ok(())
}

fn media(text: &str) -> Result<Media, String> {
    if text == "none" {
        return Ok(Media::Only(Vec::new()));
    }
    if let Some(reason) = text.strip_prefix("untested: ") {
        return if reason.is_empty() { Err("why untested?".to_owned()) } else { Ok(Media::Untested) };
    }
    let pairs = text.split(' ').map(|pair| {
        let (from, to) = pair.split_once('>')?;
        Some((Party::find(from)?, Party::find(to)?))
    });
    pairs.collect::<Option<Vec<_>>>().map(Media::Only).ok_or_else(|| format!("no media: {text}"))
}

/// The lines of [`HEAD`] that come before the first line, and the lines.
fn with_head(lines: impl Iterator<Item = String>, origin: &str, connection: &str) -> Vec<String> {
    let lines: Vec<String> = lines.collect();
    let kind = lines.first().and_then(|line| line.get(..2)).unwrap_or_default();
    let before = HEAD.iter().position(|line| line.starts_with(kind)).unwrap_or(HEAD.len());
    let head = HEAD
        .iter()
        .take(before)
        .map(|line| line.replace("ADDRESS", if line.starts_with("o=") { origin } else { connection }));
    head.chain(lines).collect()
}
