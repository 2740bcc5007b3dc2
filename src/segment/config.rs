//! The `[segment]` section.

use http::Uri;

/// Where Segment is, and under which paths and hosts its endpoints are offered.
#[derive(Clone, Debug)]
pub struct Config {
    /// The path prefix under which Segment is offered on every host. Default: `/cdp`. Empty: none.
    pub prefix: String,
    /// Hosts that are Segment's alone: the API is at their `/v1`. Default: none.
    pub hosts: Vec<String>,
    /// Whether `/v1/…` of site hosts is Segment's too. Default: no.
    pub root_paths: bool,
    /// Segment's tracking API. Default: `https://api.segment.io`.
    pub api: Uri,
    /// Segment's CDN. Default: `https://cdn.segment.com`.
    pub cdn: Uri,
    /// The write keys that are delivered; none listed: all of them.
    pub sources: Vec<Source>,
    /// Whether a `context.referrer` of another type is overwritten. Default: no.
    pub overwrite_referrer: bool,
    /// Origins, beside those of the same registrable domain, that may send calls with credentials (CORS).
    pub origins: Vec<String>,
}

/// One `[[segment.source]]`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Source {
    /// Segment's write key.
    pub write_key: String,
    /// A name for people, and for the programs' `sources`. Default: the write key.
    pub name: String,
    /// The space of its ids: equal ids in two spaces are two people. Default: `default`.
    pub space: String,
}
