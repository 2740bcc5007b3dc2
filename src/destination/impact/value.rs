//! What counts as a value, and how it is written into a form.
//!
//! Absent are: what is missing, `null`, `""`, and an array or object where the guide names a single value.

use serde_json::Value;

/// The text of a single value, or `None` where it is absent.
///
/// Numbers keep the digits of the event (`1.10`, `12345678901234567890`).
pub(super) fn text(value: &Value) -> Option<String> {
    match value {
        Value::String(text) if !text.is_empty() => Some(text.clone()),
        // The JSON reader writes every positive exponent with a sign that the event seldom had: `1e5` reads as `1e+5`.
        Value::Number(number) => Some(number.as_str().replacen("e+", "e", 1)),
        Value::Bool(yes) => Some(yes.to_string()),
        Value::String(_) | Value::Null | Value::Array(_) | Value::Object(_) => None,
    }
}

/// Like [`text`], for the guide's `||`: as in JavaScript, 0 and `false` leave the place to the next alternative.
pub(super) fn truthy_text(value: &Value) -> Option<String> {
    match value {
        Value::Bool(false) => None,
        Value::Number(number) if number.as_f64() == Some(0.0) => None,
        other => text(other),
    }
}

/// In a word or two, what stands in a place that gave no value.
pub(super) fn state(value: Option<&Value>) -> &'static str {
    match value {
        None => "absent",
        Some(Value::Null) => "null",
        Some(Value::Bool(false)) => "false",
        Some(Value::Bool(true)) => "true",
        Some(Value::Number(number)) if number.as_f64() == Some(0.0) => "0",
        Some(Value::Number(_)) => "a number",
        Some(Value::String(text)) if text.is_empty() => "empty",
        Some(Value::String(text)) if text.trim().is_empty() => "blank",
        Some(Value::String(_)) => "a text",
        Some(Value::Array(_)) => "a list",
        Some(Value::Object(_)) => "an object",
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn values_as_they_are_written() {
        for (json, plain, in_alternatives) in [
            ("null", None, None),
            ("\"\"", None, None),
            ("[]", None, None),
            ("[1]", None, None),
            ("{\"a\":1}", None, None),
            ("\" \"", Some(" "), Some(" ")),
            ("\"0\"", Some("0"), Some("0")),
            ("\"false\"", Some("false"), Some("false")),
            ("true", Some("true"), Some("true")),
            ("false", Some("false"), None),
            ("0", Some("0"), None),
            ("-0", Some("-0"), None),
            ("0.00", Some("0.00"), None),
            ("0e7", Some("0e7"), None),
            ("1.10", Some("1.10"), Some("1.10")),
            ("1e5", Some("1e5"), Some("1e5")),
            ("1E-5", Some("1e-5"), Some("1e-5")),
            ("1e400", Some("1e400"), Some("1e400")),
            ("12345678901234567890", Some("12345678901234567890"), Some("12345678901234567890")),
            ("0.1234567890123456789012345", Some("0.1234567890123456789012345"), Some("0.1234567890123456789012345")),
        ] {
            let value: Value = serde_json::from_str(json).unwrap();
            assert_eq!(text(&value).as_deref(), plain, "{json}");
            assert_eq!(truthy_text(&value).as_deref(), in_alternatives, "{json}");
        }
    }
}
