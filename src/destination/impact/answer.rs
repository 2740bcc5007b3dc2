//! What impact.com's answers mean.

use super::super::{Endpoint, Outcome, Quota, Trouble};
use crate::clock::Time;
use http::{HeaderMap, HeaderName, header};
use serde_json::Value;
use std::time::Duration;

/// What people read of an answer; more would not fit a line of the admin page.
const WORDS_CHARACTERS_MAX: usize = 300;

/// `X-RateLimit-Reset` above this is a moment since 1970, not a wait: impact.com documents the one and shows the other.
const EPOCH_SECONDS_MIN: i64 = 1_000_000_000;

/// An HTTP answer, read.
pub struct Answer {
    /// Its status.
    pub status: u16,
    /// Its fields.
    pub headers: HeaderMap,
    /// Its body, or as much as is read of one.
    pub body: Vec<u8>,
}

/// What an answer means for the delivery.
///
/// A redirect is never followed: it is taken for trouble at impact.com's, which goes away or becomes a dead letter by age.
pub fn outcome(answer: &Answer, endpoint: Endpoint, now: Time) -> Outcome {
    let status = answer.status;
    let json: Option<Value> = serde_json::from_slice(&answer.body).ok();
    if (200..300).contains(&status) {
        return Outcome::Accepted { receipt: receipt(json.as_ref(), endpoint) };
    }
    let detail = words(json.as_ref(), &answer.body);
    match status {
        429 => Outcome::Retry { why: Trouble::RateLimited, detail, after: wait(&answer.headers, now) },
        401 | 403 => Outcome::NoAccess { status, detail },
        // Of an action's change it says that there is no such action.
        404 if endpoint != Endpoint::Actions => Outcome::NoAccess { status, detail },
        400..=499 => Outcome::Refused { status, detail },
        _ => {
            let detail = bounded(format!("{status} {detail}").trim_end());
            Outcome::Retry { why: Trouble::ServerError, detail, after: wait(&answer.headers, now) }
        }
    }
}

fn receipt(json: Option<&Value>, endpoint: Endpoint) -> Option<String> {
    let name = match endpoint {
        Endpoint::Conversions | Endpoint::Actions => "queueduri",
        Endpoint::PageLoad => "clickid",
    };
    text(json?, name).map(bounded)
}

/// What a body says about its error, in one line: Segment's API spells its errors as one of impact.com's pages does.
pub fn words_of(body: &[u8]) -> String {
    words(serde_json::from_slice(body).ok().as_ref(), body)
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
pub(super) fn member<'v>(json: &'v Value, name: &str) -> Option<&'v Value> {
    let (_, value) = json.as_object()?.iter().find(|(key, _)| key.eq_ignore_ascii_case(name))?;
    Some(value)
}

pub(super) fn text<'v>(json: &'v Value, name: &str) -> Option<&'v str> {
    member(json, name)?.as_str().filter(|text| !text.is_empty())
}

/// One line of at most [`WORDS_CHARACTERS_MAX`] characters.
pub(super) fn bounded(text: &str) -> String {
    let line = text.chars().map(|c| if c.is_control() { ' ' } else { c });
    line.skip_while(|c| c.is_whitespace()).take(WORDS_CHARACTERS_MAX).collect::<String>().trim_end().to_owned()
}

/// How long impact.com asks us to wait: `Retry-After` (seconds or a date), else `X-RateLimit-Reset` (seconds or a moment).
pub fn wait(headers: &HeaderMap, now: Time) -> Option<Duration> {
    let retry_after = field(headers, &header::RETRY_AFTER).and_then(|text| {
        let seconds = text.parse::<u64>().ok().map(Duration::from_secs);
        seconds.or_else(|| Some(http_date(text)?.since(now)))
    });
    retry_after.or_else(|| reset(headers, now))
}

/// What the account may still do, by `X-RateLimit-Limit`, `-Remaining` and `-Reset`; nothing without the last two.
pub fn quota(answer: &Answer, now: Time) -> Option<Quota> {
    let number = |name| field(&answer.headers, &HeaderName::from_static(name))?.parse::<u64>().ok();
    Some(Quota {
        limit: number("x-ratelimit-limit"),
        remaining: number("x-ratelimit-remaining")?,
        resets_in: reset(&answer.headers, now)?,
    })
}

/// `X-RateLimit-Reset`, from now.
fn reset(headers: &HeaderMap, now: Time) -> Option<Duration> {
    let reset = field(headers, &HeaderName::from_static("x-ratelimit-reset"))?.parse::<i64>().ok()?;
    match reset {
        EPOCH_SECONDS_MIN.. => Some(Time::from_seconds(reset).since(now)),
        _ => u64::try_from(reset).ok().map(Duration::from_secs),
    }
}

fn field<'h>(headers: &'h HeaderMap, name: &HeaderName) -> Option<&'h str> {
    headers.get(name)?.to_str().ok().map(str::trim)
}

/// `Sun, 06 Nov 1994 08:49:37 GMT`
fn http_date(text: &str) -> Option<Time> {
    let date = jiff::fmt::rfc2822::parse(text).ok()?;
    Some(Time::from_millis(date.timestamp().as_millisecond()))
}

#[cfg(test)]
mod tests {
    use super::*;

    const NOW: &str = "2026-11-24T12:00:00Z";

