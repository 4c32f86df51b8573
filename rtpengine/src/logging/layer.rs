//! The `tracing` layer: events in, lines out.

use std::fmt::{self, Write};

use tracing::field::{Field, Visit};
use tracing::level_filters::LevelFilter;
use tracing::span::{Attributes, Id};
use tracing::subscriber::Interest;
use tracing::{Event, Level, Metadata, Subscriber};
use tracing_subscriber::Layer;
use tracing_subscriber::layer::Context;
use tracing_subscriber::registry::LookupSpan;

use super::escape::{Escaped, Keep};
use super::levels::{LogLevels, number};
use super::line::{Record, Style};
use super::sink::Sink;
use super::{CDR_DATA, Format, RTCP_DATA, Subsystem};

/// Fields with this prefix are written between marks.
const PRIVATE: &str = "private.";
/// LOG_DEBUG, the highest severity syslog knows.
const DEBUG: u8 = 7;

/// See the module's documentation for what it makes of fields.
#[derive(Debug)]
pub(super) struct LogLayer {
    levels: LogLevels,
    style: Style,
    sink: Sink,
    /// Where the contents of RTCP go, if anywhere.
    rtcp: Option<Sink>,
    /// Where the records of calls go, if anywhere.
    cdr: Option<Sink>,
}

impl LogLayer {
    pub fn new(levels: LogLevels, style: Style, sink: Sink) -> Self {
        Self { levels, style, sink, rtcp: None, cdr: None }
    }

    /// Has the contents of RTCP logged there.
    pub fn with_rtcp(self, sink: Option<Sink>) -> Self {
        Self { rtcp: sink, ..self }
    }

    /// Has the records of calls logged there.
    pub fn with_cdr(self, sink: Option<Sink>) -> Self {
        Self { cdr: sink, ..self }
    }

    fn allows(&self, metadata: &Metadata<'_>) -> bool {
        match metadata.target() {
            RTCP_DATA => self.rtcp.is_some(),
            CDR_DATA => self.cdr.is_some(),
            // Spans carry the call-id of events below them, whatever their own level is.
            target => metadata.is_span() || self.levels.allows(target, *metadata.level()),
        }
    }
}

impl<S: Subscriber + for<'a> LookupSpan<'a>> Layer<S> for LogLayer {
    /// The verdict is cached per callsite until a level changes, so a silent one costs a load and a branch.
    fn register_callsite(&self, metadata: &'static Metadata<'static>) -> Interest {
        if self.allows(metadata) { Interest::always() } else { Interest::never() }
    }

    fn enabled(&self, metadata: &Metadata<'_>, _context: Context<'_, S>) -> bool {
        self.allows(metadata)
    }

    fn max_level_hint(&self) -> Option<LevelFilter> {
        let most = self.levels.most();
        Some(if self.rtcp.is_some() || self.cdr.is_some() { most.max(LevelFilter::INFO) } else { most })
    }

    fn on_new_span(&self, attributes: &Attributes<'_>, id: &Id, context: Context<'_, S>) {
        let mut fields = Fields::new(&self.style);
        attributes.record(&mut fields);
        if (fields.call.is_some() || fields.port.is_some())
            && let Some(span) = context.span(id)
        {
            span.extensions_mut().insert(Entity { call: fields.call, port: fields.port });
        }
    }

    fn on_event(&self, event: &Event<'_>, context: Context<'_, S>) {
        let metadata = event.metadata();
        let mut fields = Fields::new(&self.style);
        event.record(&mut fields);
        for span in context.event_scope(event).into_iter().flatten() {
            if let Some(entity) = span.extensions().get::<Entity>() {
                fields.call = fields.call.or_else(|| entity.call.clone());
                fields.port = fields.port.or_else(|| entity.port.clone());
            }
        }
        let priority = u8::try_from(number(*metadata.level())).unwrap_or(DEBUG).min(DEBUG);
        if metadata.target() == CDR_DATA {
            // For programs: no prefix, no pieces.
            self.cdr.iter().for_each(|sink| sink.write(priority, &fields.message));
            return;
        }
        let sink = match (metadata.target(), &self.rtcp) {
            (RTCP_DATA, Some(sink)) => sink,
            (target, _) if self.levels.shows(target, *metadata.level(), fields.call.as_deref()) => &self.sink,
            _ => return,
        };
        fields.message.push_str(&fields.others);
        let record = Record {
            severity: severity(*metadata.level()),
            subsystem: Subsystem::of_target(metadata.target()).name(),
            call: fields.call,
            port: fields.port,
            text: fields.message,
        };
        self.style.lines(&record, |line| sink.write(priority, line));
    }
}

