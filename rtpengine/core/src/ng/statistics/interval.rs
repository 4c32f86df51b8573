//! How an interval went: what exporters tell beside sums.

use super::Command;

/// Least, most and mean of samples.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub struct Spread {
    /// The least; 0 without samples.
    pub least: f64,
    /// The most; 0 without samples.
    pub most: f64,
    /// Their sum.
    pub sum: f64,
    /// Their number.
    pub samples: u64,
}

impl Spread {
    /// Takes a sample in.
    pub fn add(&mut self, sample: f64) {
        if self.samples == 0 {
            (self.least, self.most) = (sample, sample);
        }
        self.least = self.least.min(sample);
        self.most = self.most.max(sample);
        self.sum += sample;
        self.samples += 1;
    }

    /// Mean, 0 without samples.
    #[must_use]
    pub fn average(&self) -> f64 {
        if self.samples == 0 { 0.0 } else { self.sum / self.samples as f64 }
    }
}

/// What has happened since the interval began.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Interval {
    /// By [`Command::index`].
    pub commands: [CommandInterval; Command::COUNT],
    /// Calls at one time, one sample a second.
    pub sessions: Spread,
    /// Requests of the second that has not ended, by [`Command::index`].
    second: [u64; Command::COUNT],
}

/// One command.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub struct CommandInterval {
    /// How long requests took, seconds.
    pub duration: Spread,
    /// Requests per second, one sample a second.
    pub rate: Spread,
    /// Requests.
    pub count: u64,
}

impl Interval {
    /// A request was handled.
    pub fn count(&mut self, command: Command) {
        let index = command.index();
        if let (Some(interval), Some(second)) = (self.commands.get_mut(index), self.second.get_mut(index)) {
            interval.count += 1;
            *second += 1;
        }
    }

    /// Handling it took so long.
    pub fn took(&mut self, command: Command, seconds: f64) {
        if let Some(interval) = self.commands.get_mut(command.index()) {
            interval.duration.add(seconds);
        }
    }

    /// A second has passed, with so many calls at its end.
    pub fn tick(&mut self, sessions: usize) {
        for (interval, second) in self.commands.iter_mut().zip(&mut self.second) {
            interval.rate.add(std::mem::take(second) as f64);
        }
        self.sessions.add(sessions as f64);
    }

    /// What has happened; the next interval begins.
    pub fn take(&mut self) -> Self {
        let next = Self { second: self.second, ..Self::default() };
        std::mem::replace(self, next)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_interval_has_its_own_least_and_most() {
        let mut interval = Interval::default();
        interval.count(Command::Offer);
        interval.count(Command::Offer);
        interval.took(Command::Offer, 0.5);
        interval.took(Command::Offer, 0.25);
        interval.tick(3);
        interval.count(Command::Offer);
        interval.tick(1);
        let offers = interval.take().commands[Command::Offer.index()];
        assert_eq!((offers.count, offers.rate.least, offers.rate.most), (3, 1.0, 2.0));
        assert_eq!(
            (offers.duration.least, offers.duration.most, offers.duration.average()),
            (0.25, 0.5, 0.375)
        );
        interval.tick(7);
        let next = interval.take();
        assert_eq!((next.sessions.least, next.sessions.most), (7.0, 7.0));
        assert_eq!(next.commands[Command::Offer.index()].rate.most, 0.0);
    }
}
