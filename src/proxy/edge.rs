//! What all connections share, and the first look at a request.

use super::body::{Body, BodyError};
use super::calls::{Caller, Calls};
use super::config::Site;
use super::forwarded::{Peer, VisitorFacts, introduce};
use super::headers;
use super::host::Host;
use super::http2::as_http1;
use super::https::Https;
use super::patience::Pace;
use super::rescue::{Refusal, refuse};
use super::route::{Route, Routes};
use super::shared::Shared;
use super::shown::ShownIp;
use super::site::{self, Served};
use super::stopwatch::Stopwatch;
use super::trust::Trust;
use super::tunnel::Tunnels;
use super::upstream::UpstreamError;
use super::websocket::{self, Opening};
use crate::metrics;
use crate::segment::endpoint::endpoint;
use http::uri::PathAndQuery;
use http::{Request, Response, Uri, Version};
use hyper::body::Incoming;
use ipnet::IpNet;
use std::net::IpAddr;
use std::sync::Arc;
use std::time::Duration;

/// What an [`Edge`] is made of.
pub struct Parts {
    /// The `[[site]]` sections.
    pub sites: Vec<Site>,
    /// Peers whose forwarding fields are believed.
    pub trusted_proxies: Vec<IpNet>,
    /// The flow of Segment calls.
    pub calls: Calls,
    /// What visits and calls share.
    pub shared: Arc<Shared>,
    /// The policy on https.
    pub https: Https,
    /// Whose certificates are believed of origins.
    pub trust: Trust,
    /// Whether each request leaves a line in the log.
    pub access_log: bool,
    /// What of a visitor's address the log shows.
    pub shown_ip: ShownIp,
    /// What is asked of whoever sends a request's body.
    pub pace: Pace,
    /// How long nothing may go through a tunnel, or an open conversation.
    pub tunnel_idle: Duration,
}

/// The shared state of all connections.
pub struct Edge {
    routes: Routes,
    trusted_proxies: Vec<IpNet>,
    calls: Calls,
    shared: Arc<Shared>,
    https: Https,
    access_log: bool,
    shown_ip: ShownIp,
    pace: Pace,
    tunnel_idle: Duration,
    tunnels: Tunnels,
}

impl Edge {
    /// Joins the parts; connects to nothing yet. Fails when a target or TLS cannot be used.
    pub fn new(parts: Parts) -> Result<Self, UpstreamError> {
        let sites =
            parts.sites.into_iter().map(|site| Served::new(site, &parts.trust)).collect::<Result<Vec<_>, _>>()?;
        Ok(Self {
            routes: Routes::new(sites, &parts.shared.rules.segment),
            trusted_proxies: parts.trusted_proxies,
            calls: parts.calls,
            shared: parts.shared,
            https: parts.https,
            access_log: parts.access_log,
            shown_ip: parts.shown_ip,
            pace: parts.pace,
            tunnel_idle: parts.tunnel_idle,
            tunnels: Tunnels::new(parts.tunnel_idle),
        })
    }

    /// Answers one request: the flow of every request begins here.
    pub async fn handle(&self, mut request: Request<Incoming>, peer: &Peer) -> Response<Body> {
        let host = match admit(&request) {
            Ok(host) => host,
            Err(refusal) => return refuse(refusal),
        };
        if peer.tls_name().is_some_and(|name| !self.routes.is_one(name, host.name())) {
            return refuse(Refusal::Misdirected);
        }
        as_http1(&mut request, &host);
        websocket::as_http1(&mut request);
        let version = request.version();
        // In a box, so that it is not moved from hand to hand.
        let mut request =
            Box::new(request.map(|body| Body::came(version, body).conversing(self.pace, self.tunnel_idle)));
        let watch = Stopwatch::start();
        let seen = self.access_log.then(|| (request.method().clone(), request.uri().path().to_owned()));
        let route = self.routes.find(host.name(), request.uri().path());
        let visitor = introduce(request.headers_mut(), peer, host, &self.trusted_proxies);
        let (route, response) = match route {
            Route::Site(site) => (metrics::Route::Site, self.visit(site, request, &visitor, &watch).await),
            Route::Call { .. } if request.extensions().get::<Opening>().is_some() => return refuse(Refusal::Protocol),
            Route::Call { site, prefix } => {
                let space = site.map_or("default", |site| &site.settings.space);
                // A call's state is many times as large as a visit's, and every request would be moved about with room for it.
                let call = Box::pin(self.call(request, &visitor, space, prefix, &watch));
                (metrics::Route::Segment, call.await)
            }
            Route::UnknownHost => return refuse(Refusal::UnknownHost),
        };
        let (status, total) = (response.status().as_u16(), watch.total());
        self.shared.metrics.request_ended(route, status, total, watch.upstream());
        if let Some((method, path)) = seen {
            tracing::info!(%method, path, status, total_us = total.as_micros(), ip = self.shown(visitor.ip), "request");
        }
        response
    }

