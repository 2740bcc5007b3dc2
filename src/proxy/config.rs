//! The `[[site]]` sections.

use http::Uri;
use std::time::Duration;

/// One `[[site]]`: hosts, and the origin behind them.
#[derive(Clone, Debug)]
pub struct Site {
    /// The hosts, lower-case, without port; empty: any host.
    pub hosts: Vec<String>,
    /// The site's own server: scheme and authority, no path.
    pub origin: Uri,
    /// Which Host the origin sees. Default: the visitor's.
    pub host: HostMode,
    /// The space of its visitors' ids. Default: `default`.
    pub space: String,
    /// How long a connection to the origin may take. Default: 5 s.
    pub connect_timeout: Duration,
    /// How long the origin may take to its response's head. Default: 60 s.
    pub response_timeout: Duration,
}

/// Which Host the origin sees.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum HostMode {
    /// The visitor's own (`host = "keep"`).
    #[default]
    Keep,
    /// The origin's authority (`host = "rewrite"`).
    Rewrite,
}
