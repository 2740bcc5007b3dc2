//! The `[listen]` section.

use ipnet::IpNet;
use std::net::SocketAddr;
use std::time::Duration;

/// What listens, and whom it trusts.
#[derive(Clone, Debug)]
pub struct Config {
    /// The site listeners (plain HTTP/1.1). `http` is one address or a list.
    pub http: Vec<SocketAddr>,
    /// The admin listener. Default: `127.0.0.1:9901`.
    pub admin: SocketAddr,
    /// Peers whose forwarding headers are believed. Default: none.
    pub trusted_proxies: Vec<IpNet>,
    /// How long requests in flight may take at a stop. Default: 30 s.
    pub grace: Duration,
    /// Worker threads. Default: the machine's cores.
    pub workers: Option<usize>,
}
