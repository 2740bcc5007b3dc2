//! The calls in the envelopes that are kept for Segment, and which of them are a person's.

use crate::links::{IdKind, Person, PersonKey};
use crate::metrics::Label;
use crate::outbox::Missed;
use crate::outbox::forwards::Record;
use crate::proxy::calls::body::{Plain, open};
use crate::segment::endpoint::{Endpoint, endpoint};
use crate::segment::pixel::Pixel;
use crate::segment::without::{Part, Rest, without};
use crate::segment::{CallKind, Expect, Untouched};
use bytes::Bytes;
use http::{HeaderMap, HeaderName, HeaderValue};
use serde_json::{Value, json};

/// Fields that describe the bytes of a body; they go when the bytes change.
const BODY_FIELDS: [&str; 5] = ["content-encoding", "content-length", "content-md5", "digest", "content-digest"];

/// An envelope that holds something of a person's.
pub(super) struct Found {
    /// It.
    pub(super) record: Record,
    /// The person's calls in it, as JSON.
    pub(super) calls: Vec<Value>,
    /// What is left without them.
    pub(super) rest: Rest,
    /// Ids of the person that are in none of the other calls.
    pub(super) gone: Vec<PersonKey>,
}

/// Whose a call is, by its hashed ids.
struct Whose {
    user: Option<PersonKey>,
    others: [Option<PersonKey>; 3],
}

impl Whose {
    fn of(part: &Part<'_>, space: &str) -> Self {
        let key = |kind, id: &Option<std::borrow::Cow<'_, str>>| PersonKey::of(space, kind, id.as_deref()?);
        let previous = [IdKind::Anonymous, IdKind::User].map(|kind| key(kind, &part.previous_id));
        let [was_anonymous, was_user] = previous;
        Self {
            user: key(IdKind::User, &part.user_id),
            others: [key(IdKind::Anonymous, &part.anonymous_id), was_anonymous, was_user],
        }
    }

    fn is(&self, person: &Person) -> bool {
        person.owns(self.user.map(|key| key.0), &self.others.map(|key| key.map(|key| key.0)))
    }
}

/// What an envelope that is filed under a person holds of theirs; `None`: nothing, all of it is somebody else's.
/// One that cannot be read is taken to be the person's.
pub(super) fn found(record: Record, space: &str, person: &Person) -> Option<Found> {
    let (mut calls, mut staying) = (Vec::new(), Vec::new());
    let goes = |part: &Part<'_>| {
        let whose = Whose::of(part, space);
        let goes = whose.is(person);
        match goes {
            true => calls.push(serde_json::from_slice(part.raw).unwrap_or_default()),
            false => staying.extend(whose.others.into_iter().chain([whose.user]).flatten()),
        }
        goes
    };
    let rest = match record.missed.as_ref().map(|missed| cut(missed, goes)) {
        None | Some(Err(_)) => Rest::Nothing,
        Some(Ok(Rest::All)) => return None,
        Some(Ok(rest)) => rest,
    };
    let gone = person.ids().into_iter().filter(|id| !staying.contains(id)).collect();
    Some(Found { record, calls, rest, gone })
}

/// The types and messageIds of an envelope's calls; `None`: it holds none that could be read.
pub(super) fn calls(missed: &Missed) -> Option<Vec<Value>> {
    let kind = match endpoint(missed.path.split('?').next().unwrap_or_default()) {
        Endpoint::Calls(Expect::One(kind)) | Endpoint::Pixel(kind) => Some(Value::from(kind.label())),
        _ => None,
    };
    let mut calls = Vec::new();
    let told = |part: &Part<'_>| {
        let call: Value = serde_json::from_slice(part.raw).unwrap_or_default();
        let text = |name: &str| call.get(name).filter(|value| value.is_string()).cloned();
        calls.push(json!({ "type": kind.clone().or_else(|| text("type")), "messageId": text("messageId") }));
        false
    };
    cut(missed, told).ok()?;
    Some(calls)
}

/// A body as text, its encoding undone if that can be.
pub(super) fn text(missed: &Missed) -> String {
    let plain = plain(missed).unwrap_or_else(|_| missed.body.clone());
    String::from_utf8_lossy(&plain).into_owned()
}

