//! WebSocket by HTTP/2 (RFC 8441): a stream's CONNECT becomes the upgrade of HTTP/1.1, and the origin's 101 its 200.

use super::rescue::Refusal;
use aws_lc_rs::digest::{SHA1_FOR_LEGACY_USE_ONLY, digest};
use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use http::header::{CONNECTION, SEC_WEBSOCKET_ACCEPT, SEC_WEBSOCKET_KEY, UPGRADE};
use http::{HeaderMap, HeaderValue, Method, Request, Version};
use hyper::ext::Protocol;

/// What an origin adds to a key before it answers (RFC 6455 §1.3).
const SALT: &str = "258EAFA5-E914-47DA-95CA-C5AB0DC85B11";

/// A WebSocket that is being opened: how the origin answers its key.
#[derive(Clone, Debug)]
pub(super) struct Opening {
    accept: String,
}

/// Refuses a CONNECT that is none of HTTP/2's for a WebSocket: whoever may name where a tunnel leads gets past us.
pub(super) fn check<B>(request: &Request<B>) -> Result<(), Refusal> {
    match (request.method(), request.extensions().get::<Protocol>()) {
        (&Method::CONNECT, None) | (&Method::TRACE, _) => Err(Refusal::Method),
        (&Method::CONNECT, Some(protocol)) if protocol.as_str() != "websocket" => Err(Refusal::Protocol),
        _ => Ok(()),
    }
}

/// Rewrites a CONNECT that [`check`] has let pass; another request is left alone. There is no key in HTTP/2 (§5), so that one is
/// made.
pub(super) fn as_http1<B>(request: &mut Request<B>) {
    if *request.method() != Method::CONNECT {
        return;
    }
    let key = STANDARD.encode(fastrand::u128(..).to_ne_bytes());
    let accept = STANDARD.encode(digest(&SHA1_FOR_LEGACY_USE_ONLY, format!("{key}{SALT}").as_bytes()));
    *request.method_mut() = Method::GET;
    *request.version_mut() = Version::HTTP_11;
    let headers = request.headers_mut();
    headers.insert(CONNECTION, HeaderValue::from_static("upgrade"));
    headers.insert(UPGRADE, HeaderValue::from_static("websocket"));
    headers.extend(HeaderValue::try_from(key).map(|key| (SEC_WEBSOCKET_KEY, key)));
    request.extensions_mut().insert(Opening { accept });
}

impl Opening {
    /// Whether an origin that switches has read our key; in HTTP/2 nobody asks for its answer.
    pub(super) fn is_accepted(&self, headers: &mut HeaderMap) -> bool {
        headers.remove(SEC_WEBSOCKET_ACCEPT).is_some_and(|accept| accept.as_bytes() == self.accept.as_bytes())
    }
}
