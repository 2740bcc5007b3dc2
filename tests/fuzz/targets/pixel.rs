//! Pixels: the call of a query, enriched as the flow does it, is the call of the query that goes on.

use super::oracle::{click, names};
use selvedge::segment::pixel::{Pixel, QUERY_BYTES_MAX};
use selvedge::segment::referrer::enrich;
use selvedge::segment::splice::{apply, whole};
use selvedge::segment::{CallKind, Envelope, Expect};
use serde_json::Value;

pub fn target(bytes: &[u8]) {
    let Ok(query) = std::str::from_utf8(bytes) else { return };
    if query.len() > QUERY_BYTES_MAX {
        return;
    }
    let Some(pixel) = Pixel::read(query) else { return };
    let expect = Expect::One(CallKind::Track);
    let Ok(envelope) = Envelope::read(&pixel.json, expect, &names()) else { return };
    let Some(view) = envelope.calls().next() else { return };
    let _ = view.value(&[]);
    let Ok(edits) = enrich(&view, &click(), &names(), false) else { return };
    let json = apply(&pixel.json, whole(&pixel.json), &edits);
    let Some(written) = pixel.write(query, &json, Some(click().as_str()), &names()) else { return };
    assert!(written.len() <= QUERY_BYTES_MAX);
    let again = Pixel::read(&written).unwrap();
    assert_eq!(again.takes_integrations(), pixel.takes_integrations());
    if pixel.takes_integrations() {
        assert_eq!(again.json, json);
    } else {
        let read = |json: &[u8]| serde_json::from_slice::<Value>(json).ok();
        assert_eq!(read(&again.json), read(&json));
    }
}