fn severity(level: Level) -> &'static str {
    match level {
        Level::ERROR => "ERR",
        Level::WARN => "WARNING",
        Level::INFO => "INFO",
        Level::DEBUG => "DEBUG",
        Level::TRACE => "TRACE",
    }
}

/// What a span says about events in it.
#[derive(Debug)]
struct Entity {
    call: Option<String>,
    port: Option<String>,
}

/// Collects the fields of an event or span as escaped text.
struct Fields<'a> {
    style: &'a Style,
    call: Option<String>,
    port: Option<String>,
    message: String,
    others: String,
}

impl<'a> Fields<'a> {
    fn new(style: &'a Style) -> Self {
        Self { style, call: None, port: None, message: String::new(), others: String::new() }
    }

    fn entity(&self, value: fmt::Arguments<'_>) -> String {
        let mut out = String::new();
        let quoted = self.style.format == Format::Parsable;
        write_escaped(&mut out, Keep::Nothing, quoted, value);
        out
    }

    fn field(&mut self, name: &str, value: fmt::Arguments<'_>) {
        match name {
            "message" => write_escaped(&mut self.message, Keep::LineBreaks, false, value),
            // A request without a call-id logs an empty one.
            "call" => self.call = Some(self.entity(value)).filter(|call| !call.is_empty()),
            "port" => self.port = Some(self.entity(value)),
            other => {
                let (name, prefix, suffix) = match other.strip_prefix(PRIVATE) {
                    Some(name) => (name, self.style.marks.prefix.as_str(), self.style.marks.suffix.as_str()),
                    None => (other, "", ""),
                };
                self.others.push(' ');
                self.others.push_str(name);
                self.others.push('=');
                self.others.push_str(prefix);
                write_escaped(&mut self.others, Keep::Nothing, false, value);
                self.others.push_str(suffix);
            }
        }
    }
}

fn write_escaped(out: &mut String, keep: Keep, quoted: bool, value: fmt::Arguments<'_>) {
    // Writing to a string cannot fail; an error of the value's own formatting leaves what was written so far.
    let _incomplete = Escaped { out, keep, quoted }.write_fmt(value);
}

impl Visit for Fields<'_> {
    fn record_str(&mut self, field: &Field, value: &str) {
        self.field(field.name(), format_args!("{value}"));
    }

    fn record_debug(&mut self, field: &Field, value: &dyn fmt::Debug) {
        self.field(field.name(), format_args!("{value:?}"));
    }

    fn record_error(&mut self, field: &Field, value: &(dyn std::error::Error + 'static)) {
        self.field(field.name(), format_args!("{value}"));
    }
}

#[cfg(test)]
mod tests {
    use std::os::unix::net::UnixDatagram;

    use tracing_subscriber::layer::SubscriberExt;

    use super::super::mark::Marks;
    use super::super::sink::Syslog;
    use super::super::{Facility, Format};
    use super::*;

    /// What a subscriber with this layer sends to syslog while `act` runs, without the header of each datagram.
    fn logged(format: Format, levels: &LogLevels, act: impl FnOnce()) -> Vec<String> {
        let directory = tempfile::tempdir().unwrap();
        let path = directory.path().join("log");
        let server = UnixDatagram::bind(&path).unwrap();
        let marks = Marks { prefix: "<".into(), suffix: ">".into() };
        let style = Style { format, split: true, limit: None, marks };
        let sink = Sink::Syslog(Syslog::new(&path, Facility::default(), "t"));
        let layer = LogLayer::new(levels.clone(), style, sink);
        tracing::subscriber::with_default(tracing_subscriber::registry().with(layer), act);
        server.set_nonblocking(true).unwrap();
        let mut lines = Vec::new();
        let mut buffer = [0; 4096];
        while let Ok(length) = server.recv(&mut buffer) {
            let text = String::from_utf8(buffer[..length].to_vec()).unwrap();
            lines.push(text.split_once("]: ").unwrap().1.to_owned());
        }
        lines
    }

