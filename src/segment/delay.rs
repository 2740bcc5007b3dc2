//! What is changed in an envelope that reaches Segment later than it was sent.
//!
//! Segment dates an event `receivedAt − (sentAt − timestamp)`. An envelope that waited would date all its events into the
//! future; with its `sentAt` moved by the wait, it dates them as if it had not.

use super::call::{Call, Object};
use super::envelope::Envelope;
use super::scan::Node;
use super::splice::Edit;
use crate::clock::Time;
use std::time::Duration;

/// The edits for an envelope that came at `arrival` and waited for `wait`. A `sentAt` that is no time stays; a call with
/// neither `sentAt` nor `timestamp` gets its arrival as `timestamp`, which is what Segment would have taken.
pub fn delayed(envelope: &Envelope<'_>, arrival: Time, wait: Duration) -> Vec<Edit> {
    let text = envelope.text();
    let moved = |sent_at: Node| {
        let time = Time::parse(&sent_at.string(text)?)?;
        Some(Edit::replace(sent_at, format!("\"{}\"", time.plus(wait).iso8601())))
    };
    let mut edits = Vec::new();
    let of_batch = envelope.top().sent_at;
    edits.extend(of_batch.and_then(moved));
    for view in envelope.calls() {
        edits.extend(view.own.sent_at.and_then(moved));
        let sent_at = view.own.sent_at.or(of_batch).filter(|node| !node.is_blank());
        if sent_at.is_none() {
            edits.extend(dated(view.own, arrival));
        }
    }
    edits
}

fn dated(call: &Call, arrival: Time) -> Option<Edit> {
    let date = format!("\"{}\"", arrival.iso8601());
    match (call.timestamp, call.object) {
        (Some(timestamp), _) if timestamp.is_blank() => Some(Edit::replace(timestamp, date)),
        (None, Some(Object { node, empty })) => {
            Some(Edit::member(Object { node, empty }, format!("\"timestamp\":{date}")))
        }
        (Some(_), _) | (None, None) => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::segment::splice::{apply, whole};
    use crate::segment::{CallKind, Expect, Names};

    const ARRIVAL: Time = Time::from_seconds(1_795_521_600); // 2026-11-24T12:00:00Z

    fn after_a_minute(text: &str, expect: Expect) -> String {
        let names = Names { parameters: vec![], integration: "x", referrer_type: "x" };
        let envelope = Envelope::read(text.as_bytes(), expect, &names).unwrap();
        let edits = delayed(&envelope, ARRIVAL, Duration::from_secs(60));
        String::from_utf8(apply(text.as_bytes(), whole(text.as_bytes()), &edits)).unwrap()
    }

    #[test]
    fn a_call_is_dated_as_if_it_had_not_waited() {
        for (before, after) in [
            (r#"{"sentAt": "2026-11-24T11:59:59.5Z","a":1.10}"#, r#"{"sentAt": "2026-11-24T12:00:59.500Z","a":1.10}"#),
            (r#"{"sentAt":"2026-11-24T13:59:00+02:00"}"#, r#"{"sentAt":"2026-11-24T12:00:00.000Z"}"#),
            (r#"{"sentAt":"soon","timestamp":"x"}"#, r#"{"sentAt":"soon","timestamp":"x"}"#),
            (r#"{"timestamp":"2026-11-24T11:00:00Z"}"#, r#"{"timestamp":"2026-11-24T11:00:00Z"}"#),
            (r#"{"a":1}"#, r#"{"timestamp":"2026-11-24T12:00:00.000Z","a":1}"#),
            ("{}", r#"{"timestamp":"2026-11-24T12:00:00.000Z"}"#),
            (r#"{"sentAt":null,"timestamp":""}"#, r#"{"sentAt":null,"timestamp":"2026-11-24T12:00:00.000Z"}"#),
            (r#"{"sentAt":7}"#, r#"{"sentAt":7}"#),
        ] {
            assert_eq!(after_a_minute(before, Expect::One(CallKind::Track)), after, "{before}");
        }
    }

    #[test]
    fn a_batch_is_moved_as_a_whole() {
        for (before, after) in [
            (
                r#"{"batch":[{"type":"track"},{"type":"page","sentAt":"2026-11-24T11:00:00Z"}],"sentAt":"2026-11-24T12:00:00Z"}"#,
                r#"{"batch":[{"type":"track"},{"type":"page","sentAt":"2026-11-24T11:01:00.000Z"}],"sentAt":"2026-11-24T12:01:00.000Z"}"#,
            ),
            (
                r#"{"batch":[{"type":"track"},{"type":"page","timestamp":"t"}]}"#,
                r#"{"batch":[{"timestamp":"2026-11-24T12:00:00.000Z","type":"track"},{"type":"page","timestamp":"t"}]}"#,
            ),
        ] {
            assert_eq!(after_a_minute(before, Expect::Batch), after, "{before}");
        }
    }
}
