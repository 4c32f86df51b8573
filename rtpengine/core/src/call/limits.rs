//! When new calls are refused: `--max-sessions`, `--max-load`, `--max-cpu`, `--max-bandwidth`. Calls that exist are never
//! touched.

use super::{engine::Engine, error::CallError};
use crate::ng::{Reply, Request};

/// How busy the machine is. The shell measures it.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub struct SystemLoad {
    /// Load average over one minute.
    pub average: f64,
    /// Use of all CPUs over the last half second, percent.
    pub cpu: f64,
}

/// Which limit is reached, with its value.
#[derive(Clone, Copy, Debug, PartialEq, thiserror::Error)]
pub(super) enum Limit {
    #[error("Maximum number of sessions ({0}) reached; raise --max-sessions or end calls")]
    Sessions(i64),
    #[error("Load average is above {0:.2}; raise --max-load or wait")]
    Load(f64),
    #[error("CPU usage is above {0:.1} %; raise --max-cpu or wait")]
    Cpu(f64),
    #[error("Media come in at more than {0} bytes per second; raise --max-bandwidth or wait")]
    Bandwidth(u64),
}

impl Engine {
    /// Takes a measurement of the machine.
    pub fn set_system_load(&mut self, load: SystemLoad) {
        self.system = load;
    }

    /// The answer to a request for a new call where there is no room for one.
    pub(super) fn refuse_new_call(&mut self, request: &Request) -> Option<Result<Reply, CallError>> {
        let limit = self.limit()?;
        self.tally.rejected();
        Some(if request.supports_load_limit {
            Ok(Reply::load_limit(limit.to_string()))
        } else {
            Err(limit.into())
        })
    }

    fn limit(&self) -> Option<Limit> {
        let config = &self.config;
        // A negative one is no limit.
        if usize::try_from(config.max_sessions).is_ok_and(|sessions| self.calls.len() >= sessions) {
            return Some(Limit::Sessions(config.max_sessions));
        }
        if config.max_load > 0.0 && self.system.average > config.max_load {
            return Some(Limit::Load(config.max_load));
        }
        if config.max_cpu > 0.0 && self.system.cpu > config.max_cpu {
            return Some(Limit::Cpu(config.max_cpu));
        }
        let received = self.tally.received_per_second();
        (config.max_bandwidth > 0 && received > config.max_bandwidth)
            .then_some(Limit::Bandwidth(config.max_bandwidth))
    }
}
