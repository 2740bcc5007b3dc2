//! The configuration file: it joins the rooms' own sections.

use crate::{click, destination, proxy, segment, server, store};

/// The whole configuration, resolved.
#[derive(Clone, Debug)]
pub struct Config {
    /// `[listen]`
    pub listen: server::Config,
    /// `[[site]]`
    pub sites: Vec<proxy::Site>,
    /// `[click]`
    pub click: click::Config,
    /// `[segment]`
    pub segment: segment::Config,
    /// `[store]`
    pub store: store::Config,
    /// `[impact]`
    pub impact: destination::impact::Config,
    /// `[log]`
    pub log: Log,
}

/// `[log]`
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Log {
    /// Text for people or JSON for machines. Default: text.
    pub json: bool,
    /// `error`, `warn`, `info`, `debug`, or any filter of the form `selvedge=debug`. Default: `info`.
    pub level: String,
    /// Whether each request leaves a line. Default: no.
    pub access: bool,
}
