//! Envelopes: read, enriched, switched off and spliced, against serde_json.

use super::oracle::{self, check, click, oracle};
use selvedge::segment::integrations::{Suppression, suppress};
use selvedge::segment::referrer::{Kept, enrich, said};
use selvedge::segment::splice::{Edit, apply, whole};
use selvedge::segment::{CallKind, Envelope, Expect, Untouched, View};
use serde_json::Value;
use std::borrow::Cow;

pub fn target(bytes: &[u8]) {
    // The oracle knows a number by a key of its own, and takes a call that has it for one.
    if contains(bytes, b"$serde_json") {
        return;
    }
    for expect in [Expect::One(CallKind::Track), Expect::Batch] {
        check(bytes, expect);
        judged_as_json(bytes, expect);
        if let Ok(envelope) = Envelope::read(bytes, expect, &oracle::names()) {
            let _ = envelope.write_key();
            fields(&envelope);
            spliced(&envelope, expect);
        }
    }
}

/// What is an envelope is JSON, and what is JSON is no worse than of an unknown shape.
fn judged_as_json(bytes: &[u8], expect: Expect) {
    match Envelope::read(bytes, expect, &oracle::names()) {
        Ok(_) => assert!(oracle(bytes).is_some() || half_surrogate(bytes)),
        Err(Untouched::NotJson) => {
            let plain = bytes.strip_prefix(b"\xEF\xBB\xBF").unwrap_or(bytes);
            assert!(serde_json::from_slice::<Value>(plain).is_err());
        }
        Err(_) => {}
    }
}

/// The fields of a call are what serde_json reads in their places.
fn fields(envelope: &Envelope<'_>) {
    for view in envelope.calls() {
        let Some(call) = oracle(view.raw()).filter(|_| !half_surrogate(view.raw())) else { continue };
        let same = |key: &str, read: Option<Cow<'_, str>>| {
            assert_eq!(read.as_deref(), call[key].as_str().filter(|text| !text.is_empty()), "{key}");
        };
        same("event", view.event());
        same("messageId", view.message_id());
        same("timestamp", view.timestamp());
        same("receivedAt", view.received_at());
        for (key, id) in [("anonymousId", view.anonymous_id()), ("userId", view.user_id())] {
            assert!(call[key].is_number() || id.as_deref() == call[key].as_str().filter(|text| !text.is_empty()));
        }
        let _ = (view.sent_at(), view.user_agent(), view.repeat_origin(), view.previous_id());
        let _ = (view.urls().count(), view.parameters().count());
    }
}

/// With everything spliced in, each call says our click where it should and switches the destination off; and there is
/// nothing left to splice.
fn spliced(envelope: &Envelope<'_>, expect: Expect) {
    let names = oracle::names();
    let both = |view: &View<'_>| (enrich(view, &click(), &names, false), suppress(view, &names));
    let done: Vec<_> = envelope.calls().map(|view| both(&view)).collect();
    let mut edits: Vec<Edit> = Vec::new();
    for (referrer, off) in &done {
        edits.extend(referrer.iter().flatten().cloned());
        if let Suppression::Edits(more) | Suppression::OptionsReplaced(more) = off {
            edits.extend(more.iter().cloned());
        }
    }
    let text = envelope.text();
    let after = apply(text, whole(text), &edits);
    assert!(after.len() <= text.len() + edits.iter().map(Edit::growth).sum::<usize>());
    let Ok(again) = Envelope::read(&after, expect, &names) else {
        // Two levels deeper than it was, it may be too deep.
        assert_eq!(Envelope::read(&after, expect, &names).err(), Some(Untouched::TooDeep));
        return;
    };
    assert_eq!(again.calls().count(), done.len());
    for (view, (referrer, off)) in again.calls().zip(&done) {
        if referrer.is_ok() {
            assert_eq!(said(&view, &names), Some(click()));
            assert_eq!(enrich(&view, &click(), &names, false), Err(Kept::Said));
        }
        if *off != Suppression::Left {
            assert_eq!(suppress(&view, &names), Suppression::AlreadyOff);
        }
        if let Some(call) = view.value(&[]) {
            let is_off = call["integrations"][names.integration] == Value::Bool(false);
            assert!(is_off || matches!(off, Suppression::Left | Suppression::AlreadyOff));
        }
    }
}

fn half_surrogate(text: &[u8]) -> bool {
    text.windows(3).any(|three| three.eq_ignore_ascii_case(b"\\ud"))
}

fn contains(text: &[u8], part: &[u8]) -> bool {
    text.windows(part.len()).any(|window| window == part)
}
