//! How busy the machine is, for `--max-load` and `--max-cpu`.

use std::fs;
use std::io;

use rtpengine_core::call::SystemLoad;

/// Time all CPUs together spent since the boot, in ticks.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
struct CpuTime {
    busy: u64,
    total: u64,
}

/// Measures; keeps what the last measurement saw.
#[derive(Debug, Default)]
pub struct LoadMeter {
    before: Option<CpuTime>,
}

impl LoadMeter {
    /// The load average, and the use of the CPUs since the last call (0 at the first one).
    ///
    /// # Errors
    /// When `/proc` is not that of Linux, or not there.
    pub fn measure(&mut self) -> io::Result<SystemLoad> {
        let average = load_average(&fs::read_to_string("/proc/loadavg")?);
        let now = cpu_time(&fs::read_to_string("/proc/stat")?);
        let (Some(average), Some(now)) = (average, now) else {
            return Err(io::Error::new(
                io::ErrorKind::InvalidData,
                "/proc/loadavg or /proc/stat is not understood",
            ));
        };
        let before = self.before.replace(now).unwrap_or(now);
        Ok(SystemLoad { average, cpu: usage(before, now) })
    }
}

fn load_average(text: &str) -> Option<f64> {
    text.split_whitespace().next()?.parse().ok()
}

/// Of the first line: user, nice, system, idle, iowait, irq, softirq, steal; what guests used is part of user and nice.
fn cpu_time(text: &str) -> Option<CpuTime> {
    let rest = text.lines().next()?.strip_prefix("cpu ")?;
    let fields: Vec<u64> = rest.split_whitespace().take(8).map(str::parse).collect::<Result<_, _>>().ok()?;
    let idle = fields.get(3)? + fields.get(4).unwrap_or(&0);
    let total: u64 = fields.iter().sum();
    Some(CpuTime { busy: total.saturating_sub(idle), total })
}

/// Percent.
fn usage(before: CpuTime, now: CpuTime) -> f64 {
    let total = now.total.saturating_sub(before.total);
    if total == 0 { 0.0 } else { now.busy.saturating_sub(before.busy) as f64 * 100.0 / total as f64 }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn files_of_linux_are_read() {
        assert_eq!(load_average("3.42 2.51 3.28 4/321 9999\n"), Some(3.42));
        let stat = "cpu  100 10 50 800 40 0 5 5 7 0\ncpu0 1 2 3 4\n";
        assert_eq!(cpu_time(stat), Some(CpuTime { busy: 170, total: 1010 }));
        for broken in ["", "cpu0 1 2 3 4 5", "cpu  1 2 3", "cpu  a b c d e"] {
            assert_eq!(cpu_time(broken), None, "{broken}");
        }
        let mut meter = LoadMeter::default();
        assert_eq!(meter.measure().unwrap().cpu, 0.0);
    }

    #[test]
    fn usage_is_what_happened_in_between() {
        let before = CpuTime { busy: 100, total: 1000 };
        assert_eq!(usage(before, CpuTime { busy: 150, total: 1200 }), 25.0);
        assert_eq!(usage(before, before), 0.0);
    }
}
