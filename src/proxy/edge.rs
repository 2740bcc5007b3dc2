//! What all connections share, and the first look at a request.

use super::body::Body;
use super::config::Site;
use super::forwarded::{Peer, introduce};
use super::headers;
use super::host::Host;
use super::rescue::{Refusal, refuse};
use super::route::{Route, Routes};
use super::site::{self, Served};
use super::tunnel::Tunnels;
use super::upstream::UpstreamError;
use crate::clock::Clock;
use crate::segment;
use http::{Method, Request, Response};
use hyper::body::Incoming;
use ipnet::IpNet;

/// What an [`Edge`] is made of.
#[derive(Debug)]
pub struct Parts {
    /// The `[[site]]` sections.
    pub sites: Vec<Site>,
    /// The `[segment]` section.
    pub segment: segment::Config,
    /// Peers whose forwarding fields are believed.
    pub trusted_proxies: Vec<IpNet>,
    /// Where the time comes from.
    pub clock: Clock,
}

/// The shared state of all connections.
#[derive(Debug)]
pub struct Edge {
    routes: Routes,
    trusted_proxies: Vec<IpNet>,
    clock: Clock,
    tunnels: Tunnels,
}

impl Edge {
    /// Joins the parts; connects to nothing yet. Fails when a target or TLS cannot be used.
    pub fn new(parts: Parts) -> Result<Self, UpstreamError> {
        let sites = parts.sites.into_iter().map(Served::new).collect::<Result<Vec<_>, _>>()?;
        Ok(Self {
            routes: Routes::new(sites, &parts.segment),
            trusted_proxies: parts.trusted_proxies,
            clock: parts.clock,
            tunnels: Tunnels::default(),
        })
    }

    /// Answers one request that came from `peer`.
    pub async fn handle(&self, mut request: Request<Incoming>, peer: &Peer) -> Response<Body> {
        let host = match admit(&request) {
            Ok(host) => host,
            Err(refusal) => return refuse(refusal),
        };
        match self.routes.find(host.name(), request.uri().path()) {
            Route::Site(site) => {
                let visitor = introduce(request.headers_mut(), peer, host, &self.trusted_proxies);
                site::visit(self, site, request, &visitor).await
            }
            // Calls: `calls::handle(self, request, peer, host)` goes here.
            Route::Call => refuse(Refusal::UnknownEndpoint),
            Route::UnknownHost => refuse(Refusal::UnknownHost),
        }
    }

    /// Where the time comes from.
    pub fn clock(&self) -> &Clock {
        &self.clock
    }

    /// The open tunnels.
    pub fn tunnels(&self) -> &Tunnels {
        &self.tunnels
    }
}

/// Refuses what must not be forwarded at all; what passes has one host.
fn admit(request: &Request<Incoming>) -> Result<Host, Refusal> {
    if matches!(*request.method(), Method::CONNECT | Method::TRACE) {
        return Err(Refusal::Method);
    }
    if !request.uri().path().starts_with('/') {
        return Err(Refusal::BadTarget);
    }
    headers::check_framing(request.headers())?;
    headers::check_loop(request.headers())?;
    Host::read(request.uri(), request.headers())
}
