//! The `[delivery]` section.

use crate::fault::{Section, form};
use std::time::Duration;

/// How deliveries are tried again.
#[derive(Clone, Copy, Debug)]
pub struct Config {
    /// How long a delivery is tried before it becomes a dead letter. Default: 7 days, longer than any outage so far; a
    /// conversion older than that needs a person.
    pub retry_for: Duration,
}

impl Default for Config {
    fn default() -> Self {
        Self { retry_for: Duration::from_secs(7 * 86_400) }
    }
}

impl Config {
    /// Reads the section.
    pub fn read(section: &mut Section<'_>) -> Self {
        let default = Self::default();
        Self { retry_for: section.value("retry_for", &form::TIMEOUT).unwrap_or(default.retry_for) }
    }
}
