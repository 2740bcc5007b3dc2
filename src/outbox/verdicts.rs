//! What the destination says later of what it took.

use super::{Delivery, DeliveryId, Filter, Outbox, endpoint_name, readable};
use crate::clock::Time;
use crate::destination::Endpoint;
use crate::store::{Change, CommitError, ReadError, State, VerdictCount, VerdictRow};

/// How many deliveries of one order are looked through for its conversion; an order has one, and a few refunds.
const OF_AN_ORDER_MAX: u32 = 50;

impl Outbox {
    /// The programs with verdicts to ask for, and when the next of each is due.
    ///
    /// # Errors
    /// When the store cannot be read.
    pub async fn asks(&self) -> Result<Vec<(String, Time)>, ReadError> {
        self.store.asks().await
    }

    /// At most `limit` deliveries of a program whose verdict is to be asked for now, the longest due first.
    ///
    /// # Errors
    /// When the store cannot be read.
    pub async fn to_ask(&self, program: &str, limit: u32) -> Result<Vec<Delivery>, ReadError> {
        let rows = self.store.to_ask(program.to_owned(), self.now(), limit).await?;
        Ok(rows.into_iter().filter_map(readable).collect())
    }

    /// Writes down what is known of these verdicts now, in one commit, and wakes the worker: a refund may wait for one.
    ///
    /// # Errors
    /// See [`CommitError`]; all are as before.
    pub async fn judge(&self, verdicts: Vec<(DeliveryId, VerdictRow)>) -> Result<(), CommitError> {
        let changes = verdicts.into_iter().map(|(id, verdict)| Change::Judge { id, verdict: Box::new(verdict) });
        self.store.commit(changes.collect()).await?;
        self.wake();
        Ok(())
    }

    /// The conversion of the order that a delivery is about: the youngest with a verdict that names its action, else the
    /// youngest that was made.
    ///
    /// # Errors
    /// When the store cannot be read.
    pub async fn conversion_of(&self, delivery: &Delivery) -> Result<Option<Delivery>, ReadError> {
        let request = &delivery.request;
        let Some(order_id) = request.order_id.clone() else { return Ok(None) };
        let filter = Filter {
            states: vec![State::Delivered],
            program: Some(request.program.clone()),
            endpoint: Some(endpoint_name(Endpoint::Conversions).to_owned()),
            order_id: Some(order_id),
            limit: OF_AN_ORDER_MAX,
            ..Filter::default()
        };
        let mut made = self.list(filter).await?;
        let named = made.iter().position(|one| one.verdict.as_ref().is_some_and(|row| row.action_id.is_some()));
        Ok((!made.is_empty()).then(|| made.swap_remove(named.unwrap_or(0))))
    }

    /// How many deliveries a filter lets through, by program, verdict and reason.
    ///
    /// # Errors
    /// When the store cannot be read.
    pub async fn count_verdicts(&self, filter: Filter) -> Result<Vec<VerdictCount>, ReadError> {
        self.store.count_verdicts(filter).await
    }
}
