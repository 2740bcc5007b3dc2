//! What is sent: requests made of a template and a number that is never used twice.

use super::target::Target;
use crate::clock::Time;
use bytes::Bytes;
use clap::ValueEnum;
use http::header::{ACCEPT, ACCEPT_LANGUAGE, CONTENT_TYPE, HOST, HeaderMap, HeaderName, HeaderValue, USER_AGENT};
use http::uri::{PathAndQuery, Scheme};
use http::{Method, Request, Uri};
use http_body_util::Full;

/// The requests that people ask about.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub(super) enum Kind {
    /// GET of the URL
    Site,
    /// The same as a browser's first document, with a new `im_ref` each time
    Landing,
    /// POST of one Segment call of 1.2 KB, to /cdp/v1/track or the URL's own path
    Event,
    /// POST of 300 such calls at once, to /cdp/v1/batch or the URL's own path
    Batch,
}

impl Kind {
    /// As it is said on the command line.
    pub(super) fn name(self) -> &'static str {
        match self {
            Self::Site => "site",
            Self::Landing => "landing",
            Self::Event => "event",
            Self::Batch => "batch",
        }
    }
}

/// A call as analytics.js sends it. Its click stands in the page's URL: whoever enriches calls has to do it with this one. Its
/// write key belongs to nobody.
const EVENT: &str = include_str!("event.json");
/// The time in it that gives way to that of the run: a click does not earn what happened before it.
const TIME: &str = "2026-01-01T00:00:00.000Z";
/// The number in it that gives way to the request's own.
const NUMBER: &[u8] = b"0000000000000000";
const CALLS_IN_BATCH: usize = 300;

const BROWSER: &str =
    "Mozilla/5.0 (X11; Linux x86_64) AppleWebKit/537.36 (KHTML, like Gecko) Chrome/130.0.0.0 Safari/537.36";
/// What a browser asks a document with.
const DOCUMENT: [(HeaderName, &str); 6] = [
    (ACCEPT, "text/html,application/xhtml+xml,application/xml;q=0.9,*/*;q=0.8"),
    (ACCEPT_LANGUAGE, "en-US,en;q=0.9"),
    (HeaderName::from_static("sec-fetch-dest"), "document"),
    (HeaderName::from_static("sec-fetch-mode"), "navigate"),
    (HeaderName::from_static("sec-fetch-site"), "cross-site"),
    (HeaderName::from_static("upgrade-insecure-requests"), "1"),
];

/// A request as a file or a workload gives it, for any target.
#[derive(Clone, Debug)]
pub(super) struct Template {
    pub(super) method: Method,
    /// Its path; `None`: the target's own.
    pub(super) path: Option<PathAndQuery>,
    pub(super) headers: HeaderMap,
    pub(super) body: Vec<u8>,
    /// Whether each gets a click of its own.
    clicks: bool,
    /// Where the number stands in the body.
    numbers: Vec<usize>,
}

impl Template {
    /// The request of a file.
    pub(super) fn of_file(method: Method, path: PathAndQuery, headers: HeaderMap, body: Vec<u8>) -> Self {
        Self { method, path: Some(path), headers, body, clicks: false, numbers: Vec::new() }
    }

    /// A workload's request; its calls happen `now`.
    pub(super) fn of(kind: Kind, now: Time) -> Self {
        let mut headers = HeaderMap::new();
        headers.insert(USER_AGENT, HeaderValue::from_static(BROWSER));
        let (clicks, body) = match kind {
            Kind::Site | Kind::Landing => (kind == Kind::Landing, Vec::new()),
            Kind::Event => (false, event(now).into_bytes()),
            Kind::Batch => (false, batch(now).into_bytes()),
        };
        if clicks {
            headers.extend(DOCUMENT.map(|(name, value)| (name, HeaderValue::from_static(value))));
        }
        let method = if body.is_empty() { Method::GET } else { Method::POST };
        if method == Method::POST {
            headers.insert(CONTENT_TYPE, HeaderValue::from_static("application/json"));
        }
        let path = match kind {
            Kind::Site | Kind::Landing => None,
            Kind::Event => Some(PathAndQuery::from_static("/cdp/v1/track")),
            Kind::Batch => Some(PathAndQuery::from_static("/cdp/v1/batch")),
        };
        let numbers = memchr::memmem::find_iter(&body, NUMBER).collect();
        Self { method, path, headers, body, clicks, numbers }
    }

    /// The requests of it for one target.
    pub(super) fn for_target(&self, target: &Target, http2: bool) -> Workload {
        let mut template = self.clone();
        // A URL that names a path means it; a file names its own.
        let own = Some(&target.path).filter(|path| path.as_str() != "/" && (self.is_call() || self.path.is_none()));
        let path = own.cloned().or(template.path.take()).unwrap_or(PathAndQuery::from_static("/"));
        if !http2
            && !template.headers.contains_key(HOST)
            && let Ok(host) = HeaderValue::from_str(target.authority.as_str())
        {
            template.headers.insert(HOST, host);
        }
        let scheme = if target.secure { Scheme::HTTPS } else { Scheme::HTTP };
        Workload { template, path, absolute: http2.then(|| (scheme, target.authority.clone())) }
    }

