//! Who may read an answer across origins (Fetch, "CORS protocol"). Segment's own `access-control-*` are dropped: two
//! answers to that question break browsers.

use crate::click::cookie::registrable_domain;
use http::header::{
    ACCESS_CONTROL_ALLOW_CREDENTIALS, ACCESS_CONTROL_ALLOW_HEADERS, ACCESS_CONTROL_ALLOW_METHODS,
    ACCESS_CONTROL_ALLOW_ORIGIN, ACCESS_CONTROL_EXPOSE_HEADERS, ACCESS_CONTROL_MAX_AGE, ORIGIN, VARY,
};
use http::{HeaderMap, HeaderValue};
use url::Url;

/// Two hours: the longest that Chromium keeps a preflight's answer.
const MAX_AGE: HeaderValue = HeaderValue::from_static("7200");
const METHODS: HeaderValue = HeaderValue::from_static("GET, POST, OPTIONS");
const REQUEST_HEADERS: HeaderValue = HeaderValue::from_static("authorization, content-type, x-retry-count");
const RESPONSE_HEADERS: HeaderValue = HeaderValue::from_static("Retry-After, X-RateLimit-Reset");

/// Replaces what an answer says about other origins. `host` is the host that was called.
pub(super) fn answer(request: &HeaderMap, host: &str, listed: &[String], response: &mut HeaderMap) {
    drop_upstream(response);
    response.append(VARY, HeaderValue::from_static("Origin"));
    let Some(origin) = request.get(ORIGIN) else { return };
    response.insert(ACCESS_CONTROL_ALLOW_ORIGIN, origin.clone());
    response.insert(ACCESS_CONTROL_EXPOSE_HEADERS, RESPONSE_HEADERS);
    if may_send_credentials(origin, host, listed) {
        response.insert(ACCESS_CONTROL_ALLOW_CREDENTIALS, HeaderValue::from_static("true"));
    }
}

/// What a preflight's answer says beside [`answer`], which goes first: it drops all that was said before.
pub(super) fn preflight(response: &mut HeaderMap) {
    response.insert(ACCESS_CONTROL_ALLOW_METHODS, METHODS);
    response.insert(ACCESS_CONTROL_ALLOW_HEADERS, REQUEST_HEADERS);
    response.insert(ACCESS_CONTROL_MAX_AGE, MAX_AGE);
}

fn drop_upstream(response: &mut HeaderMap) {
    let named: Vec<_> = response.keys().filter(|name| name.as_str().starts_with("access-control-")).cloned().collect();
    for name in named {
        response.remove(name);
    }
}

fn may_send_credentials(origin: &HeaderValue, host: &str, listed: &[String]) -> bool {
    let Ok(text) = origin.to_str() else { return false };
    if listed.iter().any(|one| one.eq_ignore_ascii_case(text)) {
        return true;
    }
    let Some(from) = Url::parse(text).ok().and_then(|url| url.host_str().map(str::to_owned)) else { return false };
    from == host || registrable_domain(&from).is_some_and(|domain| registrable_domain(host) == Some(domain))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn credentials_are_for_the_same_registrable_domain_and_for_the_listed() {
        let listed = ["https://partner.example.net".to_owned()];
        for (origin, allowed) in [
            ("https://www.shop.co.uk", true),
            ("http://t.shop.co.uk:8080", true),
            ("https://other.co.uk", false),
            ("https://partner.example.net", true),
            ("https://x.partner.example.net", false),
            ("https://shop.co.uk.evil.com", false),
            ("null", false),
        ] {
            assert_eq!(
                may_send_credentials(&HeaderValue::from_static(origin), "api.shop.co.uk", &listed),
                allowed,
                "{origin}"
            );
        }
    }

    #[test]
    fn what_segment_says_about_origins_is_dropped() {
        let mut request = HeaderMap::new();
        request.insert(ORIGIN, HeaderValue::from_static("https://a.com"));
        let mut response = HeaderMap::new();
        response.insert(ACCESS_CONTROL_ALLOW_ORIGIN, HeaderValue::from_static("*"));
        response.insert("access-control-allow-private-network", HeaderValue::from_static("true"));
        answer(&request, "b.com", &[], &mut response);
        assert_eq!(response.get(ACCESS_CONTROL_ALLOW_ORIGIN).unwrap(), "https://a.com");
        assert!(response.get("access-control-allow-private-network").is_none());
        assert!(response.get(ACCESS_CONTROL_ALLOW_CREDENTIALS).is_none());
        assert_eq!(response.get(VARY).unwrap(), "Origin");
    }
}
