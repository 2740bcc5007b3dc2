//! What a stand-in was sent, kept for whoever wants to look.

use axum::body::Bytes;
use axum::http::{HeaderMap, Request, request::Parts};
use serde_json::Value;
use std::collections::VecDeque;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;
use tokio::sync::watch;

/// Requests that are remembered; the oldest go first. A test's busiest journey sends fewer.
const SEEN_MAX: usize = 20_000;

/// How long [`Log::wait_for`] waits: far beyond what a busy machine needs, short of what a person would sit through.
const PATIENCE: Duration = Duration::from_secs(20);

/// One request as it came.
#[derive(Clone, Debug)]
pub struct Seen {
    /// The method.
    pub method: String,
    /// The path, as sent.
    pub path: String,
    /// The query without its `?`.
    pub query: Option<String>,
    /// The header fields.
    pub headers: HeaderMap,
    /// The body's bytes, as sent: compressed when they came compressed.
    pub body: Bytes,
    /// What the body says, where it is JSON (Segment) or a form (impact.com: an object of strings).
    pub json: Option<Value>,
}

impl Seen {
    pub(super) fn new(parts: &Parts, body: Bytes, json: Option<Value>) -> Self {
        Self {
            method: parts.method.to_string(),
            path: parts.uri.path().to_owned(),
            query: parts.uri.query().map(str::to_owned),
            headers: parts.headers.clone(),
            body,
            json,
        }
    }

    /// A header field as text; `None` when it is absent or not visible ASCII.
    pub fn header(&self, name: &str) -> Option<&str> {
        self.headers.get(name)?.to_str().ok()
    }

    /// The Segment calls in the body: the items of a batch, or the one call.
    pub fn calls(&self) -> Vec<Value> {
        match &self.json {
            Some(Value::Object(envelope)) => match envelope.get("batch") {
                Some(Value::Array(items)) => items.clone(),
                _ => vec![Value::Object(envelope.clone())],
            },
            _ => Vec::new(),
        }
    }

    /// One field of the form, as text; `None` when it was not sent.
    pub fn field(&self, name: &str) -> Option<&str> {
        self.json.as_ref()?.get(name)?.as_str()
    }
}

/// What was seen, in order of arrival.
#[derive(Clone, Debug)]
pub(super) struct Log(Arc<Inner>);

#[derive(Debug)]
struct Inner {
    seen: Mutex<VecDeque<Seen>>,
    count: watch::Sender<usize>,
}

impl Log {
    pub(super) fn new() -> Self {
        Self(Arc::new(Inner { seen: Mutex::default(), count: watch::Sender::new(0) }))
    }

    /// Remembers one request.
    pub(super) fn push(&self, one: Seen) {
        let mut seen = self.0.seen.lock().unwrap_or_else(PoisonError::into_inner);
        if seen.len() == SEEN_MAX {
            seen.pop_front();
        }
        seen.push_back(one);
        self.0.count.send_replace(seen.len());
    }

    /// All of it.
    pub(super) fn all(&self) -> Vec<Seen> {
        self.0.seen.lock().unwrap_or_else(PoisonError::into_inner).iter().cloned().collect()
    }

    /// All of it, as soon as there are `count`, or whatever there is when patience ends.
    pub(super) async fn wait_for(&self, count: usize) -> Vec<Seen> {
        let mut arrivals = self.0.count.subscribe();
        // Either end is an answer: the caller looks at what is there.
        tokio::time::timeout(PATIENCE, arrivals.wait_for(|now| *now >= count)).await.ok();
        self.all()
    }

    /// Forgets what was seen.
    pub(super) fn clear(&self) {
        let mut seen = self.0.seen.lock().unwrap_or_else(PoisonError::into_inner);
        seen.clear();
        self.0.count.send_replace(0);
    }
}

/// Splits a request and reads its body, up to `limit` bytes; `None` when it is longer or broke off.
pub(super) async fn read(request: Request<axum::body::Body>, limit: usize) -> Option<(Parts, Bytes)> {
    let (parts, body) = request.into_parts();
    Some((parts, axum::body::to_bytes(body, limit).await.ok()?))
}
