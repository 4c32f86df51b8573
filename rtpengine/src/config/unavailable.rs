//! The options whose feature this release does not have. Using one is an error that names it, so that no
//! configuration is silently half applied. An option moves to [`super::options`] with its feature.

use super::options::{Kind, OptionSpec};

/// One missing feature and the options that belong to it.
#[derive(Clone, Copy, Debug)]
pub struct Feature {
    /// What is missing, as the subject of "… not available in this release".
    pub name: &'static str,
    /// Its options.
    pub options: &'static [OptionSpec],
}

const fn option(name: &'static str, short: Option<char>, kind: Kind, value: &'static str) -> OptionSpec {
    OptionSpec {
        name,
        short,
        aliases: &[],
        kind,
        value,
        default: None,
        help: "Not available in this release",
    }
}

const fn flag(name: &'static str) -> OptionSpec {
    option(name, None, Kind::Flag, "")
}

const fn value(name: &'static str) -> OptionSpec {
    option(name, None, Kind::Value, "VALUE")
}

const fn short(name: &'static str, letter: char) -> OptionSpec {
    option(name, Some(letter), Kind::Value, "VALUE")
}

const fn list(name: &'static str) -> OptionSpec {
    option(name, None, Kind::List, "VALUE")
}

const fn facility(name: &'static str, aliases: &'static [&'static str]) -> OptionSpec {
    OptionSpec { aliases, ..value(name) }
}

/// All missing features.
pub const FEATURES: &[Feature] = &[
    Feature { name: "the Janus interface is", options: &[value("janus-secret")] },
    Feature {
        name: "transcoding is",
        options: &[
            flag("codecs"),
            value("evs-lib-path"),
            value("dtx-delay"),
            value("max-dtx"),
            value("dtx-buffer"),
            value("dtx-lag"),
            value("dtx-shift"),
            list("dtx-cn-params"),
            value("amr-dtx"),
            value("silence-detect"),
            list("cn-payload"),
        ],
    },
    Feature {
        name: "media playback and mixing is",
        options: &[
            value("media-num-threads"),
            flag("player-cache"),
            value("audio-buffer-length"),
            value("audio-buffer-delay"),
            value("audio-player"),
            value("mysql-host"),
            value("mysql-port"),
            value("mysql-user"),
            value("mysql-pass"),
            value("mysql-query"),
        ],
    },
    Feature {
        name: "DTMF handling is",
        options: &[
            value("dtmf-log-dest"),
            flag("dtmf-log-ng-tcp"),
            flag("dtmf-no-log-injects"),
            flag("dtmf-no-suppress"),
            value("dtmf-digit-delay"),
            facility("log-facility-dtmf", &["log-facilty-dtmf"]),
        ],
    },
    Feature {
        name: "logging of SRTP keys and packets is",
        options: &[flag("log-srtp-keys"), flag("debug-srtp")],
    },
    Feature {
        name: "persistence in Redis is",
        options: &[
            short("redis", 'r'),
            short("redis-write", 'w'),
            option("subscribe-keyspace", Some('k'), Kind::List, "VALUE"),
            value("redis-num-threads"),
            value("redis-expires"),
            flag("active-switchover"),
            option("no-redis-required", Some('q'), Kind::Flag, ""),
            value("redis-allowed-errors"),
            value("redis-disable-time"),
            value("redis-cmd-timeout"),
            value("redis-connect-timeout"),
            flag("redis-delete-async"),
            value("redis-delete-async-interval"),
        ],
    },
    Feature {
        name: "call recording is",
        options: &[
            value("recording-dir"),
            value("recording-method"),
            value("recording-format"),
            flag("record-egress"),
        ],
    },
    Feature { name: "firewall management is", options: &[value("iptables-chain")] },
    Feature { name: "the jitter buffer is", options: &[value("jitter-buffer"), flag("jb-clock-drift")] },
];

/// Every unavailable option with the feature it waits for.
pub fn all() -> impl Iterator<Item = (&'static str, OptionSpec)> {
    FEATURES.iter().flat_map(|feature| feature.options.iter().map(move |spec| (feature.name, *spec)))
}

/// The feature the option of this name or alias waits for, and the option.
#[must_use]
pub fn find(name: &str) -> Option<(&'static str, OptionSpec)> {
    all().find(|(_, spec)| spec.name == name || spec.aliases.contains(&name))
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use super::*;
    use crate::config::options;
    use crate::logging::Subsystem;

    /// Options the original knows although its manual page does not list them.
    const NOT_IN_MANUAL: &[&str] = &[
        "dtmf-digit-delay",
        "janus-secret",
        "redis-delete-async",
        "redis-delete-async-interval",
        "templates",
    ];

    /// Options of our own.
    const OURS: &[&str] = &["dtls-cert-lifetime"];

    fn manual() -> BTreeSet<String> {
        let names = include_str!("../../tests/data/manual-options.txt").lines();
        names.map(|name| name.replace("log-facilty", "log-facility")).collect()
    }

    #[test]
    fn implemented_and_unavailable_options_are_the_manual_pages() {
        let mut ours: BTreeSet<String> = options::COMMAND_LINE_ONLY
            .iter()
            .map(|spec| spec.name)
            .chain(options::available().map(|spec| spec.name))
            .chain(all().map(|(_, spec)| spec.name))
            .map(str::to_owned)
            .collect();
        for subsystem in Subsystem::ALL {
            assert!(ours.remove(subsystem.option()));
        }
        ours.insert("log-level-SUBSYSTEM".to_owned());
        for name in NOT_IN_MANUAL.iter().chain(OURS) {
            assert!(ours.remove(*name), "{name} must stay known");
        }
        assert_eq!(ours, manual());
    }

    #[test]
    fn no_name_alias_or_letter_is_declared_twice() {
        let mut names = BTreeSet::new();
        let mut letters = BTreeSet::new();
        let specs = options::COMMAND_LINE_ONLY
            .iter()
            .copied()
            .chain(options::available())
            .chain(all().map(|(_, spec)| spec));
        for spec in specs {
            for name in std::iter::once(&spec.name).chain(spec.aliases) {
                assert!(names.insert(*name), "{name} is declared twice");
            }
            if let Some(letter) = spec.short {
                assert!(letters.insert(letter), "-{letter} is declared twice");
            }
        }
    }
}
