//! Sending visitors to https, and keeping them there.

use super::body::Body;
use super::forwarded::VisitorFacts;
use http::header::{CACHE_CONTROL, HeaderName, LOCATION, STRICT_TRANSPORT_SECURITY};
use http::{HeaderMap, HeaderValue, Method, Response, StatusCode, Uri};
use std::time::Duration;

/// Certificate authorities ask here over plain HTTP (RFC 8555 §8.3): that stays with the origin.
const CHALLENGE: &str = "/.well-known/acme-challenge/";

/// The site's policy on https.
#[derive(Clone, Debug, Default)]
pub struct Https {
    redirects: bool,
    hsts: Option<HeaderValue>,
}

impl Https {
    /// Whether plain visits are redirected, and how long browsers shall remember to come by https.
    pub fn new(redirects: bool, hsts: Option<Duration>) -> Self {
        let hsts = hsts.and_then(|age| HeaderValue::try_from(format!("max-age={}", age.as_secs())).ok());
        Self { redirects, hsts }
    }

    /// Where a visit that came plain belongs. GET and HEAD get a 301; a 308 makes everything else come as it was.
    pub(super) fn redirect(&self, method: &Method, uri: &Uri, visitor: &VisitorFacts) -> Option<Response<Body>> {
        if !self.redirects || visitor.https || uri.path().starts_with(CHALLENGE) {
            return None;
        }
        let target = uri.path_and_query().map_or("/", |target| target.as_str());
        let mut response = Response::new(Body::empty());
        *response.status_mut() = match *method {
            Method::GET | Method::HEAD => StatusCode::MOVED_PERMANENTLY,
            _ => StatusCode::PERMANENT_REDIRECT,
        };
        let location = HeaderValue::try_from(format!("https://{}{target}", visitor.host.name())).ok()?;
        response.headers_mut().insert(LOCATION, location);
        // Who switches it off again must not find it in every browser.
        response.headers_mut().insert(CACHE_CONTROL, HeaderValue::from_static("max-age=3600"));
        Some(response)
    }

    /// Says it to a browser that came by https (RFC 6797 §7.2), unless the origin has said something.
    pub(super) fn remind(&self, headers: &mut HeaderMap, visitor: &VisitorFacts) {
        const NAME: HeaderName = STRICT_TRANSPORT_SECURITY;
        if let Some(hsts) = &self.hsts
            && visitor.https
            && !headers.contains_key(NAME)
        {
            headers.insert(NAME, hsts.clone());
        }
    }
}
