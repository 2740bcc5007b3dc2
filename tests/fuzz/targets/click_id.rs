//! Click IDs: what is one can stand in a cookie, a field and a JSON string as it is.

use http::HeaderValue;
use selvedge::click::ClickId;

pub fn target(bytes: &[u8]) {
    let Ok(id) = ClickId::parse(bytes) else { return };
    assert_eq!(id.as_str().as_bytes(), bytes);
    assert!((1..=64).contains(&bytes.len()));
    assert_eq!(serde_json::to_string(id.as_str()).unwrap(), format!("\"{}\"", id.as_str()));
    assert_eq!(HeaderValue::from_bytes(bytes).unwrap().to_str().unwrap(), id.as_str());
    assert!(cookie::Cookie::parse(format!("a={}", id.as_str())).unwrap().value() == id.as_str());
    let shown: String = id.as_str().chars().take(6).collect();
    assert_eq!(format!("{id:?}"), format!("ClickId({shown}…)"));
}
