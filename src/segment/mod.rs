//! Segment's wire protocol: endpoints, envelopes, calls, and the splice.
//!
//! **Invariant:** nothing in this room reads a clock, a socket or a file.

pub mod config;

pub use config::Config;

use std::net::IpAddr;

/// The six kinds of call.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum CallKind {
    /// `track`
    Track,
    /// `page`
    Page,
    /// `screen`
    Screen,
    /// `identify`
    Identify,
    /// `group`
    Group,
    /// `alias`
    Alias,
}

/// The person behind a browser call, as the edge saw them. A server-side caller has none.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Visitor {
    /// The visitor's address, after trusted proxies.
    pub ip: Option<IpAddr>,
    /// The request's User-Agent.
    pub user_agent: Option<String>,
}