    fn outcome_of(status: u16, headers: &[(&'static str, &str)], body: &str, endpoint: Endpoint) -> Outcome {
        let headers = headers.iter().map(|(name, value)| (HeaderName::from_static(name), value.parse().unwrap()));
        let answer = Answer { status, headers: headers.collect(), body: body.into() };
        outcome(&answer, endpoint, Time::parse(NOW).unwrap())
    }

    fn conversion(status: u16, body: &str) -> Outcome {
        outcome_of(status, &[], body, Endpoint::Conversions)
    }

    #[test]
    fn what_was_taken_leaves_a_receipt() {
        let queued = r#"{"Status":"QUEUED","QueuedUri":"/Advertisers/IRsid/APISubmissions/A-1"}"#;
        let loaded =
            r#"{"clickId":"0c22384eN","sessionStart":"x","warnings":[{"field":"f","level":"WARNING","message":"m"}]}"#;
        for (status, body, endpoint, receipt) in [
            (200, queued, Endpoint::Conversions, Some("/Advertisers/IRsid/APISubmissions/A-1")),
            (201, r#"{"queuedUri":"/q"}"#, Endpoint::Conversions, Some("/q")),
            (200, loaded, Endpoint::PageLoad, Some("0c22384eN")),
            (200, loaded, Endpoint::Conversions, None),
            (200, "<ImpactRadiusResponse/>", Endpoint::Conversions, None),
            (200, "[]", Endpoint::Conversions, None),
            (204, "", Endpoint::PageLoad, None),
        ] {
            let expected = Outcome::Accepted { receipt: receipt.map(str::to_owned) };
            assert_eq!(outcome_of(status, &[], body, endpoint), expected, "{status} {body}");
        }
    }

    #[test]
    fn refusals_are_told_in_impacts_own_words() {
        for (body, words) in [
            (
                r#"{"Status":"ERROR","errors":[{"field":"OrderId","level":"ERROR","message":"is required"}]}"#,
                "OrderId: is required",
            ),
            (
                r#"{"Status":"ERROR","Message":"Validation Failed","Errors":[{"Field":"EventDate","Message":"bad"},{"Field":"OrderId","Message":"long"}]}"#,
                "Validation Failed: EventDate: bad; OrderId: long",
            ),
            (r#"{"Status":"ERROR","Message":"Validation Failed"}"#, "Validation Failed"),
            (r#"{"ERRORS":[{"MESSAGE":"no field"},"plain",{"FIELD":"X"},7]}"#, "no field; plain; X"),
            (r#"{"status":401,"title":"Unauthorized"}"#, "Unauthorized"),
            (r#"{"errors":[],"message":""}"#, r#"{"errors":[],"message":""}"#),
            ("<ImpactRadiusResponse>\n <Message>No</Message>", "<ImpactRadiusResponse>  <Message>No</Message>"),
            ("\r\n", ""),
            ("", ""),
        ] {
            assert_eq!(conversion(400, body), Outcome::Refused { status: 400, detail: words.into() }, "{body}");
        }
        let long = conversion(400, &"ü".repeat(301));
        assert_eq!(long, Outcome::Refused { status: 400, detail: "ü".repeat(300) });
    }

    #[test]
    fn each_status_has_its_meaning() {
        let detail = || "no".to_owned();
        for status in [400, 402, 405, 408, 409, 422, 499] {
            assert_eq!(conversion(status, "no"), Outcome::Refused { status, detail: detail() });
        }
        for status in [401, 403, 404] {
            assert_eq!(conversion(status, "no"), Outcome::NoAccess { status, detail: detail() });
        }
        let no_action = outcome_of(404, &[], "no", Endpoint::Actions);
        assert_eq!(no_action, Outcome::Refused { status: 404, detail: detail() });
        let limited = Outcome::Retry { why: Trouble::RateLimited, detail: detail(), after: None };
        assert_eq!(conversion(429, "no"), limited);
        for status in [301, 302, 304, 307, 500, 502, 503, 504, 599] {
            let expected = Outcome::Retry { why: Trouble::ServerError, detail: format!("{status} no"), after: None };
            assert_eq!(conversion(status, "no"), expected);
        }
    }

    #[test]
    fn the_wait_that_impact_asks_for() {
        // 1795521600 is 2026-11-24T12:00:00Z.
        for (headers, seconds) in [
            (&[("retry-after", "120")][..], Some(120)),
            (&[("retry-after", " 7 ")], Some(7)),
            (&[("retry-after", "Tue, 24 Nov 2026 12:01:30 GMT")], Some(90)),
            (&[("retry-after", "Tue, 24 Nov 2026 11:00:00 GMT")], Some(0)),
            (&[("retry-after", "soon")], None),
            (&[("retry-after", "-5")], None),
            (&[("x-ratelimit-reset", "30")], Some(30)),
            (&[("x-ratelimit-reset", "1795521660")], Some(60)),
            (&[("x-ratelimit-reset", "1487332519")], Some(0)),
            (&[("x-ratelimit-reset", "-1")], None),
            (&[("retry-after", "120"), ("x-ratelimit-reset", "30")], Some(120)),
            (&[("retry-after", "soon"), ("x-ratelimit-reset", "30")], Some(30)),
            (&[], None),
        ] {
            for (status, why) in [(429, Trouble::RateLimited), (503, Trouble::ServerError)] {
                let Outcome::Retry { why: actual, after, .. } = outcome_of(status, headers, "", Endpoint::PageLoad)
                else {
                    panic!("{status} is not retried");
                };
                assert_eq!((actual, after), (why, seconds.map(Duration::from_secs)), "{status} {headers:?}");
            }
        }
    }
}
