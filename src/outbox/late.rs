//! Deliveries that the store did not take in time: in memory until it does, or until there are too many.
//!
//! Nothing counts as recorded because of this; Segment's own destination has been left on for them. It is a second chance,
//! for a disk that was slow or full for a while.

use super::{NewDelivery, Outbox};
use std::collections::VecDeque;
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::Duration;
use tokio_util::sync::CancellationToken;

/// How many deliveries wait in memory at most: about 20 MB, and minutes of a busy shop.
const LATE_MAX: usize = 10_000;
/// How often the store is asked again.
const ASK_EVERY: Duration = Duration::from_secs(1);

/// The deliveries, in the batches in which they came.
#[derive(Debug, Default)]
pub(super) struct Late(Mutex<VecDeque<Vec<NewDelivery>>>);

impl Late {
    fn lock(&self) -> MutexGuard<'_, VecDeque<Vec<NewDelivery>>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn len(&self) -> usize {
        self.lock().iter().map(Vec::len).sum()
    }
}

impl Outbox {
    /// Appends these as soon as the store takes them; whether there is room for them until then.
    pub fn append_later(&self, deliveries: Vec<NewDelivery>) -> bool {
        if self.late.len() + deliveries.len() > LATE_MAX {
            return false;
        }
        self.late.lock().push_back(deliveries);
        true
    }

    /// How many deliveries wait in memory for the store.
    pub fn late(&self) -> usize {
        self.late.len()
    }

    /// Drops those that are somebody's; how many there were.
    pub fn forget_late(&self, is_theirs: impl Fn(&NewDelivery) -> bool) -> usize {
        let mut late = self.late.lock();
        let before: usize = late.iter().map(Vec::len).sum();
        late.iter_mut().for_each(|batch| batch.retain(|delivery| !is_theirs(delivery)));
        late.retain(|batch| !batch.is_empty());
        before - late.iter().map(Vec::len).sum::<usize>()
    }

    /// Appends what the store did not take in time, as soon as it takes it, until `stop` is cancelled; then once more.
    /// Those that it still does not take are lost, and said so.
    pub async fn catch_up(self, stop: CancellationToken) {
        while stop.run_until_cancelled(tokio::time::sleep(ASK_EVERY)).await.is_some() {
            self.append_the_late().await;
        }
        self.append_the_late().await;
        if self.late() > 0 {
            tracing::error!(
                deliveries = self.late(),
                "stopped before the store took these deliveries; Segment's own destination had been left on for them"
            );
        }
    }

    async fn append_the_late(&self) {
        loop {
            let Some(first) = self.late.lock().front().cloned() else { return };
            let deliveries = first.len();
            if self.append(first, Vec::new()).await.is_err() {
                return;
            }
            tracing::info!(deliveries, "the store took deliveries that it had not taken in time");
            self.late.lock().pop_front();
        }
    }
}
