//! The one place where an error becomes a status.

use super::body::Body;
use crate::clock::Time;
use http::header::{ALLOW, CACHE_CONTROL, CONNECTION, CONTENT_TYPE};
use http::{HeaderName, HeaderValue, Response, StatusCode};
use uuid::{NoContext, Timestamp, Uuid};

const X_REQUEST_ID: HeaderName = HeaderName::from_static("x-request-id");

/// What is refused before anything is forwarded: the visitor's fault, or a wrong address.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Refusal {
    /// No Host, several, a malformed one, or one that an absolute-form target contradicts.
    #[error("the request has no single valid Host")]
    BadHost,
    /// Transfer-Encoding or Content-Length that two parsers could read differently.
    #[error("the request's framing is ambiguous")]
    BadFraming,
    /// A target that is neither a path nor an absolute URL.
    #[error("the request's target is not a path")]
    BadTarget,
    /// CONNECT or TRACE.
    #[error("this method is not allowed")]
    Method,
    /// A CONNECT for something else than a WebSocket (RFC 9220 §3).
    #[error("this protocol is not spoken here")]
    Protocol,
    /// No site is configured for this host.
    #[error("no site is served under this host")]
    UnknownHost,
    /// The TLS handshake was for another site's name (RFC 9110 §15.5.20).
    #[error("this connection was made for another site")]
    Misdirected,
    /// The visitor went away within a body, or it is framed wrongly.
    #[error("the request's body broke off")]
    BrokenBody,
    /// The visitor sends a body too slowly.
    #[error("the request's body came too slowly")]
    SlowBody,
    /// The request has passed here before.
    #[error("the request went in a circle")]
    Loop,
}

/// What lies behind it.
type Cause = Box<dyn std::error::Error + Send + Sync>;

