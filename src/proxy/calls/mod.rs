//! Segment calls: one flow, from the request to Segment's answer.
//!
//! `read body → envelope → judge each call → record deliveries → splice → forward`. Whatever fails on the way, the bytes
//! that came go on to Segment, and what Segment answers goes back.

mod answer;
pub mod body;
mod cors;
mod forward;
pub mod judge;
mod pixel;
mod record;
mod spliced;

use self::body::{Plain, Received};
use self::judge::{Facts, Judged, Rules, judge};
use self::record::Recorded;
use self::spliced::Spliced;
use crate::attribution::wins;
use crate::click::cookie::{self, Carried, Fallbacks, Scope};
use crate::clock::{Clock, Time};
use crate::links::Links;
use crate::metrics::{Label, Metrics};
use crate::proxy::body::Body;
use crate::proxy::forwarded::Caller;
use crate::proxy::rescue::Broken;
use crate::proxy::upstream::Upstream;
use crate::segment::{Endpoint, Envelope, Expect, Visitor, twin};
use bytes::Bytes;
use http::header::{CONTENT_LENGTH, ORIGIN, SET_COOKIE, USER_AGENT};
use http::{HeaderMap, HeaderValue, Method, Request, Response, Uri, request};
use hyper::body::Incoming;
use std::sync::Arc;

pub use self::record::Recorder;

/// The room's state, shared by all connections.
pub struct Calls {
    /// How calls are judged.
    pub rules: Arc<Rules>,
    /// Cookies of the vendor's own tag.
    pub fallbacks: Fallbacks,
    /// Who clicked what.
    pub links: Links,
    /// Where deliveries and lessons are recorded.
    pub recorder: Recorder,
    /// The way to Segment.
    pub upstream: Upstream,
    /// What is counted.
    pub metrics: Arc<Metrics>,
    /// The time.
    pub clock: Clock,
}

/// Fields that describe the bytes of a body; they go when the bytes change.
const BODY_FIELDS: [&str; 4] = ["content-encoding", "content-md5", "digest", "content-digest"];

impl Calls {
    /// Answers a request for one of Segment's endpoints; `path` is seen from Segment's own root.
    ///
    /// # Errors
    /// [`Broken`]: the client's own body is broken.
    pub async fn handle(&self, request: Request<Incoming>, endpoint: Endpoint, path: &str, caller: &Caller<'_>) -> Result<Response<Body>, Broken> {
        let asked = request.headers().get(ORIGIN).map(|origin| HeaderMap::from_iter([(ORIGIN, origin.clone())])).unwrap_or_default();
        let mut response = match (request.method(), endpoint) {
            (&Method::OPTIONS, _) => preflight(),
            (&Method::POST, Endpoint::Calls(expect)) => self.calls(request, expect, path, caller).await?,
            (&Method::GET, Endpoint::Pixel(kind)) => self.pixel(request, kind, path, caller).await,
            (_, Endpoint::Cdn) => self.pass(request, path, &self.rules.segment.cdn, caller).await,
            _ => self.pass(request, path, &self.rules.segment.api, caller).await,
        };
        cors::answer(&asked, caller.host, &self.rules.segment.origins, response.headers_mut());
        Ok(response)
    }

    /// A request that is none of our business: it goes on, and its answer comes back.
    async fn pass(&self, request: Request<Incoming>, path: &str, target: &Uri, caller: &Caller<'_>) -> Response<Body> {
        let (parts, body) = request.into_parts();
        let visitor = visitor(&parts.headers, caller);
        self.forward(&parts, visitor.as_ref(), path, target, Body::incoming(body)).await
    }

    /// An envelope: see the head of this module.
    async fn calls(&self, request: Request<Incoming>, expect: Expect, path: &str, caller: &Caller<'_>) -> Result<Response<Body>, Broken> {
        let (parts, body) = request.into_parts();
        let visitor = visitor(&parts.headers, caller);
        let (came, rest) = match body::read(body).await? {
            Received::Whole(came) => (came, None),
            Received::Prefix(prefix, rest) => (prefix, Some(rest)),
        };
        let to_segment = |body| self.forward(&parts, visitor.as_ref(), path, &self.rules.segment.api, body);
        if let Some(rest) = rest {
            self.metrics.untouched("too_large");
            return Ok(to_segment(Body::prefixed(came, rest)).await);
        }
        let inflated = match body::open(&parts.headers, &came) {
            Ok(Plain::Same) => None,
            Ok(Plain::Inflated(plain)) => Some(plain),
            Err(sealed) => {
                self.metrics.untouched(sealed.label());
                return Ok(to_segment(Body::full(came)).await);
            }
        };
        let text = inflated.as_deref().unwrap_or(&came);
        let envelope = match Envelope::read(text, expect, &self.rules.names) {
            Ok(envelope) => envelope,
            Err(untouched) => {
                self.metrics.untouched(untouched.label());
                return Ok(to_segment(Body::full(came)).await);
            }
        };
        let judged = self.judge(&envelope, &parts.headers, visitor.as_ref(), caller).await;
        let spliced = Spliced { envelope: &envelope, judged: &judged, rules: &self.rules, metrics: &self.metrics, expect };
        let write_key = self.write_key(&envelope, &parts.headers);
        let record = self.recorder.record(&judged, write_key.as_deref());
        let mut response = if spliced.waits_for_the_record() {
            let recorded = record.await;
            self.forward_spliced(&parts, visitor.as_ref(), path, came.clone(), spliced.body(&recorded)).await
        } else {
            let forwarded = self.forward_spliced(&parts, visitor.as_ref(), path, came.clone(), spliced.body(&Recorded::default()));
            tokio::join!(forwarded, record).0
        };
        self.give_cookies(&parts.headers, &judged, caller, response.headers_mut());
        Ok(response)
    }

