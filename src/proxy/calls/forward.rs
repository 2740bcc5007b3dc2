//! The request that goes to Segment: an allow-list of fields, and Segment's own host.

use crate::segment::Visitor;
use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use http::header::{
    ACCEPT, ACCEPT_ENCODING, AUTHORIZATION, CONTENT_ENCODING, CONTENT_LENGTH, CONTENT_TYPE, ORIGIN, USER_AGENT,
};
use http::{HeaderMap, HeaderName, HeaderValue};

/// What Segment gets to see of a request's fields: cookies and everything else of the site's stay here.
const ALLOWED: [HeaderName; 9] = [
    CONTENT_TYPE,
    CONTENT_ENCODING,
    ACCEPT,
    ACCEPT_ENCODING,
    USER_AGENT,
    ORIGIN,
    CONTENT_LENGTH,
    HeaderName::from_static("x-retry-count"),
    HeaderName::from_static("traceparent"),
];

/// The fields that go on: the allowed ones, a harmless Authorization, and a browser's address.
pub(super) fn headers(request: &HeaderMap, visitor: Option<&Visitor>) -> HeaderMap {
    let mut headers = HeaderMap::with_capacity(ALLOWED.len() + 2);
    for name in ALLOWED {
        for value in request.get_all(&name) {
            headers.append(name.clone(), value.clone());
        }
    }
    for value in request.get_all(AUTHORIZATION).iter().filter(|value| is_segments(value)) {
        headers.append(AUTHORIZATION, value.clone());
    }
    if let Some(ip) = visitor.and_then(|visitor| visitor.ip)
        && let Ok(value) = HeaderValue::from_str(&ip.to_string())
    {
        headers.insert("x-forwarded-for", value);
    }
    headers
}

/// The write key in a request's Basic credentials.
pub(super) fn write_key(request: &HeaderMap) -> Option<String> {
    request.get_all(AUTHORIZATION).iter().find_map(|value| {
        let (user, password) = basic(value)?;
        (password.is_empty() && !user.is_empty()).then_some(user)
    })
}

/// Bearer tokens are Segment's, and so is Basic with a write key and no password; with one it is somebody's login.
fn is_segments(value: &HeaderValue) -> bool {
    is_bearer(value) || basic(value).is_some_and(|(_, password)| password.is_empty())
}

/// Whether a request carries a Bearer token, which must not be on a disk.
pub(super) fn has_bearer(request: &HeaderMap) -> bool {
    request.get_all(AUTHORIZATION).iter().any(is_bearer)
}

fn is_bearer(value: &HeaderValue) -> bool {
    value.as_bytes().get(..7).is_some_and(|scheme| scheme.eq_ignore_ascii_case(b"bearer "))
}

fn basic(value: &HeaderValue) -> Option<(String, String)> {
    let (scheme, credentials) = value.to_str().ok()?.split_once(' ')?;
    if !scheme.eq_ignore_ascii_case("basic") {
        return None;
    }
    let decoded = String::from_utf8(STANDARD.decode(credentials.trim()).ok()?).ok()?;
    // Without a colon it works by leniency, so it does here.
    let (user, password) = decoded.split_once(':').unwrap_or((&decoded, ""));
    Some((user.to_owned(), password.to_owned()))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn request(fields: &[(&str, &str)]) -> HeaderMap {
        fields
            .iter()
            .map(|(name, value)| (name.parse::<HeaderName>().unwrap(), value.parse::<HeaderValue>().unwrap()))
            .collect()
    }

    #[test]
    fn only_what_segment_needs_goes_on() {
        let came = request(&[
            ("content-type", "text/plain"),
            ("cookie", "session=1"),
            ("x-forwarded-for", "6.6.6.6"),
            ("x-retry-count", "2"),
            ("referer", "https://a.com/?secret"),
            ("traceparent", "00-1"),
            ("x-api-key", "k"),
        ]);
        let visitor = Visitor { ip: Some("9.9.9.9".parse().unwrap()), user_agent: None };
        let mut names: Vec<_> =
            headers(&came, Some(&visitor)).iter().map(|(n, v)| format!("{n}={}", v.to_str().unwrap())).collect();
        names.sort();
        assert_eq!(
            names,
            ["content-type=text/plain", "traceparent=00-1", "x-forwarded-for=9.9.9.9", "x-retry-count=2"]
        );
        assert!(headers(&came, None).get("x-forwarded-for").is_none());
    }

    #[test]
    fn which_credentials_go_on() {
        for (value, goes, key) in [
            ("Basic a2V5Og==", true, Some("key")),
            ("basic a2V5", true, Some("key")),
            ("Basic dXNlcjpwYXNz", false, None),
            ("Bearer abc", true, None),
            ("Digest x", false, None),
            ("Basic ???", false, None),
        ] {
            let came = request(&[("authorization", value)]);
            assert_eq!(headers(&came, None).contains_key(AUTHORIZATION), goes, "{value}");
            assert_eq!(write_key(&came).as_deref(), key, "{value}");
        }
    }
}
