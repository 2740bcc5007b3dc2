//! What a visit leaves with the visitor: the click in the master cookie, its twin, and who may cache the answer then.

use super::body::Body;
use super::cacheable::make_private;
use super::forwarded::VisitorFacts;
use super::shared::Shared;
use crate::click::cookie::{self, Scope, cookies};
use crate::click::visit::{Master, Outcome};
use crate::click::{Click, Visit, decide, hygiene};
use crate::clock::Time;
use crate::links::Lesson;
use crate::live;
use crate::segment::twin::{self, Repair, Twin};
use http::header::{COOKIE, SET_COOKIE};
use http::{HeaderMap, HeaderValue, Request, Response, StatusCode};
use std::time::Duration;
use tokio::time::timeout;

/// How long an answer waits for the store's word on a click; without it the click counts from now.
const FIRST_SEEN_WAIT_MAX: Duration = Duration::from_millis(50);

/// Segment's cookie for the anonymousId, and how long its library keeps it.
const ANONYMOUS_ID: &str = "ajs_anonymous_id";
const ANONYMOUS_ID_KEPT: Duration = Duration::from_secs(365 * 86_400);

/// A visit that may leave something behind; most do not.
pub(super) struct Landing {
    visit: Visit,
    twin: Option<Twin>,
    anonymous_id: Option<String>,
    is_document: bool,
    now: Time,
}

impl Landing {
    /// Reads a request; `None` for one that has neither a click nor cookies that are ours to look after.
    pub(super) fn read(request: &Request<Body>, shared: &Shared) -> Option<Self> {
        let (headers, query) = (request.headers(), request.uri().query());
        if query.is_none() && !headers.contains_key(COOKIE) {
            return None;
        }
        let now = shared.clock.now();
        let config = &shared.rules.click;
        let visit = Visit::read(request.method(), query, headers, config, &shared.fallbacks, now);
        let is_document = hygiene::is_document(request.method(), headers);
        let cookie = |name| cookies(headers).find(|(own, _)| *own == name).map(|(_, value)| value);
        let looks_after = is_document && !hygiene::is_prefetch(headers);
        let twin = cookie(twin::NAME).filter(|_| looks_after && config.twin);
        let anonymous_id = cookie(ANONYMOUS_ID).filter(|_| looks_after && config.renew_anonymous_id);
        Some(Self {
            visit,
            twin: twin.map(|raw| twin::read(raw.as_bytes(), &shared.rules.names)),
            anonymous_id: anonymous_id.map(str::to_owned),
            is_document: looks_after,
            now,
        })
    }

    /// When the visit's click was first seen, if it was before.
    pub(super) async fn first_seen(&self, shared: &Shared) -> Option<Time> {
        let id = self.visit.candidate()?;
        timeout(FIRST_SEEN_WAIT_MAX, shared.links.first_seen(id)).await.unwrap_or_default()
    }

    /// Decides what the visit leaves, and writes it on the answer.
    pub(super) fn keep(
        &self,
        first_seen: Option<Time>,
        response: &mut Response<Body>,
        visitor: &VisitorFacts,
        shared: &Shared,
    ) {
        let config = &shared.rules.click;
        let capture = decide(&self.visit, first_seen, config, self.now);
        if capture.outcome != Outcome::None {
            shared.metrics.click(capture.outcome);
        }
        let scope = Scope { host: visitor.host.name(), https: visitor.https };
        let mut set = Vec::new();
        match &capture.master {
            Master::Keep => {}
            Master::Set(click) => {
                set.extend(cookie::set(click, config, scope, self.now));
                self.remember(click, visitor, shared);
            }
            Master::Delete => set.extend(cookie::delete(config, scope)),
        }
        if self.is_document && is_page(response.status()) {
            let domain = cookie::cookie_domain(scope.host, config.cookie_domain.as_deref());
            if config.twin {
                set.extend(self.mend_twin(capture.click(&self.visit), domain, shared));
            }
            set.extend(self.anonymous_id.as_deref().and_then(|value| renewed(value, domain)));
        }
        write(set, response.headers_mut());
    }

    fn mend_twin(&self, master: Option<&Click>, domain: Option<&str>, shared: &Shared) -> Option<HeaderValue> {
        match twin::repair(self.twin.as_ref(), master) {
            Repair::Leave => None,
            Repair::Issue(id) => twin::issue(&id, &shared.rules.names, domain),
            Repair::Delete => twin::delete(domain),
        }
    }

    /// The store keeps the first sighting of each click; nobody waits for it.
    fn remember(&self, click: &Click, visitor: &VisitorFacts, shared: &Shared) {
        let lesson = Lesson { click: Some(click.clone()), ..Lesson::default() };
        shared.store.submit(shared.links.teach(&lesson));
        shared.live.tell(self.now, live::Kind::ClickCaptured, || format!("{:?} on {}", click.id, visitor.host.name()));
    }
}

/// Twin and anonymousId go with pages that a browser shows or follows, never with an error or a 304.
fn is_page(status: StatusCode) -> bool {
    (status.is_success() || status.is_redirection()) && status != StatusCode::NOT_MODIFIED
}

/// The same anonymousId, set by HTTP: Safari keeps what scripts set for seven days only.
fn renewed(value: &str, domain: Option<&str>) -> Option<HeaderValue> {
    let domain = domain.map(|domain| format!("; Domain={domain}")).unwrap_or_default();
    let kept = ANONYMOUS_ID_KEPT.as_secs();
    HeaderValue::try_from(format!("{ANONYMOUS_ID}={value}; SameSite=Lax; Path=/{domain}; Max-Age={kept}")).ok()
}

fn write(set: Vec<HeaderValue>, headers: &mut HeaderMap) {
    if set.is_empty() {
        return;
    }
    make_private(headers);
    for value in set {
        headers.append(SET_COOKIE, value);
    }
}
