//! `--scheduling`, `--priority`, `--idle-scheduling`, `--idle-priority`, `--socket-cpu-affinity`.

use super::options::{OptionSpec, value};
use super::settings::{Settings, bad_value};
use super::{ConfigError, Origin};
use crate::process::{Policy, Scheduling};

const POLICIES: &str = "default|none|fifo|rr|other|batch|idle";

/// The options that are read here.
pub(super) const OPTIONS: &[OptionSpec] = &[
    value("scheduling", None, POLICIES, None, "Scheduling policy of all threads but the following"),
    value("priority", None, "INT", None, "Realtime priority with fifo and rr, else nice value"),
    value("idle-scheduling", None, POLICIES, None, "Scheduling policy of the thread for timers"),
    value("idle-priority", None, "INT", None, "Its realtime priority or nice value"),
    value(
        "socket-cpu-affinity",
        None,
        "INT",
        Some("0"),
        "Media sockets of a call ask for one of so many CPUs in turn (SO_INCOMING_CPU); negative: of all; 0: none",
    ),
];

/// `None` where neither option was given.
pub(super) fn scheduling(
    settings: &Settings,
    policy_name: &str,
    priority_name: &str,
) -> Result<Option<Scheduling>, ConfigError> {
    let given = settings.choice(policy_name, &Policy::NAMES)?;
    let policy = given.unwrap_or_default();
    let range = if policy.is_realtime() { 1..=99 } else { -20..=19 };
    let priority = settings.number(priority_name, range)?.and_then(|number| i32::try_from(number).ok());
    match (given, priority) {
        (None, None) => Ok(None),
        (Some(policy), None) if policy.is_realtime() => {
            let (text, origin) = settings.text(policy_name).unwrap_or(("", Origin::BuiltIn));
            let allowed = format!("fifo and rr with --{priority_name} from 1 to 99, or another policy");
            Err(bad_value(policy_name, text, allowed, origin))
        }
        (_, priority) => Ok(Some(Scheduling { policy, priority: priority.unwrap_or(0) })),
    }
}

/// Number of CPUs to take in turn; 0: none.
pub(super) fn socket_cpus(settings: &Settings) -> Result<u32, ConfigError> {
    let number = settings.number("socket-cpu-affinity", i64::from(i32::MIN)..=65_536)?.unwrap_or(0);
    let all = || std::thread::available_parallelism().map_or(1, usize::from);
    Ok(u32::try_from(number).unwrap_or_else(|_| u32::try_from(all()).unwrap_or(1)))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::config::Config;

    fn load(more: &[&str]) -> Result<Config, String> {
        let always = ["rtpengine", "--config-file=none", "--interface=127.0.0.1", "--listen-ng=2223"];
        Config::load(always.iter().chain(more)).map_err(|error| error.to_string())
    }

    #[test]
    fn priorities_mean_what_their_policy_takes() {
        let config = load(&["--scheduling=fifo", "--priority=99", "--idle-priority=-20"]).unwrap();
        assert_eq!(config.scheduling, Some(Scheduling { policy: Policy::Fifo, priority: 99 }));
        assert_eq!(config.idle_scheduling, Some(Scheduling { policy: Policy::Other, priority: -20 }));
        let config = load(&["--scheduling=default"]).unwrap();
        assert_eq!(config.scheduling, Some(Scheduling::default()));
        let config = load(&[]).unwrap();
        assert_eq!((config.scheduling, config.idle_scheduling, config.socket_cpus), (None, None, 0));
        assert_eq!(load(&["--socket-cpu-affinity=8"]).unwrap().socket_cpus, 8);
        assert!(load(&["--socket-cpu-affinity=-1"]).unwrap().socket_cpus >= 1);
        for (arguments, wanted) in [
            (&["--scheduling=deadline"][..], "fifo, rr"),
            (&["--scheduling=rr"], "--priority from 1 to 99"),
            (&["--scheduling=rr", "--priority=0"], "from 1 to 99"),
            (&["--priority=20"], "from -20 to 19"),
            (&["--idle-scheduling=idle", "--idle-priority=50"], "from -20 to 19"),
        ] {
            let error = load(arguments).unwrap_err();
            assert!(error.contains(wanted), "{arguments:?}: {error}");
        }
    }
}
