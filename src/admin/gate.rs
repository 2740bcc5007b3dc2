//! Who may ask.

use super::api::Answer;
use super::{Admin, Node};
use crate::metrics::Route;
use crate::secret::Secret;
use axum::extract::{Request, State};
use axum::middleware::Next;
use axum::response::{IntoResponse, Response};
use http::header::{AUTHORIZATION, HOST, HeaderName, ORIGIN, WWW_AUTHENTICATE};
use http::{HeaderMap, HeaderValue, Method, StatusCode};
use std::net::{IpAddr, SocketAddr};
use std::time::{Duration, Instant};
use subtle::ConstantTimeEq;

/// Why a request is turned away.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Refusal {
    /// The Host is a name that anybody could point here, so that a page of theirs could read the answer.
    Host,
    /// Another site's page asks to write.
    Origin,
    /// The token is missing or wrong.
    Token,
}

const SEC_FETCH_SITE: HeaderName = HeaderName::from_static("sec-fetch-site");

/// Lets a request through, or answers why not; counts it either way.
pub(super) async fn pass(State(node): Node, request: Request, next: Next) -> Response {
    let began = Instant::now();
    let in_flight = node.admin.metrics.request_began(Route::Admin);
    let response = match judge(&node.admin, request.method(), request.uri().path(), request.headers()) {
        Ok(()) => next.run(request).await,
        Err(refusal) => refusal.into_response(),
    };
    node.admin.metrics.request_ended(Route::Admin, response.status().as_u16(), began.elapsed(), Duration::ZERO);
    drop(in_flight);
    response
}

fn judge(admin: &Admin, method: &Method, path: &str, headers: &HeaderMap) -> Result<(), Refusal> {
    // Whether a node lives and is ready is for everybody: probes have no token, and call it by any name.
    if matches!(path, "/livez" | "/readyz") {
        return Ok(());
    }
    let has_token = admin.token.as_ref().is_some_and(|token| shows(headers, token));
    // Whoever shows the token is no page in somebody's browser.
    if !has_token && !is_own_host(headers, admin.listen) {
        return Err(Refusal::Host);
    }
    let is_write = !matches!(*method, Method::GET | Method::HEAD);
    if is_write && !is_same_origin(headers) {
        return Err(Refusal::Origin);
    }
    // What is known of people is not for whoever has an account on the machine.
    let is_of_people = path.starts_with("/api/person") || path.ends_with("/body");
    let is_open = admin.listen.ip().is_loopback() && !is_of_people;
    match has_token || (!is_write && is_open) {
        true => Ok(()),
        false => Err(Refusal::Token),
    }
}

/// Compares in constant time, so that the token cannot be found byte by byte.
fn shows(headers: &HeaderMap, token: &Secret) -> bool {
    let value = headers.get(AUTHORIZATION).map_or(&b""[..], HeaderValue::as_bytes);
    let Some((scheme, given)) = value.split_at_checked(b"Bearer ".len()) else { return false };
    scheme.eq_ignore_ascii_case(b"Bearer ") && bool::from(given.ct_eq(token.reveal().as_bytes()))
}

/// A loopback name or address, or the address that is listened on. Where that is any address, so is the Host: only a
/// name can be pointed here by a stranger.
fn is_own_host(headers: &HeaderMap, listen: SocketAddr) -> bool {
    let Some(host) = headers.get(HOST).and_then(|host| host.to_str().ok()) else { return false };
    let name = without_port(host);
    match name.trim_start_matches('[').trim_end_matches(']').parse::<IpAddr>() {
        Ok(ip) => ip.is_loopback() || ip == listen.ip() || listen.ip().is_unspecified(),
        Err(_) => name.eq_ignore_ascii_case("localhost"),
    }
}

fn without_port(host: &str) -> &str {
    match host.rsplit_once(':') {
        Some((name, port)) if port.bytes().all(|b| b.is_ascii_digit()) && !name.contains("::") => name,
        // The colons of an address in brackets are its own.
        Some((name, port)) if port.bytes().all(|b| b.is_ascii_digit()) && name.ends_with(']') => name,
        _ => host,
    }
}

fn is_same_origin(headers: &HeaderMap) -> bool {
    let site = headers.get(SEC_FETCH_SITE).is_none_or(|site| site == "same-origin" || site == "none");
    let origin = match (headers.get(ORIGIN), headers.get(HOST)) {
        (None, _) => true,
        (Some(origin), Some(host)) => origin.as_bytes().strip_prefix(b"http://") == Some(host.as_bytes()),
        (Some(_), None) => false,
    };
    site && origin
}

