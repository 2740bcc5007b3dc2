//! What can be asked about deliveries, kept envelopes and links, and the answers: over HTTP of a running node, or straight from the
//! store by the command line when none runs.

mod bulk;
mod envelopes;
mod kept;
mod listing;
mod person;
mod told;

pub use bulk::{Bulk, Deed, Queue};
pub use listing::Listing;
pub use person::Person;

use crate::destination::kept::Mapping;
use crate::links::Links;
use crate::outbox::{Delivery, DeliveryId, Forwards, Outbox, State, Touched};
use crate::store::{CommitError, Store};
use axum::Json;
use axum::response::{IntoResponse, Response};
use http::{Method, StatusCode};
use serde_json::{Value, json};
use std::fmt::Display;
use std::sync::Arc;
use told::{entry, summary, verdict_count, whole};

const NO_SUCH_DELIVERY: &str = "no such delivery";

/// A question, or an order.
#[derive(Clone, Debug)]
pub enum Ask {
    /// Those of a queue, the youngest first.
    List(Queue, Listing),
    /// Deliveries, with all their fields.
    Export(Listing),
    /// How many there are, and the youngest of them.
    Count(Queue, Listing),
    /// How many deliveries there are, by program, verdict and reason.
    Verdicts(Listing),
    /// One with all its fields; of an envelope without what its calls say.
    Show(Queue, i64),
    /// What the calls of an envelope say.
    Body(i64),
    /// Do something to one.
    Act(Queue, Deed, i64),
    /// Do something to a slice of those that a listing lets through, the youngest first.
    Bulk(Bulk),
    /// An id's link.
    Link(Person),
    /// Forget an id's link and joins.
    Forget(Person),
    /// Everything that is known of a person.
    Person(Person),
    /// Erase all of it.
    Erase(Person),
}

/// An answer: a status and JSON.
#[derive(Clone, Debug, PartialEq)]
pub struct Answer {
    /// 200; 400 for what cannot be meant; 404; 409 for what the delivery's state forbids; 503 when the store fails.
    pub status: StatusCode,
    /// The JSON; what is not 200 has `error`.
    pub body: Value,
}

/// What answers are made from.
#[derive(Clone)]
pub struct Desk {
    /// The deliveries.
    pub outbox: Outbox,
    /// The links.
    pub links: Links,
    /// The envelopes that Segment missed.
    pub forwards: Forwards,
    /// The store of all these.
    pub store: Store,
    /// Up to how many bytes of it are written anew after an erasure; nothing is recorded meanwhile.
    pub rewrite_max: u64,
    /// What deliveries are mapped by, if they are mapped anew.
    pub mapping: Arc<Mapping>,
}

impl Ask {
    /// The HTTP request that asks the same of a running node: method, path and query.
    pub fn request(&self) -> (Method, String) {
        match self {
            Self::List(queue, listing) => (Method::GET, format!("/api/{}?{}", queue.name(), listing.query())),
            Self::Export(listing) => (Method::GET, format!("/api/deliveries/export?{}", listing.query())),
            Self::Count(queue, listing) => (Method::GET, format!("/api/{}/count?{}", queue.name(), listing.query())),
            Self::Verdicts(listing) => (Method::GET, format!("/api/deliveries/verdicts?{}", listing.query())),
            Self::Show(queue, id) => (Method::GET, format!("/api/{}/{id}", queue.name())),
            Self::Body(id) => (Method::GET, format!("/api/envelopes/{id}/body")),
            Self::Act(queue, deed, id) => (Method::POST, format!("/api/{}/{id}/{}", queue.name(), deed.name())),
            Self::Bulk(Bulk { queue, deed, listing }) => {
                (Method::POST, format!("/api/{}/{}?{}", queue.name(), deed.name(), listing.query()))
            }
            Self::Link(person) => (Method::GET, format!("/api/links?{}", person.query())),
            Self::Forget(person) => (Method::DELETE, format!("/api/links?{}", person.query())),
            Self::Person(person) => (Method::GET, format!("/api/person?{}", person.query())),
            Self::Erase(person) => (Method::POST, format!("/api/person/erase?{}", person.query())),
        }
    }
}

impl Desk {
    /// Answers.
    pub async fn answer(&self, ask: Ask) -> Answer {
        match ask {
            Ask::List(Queue::Deliveries, listing) => self.list(listing, summary).await,
            Ask::List(Queue::Envelopes, listing) => self.list_envelopes(listing).await,
            Ask::Export(listing) => self.list(listing, whole).await,
            Ask::Count(Queue::Deliveries, listing) => self.count(listing).await,
            Ask::Count(Queue::Envelopes, listing) => self.count_envelopes(listing).await,
            Ask::Verdicts(listing) => self.verdicts(listing).await,
            Ask::Show(Queue::Deliveries, id) => self.show(DeliveryId(id)).await,
            Ask::Show(Queue::Envelopes, id) => self.show_envelope(id).await,
            Ask::Body(id) => self.envelope_body(id).await,
            Ask::Act(Queue::Deliveries, Deed::Retry, id) => touched(id, self.outbox.retry(DeliveryId(id)).await),
            Ask::Act(Queue::Deliveries, Deed::Drop, id) => touched(id, self.outbox.drop(DeliveryId(id)).await),
            Ask::Act(Queue::Deliveries, Deed::Remap, id) => self.remap(DeliveryId(id)).await,
            Ask::Act(Queue::Envelopes, deed, id) => self.act_on_envelope(deed, id).await,
            Ask::Bulk(bulk) => self.bulk(bulk).await,
            Ask::Link(person) => self.link(person).await,
            Ask::Forget(person) => self.forget(person).await,
            Ask::Person(person) => self.show_person(&person).await,
            Ask::Erase(person) => self.erase(&person).await,
        }
    }

