//! While Segment is away: a request that it missed is kept, answered in its place, and sent on later.

use super::{Calls, answer, forward};
use crate::clock::Time;
use crate::live::Kind;
use crate::metrics::Label;
use crate::outbox::{Kept, Missed};
use crate::proxy::body::Body;
use crate::proxy::stopwatch::Stopwatch;
use crate::store::PersonKey;
use bytes::Bytes;
use http::header::CONTENT_LENGTH;
use http::{HeaderMap, HeaderValue, Method, Response};
use std::time::Duration;
use tokio::time::timeout;

/// How long a caller waits until its envelope is on the disk. Its SDK would wait longer for Segment, and tries again if it
/// hears of no success.
const KEEP_WAIT_MAX: Duration = Duration::from_secs(2);

/// A request on its way to Segment, with all that is needed to send it again.
pub(super) struct Outgoing<'a> {
    pub(super) method: Method,
    /// Path and query, seen from Segment's own root.
    pub(super) path: &'a str,
    /// The fields that Segment may see.
    pub(super) headers: HeaderMap,
    pub(super) body: Bytes,
    pub(super) arrival: Time,
    /// Whose calls it holds.
    pub(super) people: Vec<PersonKey>,
    /// The write key of its source, which decides where it goes.
    pub(super) write_key: Option<String>,
}

/// Fields that describe the bytes of a body; they go when the bytes change.
const BODY_FIELDS: [&str; 4] = ["content-encoding", "content-md5", "digest", "content-digest"];

impl Outgoing<'_> {
    /// Another body in the place of the one that came: plain, and under its own length. Without one, nothing changes.
    pub(super) fn replace(&mut self, spliced: Option<Vec<u8>>) {
        let Some(spliced) = spliced else { return };
        for field in BODY_FIELDS {
            self.headers.remove(field);
        }
        self.headers.insert(CONTENT_LENGTH, HeaderValue::from(spliced.len()));
        self.body = spliced.into();
    }
}

/// What became of a request that Segment missed.
#[derive(Clone, Copy)]
enum Fate {
    Kept,
    NotKept,
}

impl Label for Fate {
    fn label(self) -> &'static str {
        match self {
            Self::Kept => "kept",
            Self::NotKept => "not_kept",
        }
    }
}

impl Calls {
    /// Sends a request on and hands Segment's answer back; while Segment is away, keeps it and answers in its place.
    pub(super) async fn send(&self, out: Outgoing<'_>, watch: &Stopwatch) -> Response<Body> {
        let Outgoing { method, path, headers, body, write_key, .. } = &out;
        let api = self.regions.of(write_key.as_deref());
        let sent = self.forward(method, headers.clone(), path, &api, Body::full(body.clone()), watch);
        match sent.await {
            Some(response) => response,
            None => self.keep(out).await,
        }
    }

    async fn keep(&self, out: Outgoing<'_>) -> Response<Body> {
        let (path, arrival) = (out.path.split('?').next().unwrap_or_default().to_owned(), out.arrival);
        let kept = match missed(out) {
            Some(missed) => timeout(KEEP_WAIT_MAX, self.forwards.keep(missed)).await,
            None => return answer::away(),
        };
        if let Ok(Ok(Kept::Stored)) = kept {
            self.shared.metrics.envelope(Fate::Kept);
            self.shared.live.tell(arrival, Kind::EnvelopeKept, || format!("{path} waits until Segment is back"));
            return answer::success();
        }
        tracing::error!(?kept, "Segment is away, and the envelope could not be kept: its SDK is asked to try again");
        self.shared.metrics.envelope(Fate::NotKept);
        answer::away()
    }
}

/// The request as it is kept; `None` for one with a Bearer token, which must not be on a disk.
fn missed(out: Outgoing<'_>) -> Option<Missed> {
    if forward::has_bearer(&out.headers) {
        return None;
    }
    let fields =
        out.headers.iter().filter_map(|(name, value)| Some((name.to_string(), value.to_str().ok()?.to_owned())));
    Some(Missed {
        method: out.method.to_string(),
        path: out.path.to_owned(),
        fields: fields.collect(),
        body: out.body,
        arrival: out.arrival,
        people: out.people,
        write_key: out.write_key,
    })
}