fn cut(missed: &Missed, goes: impl FnMut(&Part<'_>) -> bool) -> Result<Rest, Untouched> {
    let (path, query) = missed.path.split_once('?').unwrap_or((&missed.path, ""));
    match endpoint(path) {
        Endpoint::Calls(expect) => without(&plain(missed)?, expect, goes),
        Endpoint::Pixel(kind) => {
            let pixel = Pixel::read(query).ok_or(Untouched::NoCall)?;
            without(&pixel.json, Expect::One(kind), goes)
        }
        // A call, if it is any, whose kind does not matter.
        Endpoint::Metrics | Endpoint::Settings | Endpoint::Cdn | Endpoint::Other => {
            without(&missed.body, Expect::One(CallKind::Track), goes)
        }
    }
}

fn plain(missed: &Missed) -> Result<Bytes, Untouched> {
    let fields = missed.fields.iter().filter_map(|(name, value)| {
        Some((HeaderName::from_bytes(name.as_bytes()).ok()?, HeaderValue::from_str(value).ok()?))
    });
    match open(&HeaderMap::from_iter(fields), &missed.body) {
        Ok(Plain::Same) => Ok(missed.body.clone()),
        Ok(Plain::Inflated(plain)) => Ok(Bytes::from(plain)),
        Err(_) => Err(Untouched::NotJson),
    }
}

impl Found {
    /// The request without the person's calls, if others are left; plain, whatever its encoding was.
    pub(super) fn rewritten(self) -> Option<Missed> {
        let (Rest::Some(body), Some(mut missed)) = (self.rest, self.record.missed) else { return None };
        missed.fields.retain(|(name, _)| !BODY_FIELDS.iter().any(|field| name.eq_ignore_ascii_case(field)));
        Some(Missed { body: Bytes::from(body), ..missed })
    }

    /// For people: what of the person's is in it.
    pub(super) fn told(&self) -> Value {
        let Record { id, state, arrival, reason, missed, .. } = &self.record;
        let path = missed.as_ref().map(|missed| missed.path.split('?').next().unwrap_or_default());
        json!({
            "id": id,
            "state": state.name(),
            "reason": reason,
            "arrival": arrival.iso8601(),
            "path": path,
            "calls": self.calls,
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::clock::Time;
    use crate::outbox::State;

    fn key(kind: IdKind, id: &str) -> PersonKey {
        PersonKey::of("s", kind, id).unwrap()
    }

    /// The userId `u1`, joined to the anonymousId `a1`.
    fn person() -> Person {
        let joined = vec![key(IdKind::Anonymous, "a1")];
        Person { asked: key(IdKind::User, "u1"), joined, shared: Vec::new(), links: Vec::new() }
    }

    fn missed(path: &str, fields: &[(&str, &str)], body: &[u8]) -> Missed {
        Missed {
            method: "POST".to_owned(),
            path: path.to_owned(),
            fields: fields.iter().map(|(name, value)| ((*name).to_owned(), (*value).to_owned())).collect(),
            body: Bytes::copy_from_slice(body),
            arrival: Time::from_seconds(1),
            people: Vec::new(),
            write_key: None,
        }
    }

    fn record(missed: Option<Missed>) -> Record {
        let arrival = Time::from_seconds(1);
        Record { id: 1, state: State::Waiting, arrival, attempts: 0, ended: None, reason: None, missed }
    }

    fn rest(path: &str, body: &str) -> Option<Rest> {
        found(record(Some(missed(path, &[], body.as_bytes()))), "s", &person()).map(|found| found.rest)
    }

    #[test]
    fn calls_are_told_by_their_types_and_ids() {
        let batch = r#"{"batch":[{"type":"track","messageId":"m1","userId":"u1"},{"type":"page","messageId":7},5]}"#;
        let told = |path: &str, body: &str| calls(&missed(path, &[], body.as_bytes())).map(Value::from);
        let two = json!([{ "type": "track", "messageId": "m1" }, { "type": "page", "messageId": null }]);
        assert_eq!(told("/v1/batch", batch), Some(two));
        assert_eq!(told("/v1/t", r#"{"messageId":"m"}"#), Some(json!([{ "type": "track", "messageId": "m" }])));
        let pixel = "/v1/pixel/page?messageId=m&writeKey=k";
        assert_eq!(told(pixel, ""), Some(json!([{ "type": "page", "messageId": "m" }])));
        assert_eq!(told("/v1/t", "garbage"), None);
    }

    #[test]
    fn what_is_left_of_each_kind_of_envelope() {
        let other = r#"{"type":"track","userId":"u2","anonymousId":"a1"}"#;
        let mine = r#"{"type":"track","userId":"u1"}"#;
        let batch = |items: &[&str]| format!(r#"{{"batch":[{}]}}"#, items.join(","));
        for (path, body, expected) in [
            ("/v1/t", mine, Some(Rest::Nothing)),
            ("/v1/t", r#"{"anonymousId":"a1"}"#, Some(Rest::Nothing)),
            ("/v1/alias?x", r#"{"previousId":"a1","userId":"u1"}"#, Some(Rest::Nothing)),
            // On a device that two use, what names the other is the other's.
            ("/v1/t", other, None),
            ("/v1/batch", &batch(&[other]), None),
            ("/v1/batch", &batch(&[mine, mine]), Some(Rest::Nothing)),
            ("/v1/batch", &batch(&[mine, other]), Some(Rest::Some(batch(&[other]).into_bytes()))),
            ("/v1/batch", "garbage", Some(Rest::Nothing)),
            ("/v1/pixel/track?data=eyJ1c2VySWQiOiJ1MSJ9", "", Some(Rest::Nothing)),
            ("/v1/pixel/track?event=x&userId=u1", "", Some(Rest::Nothing)),
            ("/v1/pixel/track?event=x&userId=u2", "", None),
        ] {
            assert_eq!(rest(path, body), expected, "{path} {body}");
        }
        assert!(
            found(record(None), "s", &person()).is_some_and(|found| found.rest == Rest::Nothing),
            "sealed by another key"
        );
    }

    #[test]
    fn a_cut_envelope_is_plain_and_no_more_the_persons() {
        use std::io::Write;
        let body = r#"{"batch":[{"userId":"u1"},{"userId":"u2","anonymousId":"a1"}]}"#;
        let mut gzip = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::fast());
        gzip.write_all(body.as_bytes()).unwrap();
        let fields = [("content-type", "application/json"), ("content-encoding", "gzip"), ("Digest", "x")];
        let missed = missed("/v1/b", &fields, &gzip.finish().unwrap());
        let found = found(record(Some(missed)), "s", &person()).unwrap();
        assert_eq!(found.gone, [key(IdKind::User, "u1")], "a1 is still in it");
        assert_eq!(found.told()["calls"], json!([{ "userId": "u1" }]));
        let rewritten = found.rewritten().unwrap();
        assert_eq!(rewritten.body, r#"{"batch":[{"userId":"u2","anonymousId":"a1"}]}"#);
        assert_eq!(rewritten.fields, [("content-type".to_owned(), "application/json".to_owned())]);
    }
}
