//! The `[store]` section.

use std::path::PathBuf;

/// Where what must survive is kept.
#[derive(Clone, Debug)]
pub struct Config {
    /// The store's folder; a relative one is relative to the configuration file. Default: `data`.
    pub path: PathBuf,
}
