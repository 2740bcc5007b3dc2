//! serde_json's opinion of a body before and after the splice.

use selvedge::click::ClickId;
use selvedge::segment::referrer::enrich;
use selvedge::segment::splice::{Edit, apply, whole};
use selvedge::segment::{Envelope, Expect, Names, Untouched};
use serde::Deserialize;
use serde_json::{Value, json};

/// The names that the walk looks for.
pub(crate) fn names() -> Names {
    Names { parameters: vec!["im_ref".into()], integration: "Impact Partnership Cloud", referrer_type: "impactRadius" }
}

/// The click that is spliced in.
pub(crate) fn click() -> ClickId {
    ClickId::parse(b"2uz3sQWFl:xyJR-cq").unwrap()
}

/// The body as it goes on, and how many calls were spliced.
pub(crate) fn spliced(text: &[u8], expect: Expect) -> Result<(Vec<u8>, usize), Untouched> {
    let names = names();
    let envelope = Envelope::read(text, expect, &names)?;
    let edits: Vec<Vec<Edit>> =
        envelope.calls().filter_map(|view| enrich(&view, &click(), &names, false).ok()).collect();
    let count = edits.len();
    Ok((apply(text, whole(text), &edits.concat()), count))
}

/// How serde_json reads it, at any depth.
pub(crate) fn oracle(text: &[u8]) -> Option<Value> {
    let text = text.strip_prefix(b"\xEF\xBB\xBF").unwrap_or(text);
    let mut reader = serde_json::Deserializer::from_slice(text);
    reader.disable_recursion_limit();
    let value = Value::deserialize(&mut reader).ok()?;
    reader.end().ok()?;
    Some(value)
}

/// Checks one body that is a call: `after` says the same as `before`, but for the referrer.
pub(crate) fn check(before: &[u8], expect: Expect) {
    let Ok((after, count)) = spliced(before, expect) else {
        return;
    };
    if count == 0 {
        assert_eq!(after, before);
        return;
    }
    let (Some(was), Some(mut is)) = (oracle(before), oracle(&after)) else {
        // serde_json refuses half surrogates in strings; the scanner does not.
        assert!(before.windows(3).any(|w| w.eq_ignore_ascii_case(b"\\ud")), "{}", String::from_utf8_lossy(before));
        return;
    };
    let calls: Vec<(Value, &mut Value)> = match (was.get("batch").and_then(Value::as_array), is.get_mut("batch")) {
        (Some(was), Some(Value::Array(is))) if expect == Expect::Batch => was.iter().cloned().zip(is).collect(),
        _ => vec![(was.clone(), &mut is)],
    };
    let batch_referrer = was.pointer("/context/referrer").filter(|_| expect == Expect::Batch).cloned();
    for (was, is) in calls {
        if was == *is {
            continue;
        }
        let mut expected = was.clone();
        let context = expected.as_object_mut().unwrap().entry("context").or_insert(Value::Null);
        if context.is_null() {
            *context = json!({});
        }
        let missing = context.get("referrer").is_none();
        let referrer = context.as_object_mut().unwrap().entry("referrer").or_insert(Value::Null);
        if referrer.is_null() {
            let inherited = batch_referrer.clone().filter(|r| missing && r.is_object());
            *referrer = inherited.unwrap_or(json!({}));
        }
        referrer["id"] = json!(click().as_str());
        referrer["type"] = json!("impactRadius");
        assert_eq!(*is, expected);
    }
}
