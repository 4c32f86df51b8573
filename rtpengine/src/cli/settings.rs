//! `list` and `set` of the settings that change at run time.

use super::model::{RuntimeSettings, Setting};

/// A setting by its word on the command line.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Name {
    /// `timeout`
    Timeout,
    /// `silenttimeout`
    SilentTimeout,
    /// `finaltimeout`
    FinalTimeout,
    /// `offertimeout`
    OfferTimeout,
    /// `deletedelay`
    DeleteDelay,
    /// `maxsessions`
    MaxSessions,
    /// `maxcpu`
    MaxCpu,
    /// `maxload`
    MaxLoad,
    /// `maxbw`
    MaxBandwidth,
    /// `controltos`
    ControlTos,
}

impl Name {
    /// All of them.
    pub const ALL: [Self; 10] = [
        Self::MaxSessions,
        Self::MaxCpu,
        Self::MaxLoad,
        Self::MaxBandwidth,
        Self::Timeout,
        Self::SilentTimeout,
        Self::FinalTimeout,
        Self::OfferTimeout,
        Self::DeleteDelay,
        Self::ControlTos,
    ];

    /// Its word.
    #[must_use]
    pub const fn word(self) -> &'static str {
        match self {
            Self::Timeout => "timeout",
            Self::SilentTimeout => "silenttimeout",
            Self::FinalTimeout => "finaltimeout",
            Self::OfferTimeout => "offertimeout",
            Self::DeleteDelay => "deletedelay",
            Self::MaxSessions => "maxsessions",
            Self::MaxCpu => "maxcpu",
            Self::MaxLoad => "maxload",
            Self::MaxBandwidth => "maxbw",
            Self::ControlTos => "controltos",
        }
    }

    /// Its name in `params`.
    #[must_use]
    pub const fn option(self) -> &'static str {
        match self {
            Self::Timeout => "timeout",
            Self::SilentTimeout => "silent-timeout",
            Self::FinalTimeout => "final-timeout",
            Self::OfferTimeout => "offer-timeout",
            Self::DeleteDelay => "delete-delay",
            Self::MaxSessions => "max-sessions",
            Self::MaxCpu => "max-cpu",
            Self::MaxLoad => "max-load",
            Self::MaxBandwidth => "max-bandwidth",
            Self::ControlTos => "control-tos",
        }
    }

    /// The one of this word.
    #[must_use]
    pub fn find(word: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|name| name.word() == word)
    }

    /// Its value.
    #[must_use]
    pub fn value(self, settings: &RuntimeSettings) -> String {
        match self {
            Self::Timeout => settings.timeout.to_string(),
            Self::SilentTimeout => settings.silent_timeout.to_string(),
            Self::FinalTimeout => settings.final_timeout.to_string(),
            Self::OfferTimeout => settings.offer_timeout.to_string(),
            Self::DeleteDelay => settings.delete_delay.to_string(),
            Self::MaxSessions => settings.max_sessions.to_string(),
            Self::MaxCpu => format!("{:.1}", settings.max_cpu),
            Self::MaxLoad => format!("{:.2}", settings.max_load),
            Self::MaxBandwidth => settings.max_bandwidth.to_string(),
            Self::ControlTos => settings.control_tos.to_string(),
        }
    }

    /// Its name in the answer to `set`.
    #[must_use]
    pub const fn answer(self) -> &'static str {
        match self {
            Self::DeleteDelay => "delete-delay",
            Self::Timeout
            | Self::SilentTimeout
            | Self::FinalTimeout
            | Self::OfferTimeout
            | Self::MaxSessions
            | Self::MaxCpu
            | Self::MaxLoad
            | Self::MaxBandwidth
            | Self::ControlTos => self.word(),
        }
    }

    /// What `list` prints for it.
    #[must_use]
    pub fn line(self, settings: &RuntimeSettings) -> String {
        let value = self.value(settings);
        match self {
            Self::Timeout => format!("TIMEOUT={value}\n"),
            Self::SilentTimeout => format!("SILENT_TIMEOUT={value}\n"),
            Self::FinalTimeout => format!("FINAL_TIMEOUT={value}\n"),
            Self::OfferTimeout => format!("OFFER_TIMEOUT={value}\n"),
            Self::MaxSessions => format!("Maximum sessions configured on rtpengine: {value}\n"),
            Self::MaxCpu => format!("Maximum CPU usage configured on rtpengine: {value}\n"),
            Self::MaxLoad => format!("Maximum load average configured on rtpengine: {value}\n"),
            Self::MaxBandwidth => format!("Maximum bandwidth configured on rtpengine: {value}\n"),
            Self::DeleteDelay | Self::ControlTos => format!("{value}\n"),
        }
    }

    /// The change to `text`.
    ///
    /// # Errors
    /// What would be allowed.
    pub fn change(self, text: &str) -> Result<Setting, &'static str> {
        /// Ten years: whatever is longer is a typing error, and sums of times cannot overflow.
        const LONGEST: u64 = 315_360_000;
        let seconds = |low: u64, allowed| match text.parse::<u64>() {
            Ok(number) if (low..=LONGEST).contains(&number) => Ok(number),
            Ok(_) | Err(_) => Err(allowed),
        };
        let decimal = || match text.parse::<f64>() {
            Ok(number) if number.is_finite() && number >= 0.0 => Ok(number),
            Ok(_) | Err(_) => Err("0 for no limit, or a number above"),
        };
        const POSITIVE: &str = "seconds from 1 to 315360000";
        const ZERO_TOO: &str = "seconds from 0 to 315360000";
        match self {
            Self::Timeout => seconds(1, POSITIVE).map(Setting::Timeout),
            Self::SilentTimeout => seconds(1, POSITIVE).map(Setting::SilentTimeout),
            Self::OfferTimeout => seconds(1, POSITIVE).map(Setting::OfferTimeout),
            Self::FinalTimeout => seconds(0, ZERO_TOO).map(Setting::FinalTimeout),
            Self::DeleteDelay => seconds(0, ZERO_TOO).map(Setting::DeleteDelay),
            Self::MaxSessions => match text.parse() {
                Ok(number) if number >= -1 => Ok(Setting::MaxSessions(number)),
                Ok(_) | Err(_) => Err("-1 for no limit, or a number of sessions"),
            },
            Self::MaxCpu => decimal().map(Setting::MaxCpu),
            Self::MaxLoad => decimal().map(Setting::MaxLoad),
            Self::MaxBandwidth => {
                text.parse().map(Setting::MaxBandwidth).map_err(|_| "0 for no limit, or bytes per second")
            }
            Self::ControlTos => text.parse().map(Setting::ControlTos).map_err(|_| "a number from 0 to 255"),
        }
    }
}

/// The changes that turn `from` into `to`.
#[must_use]
pub fn changes(from: &RuntimeSettings, to: &RuntimeSettings) -> Vec<Setting> {
    let mut changes = Vec::new();
    for name in Name::ALL {
        if name.value(from) != name.value(to)
            && let Ok(change) = name.change(&name.value(to))
        {
            changes.push(change);
        }
    }
    changes
}
