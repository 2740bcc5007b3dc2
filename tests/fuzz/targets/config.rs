//! Configuration files: any text is read to its end and yields faults that can be shown, never a panic.

use selvedge::config::parse;
use selvedge::secret::Secrets;
use std::path::Path;

pub fn target(bytes: &[u8]) {
    let Ok(text) = std::str::from_utf8(bytes) else { return };
    // Files that a text names would be opened.
    if text.contains("file") || text.contains("\\u") {
        return;
    }
    let faults = match parse(text, "fuzz.toml", Path::new("/nonexistent"), Secrets::Optional) {
        Ok(loaded) => {
            assert!(!loaded.warnings.has_errors());
            loaded.warnings
        }
        Err(faults) => {
            assert!(faults.has_errors());
            faults
        }
    };
    for fault in faults.iter() {
        let span = fault.span.clone().unwrap();
        assert!(text.get(span.clone()).is_some(), "{span:?} is no place: {}", fault.message);
    }
    // What is quoted from the file does not steer the terminal.
    assert!(!faults.to_text().contains(|char: char| char.is_control() && !matches!(char, '\n' | '\t')));
    let rows: Vec<serde_json::Value> = serde_json::from_str(&faults.to_json()).unwrap();
    assert_eq!(rows.len(), faults.iter().count());
}
