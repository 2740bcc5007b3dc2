//! Deliveries, from the moment they are on the disk until their destination took them or they were given up.
//!
//! ```text
//! append → waiting → leased → delivered → (a verdict: pending → accepted, refused, unknown)
//!             ↑________|  ↘ dead → (a person) → waiting
//! ```
//!
//! # Invariants
//!
//! * What [`Outbox::append`] answered with [`Appended::New`] is delivered or becomes a dead letter, whatever happens to
//!   the process.
//! * Of all deliveries that share a once key, one at a time is not dead.
//! * What must not be sent twice becomes a dead letter when the attempt is cut short.

mod act;
pub mod forwards;
mod late;
#[doc = include_str!("promise.md")]
pub mod promise {}
mod once;
mod verdicts;

pub use crate::store::{
    Cap, DeliveryFilter as Filter, DeliveryId, Depth, Lane, State, Touched, Verdict, VerdictCount, VerdictRow,
};
pub use act::Act;
pub use forwards::{Backlog, Forwards, Kept, Missed};
pub use once::OnceKey;

use crate::clock::{Clock, Time};
use crate::destination::Endpoint;
use crate::store::{Change, CommitError, DeliveryRow, DraftRow, Effect, PersonKey, ReadError, Store};
use late::Late;
use std::sync::Arc;
use tokio::sync::Notify;

/// The longest error text that is kept with a delivery: a destination's own words fit, a page of HTML does not.
const DETAIL_BYTES_MAX: usize = 2000;

/// The reason of a dead letter that this version cannot read.
const UNREADABLE: &str = "unreadable";

/// A mapped request to be delivered.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct NewDelivery {
    /// The program's name.
    pub program: String,
    /// Where it goes.
    pub endpoint: Endpoint,
    /// The form's fields, in order.
    pub params: Vec<(String, String)>,
    /// The event's name, or the call's kind, for people.
    pub event: String,
    /// The call's messageId.
    pub message_id: Option<String>,
    /// The order's id.
    pub order_id: Option<String>,
    /// On what basis the click was chosen.
    pub basis: String,
    /// The click.
    pub click_id: Option<String>,
    /// Whether a second send could become a second action.
    pub unrepeatable: bool,
    /// What makes it once.
    pub once: Vec<OnceKey>,
    /// Whose it is, by anonymousId.
    pub anonymous: Option<PersonKey>,
    /// Whose it is, by userId.
    pub user: Option<PersonKey>,
    /// When the call arrived.
    pub arrival: Time,
    /// What it was mapped from, so that it can be mapped again after the mapping has changed.
    pub call: Option<String>,
}

/// What became of an append.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Appended {
    /// It is on the disk, under this number.
    New(DeliveryId),
    /// It was delivered before, or is about to be.
    Duplicate,
    /// It was not taken: the store holds as much as it may, and page loads are what it can do without.
    Shed,
}

/// A delivery on record.
#[derive(Clone, Debug, PartialEq)]
pub struct Delivery {
    /// Its number.
    pub id: DeliveryId,
    /// What was appended; its once keys are not read back.
    pub request: NewDelivery,
    /// Its state.
    pub state: State,
    /// How often it was taken to be sent.
    pub attempts: u32,
    /// When it is to be sent, or when its lease ends.
    pub due: Time,
    /// When it was appended, or a person gave it a new life.
    pub created: Time,
    /// When it was delivered or given up.
    pub ended: Option<Time>,
    /// Why it was given up, as a label.
    pub reason: Option<String>,
    /// What the last failure said.
    pub last_error: Option<String>,
    /// What the destination answered with.
    pub receipt: Option<String>,
    /// What it said later; `None`: nobody asks.
    pub verdict: Option<VerdictRow>,
}

/// The outbox; clones share it.
#[derive(Clone)]
pub struct Outbox {
    store: Store,
    clock: Clock,
    news: Arc<Notify>,
    late: Arc<Late>,
}

impl Outbox {
    /// The outbox of a store.
    pub fn new(store: Store, clock: Clock) -> Self {
        Self { store, clock, news: Arc::default(), late: Arc::default() }
    }

