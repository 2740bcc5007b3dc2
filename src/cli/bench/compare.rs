//! What one target adds to another, and how sure that is.
//!
//! The difference is that of the two percentiles over all rounds. How sure it is comes from the rounds themselves (a bootstrap):
//! rounds are drawn again and again, with replacement and for both targets alike, and the interval holds the middle 95 %
//! of the differences. So it knows what a busy minute, a neighbour or a garbage collection did to this very run.

use super::tally::Latencies;
use std::collections::BTreeMap;

/// The percentiles that are told.
pub(super) const QUANTILES: [(&str, f64); 4] = [("p50", 0.5), ("p90", 0.9), ("p99", 0.99), ("p99.9", 0.999)];

/// Requests that must lie beyond a percentile for it to mean something.
const BEYOND_MIN: f64 = 10.0;

/// Draws of the bootstrap: the interval's ends move by little more than their own noise beyond.
const DRAWS: usize = 1_000;
/// The same rounds give the same interval.
const SEED: u64 = 0x5e17_ed9e;

/// What is added at one percentile, in nanoseconds.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Added {
    pub(super) nanos: i64,
    /// The 95 % interval; `None`: of one round nothing can be told.
    pub(super) interval: Option<(i64, i64)>,
    /// Whether so many requests lie beyond the percentile that it means something.
    pub(super) is_solid: bool,
}

impl Added {
    /// Whether zero can be excluded.
    pub(super) fn is_sure(&self) -> bool {
        self.is_solid && self.interval.is_some_and(|(low, high)| low > 0 || high < 0)
    }
}

/// Whether this many requests can tell this quantile.
pub(super) fn is_solid(requests: u64, quantile: f64) -> bool {
    #[allow(clippy::cast_precision_loss, reason = "nobody sends 2^52 requests")]
    let beyond = requests as f64 * (1.0 - quantile);
    beyond >= BEYOND_MIN - 1e-6
}

/// What `other` adds to `first` at each of [`QUANTILES`]; both have the same rounds.
pub(super) fn added(first: &[&Latencies], other: &[&Latencies]) -> Vec<Added> {
    let rounds = first.len().min(other.len());
    let (first, other) = (Rounds::of(first), Rounds::of(other));
    let once = vec![1; rounds];
    let difference = |weights: &[u64], quantile| other.value_at(weights, quantile) - first.value_at(weights, quantile);
    let mut random = fastrand::Rng::with_seed(SEED);
    let mut drawn = vec![Vec::new(); QUANTILES.len()];
    for _ in 0..if rounds > 1 { DRAWS } else { 0 } {
        let mut weights = vec![0; rounds];
        for _ in 0..rounds {
            if let Some(weight) = weights.get_mut(random.usize(..rounds)) {
                *weight += 1;
            }
        }
        for (all, (_, quantile)) in drawn.iter_mut().zip(QUANTILES) {
            all.push(difference(&weights, quantile));
        }
    }
    let requests = first.requests().min(other.requests());
    let one = |(mut drawn, (_, quantile)): (Vec<i64>, (&str, f64))| Added {
        nanos: difference(&once, quantile),
        interval: middle(&mut drawn),
        is_solid: is_solid(requests, quantile),
    };
    drawn.into_iter().zip(QUANTILES).map(one).collect()
}

/// The ends of the middle 95 %.
fn middle(drawn: &mut [i64]) -> Option<(i64, i64)> {
    drawn.sort_unstable();
    let cut = drawn.len() / 40;
    Some((*drawn.get(cut)?, *drawn.get(drawn.len().checked_sub(cut + 1)?)?))
}

/// The values that occurred, and how often each did in each round.
struct Rounds(BTreeMap<u64, Vec<u64>>);

impl Rounds {
    fn of(rounds: &[&Latencies]) -> Self {
        let mut values: BTreeMap<u64, Vec<u64>> = BTreeMap::new();
        for (round, latencies) in rounds.iter().enumerate() {
            for recorded in latencies.iter_recorded() {
                let counts = values.entry(recorded.value_iterated_to()).or_insert_with(|| vec![0; rounds.len()]);
                if let Some(count) = counts.get_mut(round) {
                    *count = recorded.count_at_value().into();
                }
            }
        }
        Self(values)
    }

    fn requests(&self) -> u64 {
        self.0.values().flatten().sum()
    }

    /// The value at a quantile, when each round counts so many times.
    fn value_at(&self, weights: &[u64], quantile: f64) -> i64 {
        let weighed = |counts: &[u64]| counts.iter().zip(weights).map(|(count, weight)| count * weight).sum::<u64>();
        let all: u64 = self.0.values().map(|counts| weighed(counts)).sum();
        #[allow(
            clippy::cast_precision_loss,
            clippy::cast_possible_truncation,
            clippy::cast_sign_loss,
            reason = "counts are far below 2^52, and a quantile is between 0 and 1"
        )]
        let wanted = ((all as f64 * quantile).ceil() as u64).max(1);
        let mut passed = 0;
        for (value, counts) in &self.0 {
            passed += weighed(counts);
            if passed >= wanted {
                return i64::try_from(*value).unwrap_or(i64::MAX);
            }
        }
        0
    }
}

#[cfg(test)]
mod tests {
    use super::super::tally::latencies;
    use super::*;

    fn round(values: impl IntoIterator<Item = u64>) -> Latencies {
        let mut round = latencies(3).unwrap();
        values.into_iter().for_each(|value| round.saturating_record(value * 1_000));
        round
    }

    fn compared(first: &[Latencies], other: &[Latencies]) -> Vec<Added> {
        added(&first.iter().collect::<Vec<_>>(), &other.iter().collect::<Vec<_>>())
    }

    #[test]
    fn a_shift_is_found_and_sure() {
        let rounds = |shift: u64| {
            (0..8).map(|round_| round((0..1_000).map(|n| 100 + shift + n % 50 + round_))).collect::<Vec<_>>()
        };
        let found = compared(&rounds(0), &rounds(60));
        for one in &found[..3] {
            assert!((58_000..=62_000).contains(&one.nanos), "{one:?}");
            let (low, high) = one.interval.unwrap();
            assert!(low <= one.nanos && one.nanos <= high && one.is_sure(), "{one:?}");
        }
        assert!(compared(&rounds(0), &rounds(0)).iter().all(|one| one.nanos == 0 && !one.is_sure()));
        assert_eq!(found, compared(&rounds(0), &rounds(60)), "the same rounds give the same interval");
    }

    #[test]
    fn rounds_that_disagree_make_it_unsure() {
        let first: Vec<_> = (0..8).map(|_| round([100; 100])).collect();
        let other: Vec<_> = (0..8).map(|n| round([if n % 2 == 0 { 60 } else { 150 }; 100])).collect();
        let p50 = compared(&first, &other)[0];
        assert!(!p50.is_sure() && p50.is_solid, "{p50:?}");
    }

    #[test]
    fn few_requests_tell_no_far_percentile() {
        assert!(is_solid(10_000, 0.999) && !is_solid(9_999, 0.999) && is_solid(20, 0.5) && !is_solid(19, 0.5));
        let one = compared(&[round([100; 50])], &[round([200; 50])]);
        assert_eq!(one.iter().map(|one| one.is_solid).collect::<Vec<_>>(), [true, false, false, false]);
        assert_eq!(one[0].interval, None);
        assert_eq!(compared(&[], &[])[0].nanos, 0);
    }
}
