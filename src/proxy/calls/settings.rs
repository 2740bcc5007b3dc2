//! The settings that an SDK fetches: they are rewritten so that it sends its calls here, and the region that they name is
//! remembered for its write key.
//!
//! An answer is read whole, up to a limit, and asked for without compression and without conditions: its validators are Segment's, and
//! what is answered here is another text. What cannot be rewritten passes as it came, and is counted.

use super::body::{self, Plain, Received, Sealed};
use super::{Caller, Calls, answer, forward, visitor};
use crate::metrics::Label;
use crate::proxy::body::Body;
use crate::proxy::stopwatch::Stopwatch;
use crate::segment::Untouched;
use crate::segment::settings::{self, Rewritten};
use http::header::{ACCEPT_ENCODING, ACCEPT_RANGES, CONTENT_LENGTH, ETAG, LAST_MODIFIED};
use http::{HeaderMap, HeaderName, HeaderValue, Method, Request, Response, StatusCode};
use std::pin::pin;

/// What an answer's fields say of the bytes that it had.
const OF_THE_BYTES: [HeaderName; 7] = [
    ETAG,
    LAST_MODIFIED,
    ACCEPT_RANGES,
    HeaderName::from_static("content-md5"),
    HeaderName::from_static("digest"),
    HeaderName::from_static("content-digest"),
    HeaderName::from_static("repr-digest"),
];

/// Settings that name this host now.
#[derive(Clone, Copy)]
struct Changed;

impl Label for Changed {
    fn label(self) -> &'static str {
        "rewritten"
    }
}

impl Calls {
    /// Fetches the settings at `path`, and answers with those that name the place where they were asked for. A HEAD is asked as a
    /// GET, since only the body tells how long the answer is.
    pub(super) async fn settings(
        &self,
        request: &Request<Body>,
        path: &str,
        caller: &Caller<'_>,
        watch: &Stopwatch,
    ) -> Response<Body> {
        let mut headers = forward::headers(request.headers(), visitor(request.headers(), caller).as_ref());
        headers.remove(CONTENT_LENGTH);
        headers.insert(ACCEPT_ENCODING, HeaderValue::from_static("identity"));
        let Some(fetched) = self.forward(&Method::GET, headers, path, &self.cdn, Body::empty(), watch).await else {
            return answer::away();
        };
        if fetched.status() != StatusCode::OK {
            return fetched;
        }
        let (mut parts, body) = fetched.into_parts();
        let came = match watch.waiting(pin!(body::read(body))).await {
            Ok(Received::Whole(came)) => came,
            Ok(Received::Prefix(prefix, rest)) => {
                self.shared.metrics.settings(Untouched::TooLarge);
                return Response::from_parts(parts, Body::prefixed(prefix, rest));
            }
            Err(error) => {
                tracing::warn!(%error, "Segment's settings break off");
                return answer::away();
            }
        };
        if let Some(text) = self.rewritten_settings(&parts.headers, &came, path, caller) {
            OF_THE_BYTES.iter().for_each(|name| drop(parts.headers.remove(name)));
            parts.headers.insert(CONTENT_LENGTH, HeaderValue::from(text.len()));
            return Response::from_parts(parts, Body::full(text));
        }
        Response::from_parts(parts, Body::full(came))
    }

    /// The text with its hosts replaced; `None`: it stays.
    fn rewritten_settings(&self, headers: &HeaderMap, came: &[u8], path: &str, caller: &Caller<'_>) -> Option<Vec<u8>> {
        if !matches!(body::open(headers, came), Ok(Plain::Same)) {
            self.shared.metrics.settings(Sealed::Encoding);
            return None;
        }
        let own = format!("{}{}/v1", caller.authority, caller.prefix);
        match settings::rewrite(came, &own, &self.regions.named()) {
            Ok(Rewritten { text, api }) => {
                let (path, _) = path.split_once('?').unwrap_or((path, ""));
                if let (Some(api), Some(write_key)) = (api, settings::write_key(path)) {
                    self.regions.learn(write_key, &api);
                }
                self.shared.metrics.settings(Changed);
                Some(text)
            }
            Err(unchanged) => {
                self.shared.metrics.settings(unchanged);
                None
            }
        }
    }
}
