//! `params`: the configuration at the start and now, as lines `name = value`.

use std::fmt::Write as _;

use super::model::RuntimeSettings;
use super::settings::Name;
use crate::config::Config;
use crate::logging::{LogLevels, Subsystem};

/// What `params start` tells of, kept from the start on.
#[derive(Clone, Debug)]
pub struct Start {
    /// Settings that may change.
    pub settings: RuntimeSettings,
    /// Log levels by subsystem.
    pub levels: Vec<(Subsystem, i8)>,
    /// Everything that stays as it is.
    fixed: Vec<(String, String)>,
}

impl Start {
    /// Takes the configuration down.
    #[must_use]
    pub fn new(config: &Config, levels: &LogLevels) -> Self {
        let settings = RuntimeSettings {
            timeout: config.timeout,
            silent_timeout: config.silent_timeout,
            final_timeout: config.final_timeout,
            offer_timeout: config.offer_timeout,
            delete_delay: config.delete_delay,
            max_sessions: config.max_sessions,
            max_cpu: config.max_cpu,
            max_load: config.max_load,
            max_bandwidth: config.max_bandwidth,
            control_tos: config.control_tos.unwrap_or(0),
        };
        Self { settings, levels: current(levels), fixed: fixed(config) }
    }

    /// `params start`.
    #[must_use]
    pub fn text(&self) -> String {
        lines(&self.entries(&self.settings, &self.levels))
    }

    /// `params current`.
    #[must_use]
    pub fn text_now(&self, settings: &RuntimeSettings, levels: &LogLevels) -> String {
        lines(&self.entries(settings, &current(levels)))
    }

    /// `params diff`.
    #[must_use]
    pub fn differences(&self, settings: &RuntimeSettings, levels: &LogLevels) -> String {
        let before = self.entries(&self.settings, &self.levels);
        let after = self.entries(settings, &current(levels));
        let mut out = String::new();
        for ((name, before), (_, after)) in
            before.iter().zip(&after).filter(|(before, after)| before != after)
        {
            // Writing to a String cannot fail.
            let _ = writeln!(out, "{name}: {before} => {after}");
        }
        out
    }

    /// Names and values, in an order that only depends on `self`.
    pub(super) fn entries(
        &self,
        settings: &RuntimeSettings,
        levels: &[(Subsystem, i8)],
    ) -> Vec<(String, String)> {
        let levels = levels.iter().map(|(one, level)| (one.option().to_owned(), level.to_string()));
        let settings = Name::ALL.iter().map(|name| (name.option().to_owned(), name.value(settings)));
        levels.chain(settings).chain(self.fixed.iter().cloned()).collect()
    }
}

/// The levels in force.
#[must_use]
pub fn current(levels: &LogLevels) -> Vec<(Subsystem, i8)> {
    Subsystem::ALL.iter().map(|one| (*one, levels.get(*one))).collect()
}

fn fixed(config: &Config) -> Vec<(String, String)> {
    let mut out: Vec<(String, String)> = vec![
        ("table".to_owned(), config.table.map_or_else(|| "-1".to_owned(), |table| table.to_string())),
        ("tos".to_owned(), config.tos.unwrap_or(0).to_string()),
        ("no-fallback".to_owned(), u8::from(config.no_fallback).to_string()),
        ("port-min".to_owned(), config.port_min.to_string()),
        ("port-max".to_owned(), config.port_max.to_string()),
        ("num-threads".to_owned(), config.num_threads.to_string()),
    ];
    let addresses =
        config.interfaces.iter().flat_map(|one| one.addresses.iter().map(|address| (&one.name, address)));
    for (index, (name, address)) in addresses.enumerate() {
        let mut text = format!("{name}\\{}", address.address);
        if address.advertised != address.address {
            let _ = write!(text, "!{}", address.advertised);
        }
        text.push(' ');
        out.push((format!("interface[{index}]"), text));
    }
    for (name, sockets) in [
        ("listen-tcp-ng", &config.listen_tcp_ng),
        ("listen-ng", &config.listen_ng),
        ("listen-cli", &config.listen_cli),
    ] {
        out.extend(sockets.iter().map(|socket| (name.to_owned(), socket.to_string())));
    }
    out
}

fn lines(entries: &[(String, String)]) -> String {
    entries.iter().fold(String::new(), |mut out, (name, value)| {
        let _ = writeln!(out, "{name} = {value}");
        out
    })
}
