//! Filters: the last line is an event, what stands before it a filter. A fault has a place; what is understood is printed so that
//! it is understood the same, and says of an event what its parts say.

use selvedge::fault::Faults;
use selvedge::filter::{BYTES_MAX, Event, Filter, Part, Path};
use serde_json::Value;

pub fn target(bytes: &[u8]) {
    let Ok(text) = std::str::from_utf8(bytes) else { return };
    let (text, event) = text.rsplit_once('\n').unwrap_or((text, ""));
    if let Ok(path) = Path::parse(text) {
        assert_eq!(Path::parse(&path.to_string()), Ok(path));
    }
    let doubts = Filter::doubts(text);
    let read = Filter::parse(text);
    let mut faults = Faults::new("filter", text);
    for fault in doubts.into_iter().chain(read.clone().err()) {
        let span = fault.span.clone().unwrap();
        assert!(text.get(span.clone()).is_some(), "{span:?} is no place: {}", fault.message);
        faults.push(fault);
    }
    assert!(!faults.to_text().contains(|char: char| char.is_control() && !matches!(char, '\n' | '\t')));
    assert_eq!(faults.has_errors(), read.is_err());
    let Ok(filter) = read else { return };
    let printed = filter.to_string();
    // Backslashes and parentheses may make it longer than a filter may be.
    if printed.len() <= BYTES_MAX {
        assert_eq!(Filter::parse(&printed), Ok(filter.clone()), "{printed}");
    }
    let event: Value = serde_json::from_str(event).unwrap_or_default();
    for event in [Event::new(&event), Event::of_type(&event, "track")] {
        let parts = filter.parts(&event);
        assert_eq!(filter.takes(&event), parts.as_ref().is_none_or(|part| part.value == Value::Bool(true)));
        parts.iter().for_each(agree);
    }
}

/// `and`, `or` and `!` are what their parts make of them.
fn agree(part: &Part) {
    let is_true = |part: &Part| part.value == Value::Bool(true);
    let starts =
        |word: &str| part.parts.iter().any(|inner| part.expression.starts_with(&format!("{}{word}", inner.expression)));
    if let [only] = &part.parts[..]
        && part.expression == format!("!({})", only.expression)
    {
        assert_eq!(is_true(part), !is_true(only));
    }
    if starts(" and ") {
        assert!(!is_true(part) || part.parts.iter().all(is_true), "{}", part.expression);
    } else if starts(" or ") {
        assert!(is_true(part) || !part.parts.iter().any(is_true), "{}", part.expression);
    }
    part.parts.iter().for_each(agree);
}