    /// Puts deliveries on the disk, with other changes along, in one commit, and wakes the worker. The answers are in
    /// the order of `deliveries`; of two with a common once key the first is new and the second a duplicate.
    ///
    /// # Errors
    /// See [`CommitError`]; then nothing was kept, neither deliveries nor what went along.
    pub async fn append(&self, deliveries: Vec<NewDelivery>, along: Vec<Change>) -> Result<Vec<Appended>, CommitError> {
        let drafts = deliveries.into_iter().map(|delivery| Change::Append(Box::new(draft(delivery))));
        let effects = self.store.commit(drafts.chain(along).collect()).await?;
        let appended: Vec<Appended> = effects
            .into_iter()
            .filter_map(|effect| match effect {
                Effect::Appended(id) => Some(Appended::New(id)),
                Effect::Duplicate => Some(Appended::Duplicate),
                Effect::Shed => Some(Appended::Shed),
                _ => None,
            })
            .collect();
        if appended.iter().any(|appended| matches!(appended, Appended::New(_))) {
            self.wake();
        }
        Ok(appended)
    }

    /// Takes at most `limit` due deliveries, conversions first, that are due again at `deadline`; of lanes with a cap no
    /// more than that.
    ///
    /// # Errors
    /// See [`CommitError`]; nothing was taken.
    pub async fn lease(&self, limit: u32, deadline: Time, caps: Vec<Cap>) -> Result<Vec<Delivery>, CommitError> {
        let effects = self.store.commit(vec![Change::Lease { limit, deadline, caps }]).await?;
        let rows = effects.into_iter().filter_map(|effect| match effect {
            Effect::Leased(rows) => Some(rows),
            _ => None,
        });
        let mut leased = Vec::new();
        for row in rows.flatten() {
            let id = row.id;
            match readable(row) {
                Some(delivery) => leased.push(delivery),
                None => _ = self.dead(id, UNREADABLE, "its record cannot be read".to_owned()).await?,
            }
        }
        Ok(leased)
    }

    /// The destination took it; `verdict` is there when it says later what became of it.
    ///
    /// # Errors
    /// See [`CommitError`]; its state is as before.
    pub async fn done(
        &self,
        id: DeliveryId,
        receipt: Option<String>,
        verdict: Option<VerdictRow>,
    ) -> Result<Touched, CommitError> {
        self.touch(Change::Done { id, receipt: receipt.map(bounded), verdict: verdict.map(Box::new) }).await
    }

    /// A leased delivery is to be tried again at `at`.
    ///
    /// # Errors
    /// See [`CommitError`]; its state is as before.
    pub async fn again(&self, id: DeliveryId, at: Time, why: String) -> Result<Touched, CommitError> {
        self.touch(Change::Again { id, at, why: bounded(why) }).await
    }

    /// A leased delivery is given up: it becomes a dead letter and frees its once keys.
    ///
    /// # Errors
    /// See [`CommitError`]; its state is as before.
    pub async fn dead(&self, id: DeliveryId, reason: &str, detail: String) -> Result<Touched, CommitError> {
        self.touch(Change::Dead { id, reason: reason.to_owned(), detail: bounded(detail) }).await
    }

    /// How many there are and how old the oldest is, by endpoint and state.
    ///
    /// # Errors
    /// When the store cannot be read.
    pub async fn depth(&self) -> Result<Vec<Depth>, ReadError> {
        self.store.depth().await
    }

    /// When the next delivery is due, or the next lease ends, outside of lanes that are capped at nothing.
    ///
    /// # Errors
    /// When the store cannot be read.
    pub async fn next_due(&self, caps: Vec<Cap>) -> Result<Option<Time>, ReadError> {
        self.store.next_due(caps).await
    }

    /// The deliveries that a filter lets through, the youngest first.
    ///
    /// # Errors
    /// When the store cannot be read.
    pub async fn list(&self, filter: Filter) -> Result<Vec<Delivery>, ReadError> {
        Ok(self.store.deliveries(filter).await?.into_iter().map(shown).collect())
    }

    /// How many deliveries a filter lets through, and the youngest of them.
    ///
    /// # Errors
    /// When the store cannot be read.
    pub async fn count(&self, filter: Filter) -> Result<(u64, Option<DeliveryId>), ReadError> {
        self.store.count_deliveries(filter).await
    }

    /// One delivery.
    ///
    /// # Errors
    /// When the store cannot be read.
    pub async fn show(&self, id: DeliveryId) -> Result<Option<Delivery>, ReadError> {
        Ok(self.store.delivery(id).await?.map(shown))
    }

    /// Until there is news since the last call: an append, a retry, or [`Outbox::wake`].
    pub async fn news(&self) {
        self.news.notified().await;
    }

    /// Makes the worker look.
    pub fn wake(&self) {
        self.news.notify_one();
    }

    /// The outbox's clock.
    pub fn now(&self) -> Time {
        self.clock.now()
    }

