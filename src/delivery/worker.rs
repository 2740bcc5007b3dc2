//! The worker: due → lease → send → what comes next.

use super::retry::{self, Made, Step};
use super::{Config, Pacing, verdict};
use crate::clock::{Clock, Time};
use crate::destination::{Attempt, Endpoint, Outcome, Trouble};
use crate::metrics::Label;
use crate::outbox::{Cap, Delivery, DeliveryId, Outbox, Touched};
use crate::store::CommitError;
use std::collections::HashSet;
use std::future::Future;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};
use tokio::task::JoinSet;
use tokio_util::sync::CancellationToken;

/// How many deliveries are under way at once: at 300 ms each, a hundred a second, which empties a day's backlog of a
/// large shop in minutes and is no burden to the destination.
const UNDER_WAY_MAX: usize = 32;
/// How long a lease lasts; more than twice what an attempt can take.
const LEASE: Duration = Duration::from_secs(300);
/// What an attempt may take, if the destination's own time limits should fail to end it.
const ATTEMPT_MAX: Duration = Duration::from_secs(120);
/// How often the outbox is looked at though nothing announces itself; it also bounds how late a changed machine clock
/// is noticed.
const LOOK_EVERY: Duration = Duration::from_secs(10);
/// How long to wait before a store that refused is asked again.
const STORE_RETRY: Duration = Duration::from_secs(1);

/// What an attempt met with, for metrics and for those who watch.
#[derive(Debug)]
pub struct Report<'a> {
    /// The delivery, as it was leased: `attempts` includes this one.
    pub delivery: &'a Delivery,
    /// What the destination said.
    pub outcome: &'a Outcome,
    /// What comes next.
    pub step: &'a Step,
    /// How long the attempt took.
    pub took: Duration,
}

/// Delivers what is due. `S` sends one delivery, a refund with the conversion that it is about, and answers what became of
/// it; `O` is told of each attempt.
pub struct Worker<S, O> {
    outbox: Outbox,
    clock: Clock,
    send: S,
    observe: O,
    config: Config,
    pacing: Arc<Mutex<Pacing>>,
    /// A lease that ends while the store refuses the result must not start a second attempt.
    under_way: Mutex<HashSet<DeliveryId>>,
}

