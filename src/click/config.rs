//! The `[click]` section.

use crate::secret::Secret;
use std::time::Duration;

/// How clicks are found, kept and chosen.
#[derive(Clone, Debug)]
pub struct Config {
    /// Query parameters that carry a click ID, strongest first. Default: `["im_ref"]`.
    pub parameters: Vec<String>,
    /// The referral window: how long a click earns events. Default: 30 days.
    pub window: Duration,
    /// Which of two clicks wins. Default: the last.
    pub policy: Policy,
    /// By how much an event may be older than its click (clocks differ). Default: 5 minutes.
    pub tolerance: Duration,
    /// The master cookie's name. Default: `im_ref`.
    pub cookie_name: String,
    /// The cookies' `Domain`. Default: the registrable domain of the visited host.
    pub cookie_domain: Option<String>,
    /// Signs the master cookie (HMAC-SHA-256), so that a visitor cannot make one up. Default: unsigned.
    pub cookie_key: Option<Secret>,
    /// Whether the twin cookie for analytics.js is kept. Default: yes.
    pub twin: bool,
    /// Whether `ajs_anonymous_id` is renewed by HTTP on documents. Default: no.
    pub renew_anonymous_id: bool,
    /// Substrings of a User-Agent, beside the built-in list, that mark a bot.
    pub bots: Vec<String>,
}

/// Which of two clicks wins.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Policy {
    /// The newest click.
    #[default]
    Last,
    /// The oldest click that is still within the window.
    First,
}