impl IntoResponse for Refusal {
    fn into_response(self) -> Response {
        let (status, why) = match self {
            Self::Host => {
                (StatusCode::FORBIDDEN, "this host name is not the admin listener's; use localhost or its address")
            }
            Self::Origin => (StatusCode::FORBIDDEN, "another site's page may not write"),
            Self::Token => {
                (StatusCode::UNAUTHORIZED, "the token of the store folder is needed: Authorization: Bearer <token>")
            }
        };
        let mut response = Answer::error(status, why).into_response();
        if self == Self::Token {
            response.headers_mut().insert(WWW_AUTHENTICATE, HeaderValue::from_static("Bearer"));
        }
        response
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::admin::tests::admin;

    #[test]
    fn who_may_ask_what() {
        use Refusal::{Host, Origin, Token};
        let bearer = Some("Bearer s3cret");
        for (listen, method, path, host, origin, token, verdict) in [
            ("127.0.0.1:9901", Method::GET, "/", "127.0.0.1:9901", None, None, Ok(())),
            ("127.0.0.1:9901", Method::GET, "/", "LOCALHOST:9901", None, None, Ok(())),
            ("127.0.0.1:9901", Method::GET, "/", "[::1]:9901", None, None, Ok(())),
            ("127.0.0.1:9901", Method::GET, "/metrics", "evil.example:9901", None, None, Err(Host)),
            ("127.0.0.1:9901", Method::GET, "/metrics", "localhost.evil.example", None, None, Err(Host)),
            ("127.0.0.1:9901", Method::GET, "/metrics", "10.0.0.5", None, None, Err(Host)),
            ("127.0.0.1:9901", Method::GET, "/metrics", "selvedge:9901", None, bearer, Ok(())),
            ("127.0.0.1:9901", Method::GET, "/livez", "evil.example", None, None, Ok(())),
            ("127.0.0.1:9901", Method::POST, "/api/x", "localhost", None, None, Err(Token)),
            ("127.0.0.1:9901", Method::POST, "/api/x", "localhost", None, Some("Bearer s3cre"), Err(Token)),
            ("127.0.0.1:9901", Method::POST, "/api/x", "localhost", None, Some("s3cret"), Err(Token)),
            ("127.0.0.1:9901", Method::POST, "/api/x", "localhost", None, Some("bearer s3cret"), Ok(())),
            ("127.0.0.1:9901", Method::POST, "/api/x", "localhost", Some("http://localhost"), bearer, Ok(())),
            ("127.0.0.1:9901", Method::POST, "/api/x", "localhost", Some("http://localhost:1"), bearer, Err(Origin)),
            ("127.0.0.1:9901", Method::DELETE, "/api/x", "localhost", Some("null"), bearer, Err(Origin)),
            ("127.0.0.1:9901", Method::GET, "/api/person", "localhost", None, None, Err(Token)),
            ("127.0.0.1:9901", Method::GET, "/api/person", "localhost", None, bearer, Ok(())),
            ("10.0.0.5:9901", Method::GET, "/metrics", "10.0.0.5:9901", None, None, Err(Token)),
            ("10.0.0.5:9901", Method::GET, "/metrics", "10.0.0.5:9901", None, bearer, Ok(())),
            ("10.0.0.5:9901", Method::GET, "/readyz", "10.0.0.5:9901", None, None, Ok(())),
            ("0.0.0.0:9901", Method::GET, "/", "10.0.0.5:9901", None, None, Err(Token)),
            ("0.0.0.0:9901", Method::GET, "/", "selvedge:9901", None, None, Err(Host)),
        ] {
            let mut admin = admin();
            admin.listen = listen.parse().unwrap();
            let mut headers = HeaderMap::from_iter([(HOST, host.parse().unwrap())]);
            headers.extend(origin.map(|origin| (ORIGIN, HeaderValue::from_static(origin))));
            headers.extend(token.map(|token| (AUTHORIZATION, HeaderValue::from_static(token))));
            assert_eq!(judge(&admin, &method, path, &headers), verdict, "{listen} {method} {path} {host} {token:?}");
        }
    }

    #[test]
    fn a_node_without_a_token_takes_no_writes() {
        let mut admin = admin();
        admin.token = None;
        let headers = [(HOST, "localhost"), (AUTHORIZATION, "Bearer ")];
        let headers = headers.into_iter().map(|(name, value)| (name, HeaderValue::from_static(value))).collect();
        assert_eq!(judge(&admin, &Method::POST, "/api/x", &headers), Err(Refusal::Token));
    }

    #[test]
    fn a_cross_site_page_does_not_write() {
        let mut headers = HeaderMap::from_iter([(HOST, HeaderValue::from_static("localhost"))]);
        headers.insert(AUTHORIZATION, HeaderValue::from_static("Bearer s3cret"));
        for (site, verdict) in
            [("cross-site", Err(Refusal::Origin)), ("same-site", Err(Refusal::Origin)), ("same-origin", Ok(()))]
        {
            headers.insert(SEC_FETCH_SITE, HeaderValue::from_static(site));
            assert_eq!(judge(&admin(), &Method::POST, "/api/x", &headers), verdict, "{site}");
        }
    }
}
