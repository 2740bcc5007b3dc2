//! The splice against serde_json as the oracle: over the corpus of bodies, and over generated ones.
//!
//! Whatever goes on is what came but for the spliced bytes: taking the edits out again gives the original, and serde_json
//! reads the result as the original with the referrer set.
#![allow(clippy::unwrap_used, clippy::indexing_slicing, reason = "a test that fails may panic")]

#[path = "splice/generate.rs"]
mod generate;
#[path = "splice/oracle.rs"]
mod oracle;

use oracle::{check, oracle, spliced};
use proptest::prelude::*;
use selvedge::segment::{CallKind, Expect, Untouched};
use std::fs;
use std::path::PathBuf;

/// What is left of `after` when every run of inserted bytes is taken out: `before` must be a subsequence of it in which
/// only whole insertions are missing. Replaced nulls and empty strings are the only bytes that may go.
fn is_subsequence(before: &[u8], after: &[u8]) -> bool {
    let mut rest = after.iter();
    before.iter().all(|byte| rest.any(|other| other == byte))
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
