//! The answers to calls: Segment's own, or, where Selvedge must answer itself, what every SDK takes for success or for
//! "try again".

use crate::proxy::body::Body;
use crate::segment::pixel::GIF;
use bytes::Bytes;
use http::header::{CACHE_CONTROL, CONTENT_TYPE, RETRY_AFTER, SET_COOKIE};
use http::{HeaderMap, HeaderName, HeaderValue, Response, StatusCode};
use std::time::Duration;

/// What SDKs should wait while Segment is away: a connection that fails now may well work after this.
const AWAY_RETRY_AFTER: HeaderValue = HeaderValue::from_static("10");

/// The wait after a 429 that names none, and the longest that is obeyed: a mistaken field must not put envelopes to sleep.
const WAIT: Duration = Duration::from_secs(10);
const WAIT_MAX: Duration = Duration::from_secs(3600);
/// The other name under which SDKs look for the seconds to wait after a 429.
const RATE_LIMIT_RESET: HeaderName = HeaderName::from_static("x-ratelimit-reset");

/// Segment took it, or we did in its place.
pub(super) fn success() -> Response<Body> {
    json(StatusCode::OK, r#"{"success":true}"#)
}

/// Segment is away; the SDK keeps the call and tries again (never a 4xx: SDKs drop those).
pub(super) fn away() -> Response<Body> {
    let mut response = json(StatusCode::SERVICE_UNAVAILABLE, r#"{"success":false,"message":"try again later"}"#);
    response.headers_mut().insert(RETRY_AFTER, AWAY_RETRY_AFTER);
    response
}

/// The image that answers a pixel, whatever became of it.
pub(super) fn image() -> Response<Body> {
    let mut response = Response::new(Body::full(Bytes::from_static(GIF)));
    response.headers_mut().insert(CONTENT_TYPE, HeaderValue::from_static("image/gif"));
    response.headers_mut().insert(CACHE_CONTROL, HeaderValue::from_static("no-store"));
    response
}

/// Whether an answer of Segment's means that it is away.
pub(in crate::proxy) fn is_away(status: StatusCode) -> bool {
    matches!(
        status,
        StatusCode::INTERNAL_SERVER_ERROR
            | StatusCode::BAD_GATEWAY
            | StatusCode::SERVICE_UNAVAILABLE
            | StatusCode::GATEWAY_TIMEOUT
    )
}

/// How long a 429 asks to wait: seconds under either name, or else what SDKs are told.
pub(in crate::proxy) fn wait(headers: &HeaderMap) -> Duration {
    let asked =
        [RETRY_AFTER, RATE_LIMIT_RESET].into_iter().find_map(|name| headers.get(name)?.to_str().ok()?.parse().ok());
    asked.map_or(WAIT, Duration::from_secs).min(WAIT_MAX)
}

/// What is changed in Segment's own answer: its cookies are not the site's, and a 429 names its wait under both names.
pub(super) fn passed_on(status: StatusCode, headers: &mut HeaderMap) {
    headers.remove(SET_COOKIE);
    if status != StatusCode::TOO_MANY_REQUESTS {
        return;
    }
    match (headers.get(RETRY_AFTER).cloned(), headers.get(&RATE_LIMIT_RESET).cloned()) {
        (Some(wait), None) => drop(headers.insert(RATE_LIMIT_RESET, wait)),
        (None, Some(wait)) => drop(headers.insert(RETRY_AFTER, wait)),
        (Some(_), Some(_)) => {}
        (None, None) => {
            headers.insert(RETRY_AFTER, AWAY_RETRY_AFTER);
            headers.insert(RATE_LIMIT_RESET, AWAY_RETRY_AFTER);
        }
    }
}

fn json(status: StatusCode, text: &'static str) -> Response<Body> {
    let mut response = Response::new(Body::full(Bytes::from_static(text.as_bytes())));
    *response.status_mut() = status;
    response.headers_mut().insert(CONTENT_TYPE, HeaderValue::from_static("application/json"));
    response
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_429_names_its_wait_under_both_names() {
        let both = |fields: &[(&'static str, &'static str)]| {
            let mut headers: HeaderMap =
                fields.iter().map(|(n, v)| (HeaderName::from_static(n), HeaderValue::from_static(v))).collect();
            passed_on(StatusCode::TOO_MANY_REQUESTS, &mut headers);
            [RETRY_AFTER, RATE_LIMIT_RESET].map(|name| headers.get(name).unwrap().to_str().unwrap().to_owned())
        };
        assert_eq!(both(&[("retry-after", "3")]), ["3", "3"]);
        assert_eq!(both(&[("x-ratelimit-reset", "4")]), ["4", "4"]);
        assert_eq!(both(&[("retry-after", "3"), ("x-ratelimit-reset", "4")]), ["3", "4"]);
        assert_eq!(both(&[]), ["10", "10"]);
    }
}