    #[test]
    fn fields_become_prefix_marks_and_text() {
        let levels = LogLevels::new(6, &[]);
        let lines = logged(Format::Default, &levels, || {
            tracing::info!(target: "control", call = %"c1", port = 30000, private.from = "1.2.3.4", n = 5, "offer");
            tracing::debug!(target: "control", call = "c1", "not shown");
            tracing::info!(target: "control", call = "", "ping");
        });
        assert_eq!(
            lines,
            ["INFO: [<c1> port 30000]: [control] offer from=<1.2.3.4> n=5", "INFO: [control] ping"]
        );
    }

    #[test]
    fn spans_lend_their_call_to_events() {
        let levels = LogLevels::new(6, &[]);
        let lines = logged(Format::Parsable, &levels, || {
            let span = tracing::info_span!(target: "core", "request", call = %"c2");
            span.in_scope(|| tracing::warn!("odd"));
            tracing::warn!("outside");
        });
        assert_eq!(lines, [r#"WARNING: [ID="<c2>"]: [core] odd"#, "WARNING: [core] outside"]);
    }

    #[test]
    fn hostile_call_ids_forge_nothing() {
        let levels = LogLevels::new(6, &[]);
        let lines = logged(Format::Parsable, &levels, || {
            tracing::info!(target: "core", call = "a\"]\nERR: [core] x", sdp = "v=0\r\nERR", "m\x1b[0m");
        });
        assert_eq!(lines, [r#"INFO: [ID="<a\"]\nERR: [core] x>"]: [core] m\x1b[0m sdp=v=0\r\nERR"#]);
    }

    #[test]
    fn contents_of_rtcp_and_records_have_facilities_of_their_own_or_are_not_logged() {
        let directory = tempfile::tempdir().unwrap();
        let servers = ["main", "rtcp", "cdr"].map(|name| {
            let server = UnixDatagram::bind(directory.path().join(name)).unwrap();
            server.set_nonblocking(true).unwrap();
            server
        });
        let [main, rtcp, cdr] = &servers;
        for on in [false, true] {
            let syslog = |name: &str, facility| {
                Sink::Syslog(Syslog::new(directory.path().join(name), Facility(facility), "t"))
            };
            let marks = Marks { prefix: String::new(), suffix: String::new() };
            let style = Style { format: Format::Default, split: true, limit: Some(60), marks };
            // Whatever the level is.
            let layer = LogLayer::new(LogLevels::new(3, &[]), style, syslog("main", 3));
            let layer =
                layer.with_rtcp(on.then(|| syslog("rtcp", 16))).with_cdr(on.then(|| syslog("cdr", 17)));
            let record = "ci=c1, ".repeat(100);
            tracing::subscriber::with_default(tracing_subscriber::registry().with(layer), || {
                tracing::info!(target: "rtcp-data", call = "c1", "ssrc=1");
                tracing::info!(target: "cdr-data", "{record}");
                tracing::info!(target: "rtcp", call = "c1", "not shown");
            });
            let mut buffer = [0; 4096];
            assert!(main.recv(&mut buffer).is_err());
            let length = rtcp.recv(&mut buffer).unwrap_or(0);
            let text = std::str::from_utf8(&buffer[..length]).unwrap();
            // Facility local0, severity LOG_INFO.
            assert_eq!(text.starts_with("<134>") && text.ends_with("[c1]: [rtcp] ssrc=1"), on, "{text}");
            let length = cdr.recv(&mut buffer).unwrap_or(0);
            let text = std::str::from_utf8(&buffer[..length]).unwrap();
            assert_eq!(text.starts_with("<142>") && text.ends_with(&format!(": {record}")), on, "{text}");
        }
    }

    #[test]
    fn levels_change_while_running() {
        let levels = LogLevels::new(6, &[]);
        let lines = logged(Format::Default, &levels, || {
            for level in [6, 7, 6] {
                levels.set(Subsystem::Ice, level);
                tracing::debug!(target: "ice", level, "check");
                tracing::debug!(target: "core", "never");
            }
        });
        assert_eq!(lines, ["DEBUG: [ice] check level=7"]);
    }
}
