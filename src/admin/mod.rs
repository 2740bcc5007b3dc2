//! The admin listener: health, metrics, the deliveries and links behind a small JSON API, and a page for people.
//!
//! # Invariants
//!
//! * Nothing is written without the token of the store folder.
//! * A listener off loopback tells strangers only whether the node lives and is ready.

pub mod api;
mod events;
mod gate;
mod health;
mod page;
#[cfg(test)]
mod tests;

use crate::delivery::Pacing;
use crate::destination::kept::Mapping;
use crate::links::Links;
use crate::live::Live;
use crate::metrics::Metrics;
use crate::outbox::{Forwards, Outbox};
use crate::secret::Secret;
use crate::store::Store;
use api::{Answer, Ask, Bulk, Deed, Desk, Listing, Person, Queue};
use axum::Router;
use axum::extract::{Path, Query, State};
use axum::middleware::from_fn_with_state;
use axum::routing::{MethodRouter, get, post};
use std::net::SocketAddr;
use std::sync::{Arc, Mutex};
use tokio::net::TcpListener;
use tokio::sync::Semaphore;
use tokio_util::sync::CancellationToken;

/// What the admin listener shows and works on.
#[derive(Clone)]
pub struct Admin {
    /// The address it listens on: a loopback one is open to readers.
    pub listen: SocketAddr,
    /// What writers, and everybody off loopback, must show; `None`: nobody can.
    pub token: Option<Secret>,
    /// What is counted.
    pub metrics: Arc<Metrics>,
    /// What happens.
    pub live: Live,
    /// The store, for its health.
    pub store: Store,
    /// The deliveries.
    pub outbox: Outbox,
    /// The links.
    pub links: Links,
    /// The envelopes that Segment missed.
    pub forwards: Forwards,
    /// What deliveries are mapped by, if they are mapped anew.
    pub mapping: Arc<Mapping>,
    /// What is held up on its way to the destinations.
    pub pacing: Arc<Mutex<Pacing>>,
    /// Cancelled when the node begins to stop: it is not ready any more, and streams end.
    pub draining: CancellationToken,
}

/// How many may watch the events at once; every one holds a connection and a place in the queue of events.
const WATCHERS_MAX: usize = 32;

/// What a disk writes in a fifth of a second: calls wait a little longer for their deliveries to be recorded.
const REWRITE_MAX: u64 = 32 << 20;

struct Shared {
    admin: Admin,
    watchers: Arc<Semaphore>,
}

type Node = State<Arc<Shared>>;

/// Answers on `listener` until `stop` is cancelled and what is in flight is answered.
///
/// # Errors
/// When the listener fails for good.
pub async fn serve(listener: TcpListener, admin: Admin, stop: CancellationToken) -> std::io::Result<()> {
    let stopped = async move { stop.cancelled().await };
    axum::serve(listener, router(admin)).with_graceful_shutdown(stopped).await
}

/// All that the admin listener answers, behind its gate.
pub fn router(admin: Admin) -> Router {
    let shared = Arc::new(Shared { admin, watchers: Arc::new(Semaphore::new(WATCHERS_MAX)) });
    Router::new()
        .route("/", get(page::page))
        .route("/page.js", get(page::script))
        .route("/page.css", get(page::style))
        .route("/livez", get(health::live))
        .route("/readyz", get(health::ready))
        .route("/metrics", get(health::metrics))
        .route("/api/status", get(health::status))
        .route("/api/events", get(events::events))
        .route("/api/deliveries", list(Queue::Deliveries))
        .route("/api/deliveries/export", get(export))
        .route("/api/deliveries/count", count(Queue::Deliveries))
        .route("/api/deliveries/verdicts", get(verdicts))
        .route("/api/deliveries/retry", bulk(Queue::Deliveries, Deed::Retry))
        .route("/api/deliveries/remap", bulk(Queue::Deliveries, Deed::Remap))
        .route("/api/deliveries/drop", bulk(Queue::Deliveries, Deed::Drop))
        .route("/api/deliveries/{id}", show(Queue::Deliveries))
        .route("/api/deliveries/{id}/retry", act(Queue::Deliveries, Deed::Retry))
        .route("/api/deliveries/{id}/remap", act(Queue::Deliveries, Deed::Remap))
        .route("/api/deliveries/{id}/drop", act(Queue::Deliveries, Deed::Drop))
        .route("/api/envelopes", list(Queue::Envelopes))
        .route("/api/envelopes/count", count(Queue::Envelopes))
        .route("/api/envelopes/retry", bulk(Queue::Envelopes, Deed::Retry))
        .route("/api/envelopes/drop", bulk(Queue::Envelopes, Deed::Drop))
        .route("/api/envelopes/{id}", show(Queue::Envelopes))
        .route("/api/envelopes/{id}/body", get(body))
        .route("/api/envelopes/{id}/retry", act(Queue::Envelopes, Deed::Retry))
        .route("/api/envelopes/{id}/drop", act(Queue::Envelopes, Deed::Drop))
        .route("/api/links", get(link).delete(forget))
        .route("/api/person", get(person))
        .route("/api/person/erase", post(erase))
        .fallback(async || Answer::not_found("no such page"))
        .layer(from_fn_with_state(shared.clone(), gate::pass))
        .with_state(shared)
}

fn list(queue: Queue) -> MethodRouter<Arc<Shared>> {
    get(
        move |State(node): Node, Query(listing): Query<Listing>| async move { node.answer(Ask::List(queue, listing)).await },
    )
}

async fn export(State(node): Node, Query(listing): Query<Listing>) -> Answer {
    node.answer(Ask::Export(listing)).await
}

fn count(queue: Queue) -> MethodRouter<Arc<Shared>> {
    get(move |State(node): Node, Query(listing): Query<Listing>| async move {
        node.answer(Ask::Count(queue, listing)).await
    })
}

async fn verdicts(State(node): Node, Query(listing): Query<Listing>) -> Answer {
    node.answer(Ask::Verdicts(listing)).await
}

fn show(queue: Queue) -> MethodRouter<Arc<Shared>> {
    get(move |State(node): Node, Path(id): Path<i64>| async move { node.answer(Ask::Show(queue, id)).await })
}

async fn body(State(node): Node, Path(id): Path<i64>) -> Answer {
    node.answer(Ask::Body(id)).await
}

fn act(queue: Queue, deed: Deed) -> MethodRouter<Arc<Shared>> {
    post(move |State(node): Node, Path(id): Path<i64>| async move { node.answer(Ask::Act(queue, deed, id)).await })
}

fn bulk(queue: Queue, deed: Deed) -> MethodRouter<Arc<Shared>> {
    post(move |State(node): Node, Query(listing): Query<Listing>| async move {
        node.answer(Ask::Bulk(Bulk { queue, deed, listing })).await
    })
}

async fn link(State(node): Node, Query(person): Query<Person>) -> Answer {
    node.answer(Ask::Link(person)).await
}

async fn forget(State(node): Node, Query(person): Query<Person>) -> Answer {
    node.answer(Ask::Forget(person)).await
}

async fn person(State(node): Node, Query(person): Query<Person>) -> Answer {
    node.answer(Ask::Person(person)).await
}

async fn erase(State(node): Node, Query(person): Query<Person>) -> Answer {
    node.answer(Ask::Erase(person)).await
}

impl Shared {
    async fn answer(&self, ask: Ask) -> Answer {
        let Admin { outbox, links, forwards, store, mapping, .. } = self.admin.clone();
        let desk = Desk { outbox, links, forwards, store, rewrite_max: REWRITE_MAX, mapping };
        desk.answer(ask).await
    }
}