    fn is_call(&self) -> bool {
        !self.numbers.is_empty()
    }
}

fn event(now: Time) -> String {
    EVENT.trim_end().replace(TIME, &now.iso8601())
}

fn batch(now: Time) -> String {
    let calls = vec![event(now); CALLS_IN_BATCH].join(",");
    format!("{{\"batch\":[{calls}],\"writeKey\":\"selvedge-bench\",\"sentAt\":\"{}\"}}", now.iso8601())
}

/// The requests for one target.
#[derive(Debug)]
pub(super) struct Workload {
    template: Template,
    path: PathAndQuery,
    /// HTTP/2 names scheme and authority in each request.
    absolute: Option<(Scheme, http::uri::Authority)>,
}

impl Workload {
    /// Method and path, for people.
    pub(super) fn name(&self) -> String {
        format!("{} {}", self.template.method, self.path)
    }

    /// Request `number`, which is used for no other.
    pub(super) fn request(&self, number: u64) -> Request<Full<Bytes>> {
        let mut body = self.template.body.clone();
        for (order, at) in self.template.numbers.iter().enumerate() {
            // The calls of one batch differ as well: its number counts in steps of a batch.
            let own = number.wrapping_mul(CALLS_IN_BATCH as u64).wrapping_add(order as u64);
            if let Some(place) = body.get_mut(*at..*at + NUMBER.len()) {
                place.copy_from_slice(format!("{own:016x}").as_bytes());
            }
        }
        let mut request = Request::new(Full::new(Bytes::from(body)));
        *request.method_mut() = self.template.method.clone();
        *request.headers_mut() = self.template.headers.clone();
        *request.uri_mut() = self.uri(number);
        request
    }

    fn uri(&self, number: u64) -> Uri {
        let mut parts = http::uri::Parts::default();
        parts.path_and_query = Some(self.path.clone());
        if self.template.clicks {
            let sign = if self.path.query().is_some() { '&' } else { '?' };
            parts.path_and_query = format!("{}{sign}im_ref=bench{number:016x}", self.path).parse().ok();
        }
        if let Some((scheme, authority)) = &self.absolute {
            parts.scheme = Some(scheme.clone());
            parts.authority = Some(authority.clone());
        }
        Uri::from_parts(parts).unwrap_or_default()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use http_body_util::BodyExt;
    use serde_json::Value;
    use std::collections::HashSet;

    fn workload(kind: Kind, url: &str, http2: bool) -> Workload {
        Template::of(kind, Time::from_seconds(1_800_000_000)).for_target(&Target::read(url).unwrap(), http2)
    }

    async fn body(workload: &Workload, number: u64) -> Value {
        let body = workload.request(number).into_body().collect().await.unwrap().to_bytes();
        serde_json::from_slice(&body).unwrap()
    }

    #[test]
    fn visits_ask_for_the_url() {
        let site = workload(Kind::Site, "http://shop.example:8080/a?b=c", false).request(7);
        assert_eq!((site.method(), site.uri().to_string().as_str()), (&Method::GET, "/a?b=c"));
        assert_eq!(site.headers()[HOST], "shop.example:8080");
        for (url, uri) in
            [("http://a/", "/?im_ref=bench00000000000000ff"), ("http://a/?b", "/?b&im_ref=bench00000000000000ff")]
        {
            let landing = workload(Kind::Landing, url, false).request(255);
            assert_eq!(landing.uri().to_string(), uri);
            assert_eq!(landing.headers()["sec-fetch-dest"], "document");
        }
        let second = workload(Kind::Site, "https://a/b", true).request(1);
        assert_eq!(second.uri().to_string(), "https://a/b");
        assert!(!second.headers().contains_key(HOST));
    }

    #[tokio::test]
    async fn no_call_is_sent_twice() {
        let (event, batch) = (workload(Kind::Event, "http://a", false), workload(Kind::Batch, "http://a", false));
        assert_eq!((event.name().as_str(), batch.name().as_str()), ("POST /cdp/v1/track", "POST /cdp/v1/batch"));
        assert_eq!(workload(Kind::Event, "http://a/v1/t", false).name(), "POST /v1/t");
        let one = body(&event, 1).await;
        assert_eq!(one["timestamp"], "2027-01-15T08:00:00.000Z");
        assert!((1_100..1_350).contains(&event.template.body.len()), "{}", event.template.body.len());
        let mut ids = HashSet::new();
        for number in 0..3 {
            ids.insert(body(&event, number + 10).await["messageId"].to_string());
            let items = body(&batch, number).await["batch"].as_array().unwrap().clone();
            assert_eq!(items.len(), CALLS_IN_BATCH);
            ids.extend(items.iter().map(|item| item["messageId"].to_string()));
        }
        assert_eq!(ids.len(), 3 + 3 * CALLS_IN_BATCH);
    }
}
