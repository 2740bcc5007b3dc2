//! What impact.com's answers mean.

use super::super::{Endpoint, Outcome, Trouble};
use crate::clock::Time;
use http::{HeaderMap, HeaderName, header};
use serde_json::Value;
use std::time::Duration;

/// What people read of an answer; more would not fit a line of the admin page.
const WORDS_CHARACTERS_MAX: usize = 300;

/// `X-RateLimit-Reset` above this is a moment since 1970, not a wait: impact.com documents the one and shows the other.
const EPOCH_SECONDS_MIN: i64 = 1_000_000_000;

/// An HTTP answer, read.
pub(super) struct Answer {
    pub(super) status: u16,
    pub(super) headers: HeaderMap,
    /// Its body, or as much as is read of one.
    pub(super) body: Vec<u8>,
}

/// What an answer means for the delivery.
///
/// A redirect is never followed: it is taken for trouble at impact.com's, which goes away or becomes a dead letter by age.
pub(super) fn outcome(answer: &Answer, endpoint: Endpoint, now: Time) -> Outcome {
    let status = answer.status;
    let json: Option<Value> = serde_json::from_slice(&answer.body).ok();
    if (200..300).contains(&status) {
        return Outcome::Accepted { receipt: receipt(json.as_ref(), endpoint) };
    }
    let detail = words(json.as_ref(), &answer.body);
    match status {
        429 => Outcome::Retry { why: Trouble::RateLimited, detail, after: wait(&answer.headers, now) },
        401 | 403 => Outcome::Unauthorized { status, detail },
        400..=499 => Outcome::Refused { status, detail },
        _ => {
            let detail = bounded(format!("{status} {detail}").trim_end());
            Outcome::Retry { why: Trouble::ServerError, detail, after: wait(&answer.headers, now) }
        }
    }
}

fn receipt(json: Option<&Value>, endpoint: Endpoint) -> Option<String> {
    let name = match endpoint {
        Endpoint::Conversions => "queueduri",
        Endpoint::PageLoad => "clickid",
    };
    text(json?, name).map(bounded)
}

/// impact.com's own words: `Validation Failed: OrderId: is required`, whichever way its JSON is spelt; else the body.
fn words(json: Option<&Value>, body: &[u8]) -> String {
    let from_json = json.map(|json| {
        let headline = text(json, "message").or_else(|| text(json, "title")).map(str::to_owned);
        let errors = member(json, "errors").and_then(Value::as_array).map(Vec::as_slice).unwrap_or_default();
        let errors: Vec<String> = errors.iter().filter_map(one_error).collect();
        let errors = (!errors.is_empty()).then(|| errors.join("; "));
        headline.into_iter().chain(errors).collect::<Vec<_>>().join(": ")
    });
    match from_json.filter(|words| !words.is_empty()) {
        Some(words) => bounded(&words),
        None => bounded(&String::from_utf8_lossy(body)),
    }
}

fn one_error(error: &Value) -> Option<String> {
    match (text(error, "field"), text(error, "message")) {
        (Some(field), Some(message)) => Some(format!("{field}: {message}")),
        (field, message) => field.or(message).or(error.as_str()).map(str::to_owned),
    }
}

/// A member by its name in lower case, whatever its case in the answer.
fn member<'v>(json: &'v Value, name: &str) -> Option<&'v Value> {
    let (_, value) = json.as_object()?.iter().find(|(key, _)| key.eq_ignore_ascii_case(name))?;
    Some(value)
}

fn text<'v>(json: &'v Value, name: &str) -> Option<&'v str> {
    member(json, name)?.as_str().filter(|text| !text.is_empty())
}

/// One line of at most [`WORDS_CHARACTERS_MAX`] characters.
pub(super) fn bounded(text: &str) -> String {
    let line = text.chars().map(|c| if c.is_control() { ' ' } else { c });
    line.skip_while(|c| c.is_whitespace()).take(WORDS_CHARACTERS_MAX).collect::<String>().trim_end().to_owned()
}

/// How long impact.com asks us to wait: `Retry-After` (seconds or a date), else `X-RateLimit-Reset` (seconds or a moment).
fn wait(headers: &HeaderMap, now: Time) -> Option<Duration> {
    let retry_after = field(headers, &header::RETRY_AFTER).and_then(|text| {
        let seconds = text.parse::<u64>().ok().map(Duration::from_secs);
        seconds.or_else(|| Some(http_date(text)?.since(now)))
    });
    retry_after.or_else(|| {
        let reset = field(headers, &HeaderName::from_static("x-ratelimit-reset"))?.parse::<i64>().ok()?;
        match reset {
            EPOCH_SECONDS_MIN.. => Some(Time::from_seconds(reset).since(now)),
            _ => u64::try_from(reset).ok().map(Duration::from_secs),
        }
    })
}

fn field<'h>(headers: &'h HeaderMap, name: &HeaderName) -> Option<&'h str> {
    headers.get(name)?.to_str().ok().map(str::trim)
}

/// `Sun, 06 Nov 1994 08:49:37 GMT`
fn http_date(text: &str) -> Option<Time> {
    let date = jiff::fmt::rfc2822::parse(text).ok()?;
    Some(Time::from_millis(date.timestamp().as_millisecond()))
}
