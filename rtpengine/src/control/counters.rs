//! Counts commands and their time by control client.

use std::collections::BTreeMap;
use std::net::IpAddr;
use std::sync::{Mutex, PoisonError};
use std::time::Duration;

use rtpengine_core::ng::Command;
use rtpengine_core::ng::statistics::ProxyStatistics;

/// Clients counted one by one; requests of further ones are not counted.
const MAX_PROXIES: usize = 256;

/// The counters, shared by the dispatcher and whoever builds statistics.
#[derive(Debug, Default)]
pub struct ControlCounters {
    proxies: Mutex<BTreeMap<IpAddr, ProxyStatistics>>,
}

impl ControlCounters {
    /// Counts a command that was answered.
    pub fn command(&self, proxy: IpAddr, command: Command, time: Duration) {
        self.update(proxy, |counters| {
            if let Some(one) = counters.commands.get_mut(command.index()) {
                one.count += 1;
                one.duration += time.as_secs_f64();
            }
        });
    }

    /// Counts a request that was answered with an error.
    pub fn error(&self, proxy: IpAddr) {
        self.update(proxy, |counters| counters.errors += 1);
    }

    /// A copy, by address.
    #[must_use]
    pub fn snapshot(&self) -> Vec<ProxyStatistics> {
        self.proxies.lock().unwrap_or_else(PoisonError::into_inner).values().cloned().collect()
    }

    fn update(&self, proxy: IpAddr, change: impl FnOnce(&mut ProxyStatistics)) {
        let mut proxies = self.proxies.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(counters) = proxies.get_mut(&proxy) {
            change(counters);
        } else if proxies.len() < MAX_PROXIES {
            change(proxies.entry(proxy).or_insert_with(|| ProxyStatistics::new(proxy)));
        }
    }
}
