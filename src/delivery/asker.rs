//! The asker: due → ask → what is known now.
//!
//! A question is no lease: one that is lost with the process is asked again.

use super::pacing::Asks;
use super::verdict;
use super::{Config, Pacing};
use crate::clock::Clock;
use crate::destination::{Inquiry, Said};
use crate::outbox::{Delivery, Outbox, VerdictRow};
use crate::store::{CommitError, ReadError};
use futures_util::future::join_all;
use std::future::Future;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;
use tokio_util::sync::CancellationToken;

/// How many questions of one account are under way at once.
const UNDER_WAY_MAX: u32 = 8;
/// How many verdicts are put off in one commit while nobody may ask: a few milliseconds.
const SLICE: u32 = 500;
/// How often it is looked at though nothing is due, unless verdicts come sooner.
const LOOK_EVERY: Duration = Duration::from_secs(10);
/// How long to wait while conversions do, while the account has no requests left, or the store refuses.
const PAUSE: Duration = Duration::from_secs(1);

/// Asks for the verdicts on what was delivered. `A` asks about one delivery; `O` is told of each verdict.
pub struct Asker<A, O> {
    outbox: Outbox,
    clock: Clock,
    ask: A,
    observe: O,
    config: Config,
    pacing: Arc<Mutex<Pacing>>,
}

impl<A, O, F> Asker<A, O>
where
    A: Fn(Delivery) -> F + Send + Sync + 'static,
    F: Future<Output = Inquiry> + Send + 'static,
    O: Fn(&Delivery, &VerdictRow) + Send + Sync + 'static,
{
    /// An asker for an outbox; `observe` must be quick. `pacing` is shared with the worker, which goes first.
    pub fn new(outbox: Outbox, config: Config, pacing: Arc<Mutex<Pacing>>, ask: A, observe: O, clock: Clock) -> Self {
        Self { outbox, clock, ask, observe, config, pacing }
    }

    /// Asks until `stop` is cancelled.
    pub async fn run(self, stop: CancellationToken) {
        let look_every = self.config.verdict_after.min(LOOK_EVERY);
        let asking = async {
            loop {
                let wait = self.round().await.unwrap_or_else(|error| {
                    tracing::debug!(%error, "no verdicts could be asked for");
                    PAUSE
                });
                tokio::time::sleep(wait.min(look_every)).await;
            }
        };
        stop.run_until_cancelled(asking).await;
    }

    /// Asks what is due; how long there will be nothing to ask.
    async fn round(&self) -> Result<Duration, StoreError> {
        let now = self.clock.now();
        let asks = self.outbox.asks().await?;
        if !asks.iter().any(|(_, at)| *at <= now) {
            return Ok(asks.iter().map(|(_, at)| at.since(now)).min().unwrap_or(LOOK_EVERY));
        }
        let caps = lock(&self.pacing).all_but_conversions(now);
        if self.outbox.next_due(caps).await?.is_some_and(|due| due <= now) {
            return Ok(PAUSE);
        }
        let mut wait = PAUSE;
        for (program, _) in asks.into_iter().filter(|(_, at)| *at <= now) {
            let asks = lock(&self.pacing).asks(&program, now);
            let known = match asks {
                Asks::Most(most) => self.ask_for(&program, most.min(UNDER_WAY_MAX)).await?,
                Asks::Held(status) => self.put_off(&program, status).await?,
            };
            if !known.is_empty() {
                wait = Duration::ZERO;
                self.outbox.judge(known.iter().map(|(delivery, row)| (delivery.id, row.clone())).collect()).await?;
                let settled = known.iter().filter(|(_, row)| row.ask_at.is_none());
                settled.for_each(|(delivery, row)| (self.observe)(delivery, row));
            }
        }
        Ok(wait)
    }

    async fn ask_for(&self, program: &str, most: u32) -> Result<Vec<(Delivery, VerdictRow)>, StoreError> {
        if most == 0 {
            return Ok(Vec::new());
        }
        // One finds out whether an account that was held may be asked again.
        let most = if lock(&self.pacing).is_asking_held(program) { 1 } else { most };
        let due = self.outbox.to_ask(program, most).await?;
        let asked = due.into_iter().map(async |delivery| ((self.ask)(delivery.clone()).await, delivery));
        let mut known = Vec::new();
        for (inquiry, delivery) in join_all(asked).await {
            let now = self.clock.now();
            let is_news = lock(&self.pacing).asked(program, &inquiry, now);
            if let (true, Said::Unauthorized { status }) = (is_news, &inquiry.said) {
                tracing::warn!(program, status, "{}", words(*status));
            }
            known.extend(self.next(delivery, &inquiry.said));
        }
        Ok(known)
    }

    /// While nobody may ask, what is due is put off, or ends, as if it had been asked for.
    async fn put_off(&self, program: &str, status: u16) -> Result<Vec<(Delivery, VerdictRow)>, StoreError> {
        let due = self.outbox.to_ask(program, SLICE).await?;
        let said = Said::Unauthorized { status };
        let next = due.into_iter().filter_map(|delivery| self.next(delivery, &said));
        // Nobody was asked.
        Ok(next.map(|(delivery, row)| (delivery, VerdictRow { asked: row.asked.saturating_sub(1), ..row })).collect())
    }

    fn next(&self, delivery: Delivery, said: &Said) -> Option<(Delivery, VerdictRow)> {
        let known = delivery.verdict.as_ref()?;
        let made = delivery.ended.unwrap_or(delivery.created);
        let row = verdict::next(said, known, made, &self.config, self.clock.now(), fastrand::f64());
        Some((delivery, row))
    }
}

/// What is said once of an account that does not answer questions.
fn words(status: u16) -> &'static str {
    match status {
        verdict::FORBIDDEN => {
            "the account's token may not read APISubmissions: nobody asks for its verdicts for an hour, and those that are \
             not known a day after their delivery are unknown; deliveries go on"
        }
        _ => "the account's credentials were refused: its verdicts wait until they are put right",
    }
}

/// The store refused.
#[derive(Debug, thiserror::Error)]
enum StoreError {
    #[error(transparent)]
    Read(#[from] ReadError),
    #[error(transparent)]
    Commit(#[from] CommitError),
}

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}
