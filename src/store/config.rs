//! The `[store]` section.

use crate::fault::{Section, form};
use std::path::{Path, PathBuf};

/// Where what must survive is kept.
#[derive(Clone, Debug)]
pub struct Config {
    /// The store's folder; a relative one is relative to the configuration file. Default: `data`.
    pub path: PathBuf,
}

/// The store's folder by default.
const PATH: &str = "data";

impl Config {
    /// Reads the section of a file that lies in `folder`.
    pub fn read(section: &mut Section<'_>, folder: &Path) -> Self {
        let path = section.optional("path", &form::TEXT);
        Self { path: folder.join(path.as_deref().unwrap_or(PATH)) }
    }
}
