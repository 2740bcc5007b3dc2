//! `EventDate`: when the event happened, by a clock that can be trusted.

use crate::clock::Time;
use serde_json::Value;

/// The event's date, ISO 8601 with an offset, and where it came from.
///
/// The event's own time is moved by what the client's clock was wrong: `arrival − (sentAt − timestamp)`, as Segment does.
/// Without `sentAt` the timestamp stands, in the event's own spelling; without a readable timestamp it is the arrival.
pub(super) fn event_date(timestamp: Option<&Value>, sent_at: Option<Time>, arrival: Time) -> (String, &'static str) {
    let own = timestamp.and_then(Value::as_str).and_then(|text| Some((text, Time::parse(text)?)));
    match (own, sent_at) {
        (None, _) => (arrival.iso8601(), "arrival"),
        (Some((_, time)), Some(_)) => (time.seen_from(sent_at, arrival).iso8601(), "timestamp, corrected by sentAt"),
        (Some((text, _)), None) if is_plain(text) => (text.to_owned(), "timestamp"),
        (Some((_, time)), None) => (time.iso8601(), "timestamp"),
    }
}

/// Whether a readable date has no more than ISO 8601 has (the reader also takes spaces and time zone names).
fn is_plain(text: &str) -> bool {
    text.bytes().all(|byte| matches!(byte, b'0'..=b'9' | b'-' | b'+' | b':' | b'.' | b'T' | b'Z'))
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn dates() {
        let at = |text: &str| Time::parse(text).unwrap();
        let arrival = at("2026-11-24T12:00:00Z");
        let (now, sent) = ("2026-11-24T12:00:00.000Z", Some(at("2026-11-24T10:00:00Z")));
        for (timestamp, sent_at, expected) in [
            (json!("2026-11-24T09:59:58.5Z"), sent, "2026-11-24T11:59:58.500Z"),
            (json!("2026-11-24T11:59:58+02:00"), sent, "2026-11-24T11:59:58.000Z"),
            (json!("2026-11-24T10:00:03Z"), sent, "2026-11-24T12:00:03.000Z"),
            (json!("2026-11-20T08:00:00-08:00"), None, "2026-11-20T08:00:00-08:00"),
            (json!("2026-11-20T08:00:00.123456789Z"), None, "2026-11-20T08:00:00.123456789Z"),
            (json!("2026-11-20 08:00:00Z"), None, "2026-11-20T08:00:00.000Z"),
            (json!("2026-11-20T08:00:00+01:00[Europe/Berlin]"), None, "2026-11-20T07:00:00.000Z"),
            (json!("2026-11-20"), sent, now),
            (json!("2026-11-20T08:00:00"), None, now),
            (json!("yesterday"), None, now),
            (json!(1_795_000_000), None, now),
            (json!(null), None, now),
        ] {
            assert_eq!(event_date(Some(&timestamp), sent_at, arrival).0, expected, "{timestamp}");
        }
        assert_eq!(event_date(None, sent, arrival), (now.to_owned(), "arrival"));
    }
}