    async fn visit(
        &self,
        site: &Served,
        request: Box<Request<Body>>,
        visitor: &VisitorFacts,
        watch: &Stopwatch,
    ) -> Response<Body> {
        let _in_flight = self.shared.metrics.request_began(metrics::Route::Site);
        if let Some(redirect) = self.https.redirect(request.method(), request.uri(), visitor) {
            return redirect;
        }
        let mut response = site::visit(self, site, request, visitor, watch).await;
        self.https.remind(response.headers_mut(), visitor);
        response
    }

    async fn call(
        &self,
        request: Box<Request<Body>>,
        visitor: &VisitorFacts,
        space: &str,
        prefix: &str,
        watch: &Stopwatch,
    ) -> Response<Body> {
        let _in_flight = self.shared.metrics.request_began(metrics::Route::Segment);
        let target = seen_from_segment(request.uri(), prefix);
        let caller = Caller {
            host: visitor.host.name(),
            authority: visitor.host.authority(),
            prefix,
            https: visitor.https,
            ip: visitor.ip,
            space,
        };
        let (path, _) = target.split_once('?').unwrap_or((&target, ""));
        match self.calls.handle(request, endpoint(path), &target, &caller, watch).await {
            Ok(response) => response,
            Err(BodyError::Slow) => refuse(Refusal::SlowBody),
            // The caller is gone, or does not speak HTTP; nobody may be left to read this.
            Err(BodyError::Broken(_) | BodyError::Reset) => refuse(Refusal::BrokenBody),
        }
    }

    /// What visits and calls share.
    pub(super) fn shared(&self) -> &Shared {
        &self.shared
    }

    /// A visitor's address as the log shows it.
    pub fn shown(&self, ip: IpAddr) -> String {
        self.shown_ip.of(ip)
    }

    /// How long nothing may go through a tunnel, or an open conversation.
    pub(super) fn tunnel_idle(&self) -> Duration {
        self.tunnel_idle
    }

    /// The upgraded connections.
    pub fn tunnels(&self) -> &Tunnels {
        &self.tunnels
    }
}

/// The path and query as Segment's own root sees them.
fn seen_from_segment(uri: &Uri, prefix: &str) -> String {
    let target = uri.path_and_query().map_or("/", PathAndQuery::as_str);
    target.strip_prefix(prefix).unwrap_or("/").to_owned()
}

/// Whether a target has a path. What stands behind an absolute-form target's host may begin with its query (RFC 9112 §3.2.2); the
/// path of HTTP/2 may not (RFC 9113 §8.3.1).
fn is_path(request: &Request<Incoming>) -> bool {
    let uri = request.uri();
    match request.version() {
        Version::HTTP_2 => uri.path_and_query().is_some_and(|target| target.as_str().starts_with('/')),
        _ => uri.path().starts_with('/'),
    }
}

/// Refuses what must not be forwarded at all; what passes has one host.
fn admit(request: &Request<Incoming>) -> Result<Host, Refusal> {
    websocket::check(request)?;
    let is_web = request.uri().scheme_str().is_none_or(|scheme| matches!(scheme, "http" | "https"));
    if !is_web || !is_path(request) {
        return Err(Refusal::BadTarget);
    }
    headers::check_framing(request.headers())?;
    headers::check_loop(request.headers())?;
    Host::read(request.version(), request.uri(), request.headers())
}
