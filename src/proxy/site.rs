//! A visit to the site, from top to bottom.

use super::body::Body;
use super::config::{HostMode, Site};
use super::edge::Edge;
use super::forwarded::VisitorFacts;
use super::headers::{self, Upgrade};
use super::landing::Landing;
use super::patience::Pace;
use super::rescue::{ForwardError, rescue};
use super::stopwatch::Stopwatch;
use super::trust::Trust;
use super::upstream::{Upstream, UpstreamError, Waits};
use http::header::{CONTENT_TYPE, HOST};
use http::{HeaderMap, Request, Response, StatusCode};
use hyper::body::Incoming;
use hyper::upgrade::OnUpgrade;
use std::time::Duration;

/// A site as it is served: its settings, and the way to its origin.
#[derive(Debug)]
pub struct Served {
    /// The `[[site]]` section.
    pub settings: Site,
    /// The site's own server.
    pub origin: Upstream,
}

impl Served {
    /// Prepares the way to the site's origin; connects to nothing yet.
    pub fn new(settings: Site, trust: &Trust) -> Result<Self, UpstreamError> {
        let waits = Waits { connect: settings.connect_timeout, response: settings.response_timeout };
        let origin = Upstream::new(&settings.origin, waits, trust, settings.tls_name.as_ref())?;
        Ok(Self { settings, origin })
    }
}

/// Forwards a visit to the site's origin, and keeps its click in the answer's cookies.
pub(super) async fn visit(
    edge: &Edge,
    site: &Served,
    mut request: Request<Body>,
    visitor: &VisitorFacts,
    watch: &Stopwatch,
) -> Response<Body> {
    let shared = edge.shared();
    let landing = Landing::read(&request, shared);
    let version = request.version();
    let upgrade = headers::ready_request(request.headers_mut(), version);
    let visitor_side = upgrade.is_some().then(|| hyper::upgrade::on(&mut request));
    if site.settings.host == HostMode::Rewrite {
        request.headers_mut().insert(HOST, site.origin.host().clone());
    }
    let first_seen = async {
        match &landing {
            Some(landing) => landing.first_seen(shared).await,
            None => None,
        }
    };
    let conversation = request.body().conversation();
    let forwarded = watch.waiting(site.origin.forward(request));
    let (outcome, first_seen) = tokio::join!(forwarded, first_seen);
    if let Some(conversation) = conversation {
        conversation.begin();
    }
    let pause = site.settings.body_timeout;
    let mut response = match outcome.and_then(|answer| pass_on(edge, answer, pause, upgrade.as_ref(), visitor_side)) {
        Ok(response) => response,
        Err(error) => rescue(&error, visitor.host.name(), shared.clock.now()),
    };
    if let Some(landing) = landing {
        landing.keep(first_seen, &mut response, visitor, shared);
    }
    response
}

fn pass_on(
    edge: &Edge,
    mut answer: Response<Incoming>,
    pause: Duration,
    upgrade: Option<&Upgrade>,
    visitor_side: Option<OnUpgrade>,
) -> Result<Response<Body>, ForwardError> {
    if answer.status() != StatusCode::SWITCHING_PROTOCOLS {
        headers::ready_response(answer.headers_mut());
        let pause = if is_conversation(answer.headers()) { edge.tunnel_idle() } else { pause };
        return Ok(answer.map(|body| Body::from(body).at_pace(Pace::pausing(pause), pause)));
    }
    let granted = upgrade.is_some_and(|upgrade| upgrade.is_granted(answer.headers()));
    let (true, Some(visitor_side)) = (granted, visitor_side) else {
        return Err(ForwardError::BadAnswer(None));
    };
    edge.tunnels().join(visitor_side, hyper::upgrade::on(&mut answer));
    headers::ready_switch(answer.headers_mut());
    Ok(answer.map(|_| Body::empty()))
}

/// Whether an answer is one of those in which silence is no fault: nothing happens, or nobody has said anything.
fn is_conversation(headers: &HeaderMap) -> bool {
    let kind = headers.get(CONTENT_TYPE).map(|kind| kind.as_bytes().to_ascii_lowercase()).unwrap_or_default();
    [&b"text/event-stream"[..], b"application/grpc"].iter().any(|known| kind.starts_with(known))
}
