//! When each request is due. It is decided before the first one is sent: a slow answer moves nothing.

use std::time::Duration;

/// The highest constant rate, in requests per second.
pub(super) const RATE_MAX: u32 = 1_000_000;

/// The unmeasured start of each slice, at most: pools and caches are filled in it.
const WARM_UP_MAX: Duration = Duration::from_millis(200);

/// How requests follow each other.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Pace {
    /// Open loop: so many per second, whatever the answers do.
    Rate(u32),
    /// Closed loop: each connection sends the next request when it has the answer to the last.
    Max,
}

/// The due times of one slice, counted from its begin.
#[derive(Clone, Copy, Debug)]
pub(super) struct Schedule {
    pub(super) pace: Pace,
    /// The begin that is not measured.
    pub(super) warm_up: Duration,
    /// When nothing more is due.
    pub(super) end: Duration,
}

impl Schedule {
    /// The schedule of a slice that takes `end`, its warm-up included.
    pub(super) fn new(pace: Pace, end: Duration) -> Self {
        Self { pace, warm_up: WARM_UP_MAX.min(end / 5), end }
    }

    /// When request `index` of a constant rate is due; `None`: not in this slice. At the highest pace nothing is due.
    pub(super) fn due(&self, index: u64) -> Option<Duration> {
        let Pace::Rate(rate) = self.pace else { return None };
        let nanos = u128::from(index) * 1_000_000_000 / u128::from(rate.max(1));
        let due = Duration::from_nanos(u64::try_from(nanos).ok()?);
        (due < self.end).then_some(due)
    }

    /// How many requests of a constant rate are due before `time`, or before the end.
    pub(super) fn due_before(&self, time: Duration) -> u64 {
        let Pace::Rate(rate) = self.pace else { return 0 };
        let nanos = time.min(self.end).as_nanos() * u128::from(rate);
        u64::try_from(nanos.div_ceil(1_000_000_000)).unwrap_or(u64::MAX)
    }

    /// Whether what is due at `time` is measured.
    pub(super) fn is_measured(&self, time: Duration) -> bool {
        time >= self.warm_up
    }
}

/// How many rounds a run has that takes `whole`: enough to tell how sure the result is, with slices long enough to mean
/// something.
pub(super) fn rounds(whole: Duration, targets: u32) -> u32 {
    const SLICE: Duration = Duration::from_millis(1_500);
    let fitting = whole.as_millis() / (SLICE.as_millis() * u128::from(targets.max(1)));
    u32::try_from(fitting).unwrap_or(u32::MAX).clamp(6, 20)
}

/// The order of the targets in a round: each round begins with the next one, so that none has always the same neighbour in
/// time before it.
pub(super) fn order(round: usize, targets: usize) -> impl Iterator<Item = usize> {
    (0..targets).map(move |place| (place + round) % targets.max(1))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn due_times_are_even_and_end() {
        let schedule = Schedule::new(Pace::Rate(3), Duration::from_secs(1));
        let due: Vec<u128> = (0..9).map_while(|index| schedule.due(index)).map(|due| due.as_micros()).collect();
        assert_eq!(due, [0, 333_333, 666_666]);
        assert_eq!(schedule.due(u64::MAX), None);
        assert!(!schedule.is_measured(Duration::from_millis(199)) && schedule.is_measured(Duration::from_millis(200)));
    }

    #[test]
    fn what_is_due_before_a_time_is_counted_as_it_is_scheduled() {
        for rate in [1, 7, 1_000, 333_333] {
            let schedule = Schedule::new(Pace::Rate(rate), Duration::from_millis(250));
            for micros in [0, 1, 3, 999, 142_857, 250_000, 999_999] {
                let time = Duration::from_micros(micros);
                // A due time is cut to the nanosecond: what falls on the border may count on either side.
                let counted = (0..).map_while(|index| schedule.due(index)).filter(|due| *due < time).count() as u64;
                assert!(schedule.due_before(time).abs_diff(counted) <= 1, "{rate}/s before {micros} µs");
            }
            let all = (0..).map_while(|index| schedule.due(index)).count() as u64;
            assert!(schedule.due_before(Duration::MAX).abs_diff(all) <= 1, "{rate}/s");
        }
        assert_eq!(Schedule::new(Pace::Max, Duration::from_secs(1)).due_before(Duration::from_secs(1)), 0);
    }

    #[test]
    fn rounds_fit_the_time_and_turn() {
        assert_eq!(rounds(Duration::from_secs(30), 2), 10);
        assert_eq!(rounds(Duration::from_secs(1), 3), 6);
        assert_eq!(rounds(Duration::from_secs(3600), 1), 20);
        let orders: Vec<Vec<usize>> = (0..4).map(|round| order(round, 3).collect()).collect();
        assert_eq!(orders, [[0, 1, 2], [1, 2, 0], [2, 0, 1], [0, 1, 2]]);
    }
}
