//! What a call costs beyond forwarding: its body read once, the referrer spliced in. Beside it, the same done by
//! reading everything into a `serde_json::Value` and writing it out again.

use divan::counter::BytesCount;
use divan::{Bencher, black_box};
use flate2::Compression;
use flate2::write::GzEncoder;
use http::header::CONTENT_ENCODING;
use http::{HeaderMap, HeaderValue};
use selvedge::click::ClickId;
use selvedge::destination::impact;
use selvedge::proxy::calls::body::{Plain, open};
use selvedge::segment::referrer::enrich;
use selvedge::segment::splice::{Edit, apply, whole};
use selvedge::segment::{CallKind, Envelope, Expect, Names};
use serde_json::{Value, json};
use std::io::Write;

/// A call as analytics.js sends it: 1.2 KB.
pub(crate) const EVENT: &str = include_str!("event.json");

/// The calls of a batch of 400 KB.
const BATCH_CALLS: usize = 300;

const CLICK: &str = "2uz3sQWFlxyJRcqwUx0Mo38bUkHzZTRxqSjAVQ0";

#[divan::bench(sample_size = 100)]
fn read_an_event(bencher: Bencher) {
    read(bencher, EVENT, Expect::One(CallKind::Track));
}

#[divan::bench]
fn read_a_batch_of_300(bencher: Bencher) {
    read(bencher, &batch(), Expect::Batch);
}

#[divan::bench(sample_size = 100)]
fn splice_an_event(bencher: Bencher) {
    splice(bencher, EVENT, Expect::One(CallKind::Track));
}

#[divan::bench]
fn splice_a_batch_of_300(bencher: Bencher) {
    splice(bencher, &batch(), Expect::Batch);
}

#[divan::bench(sample_size = 100)]
fn serde_json_on_an_event(bencher: Bencher) {
    by_value(bencher, EVENT);
}

#[divan::bench]
fn serde_json_on_a_batch_of_300(bencher: Bencher) {
    by_value(bencher, &batch());
}

/// What a mobile or server SDK sends: inflated, bounded.
#[divan::bench(sample_size = 10)]
fn open_a_gzip_batch_of_300(bencher: Bencher) {
    let text = batch();
    let mut encoder = GzEncoder::new(Vec::new(), Compression::default());
    encoder.write_all(text.as_bytes()).unwrap();
    let body = encoder.finish().unwrap();
    let headers = HeaderMap::from_iter([(CONTENT_ENCODING, HeaderValue::from_static("gzip"))]);
    bencher.counter(BytesCount::of_str(&text)).bench_local(|| {
        let Ok(Plain::Inflated(plain)) = open(&headers, black_box(&body)) else { return 0 };
        plain.len()
    });
    assert!(matches!(open(&headers, &body), Ok(Plain::Inflated(plain)) if plain == text.as_bytes()));
}

/// The envelope alone.
fn read(bencher: Bencher, text: &str, expect: Expect) {
    let names = names();
    bencher.counter(BytesCount::of_str(text)).bench_local(|| {
        let envelope = Envelope::read(black_box(text.as_bytes()), expect, &names).unwrap();
        envelope.calls().count()
    });
}

/// The envelope, the edits of all its calls, and the text that goes on.
fn splice(bencher: Bencher, text: &str, expect: Expect) {
    let (names, id) = (names(), ClickId::parse(CLICK.as_bytes()).unwrap());
    let spliced = |text: &[u8]| {
        let envelope = Envelope::read(text, expect, &names).unwrap();
        let edits: Vec<Edit> =
            envelope.calls().flat_map(|view| enrich(&view, &id, &names, false).unwrap_or_default()).collect();
        apply(text, whole(text), &edits)
    };
    let calls = if expect == Expect::Batch { BATCH_CALLS } else { 1 };
    let grown = calls * format!(r#""referrer":{{"id":"{CLICK}","type":"impactRadius"}},"#).len();
    assert_eq!(spliced(text.as_bytes()).len(), text.len() + grown, "not every call is enriched");
    bencher.counter(BytesCount::of_str(text)).bench_local(|| spliced(black_box(text.as_bytes())));
}

fn by_value(bencher: Bencher, text: &str) {
    bencher.counter(BytesCount::of_str(text)).bench_local(|| {
        let mut body: Value = serde_json::from_str(black_box(text)).unwrap();
        match body.get_mut("batch").and_then(Value::as_array_mut) {
            Some(calls) => calls.iter_mut().for_each(refer),
            None => refer(&mut body),
        }
        serde_json::to_vec(&body).unwrap()
    });
}

fn refer(call: &mut Value) {
    call["context"]["referrer"] = json!({"id": CLICK, "type": impact::REFERRER_TYPE});
}

/// 300 such calls as they are imported from an archive: each has its own `messageId`, and what Segment noted on it.
fn batch() -> String {
    let noted =
        r#","channel":"client","version":"1.1","projectId":"9f8e7d6c5b4a","receivedAt":"2026-11-24T08:15:30.760Z"}"#;
    let call = |number: usize| {
        let numbered = EVENT.replace("2f0f1f6f0000", &format!("2f0f1f6f{number:04}"));
        format!("{}{noted}", numbered.strip_suffix('}').unwrap())
    };
    let calls: Vec<String> = (0..BATCH_CALLS).map(call).collect();
    let batch = format!(
        r#"{{"batch":[{}],"writeKey":"WRITEKEY0123456789abcdefghijklmn","sentAt":"2026-11-24T08:15:30.480Z"}}"#,
        calls.join(",")
    );
    assert!((390_000..410_000).contains(&batch.len()), "{} bytes", batch.len());
    batch
}

fn names() -> Names {
    Names { parameters: vec!["im_ref".into()], integration: impact::INTEGRATION, referrer_type: impact::REFERRER_TYPE }
}
