//! Paths into a call: `context.library.version`, `properties.product\ 1`.

use super::lexer::{self, is_plain};
use crate::fault::Fault;
use serde_json::Value;
use std::fmt;

/// Where a value stands in a call. A number leads into a list, too, counted from 0.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Path {
    /// At least one.
    pub(super) steps: Vec<String>,
}

impl Path {
    /// Reads a path that stands alone.
    ///
    /// # Errors
    /// What is no path, its place counted in `text`.
    pub fn parse(text: &str) -> Result<Self, Fault> {
        lexer::path(text)
    }

    /// What the path leads to, if anything.
    pub fn find<'v>(&self, call: &'v Value) -> Option<&'v Value> {
        self.steps.iter().try_fold(call, |value, step| match value {
            Value::Object(members) => members.get(step),
            Value::Array(elements) => elements.get(step.parse::<usize>().ok()?),
            _ => None,
        })
    }

    /// Takes what the path leads to out of `call`. A list on the way is passed through each of its elements, unless the path
    /// counts one; elements themselves stay.
    pub fn remove(&self, call: &mut Value) {
        remove(call, &self.steps);
    }
}

fn remove(value: &mut Value, steps: &[String]) {
    let Some((step, rest)) = steps.split_first() else { return };
    match value {
        Value::Object(members) if rest.is_empty() => drop(members.remove(step)),
        Value::Object(members) => {
            if let Some(inner) = members.get_mut(step) {
                remove(inner, rest);
            }
        }
        Value::Array(elements) => match step.parse::<usize>().ok() {
            Some(index) => {
                if let Some(element) = elements.get_mut(index) {
                    remove(element, rest);
                }
            }
            None => elements.iter_mut().for_each(|element| remove(element, steps)),
        },
        _ => {}
    }
}

/// With a backslash wherever the path would be read otherwise without.
impl fmt::Display for Path {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let alone = self.steps.len() == 1;
        for (index, step) in self.steps.iter().enumerate() {
            if index > 0 {
                f.write_str(".")?;
            }
            let is_word = index > 0 || !(lexer::starts_number(step) || alone && lexer::is_keyword(step));
            for (place, character) in step.chars().enumerate() {
                if !is_plain(character) || place == 0 && !is_word {
                    f.write_str("\\")?;
                }
                write!(f, "{character}")?;
            }
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn where_paths_lead() {
        let call = json!({
            "userId": "u",
            "properties": {
                "product 1": {"price": 7}, "a.b": 1, "2nd": 2, "größe": "L", "list": [{"sku": "s0"}, {"sku": "s1"}],
            },
            "5": "five",
            "and": "a word",
        });
        for (path, expected) in [
            ("userId", Some(json!("u"))),
            ("properties.product\\ 1.price", Some(json!(7))),
            ("properties.a\\.b", Some(json!(1))),
            ("properties.2nd", Some(json!(2))),
            ("properties.gr\\ö\\ße", Some(json!("L"))),
            ("properties.list.1.sku", Some(json!("s1"))),
            ("\\5", Some(json!("five"))),
            ("\\and", Some(json!("a word"))),
            ("properties.list.sku", None),
            ("properties.list.2", None),
            ("userId.x", None),
            ("userid", None),
        ] {
            assert_eq!(Path::parse(path).unwrap().find(&call), expected.as_ref(), "{path}");
        }
    }

    #[test]
    fn what_is_taken_out() {
        for (path, call, expected) in [
            ("a", json!({"a": 1, "b": 2}), json!({"b": 2})),
            ("a.b", json!({"a": {"b": 1, "c": 2}}), json!({"a": {"c": 2}})),
            ("a.b", json!({"a": [{"b": 1}, {"b": 2, "c": 3}, 4]}), json!({"a": [{}, {"c": 3}, 4]})),
            ("a.1.b", json!({"a": [{"b": 1}, {"b": 2}]}), json!({"a": [{"b": 1}, {}]})),
            ("a.0", json!({"a": [1, 2]}), json!({"a": [1, 2]})),
            ("a.b", json!({"a": "text"}), json!({"a": "text"})),
            ("a.b.c", json!({"x": 1}), json!({"x": 1})),
        ] {
            let mut left = call.clone();
            Path::parse(path).unwrap().remove(&mut left);
            assert_eq!(left, expected, "{path} of {call}");
        }
    }
}
