//! The `[delivery]` section.

use crate::fault::{Section, form};
use std::time::Duration;

/// How deliveries are tried again, and how their verdicts are asked for.
#[derive(Clone, Copy, Debug)]
pub struct Config {
    /// How long a delivery is tried before it becomes a dead letter. Default: 7 days, longer than any outage so far; a
    /// conversion older than that needs a person.
    pub retry_for: Duration,
    /// Whether destinations are asked what became of what they queued. Default: yes.
    pub verdicts: bool,
    /// How long after a delivery its verdict is first asked for; each later wait is twice as long, up to 4 hours.
    /// Default: 20 minutes, in which impact.com's own examples are through.
    pub verdict_after: Duration,
    /// How long a verdict is asked for before it is unknown. Default: 24 hours.
    pub verdict_for: Duration,
}

impl Default for Config {
    fn default() -> Self {
        Self {
            retry_for: Duration::from_secs(7 * 86_400),
            verdicts: true,
            verdict_after: Duration::from_secs(20 * 60),
            verdict_for: Duration::from_secs(86_400),
        }
    }
}

impl Config {
    /// Reads the section.
    pub fn read(section: &mut Section<'_>) -> Self {
        let default = Self::default();
        Self {
            retry_for: section.value("retry_for", &form::TIMEOUT).unwrap_or(default.retry_for),
            verdicts: section.bool("verdicts").unwrap_or(default.verdicts),
            verdict_after: section.value("verdict_after", &form::TIMEOUT).unwrap_or(default.verdict_after),
            verdict_for: section.value("verdict_for", &form::TIMEOUT).unwrap_or(default.verdict_for),
        }
    }
}
