//! Paths into a call: the guide's (`context.device.id`) and those of custom mappings, which are written as in FQL.

use serde_json::Value;
use std::borrow::Cow;

/// What `path` leads to, if anything.
///
/// Steps are separated by dots; `.0` and `[0]` (counted from 0) lead into an array; a backslash takes the next
/// character as it is (`properties.product\ 1`, `properties.a\.b`).
pub(super) fn find<'v>(root: &'v Value, path: &str) -> Option<&'v Value> {
    let (step, rest) = first_step(path);
    let inner = match root {
        Value::Object(members) => members.get(step.as_ref())?,
        Value::Array(elements) => elements.get(step.parse::<usize>().ok()?)?,
        _ => return None,
    };
    match rest {
        Some(rest) => find(inner, rest),
        None => Some(inner),
    }
}

/// The first step of a path, without escapes, and what follows it, without the separator.
fn first_step(path: &str) -> (Cow<'_, str>, Option<&str>) {
    let Some(end) = path.find(['.', '[', ']', '\\']) else {
        return (path.into(), None);
    };
    let (plain, rest) = path.split_at(end);
    if !rest.starts_with('\\') {
        return (plain.into(), after_separator(rest));
    }
    let mut step = plain.to_owned();
    let mut characters = rest.chars();
    loop {
        let here = characters.as_str();
        match characters.next() {
            None => return (step.into(), None),
            Some('.' | '[' | ']') => return (step.into(), after_separator(here)),
            Some('\\') => step.extend(characters.next()),
            Some(other) => step.push(other),
        }
    }
}

/// `rest` starts with a separator: `.`, `[`, or a `]` and whatever separator follows it.
fn after_separator(rest: &str) -> Option<&str> {
    match rest.strip_prefix(']') {
        Some("") => None,
        Some(closed) => Some(closed.strip_prefix(['.', '[']).unwrap_or(closed)),
        None => rest.strip_prefix(['.', '[']),
    }
}

/// What is doubtful about a path, and what helps.
pub(super) fn doubt(path: &str) -> Option<(String, String)> {
    let mut plain = String::new();
    let mut characters = path.chars();
    while let Some(character) = characters.next() {
        // Whatever is behind a backslash is part of a name.
        plain.push(if character == '\\' { characters.next().map_or('.', |_| 'x') } else { character });
    }
    let is_index = |after: &str| after.split_once(']').is_some_and(|(index, _)| index.parse::<usize>().is_ok());
    let is_odd = plain.matches(']').count() != plain.matches('[').count() || !plain.split('[').skip(1).all(is_index);
    let what = if path.is_empty() {
        return None;
    } else if plain.contains("||") {
        "has alternatives, and a mapping has one path: where it has no value, the default stands in"
    } else if is_odd {
        "has brackets without a number"
    } else if plain.split(['.', '[']).any(|step| step.trim_end_matches(']').is_empty()) {
        "has an empty step"
    } else {
        return None;
    };
    let help = "names joined by dots, `properties.products[0].sku`; a backslash takes any other character into a name";
    Some((format!("`{path}` {what}"), help.to_owned()))
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn which_paths_are_doubtful() {
        for (path, expected) in [
            ("a || b", Some("alternatives")),
            ("a..b", Some("an empty step")),
            ("a.", Some("an empty step")),
            (".a", Some("an empty step")),
            ("a\\", Some("an empty step")),
            ("x[y]", Some("brackets without a number")),
            ("x[", Some("brackets without a number")),
            ("x]", Some("brackets without a number")),
            ("properties.products[0].sku", None),
            ("properties.products.0.sku", None),
            ("a[0][1]", None),
            ("properties.product 1", None),
            ("properties.a\\.\\|\\|b\\[c", None),
            ("", None),
        ] {
            let told = doubt(path).map(|(message, _)| message);
            let agrees = expected.map_or(told.is_none(), |what| told.as_ref().is_some_and(|told| told.contains(what)));
            assert!(agrees, "{path}: {told:?}");
        }
    }

    #[test]
    fn where_paths_lead() {
        let call = json!({
            "userId": "u",
            "properties": {
                "product 1": {"price": 7},
                "a.b": "dotted",
                "a[0]": "bracketed",
                "back\\slash": "b",
                "0": "a key of digits",
                "größe": "L",
                "products": [{"sku": "s0"}, {"sku": "s1"}, [["deep"]]],
            },
        });
        for (path, expected) in [
            ("userId", Some(json!("u"))),
            ("properties.products.1.sku", Some(json!("s1"))),
            ("properties.products[1].sku", Some(json!("s1"))),
            ("properties.products[2][0][0]", Some(json!("deep"))),
            ("properties.products[2].0[0]", Some(json!("deep"))),
            ("properties.product\\ 1.price", Some(json!(7))),
            ("properties.product 1.price", Some(json!(7))),
            ("properties.a\\.b", Some(json!("dotted"))),
            ("properties.a\\[0\\]", Some(json!("bracketed"))),
            ("properties.back\\\\slash", Some(json!("b"))),
            ("properties.0", Some(json!("a key of digits"))),
            ("properties.größe", Some(json!("L"))),
            ("properties.gr\\öße", Some(json!("L"))),
            ("properties.products.7.sku", None),
            ("properties.products.-1", None),
            ("properties.products.sku", None),
            ("userId.x", None),
            ("UserId", None),
            ("properties..a", None),
            ("properties.", None),
            (".userId", None),
            ("", None),
        ] {
            assert_eq!(find(&call, path), expected.as_ref(), "{path}");
        }
    }
}