    async fn judge<'e>(&self, envelope: &'e Envelope<'_>, headers: &HeaderMap, visitor: Option<&Visitor>, caller: &Caller<'_>) -> Vec<Judged<'e>> {
        let arrival = self.clock.now();
        let write_key = self.write_key(envelope, headers);
        let carried = self.carried(headers, arrival);
        let facts = Facts {
            arrival,
            carried: carried.click(),
            visitor,
            write_key: write_key.as_deref(),
            space: self.rules.space(write_key.as_deref(), caller.space),
        };
        let mut judged = Vec::new();
        for view in envelope.calls() {
            let one = judge(&view, &facts, &self.rules, Some(&self.links)).await;
            self.metrics.call(one.view.kind, judge::basis_label(one.attribution.as_ref()));
            judged.push(one);
        }
        judged
    }

    fn write_key(&self, envelope: &Envelope<'_>, headers: &HeaderMap) -> Option<String> {
        envelope.write_key().map(Into::into).or_else(|| forward::write_key(headers))
    }

    fn carried(&self, headers: &HeaderMap, now: Time) -> Carried {
        Carried::read(headers, &self.rules.click, &self.fallbacks, now)
    }

    /// Sends the spliced body, plain and under a new length; or, with nothing spliced, what came, as it came.
    async fn forward_spliced(&self, parts: &request::Parts, visitor: Option<&Visitor>, path: &str, came: Bytes, spliced: Option<Vec<u8>>) -> Response<Body> {
        let api = &self.rules.segment.api;
        let Some(spliced) = spliced else {
            return self.forward(parts, visitor, path, api, Body::full(came)).await;
        };
        let mut changed = parts.clone();
        for field in BODY_FIELDS {
            changed.headers.remove(field);
        }
        changed.headers.insert(CONTENT_LENGTH, HeaderValue::from(spliced.len()));
        self.forward(&changed, visitor, path, api, Body::full(spliced.into())).await
    }

    /// Sends a request on under Segment's own host, and hands its answer back; while Segment is away, asks for another try.
    async fn forward(&self, parts: &request::Parts, visitor: Option<&Visitor>, path: &str, target: &Uri, body: Body) -> Response<Body> {
        let mut request = Request::new(body);
        *request.method_mut() = parts.method.clone();
        *request.headers_mut() = forward::headers(&parts.headers, visitor);
        let answer = self.upstream.forward(request, target, path).await;
        match answer {
            Ok(response) if answer::is_away(response.status()) => answer::away(),
            Ok(response) => {
                let (mut parts, body) = response.into_parts();
                answer::passed_on(parts.status, &mut parts.headers);
                Response::from_parts(parts, Body::incoming(body))
            }
            Err(error) => {
                tracing::warn!(%error, "Segment is away");
                answer::away()
            }
        }
    }

    /// A same-site page may hold a click that the edge never saw a document of (prerendered, cached, single-page): its
    /// calls show it, and their answer carries the cookies.
    fn give_cookies(&self, headers: &HeaderMap, judged: &[Judged<'_>], caller: &Caller<'_>, response: &mut HeaderMap) {
        let same_site = headers.get("sec-fetch-site").is_some_and(|site| site == "same-origin" || site == "same-site");
        let newest = judged.iter().filter(|one| !one.bot).filter_map(|one| one.url_click.as_ref()).max_by_key(|click| click.at);
        let (true, Some(newest)) = (same_site, newest) else { return };
        let now = self.clock.now();
        let carried = self.carried(headers, now);
        let newer = carried.click().is_none_or(|carried| carried.id != newest.id && wins(newest, carried, self.rules.click.policy));
        if newer && !newest.is_expired(self.rules.click.window, now) {
            let scope = Scope { host: caller.host, https: caller.https };
            response.extend(cookie::set(newest, &self.rules.click, scope, now).map(|value| (SET_COOKIE, value)));
            if self.rules.click.twin {
                response.extend(twin::issue(&newest.id, &self.rules.names, scope.domain(&self.rules.click)).map(|value| (SET_COOKIE, value)));
            }
        }
    }
}

/// The visitor behind a browser's call. Browsers say where a call comes from; servers and apps do not, and theirs is
/// nobody's address.
fn visitor(headers: &HeaderMap, caller: &Caller<'_>) -> Option<Visitor> {
    let is_browser = headers.contains_key(ORIGIN) || headers.contains_key("sec-fetch-site");
    is_browser.then(|| visitor_of(headers, caller))
}

fn visitor_of(headers: &HeaderMap, caller: &Caller<'_>) -> Visitor {
    Visitor {
        ip: Some(caller.ip),
        user_agent: headers.get(USER_AGENT).and_then(|agent| agent.to_str().ok()).map(str::to_owned),
    }
}

fn preflight() -> Response<Body> {
    let mut response = answer::success();
    cors::preflight(response.headers_mut());
    response
}
