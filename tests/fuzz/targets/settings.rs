//! Settings that SDKs fetch: rewritten, against serde_json.

use http::Uri;
use selvedge::segment::settings::{Unchanged, is_segments, rewrite, write_key};
use serde_json::Value;

const OWN: &str = "127.0.0.1:8080/v1";

pub fn target(bytes: &[u8]) {
    let text = std::str::from_utf8(bytes).unwrap_or_default();
    assert!(write_key(text).is_none_or(|key| !key.is_empty() && text.contains(&format!("/{key}/settings"))));
    // The oracle knows a number by a key of its own.
    if text.contains("$serde_json") {
        return;
    }
    let named = [Uri::from_static("http://127.0.0.1:8080")];
    let read = |text: &[u8]| serde_json::from_slice::<Value>(text.strip_prefix(b"\xEF\xBB\xBF").unwrap_or(text));
    match rewrite(bytes, OWN, &named) {
        Err(Unchanged::NotJson) => {}
        Err(Unchanged::NotSettings) => {
            assert!(read(bytes).map_or(true, |settings| !settings["integrations"]["Segment.io"].is_object()));
        }
        Err(Unchanged::OtherHost) => {}
        Ok(rewritten) => {
            let api = rewritten.api.as_ref();
            assert!(api.is_none_or(|api| named.contains(api) || is_segments(api.host().unwrap())));
            // What names this host already is not changed once more.
            assert_eq!(rewrite(&rewritten.text, OWN, &named).unwrap().text, rewritten.text);
            if let (Ok(mut before), Ok(mut after)) = (read(bytes), read(&rewritten.text)) {
                assert_eq!(after["integrations"]["Segment.io"]["apiHost"], OWN);
                for settings in [&mut before, &mut after] {
                    drop(settings["integrations"]["Segment.io"].as_object_mut().unwrap().remove("apiHost"));
                    settings.get_mut("metrics").and_then(|it| it.as_object_mut()?.remove("host"));
                }
                assert_eq!(before, after);
            }
        }
    }
}
