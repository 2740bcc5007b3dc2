//! The `[limits]` section: how many visitors at once, and how long each may take.

use super::bounds::Bounds;
use crate::fault::{Section, form};
use std::time::Duration;

/// What bounds connections of visitors.
#[derive(Clone, Copy, Debug)]
pub struct Limits {
    /// Connections at once, of all visitors together. Default: 10,000, of about 16 KiB each when idle.
    pub connections: usize,
    /// Connections at once from one address (IPv6: one /64 network), trusted proxies apart. Default: 256: an office behind
    /// one address fits, one machine does not take everything.
    pub connections_per_client: usize,
    /// A TLS handshake. Default: 10 s.
    pub handshake: Duration,
    /// The silence before the first request, after the handshake. Default: 10 s: whoever opens a connection has something to say.
    pub first_byte: Duration,
    /// A request's head, from its first byte to its last. Default: 10 s: slow heads pin nothing.
    pub head: Duration,
    /// The silence between requests. Default: 60 s: browsers come back within it.
    pub idle: Duration,
    /// How long may be waited for the pieces of a request's body. Default: 30 s.
    pub body_pause: Duration,
    /// How many of its bytes make good for one second of that. Default: 1,000.
    pub body_rate: u32,
    /// How long a visitor may read nothing of an answer that waits: his connection is cut, or by HTTP/2, where only one stream's
    /// window is shut, that stream is reset. Default: 60 s, as nginx has it.
    pub unread: Duration,
    /// How long nothing may go through a tunnel (WebSocket), an event stream or another open conversation. Default: 1 h.
    pub tunnel_idle: Duration,
    /// The age after which a connection ends with the request under way, so that none lasts for ever. Default: 10 min.
    pub age: Duration,
    /// Requests on one connection, for the same reason. Default: 1,000.
    pub requests: u32,
    /// What one connection may have.
    pub bounds: Bounds,
}

impl Default for Limits {
    fn default() -> Self {
        Self {
            connections: 10_000,
            connections_per_client: 256,
            handshake: Duration::from_secs(10),
            first_byte: Duration::from_secs(10),
            head: Duration::from_secs(10),
            idle: Duration::from_secs(60),
            body_pause: Duration::from_secs(30),
            body_rate: 1000,
            unread: Duration::from_secs(60),
            tunnel_idle: Duration::from_secs(3600),
            age: Duration::from_secs(600),
            requests: 1000,
            bounds: Bounds::default(),
        }
    }
}

impl Limits {
    /// Reads the section.
    pub fn read(section: &mut Section<'_>) -> Self {
        let usual = Self::default();
        let mut count = |key, usual| {
            section.count(key, 1..=u32::MAX).and_then(|count| usize::try_from(count).ok()).unwrap_or(usual)
        };
        let connections = count("connections", usual.connections);
        let connections_per_client = count("connections_per_client", usual.connections_per_client);
        let mut wait = |key, usual| section.value(key, &form::TIMEOUT).unwrap_or(usual);
        Self {
            connections,
            connections_per_client,
            handshake: wait("handshake", usual.handshake),
            first_byte: wait("first_byte", usual.first_byte),
            head: wait("head", usual.head),
            idle: wait("idle", usual.idle),
            body_pause: wait("body_pause", usual.body_pause),
            unread: wait("unread", usual.unread),
            tunnel_idle: wait("tunnel_idle", usual.tunnel_idle),
            age: wait("age", usual.age),
            body_rate: section.count("body_rate", 1..=u32::MAX).unwrap_or(usual.body_rate),
            requests: section.count("requests", 1..=u32::MAX).unwrap_or(usual.requests),
            bounds: Bounds::read(section),
        }
    }
}
