//! The `[click]` section.

use crate::fault::{Form, Section, form};
use crate::secret::Secret;
use crate::units;
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

/// The referral window by default.
const WINDOW: Duration = Duration::from_secs(30 * DAY_SECONDS);

/// The longest window: browsers keep no cookie for longer (RFC 6265bis, section 5.5).
const WINDOW_DAYS_MAX: u64 = 400;

const DAY_SECONDS: u64 = 24 * 60 * 60;

/// By how much the clocks of a browser and of a server may differ by default.
const TOLERANCE: Duration = Duration::from_secs(5 * 60);

/// The click parameter, and the name of the master cookie, by default.
const IM_REF: &str = "im_ref";

/// The referral window.
const REFERRAL_WINDOW: Form<Duration> = Form { what: "a duration", help: form::DURATION_HELP, read: window };

/// A cookie's name: a token of RFC 6265, section 4.1.1.
const COOKIE_NAME: Form<String> =
    Form { what: "a cookie's name", help: "letters, digits and !#$%&'*+-.^_`|~", read: cookie_name };

/// A cookie's domain; a leading dot means nothing (RFC 6265, section 5.2.3).
const COOKIE_DOMAIN: Form<String> = Form { read: |text| (form::HOST.read)(text.trim_start_matches('.')), ..form::HOST };

impl Config {
    /// Reads the section.
    pub fn read(section: &mut Section<'_>) -> Self {
        Self {
            parameters: section.list("parameters", &form::NAME).unwrap_or_else(|| vec![IM_REF.to_owned()]),
            window: section.value("window", &REFERRAL_WINDOW).unwrap_or(WINDOW),
            policy: section.choice("policy", &[("last", Policy::Last), ("first", Policy::First)]).unwrap_or_default(),
            tolerance: section.value("tolerance", &form::DURATION).unwrap_or(TOLERANCE),
            cookie_name: section.optional("cookie_name", &COOKIE_NAME).unwrap_or_else(|| IM_REF.to_owned()),
            cookie_domain: section.optional("cookie_domain", &COOKIE_DOMAIN),
            cookie_key: section.secret("cookie_key"),
            twin: section.bool("twin").unwrap_or(true),
            renew_anonymous_id: section.bool("renew_anonymous_id").unwrap_or(false),
            bots: section.list("bots", &form::NAME).unwrap_or_default(),
        }
    }
}

fn window(text: &str) -> Result<Duration, String> {
    let window = units::duration(text)?;
    if window.is_zero() {
        Err("it must be more than zero".to_owned())
    } else if window > Duration::from_secs(WINDOW_DAYS_MAX * DAY_SECONDS) {
        Err(format!("`{text}` is more than {WINDOW_DAYS_MAX}d, and browsers keep no cookie for longer"))
    } else {
        Ok(window)
    }
}

fn cookie_name(text: &str) -> Result<String, String> {
    let is_token = |byte: u8| byte.is_ascii_alphanumeric() || b"!#$%&'*+-.^_`|~".contains(&byte);
    if !text.is_empty() && text.bytes().all(is_token) {
        Ok(text.to_owned())
    } else {
        Err(format!("`{text}` cannot be a cookie's name"))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_window_is_more_than_nothing_and_at_most_400_days() {
        assert_eq!(window("400d"), Ok(Duration::from_secs(400 * DAY_SECONDS)));
        assert_eq!(window("1ms"), Ok(Duration::from_millis(1)));
        for bad in ["0d", "400d1ms", "9600h1s", "30"] {
            assert!(window(bad).is_err(), "{bad}");
        }
    }

    #[test]
    fn a_cookie_name_is_a_token() {
        for good in ["im_ref", "__Host-click", "s%3Acontext.referrer"] {
            assert_eq!(cookie_name(good).as_deref(), Ok(good));
        }
        for bad in ["", "a b", "a=b", "a;b", "a,b", "a\"b", "é", "a\r"] {
            assert!(cookie_name(bad).is_err(), "{bad:?}");
        }
    }
}
