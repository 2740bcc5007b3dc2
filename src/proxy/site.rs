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
use super::tunnel::Hold;
use super::upstream::{Upstream, UpstreamError, Waits};
use super::websocket::Opening;
use http::header::{CONTENT_TYPE, HOST};
use http::{HeaderMap, Request, Response, StatusCode};
use hyper::upgrade::OnUpgrade;
use std::pin::pin;
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
        let (protocol, tls_name) = (settings.origin_protocol, settings.tls_name.as_ref());
        let origin = Upstream::new(&settings.origin, protocol, waits, trust, tls_name)?;
        Ok(Self { settings, origin })
    }
}

/// Forwards a visit to the site's origin, and keeps its click in the answer's cookies.
pub(super) async fn visit(
    edge: &Edge,
    site: &Served,
    mut request: Box<Request<Body>>,
    visitor: &VisitorFacts,
    watch: &Stopwatch,
) -> Response<Body> {
    let shared = edge.shared();
    let landing = Landing::read(&request, shared);
    let version = request.version();
    let upgrade = headers::ready_request(request.headers_mut(), version);
    let (opening, hold) = (request.extensions_mut().remove(), request.extensions_mut().remove());
    let switch =
        upgrade.map(|upgrade| Box::new(Switch { upgrade, opening, hold, visitor: hyper::upgrade::on(&mut *request) }));
    if site.settings.host == HostMode::Rewrite {
        request.headers_mut().insert(HOST, site.origin.host().clone());
    }
    let conversation = request.body().conversation();
    let forwarded = pin!(site.origin.forward(request));
    let forwarded = pin!(watch.waiting(forwarded));
    let (outcome, first_seen) = match &landing {
        // Boxed, since most visits are none.
        Some(landing) => Box::pin(async { tokio::join!(forwarded, landing.first_seen(shared)) }).await,
        None => (forwarded.await, None),
    };
    if let Some(conversation) = conversation {
        conversation.begin();
    }
    let pause = site.settings.body_timeout;
    let mut response = match outcome.and_then(|answer| pass_on(edge, answer, pause, switch)) {
        Ok(response) => response,
        Err(error) => rescue(&error, visitor.host.name(), shared.clock.now()),
    };
    if let Some(landing) = landing {
        landing.keep(first_seen, &mut response, visitor, shared);
    }
    response
}

/// What a visitor asks to switch to.
struct Switch {
    upgrade: Upgrade,
    /// By HTTP/2 it is a WebSocket.
    opening: Option<Opening>,
    hold: Option<Hold>,
    visitor: OnUpgrade,
}

fn pass_on(
    edge: &Edge,
    mut answer: Response<Body>,
    pause: Duration,
    switch: Option<Box<Switch>>,
) -> Result<Response<Body>, ForwardError> {
    let by_http2 = switch.as_ref().and_then(|switch| switch.opening.as_ref());
    if answer.status() != StatusCode::SWITCHING_PROTOCOLS {
        // To a CONNECT any 2xx says that there is a tunnel.
        if by_http2.is_some() && answer.status().is_success() {
            return Err(ForwardError::BadAnswer(None));
        }
        headers::ready_response(answer.headers_mut());
        let pause = if is_conversation(answer.headers()) { edge.tunnel_idle() } else { pause };
        return Ok(answer.map(|body| body.at_pace(Pace::pausing(pause))));
    }
    let is_accepted = by_http2.is_none_or(|opening| opening.is_accepted(answer.headers_mut()));
    let granted = switch.filter(|switch| is_accepted && switch.upgrade.is_granted(answer.headers()));
    let Some(Switch { opening, hold, visitor, .. }) = granted.map(|switch| *switch) else {
        return Err(ForwardError::BadAnswer(None));
    };
    edge.tunnels().join(visitor, hyper::upgrade::on(&mut answer), hold);
    if opening.is_some() {
        *answer.status_mut() = StatusCode::OK;
        headers::ready_response(answer.headers_mut());
    } else {
        headers::ready_switch(answer.headers_mut());
    }
    Ok(answer.map(|_| Body::empty()))
}

/// Whether an answer is one of those in which silence is no fault: nothing happens, or nobody has said anything.
fn is_conversation(headers: &HeaderMap) -> bool {
    let kind = headers.get(CONTENT_TYPE).map(|kind| kind.as_bytes().to_ascii_lowercase()).unwrap_or_default();
    [&b"text/event-stream"[..], b"application/grpc"].iter().any(|known| kind.starts_with(known))
}
