//! What can be asked about deliveries and links, and the answers: over HTTP of a running node, or straight from the
//! store by the command line when none runs.

use crate::click::{Click, Place};
use crate::links::{Entry, Found, IdKind, Links};
use crate::metrics::Label;
use crate::outbox::{Delivery, DeliveryId, Filter, Outbox, State, Touched};
use crate::store::CommitError;
use axum::Json;
use axum::response::{IntoResponse, Response};
use http::{Method, StatusCode};
use serde::Deserialize;
use serde_json::{Value, json};
use std::fmt::Display;
use url::form_urlencoded::Serializer;

/// A question, or an order.
#[derive(Clone, Debug)]
pub enum Ask {
    /// Deliveries, the youngest first.
    List(Listing),
    /// One delivery with all its fields.
    Show(i64),
    /// Try a delivery now.
    Retry(i64),
    /// Give a delivery up, or remove a dead letter.
    Drop(i64),
    /// An id's link.
    Link(Person),
    /// Forget an id's link and joins.
    Forget(Person),
}

/// Which deliveries: those that meet all that is set.
#[derive(Clone, Debug, Default, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Listing {
    /// `waiting`, `leased`, `delivered` or `dead`.
    pub state: Option<String>,
    /// The program's name.
    pub program: Option<String>,
    /// `conversions` or `page_load`.
    pub endpoint: Option<String>,
    /// The order's id.
    pub order: Option<String>,
    /// The call's messageId.
    pub message: Option<String>,
    /// Only those with a lower number: the next page.
    pub before: Option<i64>,
    /// How many at most.
    pub limit: Option<u32>,
}

/// Whose link.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Person {
    /// The space of the id; `None`: `default`.
    pub space: Option<String>,
    /// `anonymous` or `user`.
    pub kind: String,
    /// The id itself.
    pub id: String,
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
}

impl Ask {
    /// The HTTP request that asks the same of a running node: method, path and query.
    pub fn request(&self) -> (Method, String) {
        match self {
            Self::List(listing) => (Method::GET, format!("/api/deliveries?{}", listing.query())),
            Self::Show(id) => (Method::GET, format!("/api/deliveries/{id}")),
            Self::Retry(id) => (Method::POST, format!("/api/deliveries/{id}/retry")),
            Self::Drop(id) => (Method::POST, format!("/api/deliveries/{id}/drop")),
            Self::Link(person) => (Method::GET, format!("/api/links?{}", person.query())),
            Self::Forget(person) => (Method::DELETE, format!("/api/links?{}", person.query())),
        }
    }
}

impl Desk {
    /// Answers.
    pub async fn answer(&self, ask: Ask) -> Answer {
        match ask {
            Ask::List(listing) => self.list(listing).await,
            Ask::Show(id) => self.show(DeliveryId(id)).await,
            Ask::Retry(id) => touched(id, self.outbox.retry(DeliveryId(id)).await),
            Ask::Drop(id) => touched(id, self.outbox.drop(DeliveryId(id)).await),
            Ask::Link(person) => self.link(person).await,
            Ask::Forget(person) => self.forget(person).await,
        }
    }

