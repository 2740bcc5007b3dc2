//! Segment calls: one flow, from the request to Segment's answer.
//!
//! `read body → envelope → judge each call → record deliveries → splice → forward`. Whatever fails on the way, the bytes
//! that came go on to Segment, and what Segment answers goes back.

pub(in crate::proxy) mod answer;
pub mod body;
mod cors;
mod forward;
pub mod judge;
mod kept;
mod pixel;
mod record;
mod settings;
mod spliced;

use self::body::{Plain, Received};
use self::judge::{Facts, Judged, asked, judge};
use self::kept::Outgoing;
use self::record::Recorded;
use self::spliced::Spliced;
use crate::attribution::wins;
use crate::click::cookie::{self, Carried, Scope};
use crate::clock::Time;
use crate::outbox::Forwards;
use crate::proxy::body::{Body, BodyError};
use crate::proxy::cacheable::make_private;
use crate::proxy::headers;
use crate::proxy::patience::Pace;
use crate::proxy::regions::Regions;
use crate::proxy::shared::Shared;
use crate::proxy::stopwatch::Stopwatch;
use crate::proxy::upstream::Upstream;
use crate::segment::{Endpoint, Envelope, Expect, Untouched, Visitor, twin};
use crate::store::OnFailure;
use http::header::{ORIGIN, SET_COOKIE, USER_AGENT};
use http::{HeaderMap, Method, Request, Response};
use std::net::IpAddr;
use std::pin::pin;
use std::sync::Arc;
use std::time::Duration;

pub use self::record::Recorder;

/// How long Segment may pause within an answer: SDKs themselves give up earlier.
const PAUSE_MAX: Duration = Duration::from_secs(60);

/// The room's state, shared by all connections.
pub struct Calls {
    /// What visits and calls share.
    pub shared: Arc<Shared>,
    /// Where deliveries and lessons are recorded.
    pub recorder: Recorder,
    /// Where requests are kept that Segment missed.
    pub forwards: Forwards,
    /// The ways to Segment's API.
    pub regions: Arc<Regions>,
    /// The way to Segment's CDN.
    pub cdn: Upstream,
}

/// Who calls, and where.
#[derive(Clone, Copy, Debug)]
pub struct Caller<'a> {
    /// The host that was called, without port.
    pub host: &'a str,
    /// The same as it was called, with its port.
    pub authority: &'a str,
    /// The part of the path that is not Segment's: `/cdp`.
    pub prefix: &'a str,
    /// Whether over https.
    pub https: bool,
    /// The caller's address, after trusted proxies.
    pub ip: IpAddr,
    /// The space of ids of the site under that host.
    pub space: &'a str,
}

impl Calls {
    /// Answers a request for one of Segment's endpoints; `path` is seen from Segment's own root.
    ///
    /// # Errors
    /// The client's own body broke off, or is framed wrongly.
    pub async fn handle(
        &self,
        request: Box<Request<Body>>,
        endpoint: Endpoint,
        path: &str,
        caller: &Caller<'_>,
        watch: &Stopwatch,
    ) -> Result<Response<Body>, BodyError> {
        let asked = request
            .headers()
            .get(ORIGIN)
            .map(|origin| HeaderMap::from_iter([(ORIGIN, origin.clone())]))
            .unwrap_or_default();
        let is_preflight = *request.method() == Method::OPTIONS;
        let mut response = match (request.method(), endpoint) {
            (&Method::OPTIONS, _) => answer::success(),
            (&Method::POST, Endpoint::Calls(expect)) => self.calls(request, expect, path, caller, watch).await?,
            (&Method::GET, Endpoint::Pixel(kind)) => self.pixel(request, kind, path, caller, watch).await,
            (&(Method::GET | Method::HEAD), Endpoint::Settings) if self.shared.rules.segment.rewrite_settings => {
                self.settings(&request, path, caller, watch).await
            }
            (_, Endpoint::Cdn | Endpoint::Settings) => self.pass(request, path, &self.cdn, caller, watch).await,
            _ => {
                let api = self.regions.of(forward::write_key(request.headers()).as_deref());
                self.pass(request, path, &api, caller, watch).await
            }
        };
        cors::answer(&asked, caller.host, &self.shared.rules.segment.origins, response.headers_mut());
        if is_preflight {
            cors::preflight(response.headers_mut());
        }
        Ok(response)
    }

