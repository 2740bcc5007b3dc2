use prometheus_client::encoding::{EncodeMetric, MetricEncoder, NoLabelSet};
use prometheus_client::metrics::{MetricType, TypedMetric};
use std::fmt;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

/// A histogram of durations. Clones count into the same one.
///
/// The library's own takes a lock for each observation, and every request makes two.
#[derive(Clone, Debug)]
pub(super) struct Timing(Arc<Inner>);

#[derive(Debug)]
struct Inner {
    /// Upper bounds of the buckets in microseconds, ascending.
    bounds: &'static [u64],
    /// One count for each bound, and one for what is beyond them all.
    counts: Box<[AtomicU64]>,
    sum_nanos: AtomicU64,
}

impl Timing {
    /// An empty histogram with these upper bounds in microseconds, ascending.
    pub(super) fn new(bounds: &'static [u64]) -> Self {
        let counts = (0..=bounds.len()).map(|_| AtomicU64::new(0)).collect();
        Self(Arc::new(Inner { bounds, counts, sum_nanos: AtomicU64::new(0) }))
    }

    /// Counts one duration.
    pub(super) fn observe(&self, took: Duration) {
        let micros = took.as_nanos().div_ceil(1_000);
        let bucket = self.0.bounds.partition_point(|bound| u128::from(*bound) < micros);
        if let Some(count) = self.0.counts.get(bucket) {
            count.fetch_add(1, Ordering::Relaxed);
        }
        self.0.sum_nanos.fetch_add(u64::try_from(took.as_nanos()).unwrap_or(u64::MAX), Ordering::Relaxed);
    }
}

impl EncodeMetric for Timing {
    fn encode(&self, mut encoder: MetricEncoder<'_>) -> fmt::Result {
        let bounds = self.0.bounds.iter().map(|micros| seconds(*micros, 1e6)).chain([f64::INFINITY]);
        let counts = self.0.counts.iter().map(|count| count.load(Ordering::Relaxed));
        let buckets: Vec<(f64, u64)> = bounds.zip(counts).collect();
        let total = buckets.iter().map(|(_, count)| count).sum();
        let sum = seconds(self.0.sum_nanos.load(Ordering::Relaxed), 1e9);
        encoder.encode_histogram::<NoLabelSet>(sum, total, &buckets, None)
    }

    fn metric_type(&self) -> MetricType {
        Self::TYPE
    }
}

impl TypedMetric for Timing {
    const TYPE: MetricType = MetricType::Histogram;
}

#[allow(clippy::cast_precision_loss, reason = "a sum of 100 days is exact to the nanosecond, and nobody reads more")]
fn seconds(units: u64, per_second: f64) -> f64 {
    units as f64 / per_second
}
