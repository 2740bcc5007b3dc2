//! Time as a value: rules take [`Time`]s as arguments, and only a [`Clock`] reads the machine's.

use std::sync::Arc;
use std::sync::atomic::{AtomicI64, Ordering};
use std::time::Duration;

/// A moment: milliseconds since the Unix epoch.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Time(i64);

impl Time {
    /// The moment `millis` milliseconds after the Unix epoch.
    pub const fn from_millis(millis: i64) -> Self {
        Self(millis)
    }

    /// The moment `seconds` seconds after the Unix epoch; out of range values are clamped.
    pub const fn from_seconds(seconds: i64) -> Self {
        Self(seconds.saturating_mul(1000))
    }

    /// Milliseconds since the Unix epoch.
    pub const fn millis(self) -> i64 {
        self.0
    }

    /// Whole seconds since the Unix epoch.
    pub const fn seconds(self) -> i64 {
        self.0.div_euclid(1000)
    }

    /// This moment, `by` later.
    pub fn plus(self, by: Duration) -> Self {
        Self(self.0.saturating_add(i64::try_from(by.as_millis()).unwrap_or(i64::MAX)))
    }

    /// This moment, `by` earlier.
    pub fn minus(self, by: Duration) -> Self {
        Self(self.0.saturating_sub(i64::try_from(by.as_millis()).unwrap_or(i64::MAX)))
    }

    /// How long after `earlier` this moment is; zero when it is not after.
    pub fn since(self, earlier: Self) -> Duration {
        Duration::from_millis(u64::try_from(self.0.saturating_sub(earlier.0)).unwrap_or(0))
    }

    /// This moment of a client's clock as a moment of ours: the client sent it at its own `sent_at`, and it arrived at
    /// our `arrival`. Without `sent_at` the client's clock is believed.
    pub fn seen_from(self, sent_at: Option<Self>, arrival: Self) -> Self {
        match sent_at {
            Some(sent_at) => Self(arrival.0.saturating_sub(sent_at.0.saturating_sub(self.0))),
            None => self,
        }
    }

    /// Reads an ISO 8601 date and time with an offset or `Z`; `None` for anything else.
    pub fn parse(text: &str) -> Option<Self> {
        text.parse::<jiff::Timestamp>().ok().map(|t| Self(t.as_millisecond()))
    }

    /// ISO 8601 in UTC with milliseconds, such as `2026-11-24T03:56:35.120Z`. A moment outside the years -9999 to 9999,
    /// where a client's clock can lead, is printed as the last or the first one within.
    pub fn iso8601(self) -> String {
        let edge = if self.0 < 0 { jiff::Timestamp::MIN } else { jiff::Timestamp::MAX };
        format!("{:.3}", jiff::Timestamp::from_millisecond(self.0).unwrap_or(edge))
    }
}

/// Where the current time comes from: the machine, or a test's hand.
#[derive(Clone, Debug, Default)]
pub enum Clock {
    /// The machine's clock.
    #[default]
    System,
    /// A clock that a test moves; milliseconds since the Unix epoch.
    Manual(Arc<AtomicI64>),
}

impl Clock {
    /// A clock that stands at `at` until it is moved with [`Clock::set`].
    pub fn manual(at: Time) -> Self {
        Self::Manual(Arc::new(AtomicI64::new(at.millis())))
    }

    /// Moves a manual clock; the machine's clock is not ours to move.
    pub fn set(&self, to: Time) {
        if let Self::Manual(millis) = self {
            millis.store(to.millis(), Ordering::Relaxed);
        }
    }

    /// The current moment.
    #[allow(clippy::disallowed_methods, reason = "this is the one place that reads the machine's clock")]
    pub fn now(&self) -> Time {
        match self {
            Self::System => Time(jiff::Timestamp::now().as_millisecond()),
            Self::Manual(millis) => Time(millis.load(Ordering::Relaxed)),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn reads_and_prints_iso_8601() {
        let t = Time::parse("2026-11-24T03:56:35.12Z").unwrap();
        assert_eq!(t.iso8601(), "2026-11-24T03:56:35.120Z");
        assert_eq!(Time::parse("2026-11-24T05:56:35.120+02:00"), Some(t));
        assert_eq!(Time::parse("yesterday"), None);
        assert_eq!(Time::parse("2026-11-24"), None);
    }

    #[test]
    fn any_moment_is_printed_as_a_date() {
        for (moment, printed) in [
            (Time::parse("9999-12-30T22:00:00.999999999Z").unwrap(), "9999-12-30T22:00:00.999Z"),
            (Time::from_millis(i64::MAX), "9999-12-30T22:00:00.999Z"),
            (Time::from_millis(i64::MIN), "-009999-01-02T01:59:59.000Z"),
        ] {
            assert_eq!(moment.iso8601(), printed);
            assert!(Time::parse(printed).is_some());
        }
    }

    #[test]
    fn a_later_moment_is_never_negatively_far() {
        let (a, b) = (Time::from_seconds(10), Time::from_seconds(12));
        assert_eq!(b.since(a), Duration::from_secs(2));
        assert_eq!(a.since(b), Duration::ZERO);
    }
}