    async fn touch(&self, change: Change) -> Result<Touched, CommitError> {
        let effects = self.store.commit(vec![change]).await?;
        Ok(effects.first().map_or(Touched::NotFound, act::touched))
    }
}

/// The lane of a program's deliveries to an endpoint.
pub fn lane(program: &str, endpoint: Endpoint) -> Lane {
    Lane { program: program.to_owned(), endpoint: endpoint_name(endpoint).to_owned() }
}

/// The name under which an endpoint is kept, and by which [`Filter`] finds it.
pub fn endpoint_name(endpoint: Endpoint) -> &'static str {
    match endpoint {
        Endpoint::Conversions => "conversions",
        Endpoint::PageLoad => "page_load",
        Endpoint::Actions => "actions",
    }
}

/// Conversions and their refunds are money, page loads are not.
fn urgency(endpoint: Endpoint) -> u8 {
    match endpoint {
        Endpoint::Conversions | Endpoint::Actions => 0,
        Endpoint::PageLoad => 1,
    }
}

/// An order must not overtake an earlier one of the same person.
fn is_ordered(endpoint: Endpoint) -> bool {
    endpoint == Endpoint::Conversions
}

/// A refund waits for the verdict on its order, and for an earlier refund of it.
fn follows(endpoint: Endpoint) -> bool {
    endpoint == Endpoint::Actions
}

fn params_text(params: impl Iterator<Item = (String, String)>) -> String {
    serde_json::Value::from_iter(params.map(|(name, value)| vec![name, value])).to_string()
}

fn draft(new: NewDelivery) -> DraftRow {
    DraftRow {
        program: new.program,
        endpoint: endpoint_name(new.endpoint).to_owned(),
        urgency: urgency(new.endpoint),
        ordered: is_ordered(new.endpoint),
        follows: follows(new.endpoint),
        params: params_text(new.params.into_iter()),
        event: new.event,
        message_id: new.message_id,
        order_id: new.order_id,
        basis: new.basis,
        click_id: new.click_id,
        unrepeatable: new.unrepeatable,
        once: new.once.into_iter().map(OnceKey::row).collect(),
        anonymous: new.anonymous.map(|key| key.0),
        user: new.user.map(|key| key.0),
        arrival: new.arrival,
        call: new.call,
    }
}

/// `None`, with a word in the log, for a row that this version did not write.
fn readable(row: DeliveryRow) -> Option<Delivery> {
    let (Some(endpoint), Some(params)) = (endpoint_of(&row), params_of(&row)) else {
        tracing::error!(delivery = %row.id, "a delivery on record cannot be read");
        return None;
    };
    Some(delivery(row, endpoint, params))
}

/// For people: whatever there is. What has lost its endpoint may be a conversion.
fn shown(row: DeliveryRow) -> Delivery {
    let endpoint = endpoint_of(&row).unwrap_or(Endpoint::Conversions);
    let params = params_of(&row).unwrap_or_default();
    delivery(row, endpoint, params)
}

fn endpoint_of(row: &DeliveryRow) -> Option<Endpoint> {
    Endpoint::ALL.into_iter().find(|e| endpoint_name(*e) == row.draft.endpoint)
}

fn params_of(row: &DeliveryRow) -> Option<Vec<(String, String)>> {
    serde_json::from_str(&row.draft.params).ok()
}

fn delivery(row: DeliveryRow, endpoint: Endpoint, params: Vec<(String, String)>) -> Delivery {
    let draft = row.draft;
    let request = NewDelivery {
        program: draft.program,
        endpoint,
        params,
        event: draft.event,
        message_id: draft.message_id,
        order_id: draft.order_id,
        basis: draft.basis,
        click_id: draft.click_id,
        unrepeatable: draft.unrepeatable,
        once: Vec::new(),
        anonymous: draft.anonymous.map(PersonKey),
        user: draft.user.map(PersonKey),
        arrival: draft.arrival,
        call: draft.call,
    };
    Delivery {
        id: row.id,
        request,
        state: row.state,
        attempts: row.attempts,
        due: row.due,
        created: row.created,
        ended: row.ended,
        reason: row.reason,
        last_error: row.last_error,
        receipt: row.receipt,
        verdict: row.verdict,
    }
}

fn bounded(mut text: String) -> String {
    let end = (0..=DETAIL_BYTES_MAX.min(text.len())).rev().find(|at| text.is_char_boundary(*at));
    text.truncate(end.unwrap_or(0));
    text
}

#[cfg(test)]
mod tests;
