//! Log levels by subsystem, changeable at run time.

use std::collections::HashSet;
use std::sync::atomic::{AtomicBool, AtomicI8, Ordering};
use std::sync::{Arc, PoisonError, RwLock};

use tracing::Level;
use tracing::level_filters::LevelFilter;

use super::{HIGHEST_LEVEL, LOWEST_LEVEL, Subsystem};

/// In place of a subsystem's level: it follows the default one.
const FOLLOW: i8 = i8::MIN;
/// LOG_DEBUG.
const DEBUG: i8 = 7;

/// Calls that may be debugged at a time.
const MAX_DEBUGGED: usize = 1000;

/// The levels of all subsystems, numbered like the severities of syslog(3): 3 shows errors, 4 warnings too,
/// 6 the life of calls, 7 negotiation, 8 single packets, -1 nothing. Clones share the levels.
#[derive(Clone, Debug)]
pub struct LogLevels(Arc<Inner>);

#[derive(Debug)]
struct Inner {
    default: AtomicI8,
    own: [AtomicI8; Subsystem::ALL.len()],
    /// `debugged` is not empty.
    debugging: AtomicBool,
    /// Call-IDs whose messages are logged up to level 7 whatever the subsystem's level is.
    debugged: RwLock<HashSet<String>>,
}

impl LogLevels {
    /// A default level and the subsystems that have their own.
    #[must_use]
    pub fn new(default: i8, own: &[(Subsystem, i8)]) -> Self {
        let inner = Inner {
            default: AtomicI8::new(clamp(default)),
            own: Subsystem::ALL.map(|subsystem| {
                let given = own.iter().rev().find(|(of, _)| *of == subsystem).map(|(_, level)| clamp(*level));
                let silent = subsystem.is_silent_by_default().then_some(LOWEST_LEVEL);
                AtomicI8::new(given.or(silent).unwrap_or(FOLLOW))
            }),
            debugging: AtomicBool::new(false),
            debugged: RwLock::default(),
        };
        Self(Arc::new(inner))
    }

    /// The level in force for a subsystem.
    #[must_use]
    pub fn get(&self, subsystem: Subsystem) -> i8 {
        match self.own(subsystem).load(Ordering::Relaxed) {
            FOLLOW => self.default_level(),
            own => own,
        }
    }

    /// The level of all subsystems that have none of their own.
    #[must_use]
    pub fn default_level(&self) -> i8 {
        self.0.default.load(Ordering::Relaxed)
    }

    /// Gives one subsystem its own level; values out of range become the nearest one in it.
    pub fn set(&self, subsystem: Subsystem, level: i8) {
        self.own(subsystem).store(clamp(level), Ordering::Relaxed);
        tracing::callsite::rebuild_interest_cache();
    }

    /// Sets the default level. Subsystems with their own keep it.
    pub fn set_default(&self, level: i8) {
        self.0.default.store(clamp(level), Ordering::Relaxed);
        tracing::callsite::rebuild_interest_cache();
    }

    /// Raises or lowers the default level (SIGUSR2, SIGUSR1), not below 0, and returns the new one.
    pub fn step(&self, by: i8) -> i8 {
        let level = self.default_level().saturating_add(by).clamp(0, HIGHEST_LEVEL);
        self.set_default(level);
        level
    }

    /// Logs everything about one call, or stops doing so. Of many calls at a time only the first thousand are debugged.
    pub fn set_call_debug(&self, call_id: &str, enabled: bool) {
        let mut debugged = self.0.debugged.write().unwrap_or_else(PoisonError::into_inner);
        if !enabled {
            debugged.remove(call_id);
        } else if debugged.len() < MAX_DEBUGGED {
            debugged.insert(call_id.to_owned());
        }
        self.0.debugging.store(!debugged.is_empty(), Ordering::Relaxed);
        drop(debugged);
        tracing::callsite::rebuild_interest_cache();
    }

    /// Whether an event of this target and level may be logged; [`LogLevels::shows`] decides once its call is known.
    #[must_use]
    pub(super) fn allows(&self, target: &str, level: Level) -> bool {
        let debugging = self.0.debugging.load(Ordering::Relaxed);
        number(level) <= self.get(Subsystem::of_target(target)) || (debugging && number(level) <= DEBUG)
    }

    /// Whether an event of this target and level is logged, given the call it is about.
    #[must_use]
    pub(super) fn shows(&self, target: &str, level: Level, call: Option<&str>) -> bool {
        if number(level) <= self.get(Subsystem::of_target(target)) {
            return true;
        }
        let debugged = || self.0.debugged.read().unwrap_or_else(PoisonError::into_inner);
        number(level) <= DEBUG && call.is_some_and(|call| debugged().contains(call))
    }

    /// The most talkative level of all subsystems, beyond which callsites are not even asked.
    #[must_use]
    pub(super) fn most(&self) -> LevelFilter {
        let most =
            Subsystem::ALL.into_iter().map(|subsystem| self.get(subsystem)).max().unwrap_or(LOWEST_LEVEL);
        let least = if self.0.debugging.load(Ordering::Relaxed) { DEBUG } else { LOWEST_LEVEL };
        match most.max(least) {
            ..=2 => LevelFilter::OFF,
            3 => LevelFilter::ERROR,
            4..=5 => LevelFilter::WARN,
            6 => LevelFilter::INFO,
            7 => LevelFilter::DEBUG,
            8.. => LevelFilter::TRACE,
        }
    }

    fn own(&self, subsystem: Subsystem) -> &AtomicI8 {
        #[expect(clippy::indexing_slicing, reason = "the array has one element per variant, numbered from 0")]
        &self.0.own[subsystem as usize]
    }
}

fn clamp(level: i8) -> i8 {
    level.clamp(LOWEST_LEVEL, HIGHEST_LEVEL)
}

/// The syslog severity of a level; per-packet messages come one after LOG_DEBUG.
pub(super) fn number(level: Level) -> i8 {
    match level {
        Level::ERROR => 3,
        Level::WARN => 4,
        Level::INFO => 6,
        Level::DEBUG => 7,
        Level::TRACE => 8,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn subsystems_follow_the_default_unless_they_have_their_own_level() {
        let levels = LogLevels::new(6, &[(Subsystem::Control, 4)]);
        assert_eq!(levels.get(Subsystem::Core), 6);
        assert_eq!(levels.get(Subsystem::Control), 4);
        assert_eq!(levels.get(Subsystem::Internals), -1);
        assert_eq!(levels.step(1), 7);
        assert_eq!(levels.get(Subsystem::Core), 7);
        assert_eq!(levels.get(Subsystem::Control), 4);
        assert_eq!(levels.get(Subsystem::Internals), -1);
        levels.set(Subsystem::Internals, 99);
        assert_eq!(levels.get(Subsystem::Internals), 8);
        assert_eq!(levels.most(), LevelFilter::TRACE);
    }

    #[test]
    fn stepping_stops_at_both_ends() {
        let levels = LogLevels::new(0, &[]);
        assert_eq!(levels.step(-1), 0);
        assert_eq!(levels.most(), LevelFilter::OFF);
        for _ in 0..20 {
            levels.step(1);
        }
        assert_eq!(levels.default_level(), 8);
    }

    #[test]
    fn targets_decide_the_subsystem() {
        let levels = LogLevels::new(6, &[(Subsystem::Ice, 7)]);
        assert!(levels.allows("ice", Level::DEBUG));
        assert!(!levels.allows("core", Level::DEBUG));
        assert!(levels.allows("rtpengine::relay", Level::INFO));
        assert!(!levels.allows("hyper", Level::ERROR));
    }
}
