//! What became of the requests: latencies of good answers, errors by kind, and how late the generator itself was.

use super::connection::Trouble;
use super::schedule::{Pace, Schedule};
use hdrhistogram::Histogram;
use std::collections::BTreeMap;
use std::io;
use std::time::Duration;

/// Latencies are kept in nanoseconds.
const LOWEST_NANOS: u64 = 1_000;
const HIGHEST_NANOS: u64 = 7_200_000_000_000;

/// How many points the line over time has, all rounds together.
const POINTS: u32 = 120;

/// Latencies in nanoseconds.
pub(super) type Latencies = Histogram<u32>;

/// No latencies yet, to be kept with so many digits.
pub(super) fn latencies(digits: u8) -> io::Result<Latencies> {
    Latencies::new_with_bounds(LOWEST_NANOS, HIGHEST_NANOS, digits).map_err(io::Error::other)
}

/// One request, in times since the slice began.
#[derive(Debug)]
pub(super) struct Exchange {
    /// When it was to be sent.
    pub(super) due: Duration,
    /// Since when its connection had nothing else to do.
    pub(super) free: Duration,
    /// When it was sent.
    pub(super) sent: Duration,
    /// When its answer was whole.
    pub(super) ended: Duration,
    pub(super) outcome: Result<(), Trouble>,
}

/// The requests of one target in one round.
#[derive(Clone, Debug)]
pub(super) struct Tally {
    schedule: Schedule,
    /// Good answers, from the time when their requests were due.
    pub(super) latency: Latencies,
    /// By how much the generator itself was late: requests that had a connection in time.
    pub(super) lag: Latencies,
    /// The same latencies over time.
    pub(super) points: Vec<Latencies>,
    /// How much time one point stands for.
    pub(super) step: Duration,
    /// Sent before the measurement began, or due before.
    pub(super) warm_up: u64,
    /// Due when every connection was busy: measured all the same, from when they were due.
    pub(super) late: u64,
    /// Due and never sent: every connection was busy too long.
    pub(super) unsent: u64,
    /// By kind; never a latency.
    pub(super) errors: BTreeMap<String, u64>,
    /// When the last answer was whole.
    pub(super) ended: Duration,
    /// The CPU time that the target's process took meanwhile, where it is known.
    pub(super) cpu: Option<Duration>,
}

impl Tally {
    /// Nothing yet, of a slice in a run of so many rounds.
    pub(super) fn new(schedule: Schedule, rounds: u32) -> io::Result<Self> {
        let points = POINTS.div_ceil(rounds.max(1));
        let points = (0..points).map(|_| latencies(2)).collect::<io::Result<Vec<_>>>()?;
        let step = schedule.end.saturating_sub(schedule.warm_up) / u32::try_from(points.len()).unwrap_or(1);
        Ok(Self {
            schedule,
            latency: latencies(3)?,
            lag: latencies(3)?,
            points,
            step: step.max(Duration::from_nanos(1)),
            warm_up: 0,
            late: 0,
            unsent: 0,
            errors: BTreeMap::new(),
            ended: Duration::ZERO,
            cpu: None,
        })
    }

    /// Counts a request.
    pub(super) fn record(&mut self, exchange: &Exchange) {
        let Exchange { due, free, sent, ended, outcome } = exchange;
        self.ended = self.ended.max(*ended);
        if !self.schedule.is_measured(*due) {
            self.warm_up += 1;
            return;
        }
        if free > due {
            self.late += 1;
        } else {
            self.lag.saturating_record(nanos(sent.saturating_sub(*due)));
        }
        if let Err(trouble) = outcome {
            *self.errors.entry(kind(trouble)).or_default() += 1;
            return;
        }
        let latency = nanos(ended.saturating_sub(*due));
        self.latency.saturating_record(latency);
        let place = due.saturating_sub(self.schedule.warm_up).as_nanos() / self.step.as_nanos();
        if let Some(point) = usize::try_from(place).ok().and_then(|place| self.points.get_mut(place)) {
            point.saturating_record(latency);
        }
    }

    /// Measured requests, good or not.
    pub(super) fn requests(&self) -> u64 {
        self.latency.len() + self.failed()
    }

    /// All that were sent.
    pub(super) fn sent(&self) -> u64 {
        self.requests() + self.warm_up
    }

    /// Those without a good answer.
    pub(super) fn failed(&self) -> u64 {
        self.errors.values().sum()
    }

    /// How long it was measured.
    pub(super) fn measured(&self) -> Duration {
        let end = if self.schedule.pace == Pace::Max { self.ended } else { self.schedule.end.max(self.ended) };
        end.saturating_sub(self.schedule.warm_up)
    }
}

/// What an error is counted as.
fn kind(trouble: &Trouble) -> String {
    match trouble {
        Trouble::Connect(_) => "connect".to_owned(),
        Trouble::TimeOut => "time-out".to_owned(),
        Trouble::Status(status) => format!("status {}", status.as_u16()),
        Trouble::Reset => "reset".to_owned(),
        Trouble::Protocol => "protocol".to_owned(),
    }
}

pub(super) fn nanos(time: Duration) -> u64 {
    u64::try_from(time.as_nanos()).unwrap_or(u64::MAX)
}

/// All of them together.
pub(super) fn merged<'a>(all: impl IntoIterator<Item = &'a Latencies>, digits: u8) -> io::Result<Latencies> {
    let mut sum = latencies(digits)?;
    for one in all {
        sum.add(one).map_err(io::Error::other)?;
    }
    Ok(sum)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn exchange(due: u64, free: u64, sent: u64, ended: u64, outcome: Result<(), Trouble>) -> Exchange {
        let at = Duration::from_millis;
        Exchange { due: at(due), free: at(free), sent: at(sent), ended: at(ended), outcome }
    }

    #[test]
    fn latency_counts_from_when_a_request_was_due() {
        let mut tally = Tally::new(Schedule::new(Pace::Rate(100), Duration::from_secs(1)), 1).unwrap();
        tally.record(&exchange(100, 0, 100, 900, Ok(())));
        tally.record(&exchange(300, 200, 302, 310, Ok(())));
        // Its connection became free 190 ms after it was due.
        tally.record(&exchange(310, 500, 500, 510, Ok(())));
        tally.record(&exchange(400, 350, 400, 2_000, Err(Trouble::TimeOut)));
        tally.record(&exchange(999, 350, 999, 1_000, Err(Trouble::Status(http::StatusCode::BAD_GATEWAY))));
        let close = |latency: u64, millis: u64| latency.abs_diff(millis * 1_000_000) < millis * 2_000;
        assert!(close(tally.latency.max(), 200) && close(tally.latency.min(), 10), "{:?}", tally.latency.max());
        assert!(close(tally.lag.max(), 2) && tally.lag.len() == 3);
        assert_eq!((tally.warm_up, tally.late, tally.requests(), tally.sent()), (1, 1, 4, 5));
        assert_eq!(tally.errors, [("status 502".to_owned(), 1), ("time-out".to_owned(), 1)].into());
        let over_time: Vec<u64> = tally.points.iter().map(Latencies::len).filter(|count| *count > 0).collect();
        assert_eq!(over_time, [1, 1]);
        assert_eq!(tally.measured(), Duration::from_millis(1_800));
    }
}