impl<S, O, F> Worker<S, O>
where
    S: Fn(Delivery, Option<Delivery>) -> F + Send + Sync + 'static,
    F: Future<Output = Attempt> + Send + 'static,
    O: Fn(&Report<'_>) + Send + Sync + 'static,
{
    /// A worker for an outbox. `send` must not need more than two minutes; `observe` must be quick. `pacing` is shared with
    /// those who ask what is held up.
    pub fn new(outbox: Outbox, config: Config, pacing: Arc<Mutex<Pacing>>, send: S, observe: O, clock: Clock) -> Self {
        Self { outbox, clock, send, observe, config, pacing, under_way: Mutex::default() }
    }

    /// Delivers until `stop` is cancelled, then finishes what is under way, for `grace` at most. What is not finished
    /// by then keeps its lease, which is released when the store is opened again.
    pub async fn run(self, stop: CancellationToken, grace: Duration) {
        let worker = Arc::new(self);
        let mut under_way = JoinSet::new();
        while !stop.is_cancelled() {
            let wait = worker.clone().start_due(&mut under_way).await;
            tokio::select! {
                () = stop.cancelled() => {}
                () = worker.outbox.news(), if under_way.len() < UNDER_WAY_MAX => {}
                Some(finished) = under_way.join_next() => complain(finished),
                () = tokio::time::sleep(wait), if under_way.len() < UNDER_WAY_MAX => {}
            }
            while let Some(finished) = under_way.try_join_next() {
                complain(finished);
            }
        }
        let rest = async {
            while let Some(finished) = under_way.join_next().await {
                complain(finished);
            }
        };
        if tokio::time::timeout(grace, rest).await.is_err() {
            tracing::warn!(
                deliveries = under_way.len(),
                "stopped before these deliveries had an answer; they go out after the start"
            );
        }
    }

    /// Leases what is due and starts it; how long there will be nothing to start.
    async fn start_due(self: Arc<Self>, under_way: &mut JoinSet<()>) -> Duration {
        let room = u32::try_from(UNDER_WAY_MAX.saturating_sub(under_way.len())).unwrap_or(0);
        let now = self.clock.now();
        let caps = lock(&self.pacing).caps(now);
        match self.lease_due(room, caps).await {
            Ok(leased) => {
                for delivery in leased {
                    lock(&self.pacing).started(&delivery.request.program, delivery.request.endpoint);
                    under_way.spawn(self.clone().attempt(delivery));
                }
            }
            Err(error) => {
                tracing::debug!(%error, "no deliveries could be taken from the outbox");
                return STORE_RETRY;
            }
        }
        self.until_next().await
    }

    /// Asks before it takes: to take is a commit.
    async fn lease_due(&self, room: u32, caps: Vec<Cap>) -> Result<Vec<Delivery>, CommitError> {
        let now = self.clock.now();
        let due = self.outbox.next_due(caps.clone()).await.map_err(|error| CommitError::Failed(error.to_string()))?;
        if room == 0 || due.is_none_or(|due| due > now) {
            return Ok(Vec::new());
        }
        self.outbox.lease(room, now.plus(LEASE), caps).await
    }

    async fn until_next(&self) -> Duration {
        let now = self.clock.now();
        let (caps, ends) = {
            let pacing = lock(&self.pacing);
            (pacing.caps(now), pacing.next_end(now))
        };
        let due = self.outbox.next_due(caps).await.unwrap_or_default();
        let next = [due, ends].into_iter().flatten().min();
        next.map_or(LOOK_EVERY, |next| next.since(now).min(LOOK_EVERY))
    }

    /// One attempt, unless there is one already.
    async fn attempt(self: Arc<Self>, delivery: Delivery) {
        let id = delivery.id;
        if lock(&self.under_way).insert(id) {
            self.carry_out(delivery).await;
            lock(&self.under_way).remove(&id);
        }
    }

    /// From sending to the record of what became of it.
    async fn carry_out(&self, delivery: Delivery) {
        let about = self.conversion_of(&delivery).await;
        let begun = Instant::now();
        let attempt = tokio::time::timeout(ATTEMPT_MAX, (self.send)(delivery.clone(), about)).await;
        let Attempt { outcome, quota } = attempt.unwrap_or_else(|_| Attempt::from(unanswered()));
        let took = begun.elapsed();
        let now = self.clock.now();
        let request = &delivery.request;
        {
            let mut pacing = lock(&self.pacing);
            pacing.note(&request.program, request.endpoint, &outcome, now, fastrand::f64());
            if let Some(quota) = quota {
                pacing.told(&request.program, quota, now);
            }
        }
        let made = Made {
            number: delivery.attempts,
            age: now.since(delivery.created),
            age_max: self.config.retry_for,
            unrepeatable: request.unrepeatable,
        };
        let step = retry::next(&outcome, made, fastrand::f64());
        (self.observe)(&Report { delivery: &delivery, outcome: &outcome, step: &step, took });
        // A result that is not on record means a second delivery, so the store is asked until it takes it.
        while let Err(error) = self.record(&delivery, &outcome, &step, now).await {
            if matches!(error, CommitError::Closed | CommitError::Unavailable(_)) {
                return;
            }
            tokio::time::sleep(STORE_RETRY).await;
        }
    }

    /// The conversion that a refund is about; it names the action where the refund cannot.
    async fn conversion_of(&self, delivery: &Delivery) -> Option<Delivery> {
        if delivery.request.endpoint != Endpoint::Actions {
            return None;
        }
        loop {
            match self.outbox.conversion_of(delivery).await {
                Ok(conversion) => return conversion,
                Err(error) => tracing::debug!(%error, "the order of a refund cannot be looked up"),
            }
            tokio::time::sleep(STORE_RETRY).await;
        }
    }

    /// Waits count from the answer, at `now`: what an account's pause holds up is due when that ends.
    async fn record(&self, delivery: &Delivery, outcome: &Outcome, step: &Step, now: Time) -> Result<(), CommitError> {
        let id = delivery.id;
        let touched = match step {
            Step::Done => {
                let receipt = receipt(outcome);
                let asks = self.config.verdicts && delivery.request.endpoint.has_verdict();
                let verdict = asks.then(|| verdict::first(receipt.as_deref(), &self.config, self.clock.now()));
                self.outbox.done(id, receipt, verdict).await?
            }
            Step::Again(after) => self.outbox.again(id, now.plus(*after), words(outcome)).await?,
            Step::Dead(reason) => self.outbox.dead(id, reason.label(), words(outcome)).await?,
        };
        if touched != Touched::Done {
            tracing::warn!(delivery = %id, ?touched, "the result of an attempt came too late to be recorded");
        }
        Ok(())
    }
}

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

fn unanswered() -> Outcome {
    let detail = format!("no answer within {} s", ATTEMPT_MAX.as_secs());
    Outcome::Retry { why: Trouble::MaybeSent, detail, after: None }
}

fn receipt(outcome: &Outcome) -> Option<String> {
    match outcome {
        Outcome::Accepted { receipt } => receipt.clone(),
        Outcome::Retry { .. } | Outcome::Refused { .. } | Outcome::NoAccess { .. } | Outcome::Unfit(_) => None,
    }
}

/// What a delivery's record says of an attempt.
fn words(outcome: &Outcome) -> String {
    match outcome {
        Outcome::Accepted { .. } => String::new(),
        Outcome::Retry { detail, .. } => detail.clone(),
        Outcome::Unfit(why) => why.words().to_owned(),
        Outcome::Refused { status, detail } | Outcome::NoAccess { status, detail } => format!("{status}: {detail}"),
    }
}

fn complain(finished: Result<(), tokio::task::JoinError>) {
    if let Err(error) = finished {
        tracing::error!(%error, "an attempt to deliver broke off");
    }
}

#[cfg(test)]
#[path = "tests.rs"]
mod tests;
