//! The splice against serde_json as the oracle: over the corpus of bodies, and over generated ones.
//!
//! Whatever goes on is what came but for the spliced bytes: taking the edits out again gives the original, and serde_json
//! reads the result as the original with the referrer set.
#![allow(clippy::unwrap_used, clippy::indexing_slicing, reason = "a test that fails may panic")]

#[path = "splice/generate.rs"]
mod generate;

use proptest::prelude::*;
use selvedge::click::ClickId;
use selvedge::segment::referrer::enrich;
use selvedge::segment::splice::{Edit, apply, whole};
use selvedge::segment::{CallKind, Envelope, Expect, Names, Untouched};
use serde::Deserialize;
use serde_json::{Value, json};
use std::fs;
use std::path::PathBuf;

fn names() -> Names {
    Names { parameters: vec!["im_ref".into()], integration: "Impact Partnership Cloud", referrer_type: "impactRadius" }
}

fn click() -> ClickId {
    ClickId::parse(b"2uz3sQWFl:xyJR-cq").unwrap()
}

/// The body as it goes on, and how many calls were spliced.
fn spliced(text: &[u8], expect: Expect) -> Result<(Vec<u8>, usize), Untouched> {
    let names = names();
    let envelope = Envelope::read(text, expect, &names)?;
    let edits: Vec<Vec<Edit>> =
        envelope.calls().filter_map(|view| enrich(&view, &click(), &names, false).ok()).collect();
    let count = edits.len();
    Ok((apply(text, whole(text), &edits.concat()), count))
}

fn oracle(text: &[u8]) -> Option<Value> {
    let text = text.strip_prefix(b"\xEF\xBB\xBF").unwrap_or(text);
    let mut reader = serde_json::Deserializer::from_slice(text);
    reader.disable_recursion_limit();
    let value = Value::deserialize(&mut reader).ok()?;
    reader.end().ok()?;
    Some(value)
}

/// What is left of `after` when every run of inserted bytes is taken out: `before` must be a subsequence of it in which
/// only whole insertions are missing. Replaced nulls and empty strings are the only bytes that may go.
fn is_subsequence(before: &[u8], after: &[u8]) -> bool {
    let mut rest = after.iter();
    before.iter().all(|byte| rest.any(|other| other == byte))
}

/// Checks one body that is a call: `after` says the same as `before`, but for the referrer.
fn check(before: &[u8], expect: Expect) {
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

#[test]
fn the_corpus_goes_on_unchanged_but_for_the_splice() {
    let folder = PathBuf::from(concat!(env!("CARGO_MANIFEST_DIR"), "/tests/fixtures/bodies"));
    let mut seen = 0;
    for entry in fs::read_dir(folder).unwrap() {
        let path = entry.unwrap().path();
        let name = path.file_name().unwrap().to_string_lossy().into_owned();
        if !name.ends_with(".json") || name.ends_with(".expect.json") {
            continue;
        }
        seen += 1;
        let body = fs::read(&path).unwrap();
        for expect in [Expect::One(CallKind::Track), Expect::Batch] {
            check(&body, expect);
        }
        let accepted =
            !matches!(spliced(&body, Expect::One(CallKind::Track)), Err(Untouched::NotJson | Untouched::TooDeep));
        // The oracle's recursion has no limit of its own.
        let is_json = name.starts_with("deep_") || oracle(&body).is_some();
        let half_surrogate = body.windows(3).any(|w| w.eq_ignore_ascii_case(b"\\ud"));
        assert!(
            accepted == is_json || half_surrogate || name.starts_with("deep_"),
            "{name}: accepted {accepted}, JSON {is_json}"
        );
    }
    assert!(seen >= 60, "only {seen} bodies");
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(512))]

    #[test]
    fn a_generated_call_says_the_same_but_for_the_referrer(body in generate::call()) {
        check(body.as_bytes(), Expect::One(CallKind::Track));
    }

    #[test]
    fn a_generated_batch_says_the_same_but_for_the_referrers(body in generate::batch()) {
        check(body.as_bytes(), Expect::Batch);
    }

    #[test]
    fn what_is_added_is_all_that_is_added(body in generate::call()) {
        if let Ok((after, _)) = spliced(body.as_bytes(), Expect::One(CallKind::Track)) {
            let without_blanks = body.replace("null", "").replace("\"\"", "");
            prop_assert!(is_subsequence(without_blanks.as_bytes(), &after));
        }
    }

    #[test]
    fn any_bytes_are_judged_as_serde_json_judges_them(bytes in generate::nearly_json()) {
        let accepted = spliced(&bytes, Expect::One(CallKind::Track));
        let is_object = oracle(&bytes).is_some_and(|value| value.is_object());
        let half_surrogate = bytes.windows(3).any(|w| w.eq_ignore_ascii_case(b"\\ud"));
        prop_assert!(accepted.is_ok() == is_object || half_surrogate, "{}", String::from_utf8_lossy(&bytes));
    }
}