    /// A request that is none of our business: it goes on, and its answer comes back.
    async fn pass(
        &self,
        request: Box<Request<Body>>,
        path: &str,
        target: &Upstream,
        caller: &Caller<'_>,
        watch: &Stopwatch,
    ) -> Response<Body> {
        let (parts, body) = (*request).into_parts();
        let headers = forward::headers(&parts.headers, visitor(&parts.headers, caller).as_ref());
        let answer = self.forward(&parts.method, headers, path, target, body, watch).await;
        answer.unwrap_or_else(answer::away)
    }

    /// An envelope: see the head of this module.
    async fn calls(
        &self,
        request: Box<Request<Body>>,
        expect: Expect,
        path: &str,
        caller: &Caller<'_>,
        watch: &Stopwatch,
    ) -> Result<Response<Body>, BodyError> {
        let (parts, body) = (*request).into_parts();
        let visitor = visitor(&parts.headers, caller);
        let headers = forward::headers(&parts.headers, visitor.as_ref());
        let came = match body::read(body).await? {
            Received::Whole(came) => came,
            Received::Prefix(prefix, rest) => {
                self.shared.metrics.envelope(Untouched::TooLarge);
                let body = Body::prefixed(prefix, rest);
                let api = self.regions.of(forward::write_key(&parts.headers).as_deref());
                let answer = self.forward(&parts.method, headers, path, &api, body, watch).await;
                return Ok(answer.unwrap_or_else(answer::away));
            }
        };
        let (method, arrival) = (parts.method.clone(), self.shared.clock.now());
        let write_key = forward::write_key(&parts.headers);
        let people = Vec::new();
        let mut out = Outgoing { method, path, headers, body: came.clone(), arrival, people, write_key };
        let inflated = match body::open(&parts.headers, &came) {
            Ok(Plain::Same) => None,
            Ok(Plain::Inflated(plain)) => Some(plain),
            Err(sealed) => {
                self.shared.metrics.envelope(sealed);
                return Ok(self.send(out, watch).await);
            }
        };
        let text = inflated.as_deref().unwrap_or(&came);
        let envelope = match Envelope::read(text, expect, &self.shared.rules.names) {
            Ok(envelope) => envelope,
            Err(untouched) => {
                self.shared.metrics.envelope(untouched);
                // Segment may be slow, and this large.
                drop(inflated);
                return Ok(self.send(out, watch).await);
            }
        };
        let judged = self.judge(&envelope, &parts.headers, visitor.as_ref(), caller).await;
        let spliced =
            Spliced { envelope: &envelope, judged: &judged, shared: &self.shared, expect, takes_integrations: true };
        out.write_key = self.write_key(&envelope, &parts.headers);
        let write_key = out.write_key.clone();
        let record = self.recorder.record(&judged, write_key.as_deref());
        out.people = judged.iter().flat_map(|one| one.anonymous.into_iter().chain(one.user)).collect();
        let refuses = self.recorder.on_store_failure == OnFailure::Refuse;
        let mut response = if refuses || spliced.waits_for_the_record() {
            let recorded = record.await;
            if refuses && recorded.failed() {
                return Ok(answer::away());
            }
            out.replace(spliced.body(&recorded));
            self.send(out, watch).await
        } else {
            out.replace(spliced.body(&Recorded::default()));
            let (sending, recording) = (pin!(self.send(out, watch)), pin!(record));
            let (response, recorded) = tokio::join!(sending, recording);
            spliced.count_unswitched(&recorded);
            response
        };
        self.give_cookies(&parts.headers, &judged, caller, response.headers_mut());
        Ok(response)
    }