    async fn list(&self, listing: Listing) -> Answer {
        let filter = match listing.filter() {
            Ok(filter) => filter,
            Err(answer) => return answer,
        };
        match self.outbox.list(filter).await {
            Ok(deliveries) => Answer::fine(json!({ "deliveries": deliveries.iter().map(summary).collect::<Vec<_>>() })),
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

impl Listing {
    fn filter(self) -> Result<Filter, Answer> {
        let state = match self.state {
            None => None,
            Some(name) => Some(State::ALL.into_iter().find(|state| state.name() == name).ok_or_else(no_such_state)?),
        };
        Ok(Filter {
            state,
            program: self.program,
            endpoint: self.endpoint,
            order_id: self.order,
            message_id: self.message,
            person: None,
            before: self.before.map(DeliveryId),
            limit: self.limit.unwrap_or(Filter::LIMIT_DEFAULT),
        })
    }

    fn query(&self) -> String {
        let (before, limit) = (self.before.map(|id| id.to_string()), self.limit.map(|limit| limit.to_string()));
        let pairs = [
            ("state", &self.state),
            ("program", &self.program),
            ("endpoint", &self.endpoint),
            ("order", &self.order),
            ("message", &self.message),
            ("before", &before),
            ("limit", &limit),
        ];
        let set = pairs.into_iter().filter_map(|(name, value)| Some((name, value.as_ref()?)));
        Serializer::new(String::new()).extend_pairs(set).finish()
    }
}

impl Person {
    fn space(&self) -> &str {
        self.space.as_deref().unwrap_or("default")
    }

    fn kind(&self) -> Option<IdKind> {
        match self.kind.as_str() {
            "anonymous" => Some(IdKind::Anonymous),
            "user" => Some(IdKind::User),
            _ => None,
        }
    }

    fn query(&self) -> String {
        let pairs = [("space", self.space()), ("kind", &self.kind), ("id", &self.id)];
        Serializer::new(String::new()).extend_pairs(pairs).finish()
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
    Answer::not_found("no such delivery")
}

fn no_such_state() -> Answer {
    let names = State::ALL.map(State::name).join(", ");
    Answer::error(StatusCode::BAD_REQUEST, format!("a delivery's state is one of {names}"))
}

fn no_such_kind() -> Answer {
    Answer::error(StatusCode::BAD_REQUEST, "an id's kind is anonymous or user")
}

fn touched(id: i64, touched: Result<Touched, CommitError>) -> Answer {
    match touched {
        Ok(Touched::Done) => Answer::fine(json!({ "id": id, "done": true })),
        Ok(Touched::NotFound) => no_such_delivery(),
        Ok(Touched::WrongState(state)) => {
            Answer::error(StatusCode::CONFLICT, format!("the delivery is {}, which does not allow it", state.name()))
        }
        Ok(Touched::Superseded) => {
            Answer::error(StatusCode::CONFLICT, "another delivery of the same call or order has been made since")
        }
        Err(error) => store_failed(&error),
    }
}

/// A delivery in a list.
fn summary(delivery: &Delivery) -> Value {
    let request = &delivery.request;
    json!({
        "id": delivery.id.0,
        "state": delivery.state.name(),
        "program": request.program,
        "endpoint": request.endpoint.label(),
        "event": request.event,
        "order_id": request.order_id,
        "message_id": request.message_id,
        "basis": request.basis,
        "click_id": request.click_id,
        "attempts": delivery.attempts,
        "created": delivery.created.iso8601(),
        "due": delivery.due.iso8601(),
        "ended": delivery.ended.map(|ended| ended.iso8601()),
        "reason": delivery.reason,
        "last_error": delivery.last_error,
        "receipt": delivery.receipt,
    })
}

/// A delivery with its form.
fn whole(delivery: &Delivery) -> Value {
    let mut value = summary(delivery);
    if let Value::Object(members) = &mut value {
        let params = delivery.request.params.iter().map(|(name, value)| (name.clone(), Value::from(value.as_str())));
        members.insert("params".into(), Value::from_iter(params));
        members.insert("arrival".into(), delivery.request.arrival.iso8601().into());
        members.insert("unrepeatable".into(), delivery.request.unrepeatable.into());
    }
    value
}

fn entry(entry: &Entry) -> Value {
    let (found, via) = match &entry.found {
        Found::Click(found) => ("click", Some(click(found))),
        Found::Shared => ("shared", None),
        Found::Nothing => ("nothing", None),
    };
    json!({
        "click": entry.click.as_ref().map(click),
        "until": entry.until.map(|until| until.iso8601()),
        "joined": entry.joined,
        "found": found,
        "found_click": via,
    })
}

fn click(click: &Click) -> Value {
    let place = match click.place {
        Place::Landing => "landing",
        Place::Call => "call",
        Place::Said => "said",
        Place::Cookie => "cookie",
    };
    json!({ "id": click.id.as_str(), "at": click.at.iso8601(), "place": place })
}
