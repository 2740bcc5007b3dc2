//! What a stand-in does instead of its usual answer.

use super::door::Cut;
use axum::body::{Body, Bytes};
use axum::http::{HeaderName, HeaderValue, StatusCode};
use axum::response::Response;
use std::collections::VecDeque;
use std::sync::{Mutex, PoisonError};
use std::time::Duration;

/// One thing to do with a request, once it was read and remembered.
#[derive(Clone, Debug)]
pub enum Answer {
    /// Answer this, after this long.
    Reply {
        /// The status.
        status: u16,
        /// Header fields; names and values that HTTP does not allow are left out.
        headers: Vec<(String, String)>,
        /// The body.
        body: Vec<u8>,
        /// The wait before the first byte.
        after: Duration,
    },
    /// Keep the connection open and never answer.
    Hang,
    /// Close the connection without an answer.
    Close,
}

impl Answer {
    /// This status, with an empty body.
    pub fn status(status: u16) -> Self {
        Self::Reply { status, headers: Vec::new(), body: Vec::new(), after: Duration::ZERO }
    }

    /// The same with one more header field.
    #[must_use]
    pub fn header(mut self, name: &str, value: &str) -> Self {
        if let Self::Reply { headers, .. } = &mut self {
            headers.push((name.to_owned(), value.to_owned()));
        }
        self
    }

    /// The same with this body.
    #[must_use]
    pub fn body(mut self, bytes: impl Into<Vec<u8>>) -> Self {
        if let Self::Reply { body, .. } = &mut self {
            *body = bytes.into();
        }
        self
    }

    /// The same, `wait` later.
    #[must_use]
    pub fn after(mut self, wait: Duration) -> Self {
        if let Self::Reply { after, .. } = &mut self {
            *after = wait;
        }
        self
    }

    /// Does it, on the connection of `cut`.
    pub(super) async fn perform(self, cut: &Cut) -> Response {
        match self {
            Self::Reply { status, headers, body, after } => {
                tokio::time::sleep(after).await;
                reply(status, &headers, body)
            }
            Self::Hang => std::future::pending().await,
            Self::Close => {
                cut.now();
                std::future::pending().await
            }
        }
    }
}

/// The answers that were ordered: first the queued ones, one request each, then the standing one, else the usual.
#[derive(Debug, Default)]
pub struct Script(Mutex<Orders>);

#[derive(Debug, Default)]
struct Orders {
    queued: VecDeque<Answer>,
    standing: Option<Answer>,
}

impl Script {
    /// Queues `answer` for one request.
    pub fn next(&self, answer: Answer) -> &Self {
        self.with(|orders| orders.queued.push_back(answer));
        self
    }

    /// Gives `answer` to every request, once the queue is empty.
    pub fn always(&self, answer: Answer) -> &Self {
        self.with(|orders| orders.standing = Some(answer));
        self
    }

    /// Back to the usual answers; what was ordered is dropped.
    pub fn usual(&self) {
        self.with(|orders| *orders = Orders::default());
    }

    /// The order for the request at hand; `None`: the usual answer.
    pub(super) fn take(&self) -> Option<Answer> {
        self.with(|orders| orders.queued.pop_front().or_else(|| orders.standing.clone()))
    }

    fn with<T>(&self, act: impl FnOnce(&mut Orders) -> T) -> T {
        act(&mut self.0.lock().unwrap_or_else(PoisonError::into_inner))
    }
}

/// A response of these parts.
pub(super) fn reply(status: u16, headers: &[(String, String)], body: impl Into<Bytes>) -> Response {
    let mut response = Response::new(Body::from(body.into()));
    *response.status_mut() = StatusCode::from_u16(status).unwrap_or(StatusCode::INTERNAL_SERVER_ERROR);
    for (name, value) in headers {
        if let (Ok(name), Ok(value)) = (name.parse::<HeaderName>(), value.parse::<HeaderValue>()) {
            response.headers_mut().append(name, value);
        }
    }
    response
}

/// A JSON response.
pub(super) fn json(status: u16, value: &serde_json::Value) -> Response {
    let headers = [("content-type".to_owned(), "application/json".to_owned())];
    reply(status, &headers, value.to_string())
}