    async fn judge<'e>(
        &self,
        envelope: &'e Envelope<'_>,
        headers: &HeaderMap,
        visitor: Option<&Visitor>,
        caller: &Caller<'_>,
    ) -> Vec<Judged<'e>> {
        let arrival = self.shared.clock.now();
        let write_key = self.write_key(envelope, headers);
        let carried = self.carried(headers, arrival);
        let facts = Facts {
            arrival,
            carried: carried.click(),
            visitor,
            write_key: write_key.as_deref(),
            space: self.shared.rules.space(write_key.as_deref(), caller.space),
        };
        let (rules, links) = (&self.shared.rules, &self.shared.links);
        let views: Vec<_> = envelope.calls().collect();
        if views.len() > 1 {
            // A batch's people are many, and each reading on its own is a wait.
            links.recall(&views.iter().flat_map(|view| asked(view, &facts, rules)).collect::<Vec<_>>()).await;
        }
        let mut judged = Vec::with_capacity(views.len());
        for view in views {
            let one = judge(&view, &facts, rules, Some(links)).await;
            self.shared.metrics.call(one.view.kind, one.basis());
            if let Some(Err(kept)) = &one.referrer {
                self.shared.metrics.call_untouched(*kept);
            }
            if one.shared {
                self.shared.metrics.call_of_shared_id();
            }
            judged.push(one);
        }
        judged
    }

    fn write_key(&self, envelope: &Envelope<'_>, headers: &HeaderMap) -> Option<String> {
        envelope.write_key().map(Into::into).or_else(|| forward::write_key(headers))
    }

    fn carried(&self, headers: &HeaderMap, now: Time) -> Carried {
        Carried::read(headers, &self.shared.rules.click, &self.shared.fallbacks, now)
    }

    /// Sends a request on under Segment's own host, and hands its answer back; `None` while Segment is away.
    async fn forward(
        &self,
        method: &Method,
        headers: HeaderMap,
        path: &str,
        target: &Upstream,
        body: Body,
        watch: &Stopwatch,
    ) -> Option<Response<Body>> {
        let mut request = Box::new(Request::new(body));
        *request.method_mut() = method.clone();
        *request.headers_mut() = headers;
        *request.uri_mut() = path.parse().ok()?;
        match watch.waiting(pin!(target.forward(request))).await {
            Ok(response) if answer::is_away(response.status()) => None,
            Ok(response) => {
                let (mut parts, body) = response.into_parts();
                headers::ready_response(&mut parts.headers);
                answer::passed_on(parts.status, &mut parts.headers);
                Some(Response::from_parts(parts, body.at_pace(Pace::pausing(PAUSE_MAX))))
            }
            Err(error) => {
                tracing::warn!(%error, "Segment is away");
                None
            }
        }
    }

    /// A same-site page may hold a click that the edge never saw a document of (prerendered, cached, single-page): its
    /// calls show it, and their answer carries the cookies.
    fn give_cookies(&self, asked: &HeaderMap, judged: &[Judged<'_>], caller: &Caller<'_>, response: &mut HeaderMap) {
        let same_site = asked.get("sec-fetch-site").is_some_and(|site| site == "same-origin" || site == "same-site");
        let newest =
            judged.iter().filter(|one| !one.bot).filter_map(|one| one.url_click.as_ref()).max_by_key(|click| click.at);
        let (true, Some(newest)) = (same_site, newest) else { return };
        let now = self.shared.clock.now();
        let carried = self.carried(asked, now);
        let newer = carried
            .click()
            .is_none_or(|carried| carried.id != newest.id && wins(newest, carried, self.shared.rules.click.policy));
        if newer && !newest.is_expired(self.shared.rules.click.window, now) {
            let scope = Scope { host: caller.host, https: caller.https };
            make_private(response);
            response.extend(cookie::set(newest, &self.shared.rules.click, scope, now).map(|value| (SET_COOKIE, value)));
            if self.shared.rules.click.twin {
                let domain = cookie::cookie_domain(caller.host, self.shared.rules.click.cookie_domain.as_deref());
                response
                    .extend(twin::issue(&newest.id, &self.shared.rules.names, domain).map(|value| (SET_COOKIE, value)));
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
