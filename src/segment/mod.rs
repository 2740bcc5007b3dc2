//! Segment's wire protocol: endpoints, envelopes, calls, and the splice.
//!
//! **Invariant:** nothing in this room reads a clock, a socket or a file.

pub mod call;
pub mod config;
pub mod delay;
pub mod endpoint;
pub mod envelope;
pub mod integrations;
pub mod pixel;
pub mod public_api;
mod reading;
pub mod referrer;
pub mod scan;
pub mod settings;
pub mod splice;
pub mod twin;
pub mod without;

pub use call::Names;
pub use config::{Config, Source};
pub use endpoint::Endpoint;
pub use envelope::{Envelope, Expect, Untouched, View};

use crate::metrics::Label;
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

impl CallKind {
    /// Reads a call's `type`.
    pub fn parse(name: &str) -> Option<Self> {
        match name {
            "track" => Some(Self::Track),
            "page" => Some(Self::Page),
            "screen" => Some(Self::Screen),
            "identify" => Some(Self::Identify),
            "group" => Some(Self::Group),
            "alias" => Some(Self::Alias),
            _ => None,
        }
    }

    /// Reads an endpoint's name, which may be the first letter of the `type`.
    pub fn parse_short(name: &str) -> Option<Self> {
        match name {
            "t" => Some(Self::Track),
            "p" => Some(Self::Page),
            "s" => Some(Self::Screen),
            "i" => Some(Self::Identify),
            "g" => Some(Self::Group),
            "a" => Some(Self::Alias),
            long => Self::parse(long),
        }
    }
}

impl Label for CallKind {
    fn label(self) -> &'static str {
        match self {
            Self::Track => "track",
            Self::Page => "page",
            Self::Screen => "screen",
            Self::Identify => "identify",
            Self::Group => "group",
            Self::Alias => "alias",
        }
    }
}

/// The person behind a browser call, as the edge saw them. A server-side caller has none.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Visitor {
    /// The visitor's address, after trusted proxies.
    pub ip: Option<IpAddr>,
    /// The request's User-Agent.
    pub user_agent: Option<String>,
}
