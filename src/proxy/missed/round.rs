//! A walk through the queue, past what waits for a region that is away.

use crate::clock::Time;
use http::HeaderValue;
use std::collections::HashMap;
use std::time::Duration;

/// How many are passed over before the walk begins anew: reading them costs, and the next that could go out is rarely so far.
const PASSED_MAX: u32 = 10_000;

/// How far the walk has come, and what is known of the regions, by their hosts.
#[derive(Default)]
pub(super) struct Round {
    after: i64,
    passed: u32,
    regions: HashMap<HeaderValue, Region>,
}

#[derive(Default)]
struct Region {
    /// How often in a row it was away.
    failures: u32,
    /// Until when nothing is sent there.
    until: Option<Time>,
}

impl Round {
    /// The place behind which the walk goes on.
    pub(super) fn after(&self) -> i64 {
        self.after
    }

    /// Counts how often in a row a region was away.
    pub(super) fn failures(&mut self, host: &HeaderValue, away: bool) -> u32 {
        let region = self.regions.entry(host.clone()).or_default();
        region.failures = if away { region.failures.saturating_add(1) } else { 0 };
        region.failures
    }

    /// Nothing is sent to a region for so long.
    pub(super) fn wait(&mut self, host: &HeaderValue, until: Time) {
        self.regions.entry(host.clone()).or_default().until = Some(until);
    }

    pub(super) fn is_away(&self, host: &HeaderValue, now: Time) -> bool {
        self.regions.get(host).and_then(|region| region.until).is_some_and(|until| until > now)
    }

    /// Leaves the one at `place` where it is; how long to wait before the next.
    pub(super) fn pass_over(&mut self, place: i64, now: Time) -> Duration {
        self.after = place;
        self.passed += 1;
        if self.passed >= PASSED_MAX { self.again(now).unwrap_or_default() } else { Duration::ZERO }
    }

    /// Begins anew, when the first of the regions may be back; `None`: nothing was passed over.
    pub(super) fn again(&mut self, now: Time) -> Option<Duration> {
        if self.after == 0 {
            return None;
        }
        (self.after, self.passed) = (0, 0);
        let untils = self.regions.values().filter_map(|region| region.until).filter(|until| *until > now);
        Some(untils.min().map(|until| until.since(now)).unwrap_or_default())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const EU: HeaderValue = HeaderValue::from_static("eu");
    const US: HeaderValue = HeaderValue::from_static("us");

    #[test]
    fn a_region_that_is_away_is_passed_over_until_its_pause_is_over() {
        let (mut round, now, later) = (Round::default(), Time::from_seconds(100), Time::from_seconds(102));
        assert_eq!((round.again(now), round.after()), (None, 0));
        assert_eq!((round.failures(&EU, true), round.failures(&US, true), round.failures(&EU, true)), (1, 1, 2));
        round.wait(&EU, later);
        assert!(round.is_away(&EU, now) && !round.is_away(&US, now));
        assert_eq!((round.pass_over(7, now), round.after()), (Duration::ZERO, 7));
        assert_eq!((round.again(now), round.after()), (Some(Duration::from_secs(2)), 0));
        assert!(!round.is_away(&EU, later));
        assert_eq!(round.failures(&EU, false), 0);
    }

    #[test]
    fn a_long_queue_is_not_read_to_its_end_again_and_again() {
        let (mut round, now) = (Round::default(), Time::from_seconds(100));
        round.wait(&EU, Time::from_seconds(102));
        let pauses: Vec<Duration> = (1..=i64::from(PASSED_MAX)).map(|place| round.pass_over(place, now)).collect();
        assert_eq!(pauses.iter().filter(|pause| !pause.is_zero()).count(), 1);
        assert_eq!((pauses.last(), round.after()), (Some(&Duration::from_secs(2)), 0));
    }
}