    async fn list(&self, listing: Listing, told: fn(&Delivery) -> Value) -> Answer {
        let filter = match listing.filter(self.outbox.now()) {
            Ok(filter) => filter,
            Err(answer) => return answer,
        };
        match self.outbox.list(filter).await {
            Ok(deliveries) => Answer::fine(json!({ "deliveries": deliveries.iter().map(told).collect::<Vec<_>>() })),
            Err(error) => store_failed(&error),
        }
    }

    async fn count(&self, listing: Listing) -> Answer {
        let filter = match listing.filter(self.outbox.now()) {
            Ok(filter) => filter,
            Err(answer) => return answer,
        };
        match self.outbox.count(filter).await {
            Ok((count, youngest)) => {
                Answer::fine(json!({ "count": count, "youngest": youngest.map(|youngest| youngest.0) }))
            }
            Err(error) => store_failed(&error),
        }
    }

    async fn verdicts(&self, listing: Listing) -> Answer {
        let filter = match listing.filter(self.outbox.now()) {
            Ok(filter) => filter,
            Err(answer) => return answer,
        };
        match self.outbox.count_verdicts(filter).await {
            Ok(counts) => Answer::fine(json!({ "verdicts": counts.iter().map(verdict_count).collect::<Vec<_>>() })),
            Err(error) => store_failed(&error),
        }
    }

    async fn show(&self, id: DeliveryId) -> Answer {
        match self.outbox.show(id).await {
            Ok(Some(delivery)) => Answer::fine(whole(&delivery)),
            Ok(None) => no_such_delivery(),
            Err(error) => store_failed(&error),
        }
    }

    async fn link(&self, person: Person) -> Answer {
        let Some(kind) = person.kind() else { return no_such_kind() };
        match self.links.show(person.space(), kind, &person.id).await {
            Ok(Some(found)) => Answer::fine(entry(&found)),
            Ok(None) => Answer::not_found("nothing is known of this id"),
            Err(error) => store_failed(&error),
        }
    }

    async fn forget(&self, person: Person) -> Answer {
        let Some(kind) = person.kind() else { return no_such_kind() };
        match self.links.forget(person.space(), kind, &person.id).await {
            Ok(true) => Answer::fine(json!({ "forgotten": true })),
            Ok(false) => Answer::error(StatusCode::BAD_REQUEST, "this id is one that is never linked"),
            Err(error) => store_failed(&error),
        }
    }
}

impl Answer {
    /// 200.
    pub fn fine(body: Value) -> Self {
        Self { status: StatusCode::OK, body }
    }

    /// Why not.
    pub fn error(status: StatusCode, why: impl Display) -> Self {
        Self { status, body: json!({ "error": why.to_string() }) }
    }

    /// 404.
    pub fn not_found(what: &str) -> Self {
        Self::error(StatusCode::NOT_FOUND, what)
    }
}

impl IntoResponse for Answer {
    fn into_response(self) -> Response {
        (self.status, Json(self.body)).into_response()
    }
}

/// The store could not be read or written.
pub(super) fn store_failed(error: &impl Display) -> Answer {
    Answer::error(StatusCode::SERVICE_UNAVAILABLE, error)
}

fn no_such_delivery() -> Answer {
    Answer::not_found(NO_SUCH_DELIVERY)
}

fn no_such_kind() -> Answer {
    Answer::error(StatusCode::BAD_REQUEST, "an id's kind is anonymous or user")
}

fn touched(id: i64, touched: Result<Touched, CommitError>) -> Answer {
    match touched {
        Ok(touched) => match why_not(touched) {
            None => Answer::fine(json!({ "id": id, "done": true })),
            Some((status, why)) => Answer::error(status, why),
        },
        Err(error) => store_failed(&error),
    }
}

/// Why a delivery was not touched, if it was not.
fn why_not(touched: Touched) -> Option<(StatusCode, String)> {
    match touched {
        Touched::Done => None,
        Touched::NotFound => Some((StatusCode::NOT_FOUND, NO_SUCH_DELIVERY.to_owned())),
        Touched::WrongState(State::Leased) => {
            Some((StatusCode::CONFLICT, "it is being sent; try again when that is over".to_owned()))
        }
        Touched::WrongState(state) => {
            Some((StatusCode::CONFLICT, format!("the delivery is {}, which does not allow it", state.name())))
        }
        Touched::Superseded => {
            Some((StatusCode::CONFLICT, "another delivery of the same call or order has been made since".to_owned()))
        }
    }
}
