//! Cookies: the master cookie that keeps a visitor's click, and what any reader or writer of cookies needs.
//!
//! The master's value is `1.<unix seconds of the click>.<signature or ->.<click ID to the end>`.

mod domain;
mod fallback;
mod read;

pub use domain::{cookie_domain, registrable_domain};
pub use fallback::Fallbacks;
pub use read::cookies;

use super::{Click, ClickId, Config, Place};
use crate::clock::Time;
use crate::secret::Secret;
use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use cookie::{Cookie, SameSite};
use hmac::{Hmac, KeyInit, Mac};
use http::{HeaderMap, HeaderValue};
use sha2::Sha256;
use std::time::Duration;

/// The click that a request carries.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Carried {
    /// None.
    Nothing,
    /// The master cookie's, within the window.
    Master(Click),
    /// The master cookie's, older than the window: it earns nothing, and the cookie can go.
    Expired(Click),
    /// One of a vendor's own cookie, where there is no master. It has no time of its own: it is dated now.
    Fallback(Click),
}

/// The host and scheme that a cookie is set for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Scope<'a> {
    /// The visited host, without port.
    pub host: &'a str,
    /// Whether the visitor came over https.
    pub https: bool,
}

/// How far in the future a click's time may lie: the clocks of two nodes differ by less.
const FUTURE_MAX: Duration = Duration::from_secs(5 * 60);

/// The bytes of the HMAC that a cookie holds; 128 bits are beyond guessing and keep the cookie short.
const SIGNATURE_BYTES: usize = 16;

/// What stands in the signature's place where no key is set.
const UNSIGNED: &str = "-";

impl Carried {
    /// Reads the click of a request's cookies. Of several masters the first usable one counts; with a key set, one
    /// that is unsigned or wrongly signed is no master.
    pub fn read(headers: &HeaderMap, config: &Config, fallbacks: &Fallbacks, now: Time) -> Self {
        let mut expired = None;
        let masters = cookies(headers).filter(|(name, _)| *name == config.cookie_name);
        for click in masters.filter_map(|(_, value)| parse(value, config.cookie_key.as_ref(), now)) {
            if !click.is_expired(config.window, now) {
                return Self::Master(click);
            }
            expired.get_or_insert(click);
        }
        let fallback = || fallbacks.find(headers).map(|id| Click { id, at: now, place: Place::Cookie });
        match expired {
            Some(click) => Self::Expired(click),
            None => fallback().map_or(Self::Nothing, Self::Fallback),
        }
    }

    /// The click, if it is within the window.
    pub fn click(&self) -> Option<&Click> {
        match self {
            Self::Master(click) | Self::Fallback(click) => Some(click),
            Self::Nothing | Self::Expired(_) => None,
        }
    }
}

/// The Set-Cookie value that keeps `click` for what is left of the window.
///
/// `None` when the cookie's name or domain cannot stand in a field, which the configuration's checks rule out.
pub fn set(click: &Click, config: &Config, scope: Scope<'_>, now: Time) -> Option<HeaderValue> {
    let left = config.window.saturating_sub(now.since(click.at));
    field(config, scope, value(click, config.cookie_key.as_ref()), left)
}

/// The Set-Cookie value that deletes the master.
pub fn delete(config: &Config, scope: Scope<'_>) -> Option<HeaderValue> {
    field(config, scope, String::new(), Duration::ZERO)
}

fn field(config: &Config, scope: Scope<'_>, value: String, max_age: Duration) -> Option<HeaderValue> {
    let max_age = i64::try_from(max_age.as_secs()).unwrap_or(i64::MAX);
    let mut master = Cookie::build((config.cookie_name.as_str(), value))
        .http_only(true)
        .same_site(SameSite::Lax)
        .secure(scope.https)
        .path("/")
        .max_age(cookie::time::Duration::seconds(max_age));
    if let Some(domain) = cookie_domain(scope.host, config.cookie_domain.as_deref()) {
        master = master.domain(domain);
    }
    HeaderValue::try_from(master.build().to_string()).ok()
}

fn value(click: &Click, key: Option<&Secret>) -> String {
    let (seconds, id) = (click.at.seconds(), click.id.as_str());
    let signature = key.and_then(|key| sign(key, seconds, id)).unwrap_or_else(|| UNSIGNED.into());
    format!("1.{seconds}.{signature}.{id}")
}

fn parse(value: &str, key: Option<&Secret>, now: Time) -> Option<Click> {
    let mut parts = value.splitn(4, '.');
    let (version, seconds, signature, id) = (parts.next()?, parts.next()?, parts.next()?, parts.next()?);
    if version != "1" || !seconds.bytes().all(|b| b.is_ascii_digit()) {
        return None;
    }
    let seconds: i64 = seconds.parse().ok()?;
    let at = Time::from_seconds(seconds);
    if at > now.plus(FUTURE_MAX) || !key.is_none_or(|key| is_signed(key, seconds, id, signature)) {
        return None;
    }
    Some(Click { id: ClickId::parse(id.as_bytes()).ok()?, at: at.min(now), place: Place::Cookie })
}

fn sign(key: &Secret, seconds: i64, id: &str) -> Option<String> {
    let tag = mac(key, seconds, id)?.finalize().into_bytes();
    Some(URL_SAFE_NO_PAD.encode(tag.get(..SIGNATURE_BYTES)?))
}

/// Compares in constant time, so that a signature cannot be found byte by byte.
fn is_signed(key: &Secret, seconds: i64, id: &str, signature: &str) -> bool {
    let Ok(tag) = URL_SAFE_NO_PAD.decode(signature) else { return false };
    // The comparison below takes any prefix; a short one would be easy to guess.
    tag.len() == SIGNATURE_BYTES && mac(key, seconds, id).is_some_and(|mac| mac.verify_truncated_left(&tag).is_ok())
}

fn mac(key: &Secret, seconds: i64, id: &str) -> Option<Hmac<Sha256>> {
    let mut mac = Hmac::<Sha256>::new_from_slice(key.reveal().as_bytes()).ok()?;
    mac.update(format!("1.{seconds}.{id}").as_bytes());
    Some(mac)
}

#[cfg(test)]
mod tests;