/// Why a request could not be forwarded, or got no answer.
#[derive(Debug, thiserror::Error)]
pub enum ForwardError {
    /// No connection: refused, unreachable, unknown name, TLS. Nothing was sent.
    #[error("no connection to the upstream")]
    Connect(#[source] Cause),
    /// No connection within the time allowed. Nothing was sent.
    #[error("the upstream did not take the connection in time")]
    ConnectTimeout(#[source] Cause),
    /// The head of the answer did not come in time. The upstream may have acted on the request.
    #[error("the upstream did not answer in time")]
    ResponseTimeout,
    /// The connection broke before an answer came. The upstream may have acted on the request.
    #[error("the upstream closed the connection without an answer")]
    Closed(#[source] Cause),
    /// What came was no HTTP response, or a switch of protocols that nobody asked for.
    #[error("the upstream's answer is not valid HTTP")]
    BadAnswer(#[source] Option<Cause>),
    /// The request's own body broke off or was malformed: the visitor's fault.
    #[error("the request's body broke off")]
    RequestBody(#[source] Cause),
    /// The request's own body came too slowly: the visitor's fault.
    #[error("the request's body came too slowly")]
    SlowBody(#[source] Cause),
}

impl ForwardError {
    /// Whether the upstream cannot have seen the request.
    pub fn nothing_sent(&self) -> bool {
        matches!(self, Self::Connect(_) | Self::ConnectTimeout(_))
    }

    /// Whether the connection broke before an answer came.
    pub(super) fn is_closed(&self) -> bool {
        matches!(self, Self::Closed(_))
    }
}

/// Answers a request that is not forwarded. The connection ends where its framing may be in doubt.
pub fn refuse(refusal: Refusal) -> Response<Body> {
    let status = match refusal {
        Refusal::BadHost | Refusal::BadFraming | Refusal::BadTarget | Refusal::BrokenBody => StatusCode::BAD_REQUEST,
        Refusal::SlowBody => StatusCode::REQUEST_TIMEOUT,
        Refusal::Method => StatusCode::METHOD_NOT_ALLOWED,
        Refusal::Protocol => StatusCode::NOT_IMPLEMENTED,
        Refusal::UnknownHost | Refusal::Misdirected => StatusCode::MISDIRECTED_REQUEST,
        Refusal::Loop => StatusCode::LOOP_DETECTED,
    };
    let mut response = say(status, &refusal.to_string());
    let ends = [StatusCode::BAD_REQUEST, StatusCode::METHOD_NOT_ALLOWED, StatusCode::REQUEST_TIMEOUT];
    if ends.contains(&status) {
        response.headers_mut().insert(CONNECTION, HeaderValue::from_static("close"));
    }
    if status == StatusCode::METHOD_NOT_ALLOWED {
        response.headers_mut().insert(ALLOW, HeaderValue::from_static("GET, HEAD, POST, PUT, PATCH, DELETE, OPTIONS"));
    }
    response
}

/// Answers a request whose origin failed, with an ID that is also in the log.
pub fn rescue(error: &ForwardError, host: &str, now: Time) -> Response<Body> {
    let status = match error {
        ForwardError::ConnectTimeout(_) | ForwardError::ResponseTimeout => StatusCode::GATEWAY_TIMEOUT,
        ForwardError::Connect(_) | ForwardError::Closed(_) | ForwardError::BadAnswer(_) => StatusCode::BAD_GATEWAY,
        ForwardError::RequestBody(_) => StatusCode::BAD_REQUEST,
        ForwardError::SlowBody(_) => StatusCode::REQUEST_TIMEOUT,
    };
    let id = request_id(now);
    if status.is_server_error() {
        tracing::warn!(request_id = %id, host, status = status.as_u16(), cause = causes(error), "{error}");
    } else {
        tracing::debug!(request_id = %id, host, status = status.as_u16(), cause = causes(error), "{error}");
    }
    let mut response = say(status, &format!("{error}\nrequest {id}"));
    if let Ok(value) = HeaderValue::try_from(id.to_string()) {
        response.headers_mut().insert(X_REQUEST_ID, value);
    }
    if status.is_client_error() {
        response.headers_mut().insert(CONNECTION, HeaderValue::from_static("close"));
    }
    response
}

fn say(status: StatusCode, sentence: &str) -> Response<Body> {
    let reason = status.canonical_reason().unwrap_or_default();
    let mut response = Response::new(Body::full(format!("{} {reason}: {sentence}\n", status.as_u16())));
    *response.status_mut() = status;
    response.headers_mut().insert(CONTENT_TYPE, HeaderValue::from_static("text/plain; charset=utf-8"));
    response.headers_mut().insert(CACHE_CONTROL, HeaderValue::from_static("no-store"));
    response
}

fn request_id(now: Time) -> Uuid {
    let seconds = u64::try_from(now.seconds()).unwrap_or_default();
    let nanos = u32::try_from(now.millis().rem_euclid(1000)).unwrap_or_default() * 1_000_000;
    Uuid::new_v7(Timestamp::from_unix(NoContext, seconds, nanos))
}

/// What lies behind an error, outermost first.
fn causes(error: &ForwardError) -> String {
    let mut cause = std::error::Error::source(error);
    let mut text = String::new();
    while let Some(error) = cause {
        if !text.is_empty() {
            text.push_str(": ");
        }
        text.push_str(&error.to_string());
        cause = error.source();
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_id_tells_when_it_was_made() {
        let id = request_id(Time::from_millis(1_795_000_000_123));
        let (seconds, nanos) = id.get_timestamp().unwrap().to_unix();
        assert_eq!((seconds, nanos), (1_795_000_000, 123_000_000));
        assert_eq!(id.get_version_num(), 7);
    }

    #[test]
    fn a_connection_in_doubt_is_closed() {
        for (refusal, status, closes) in [
            (Refusal::BadHost, 400, true),
            (Refusal::BadFraming, 400, true),
            (Refusal::BadTarget, 400, true),
            (Refusal::Method, 405, true),
            (Refusal::UnknownHost, 421, false),
            (Refusal::BrokenBody, 400, true),
            (Refusal::SlowBody, 408, true),
            (Refusal::Loop, 508, false),
        ] {
            let response = refuse(refusal);
            assert_eq!(response.status().as_u16(), status, "{refusal:?}");
            assert_eq!(response.headers().contains_key(CONNECTION), closes, "{refusal:?}");
        }
    }
}
