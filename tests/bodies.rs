//! Every body of `tests/fixtures/bodies` is read, and spliced where it should be; all other bytes stay.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::indexing_slicing, reason = "a test's panic is its report")]

use selvedge::click::ClickId;
use selvedge::segment::envelope::CALL_BYTES_MAX;
use selvedge::segment::referrer::enrich;
use selvedge::segment::splice::{Edit, apply, whole};
use selvedge::segment::{Endpoint, Envelope, Names, endpoint};
use serde_json::{Value, json};
use std::path::{Path, PathBuf};

/// A click ID of the usual length (39 characters).
const CLICK: &str = "2uz3sQWFlxyJRcqwUx0Mo38bUkHzZTRxqSjAVQ0";

struct Body {
    name: String,
    bytes: Vec<u8>,
    endpoint: String,
    calls: usize,
}

fn bodies() -> Vec<Body> {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/fixtures/bodies");
    let mut files: Vec<PathBuf> = std::fs::read_dir(folder)
        .unwrap()
        .map(|entry| entry.unwrap().path())
        .filter(|path| path.extension().is_some_and(|ext| ext == "json"))
        .filter(|path| !path.to_string_lossy().ends_with(".expect.json"))
        .collect();
    files.sort();
    files.iter().map(|path| Body::read(path)).collect()
}

impl Body {
    fn read(path: &Path) -> Self {
        let name = path.file_stem().unwrap().to_string_lossy().into_owned();
        let bytes = std::fs::read(path).unwrap();
        let expected = std::fs::read(path.with_extension("expect.json"))
            .map(|text| serde_json::from_slice::<Value>(&text).unwrap())
            .unwrap_or_else(|_| json!({"endpoint": "/v1/t", "spliced": true, "calls": 1}));
        let calls = usize::try_from(expected["calls"].as_u64().unwrap()).unwrap();
        assert_eq!(expected["spliced"], json!(calls > 0), "{name}");
        Self { name, bytes, endpoint: expected["endpoint"].as_str().unwrap().to_owned(), calls }
    }

    /// The edits that its calls get, one list for each call.
    fn edits(&self) -> Vec<Vec<Edit>> {
        let names = Names {
            parameters: vec!["im_ref".into()],
            integration: "Impact Partnership Cloud",
            referrer_type: "impactRadius",
        };
        let Endpoint::Calls(expect) = endpoint::endpoint(&self.endpoint) else {
            return Vec::new();
        };
        let Ok(envelope) = Envelope::read(&self.bytes, expect, &names) else {
            return Vec::new();
        };
        let id = ClickId::parse(CLICK.as_bytes()).unwrap();
        let fits =
            |raw: &[u8], edits: &[Edit]| raw.len() + edits.iter().map(Edit::growth).sum::<usize>() <= CALL_BYTES_MAX;
        envelope
            .calls()
            .filter_map(|view| Some((view, enrich(&view, &id, &names, false).ok()?)))
            .filter_map(|(view, edits)| fits(view.raw(), &edits).then_some(edits))
            .collect()
    }
}

#[test]
fn every_body_is_spliced_where_it_should_be() {
    let bodies = bodies();
    assert!(bodies.len() >= 150, "{} bodies", bodies.len());
    for body in &bodies {
        assert_eq!(body.edits().len(), body.calls, "{}", body.name);
    }
}

#[test]
fn nothing_but_the_referrer_differs() {
    for body in bodies() {
        let edits = body.edits();
        let after = apply(&body.bytes, whole(&body.bytes), &edits.concat());
        if edits.is_empty() {
            assert_eq!(after, body.bytes, "{}", body.name);
        }
        if let [one] = edits.as_slice()
            && one.len() == 1
        {
            // Bytes in front and behind stay; at most a `null` between them goes.
            let front = alike(body.bytes.iter(), after.iter());
            let rest = (&body.bytes[front..], &after[front..]);
            let behind = alike(rest.0.iter().rev(), rest.1.iter().rev());
            assert!(front + behind + "null".len() >= body.bytes.len(), "{}", body.name);
        }
        compare(&body, &after);
    }
}

fn alike<'a>(a: impl Iterator<Item = &'a u8>, b: impl Iterator<Item = &'a u8>) -> usize {
    a.zip(b).take_while(|(a, b)| a == b).count()
}

/// Reads both texts with another parser: apart from the referrers they say the same, and as many calls have our click as should.
fn compare(body: &Body, after: &[u8]) {
    let (Some(mut before), Some(mut after)) = (oracle(&body.bytes), oracle(after)) else {
        return;
    };
    let ours = calls(&mut after).iter().filter(|call| says_ours(call)).count();
    assert_eq!(ours, body.calls, "{}", body.name);
    let edits = calls(&mut before).len();
    assert_eq!(calls(&mut after).len(), edits, "{}", body.name);
    calls(&mut before).into_iter().for_each(forget_referrer);
    calls(&mut after).into_iter().for_each(forget_referrer);
    assert_eq!(before, after, "{}", body.name);
}

/// serde_json's reading; `None` for what it refuses, such as half a surrogate pair or 128 levels.
fn oracle(text: &[u8]) -> Option<Value> {
    let text = text.strip_prefix(b"\xEF\xBB\xBF").unwrap_or(text);
    serde_json::from_slice(text).ok()
}

fn calls(envelope: &mut Value) -> Vec<&mut Value> {
    match envelope.get("batch").is_some_and(Value::is_array) && envelope.get("event").is_none() {
        true => envelope["batch"].as_array_mut().unwrap().iter_mut().collect(),
        false => vec![envelope],
    }
}

fn says_ours(call: &Value) -> bool {
    call["context"]["referrer"]["id"] == CLICK && call["context"]["referrer"]["type"] == "impactRadius"
}

/// Takes the referrer out, and the context with it when nothing else is in there.
fn forget_referrer(call: &mut Value) {
    let Some(call) = call.as_object_mut() else {
        return;
    };
    if let Some(context) = call.get_mut("context").and_then(Value::as_object_mut) {
        context.remove("referrer");
    }
    let empty = call.get("context").is_some_and(|context| context.is_null() || *context == json!({}));
    if empty {
        call.remove("context");
    }
}
