//! FQL's functions. See the table of [`super`] for their rules.

use super::{glob, number};
use serde_json::{Number, Value};

/// A function of FQL.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Function {
    Contains,
    Match,
    Length,
    Lowercase,
    Uppercase,
    Snakecase,
    Kebabcase,
    Titlecase,
    Typeof,
    Bool,
    String,
    Number,
}

impl Function {
    const ALL: [(&'static str, Self); 12] = [
        ("contains", Self::Contains),
        ("match", Self::Match),
        ("length", Self::Length),
        ("lowercase", Self::Lowercase),
        ("uppercase", Self::Uppercase),
        ("snakecase", Self::Snakecase),
        ("kebabcase", Self::Kebabcase),
        ("titlecase", Self::Titlecase),
        ("typeof", Self::Typeof),
        ("bool", Self::Bool),
        ("string", Self::String),
        ("number", Self::Number),
    ];

    /// All their names.
    pub(super) fn names() -> impl Iterator<Item = &'static str> {
        Self::ALL.iter().map(|(name, _)| *name)
    }

    /// The function of that name.
    pub(super) fn parse(name: &str) -> Option<Self> {
        Self::ALL.iter().find(|(known, _)| *known == name).map(|(_, function)| *function)
    }

    /// Its name.
    pub(super) fn name(self) -> &'static str {
        Self::ALL.iter().find(|(_, function)| *function == self).map_or("", |(name, _)| name)
    }

    /// What it takes, as a help writes it: one argument for each.
    pub(super) fn takes(self) -> &'static [&'static str] {
        match self {
            Self::Contains => &["text", "part"],
            Self::Match => &["text", "pattern"],
            _ => &["value"],
        }
    }

    /// What it is of these arguments; the parser has counted them.
    pub(super) fn of(self, first: &Value, second: &Value) -> Value {
        match self {
            Self::Contains => texts(first, second, |text, part| text.contains(part)),
            Self::Match => texts(first, second, glob::matches),
            Self::Length => length(first),
            Self::Lowercase => text_of(first, str::to_lowercase),
            Self::Uppercase => text_of(first, str::to_uppercase),
            Self::Snakecase => text_of(first, |text| text.replace(char::is_whitespace, "_")),
            Self::Kebabcase => text_of(first, |text| text.replace(char::is_whitespace, "-")),
            Self::Titlecase => text_of(first, titled),
            Self::Typeof => name_of_type(first).into(),
            Self::Bool => boolean(first).map_or(Value::Null, Value::Bool),
            Self::String => string(first).map_or(Value::Null, Value::String),
            Self::Number => numeric(first).map_or(Value::Null, Value::Number),
        }
    }
}

fn texts(text: &Value, other: &Value, is: impl Fn(&str, &str) -> bool) -> Value {
    Value::Bool(text.as_str().zip(other.as_str()).is_some_and(|(text, other)| is(text, other)))
}

fn text_of(value: &Value, write: impl Fn(&str) -> String) -> Value {
    value.as_str().map_or(Value::Null, |text| Value::String(write(text)))
}

fn length(value: &Value) -> Value {
    match value {
        Value::Null => 0.into(),
        Value::String(text) => text.len().into(),
        Value::Array(elements) => elements.len().into(),
        Value::Bool(_) | Value::Number(_) | Value::Object(_) => Value::Null,
    }
}

fn titled(text: &str) -> String {
    let mut titled = String::with_capacity(text.len());
    let mut begins = true;
    for character in text.chars() {
        if begins {
            titled.extend(character.to_uppercase());
        } else {
            titled.push(character);
        }
        begins = character.is_whitespace();
    }
    titled
}

fn name_of_type(value: &Value) -> &'static str {
    match value {
        Value::Null => "null",
        Value::Bool(_) => "bool",
        Value::Number(_) => "number",
        Value::String(_) => "string",
        Value::Array(_) => "list",
        Value::Object(_) => "object",
    }
}

fn boolean(value: &Value) -> Option<bool> {
    match value {
        Value::Null => Some(false),
        Value::Bool(yes) => Some(*yes),
        Value::Number(number) => Some(!number::is_zero(number)),
        Value::String(text) => text.parse().ok(),
        Value::Array(elements) => Some(!elements.is_empty()),
        Value::Object(_) => None,
    }
}

fn string(value: &Value) -> Option<String> {
    match value {
        Value::Null | Value::Object(_) => None,
        Value::String(text) => Some(text.clone()),
        // The JSON reader adds a sign to an exponent, which the event seldom had.
        Value::Number(number) => Some(number.as_str().replacen("e+", "e", 1)),
        Value::Bool(_) | Value::Array(_) => Some(value.to_string()),
    }
}

fn numeric(value: &Value) -> Option<Number> {
    match value {
        Value::Number(number) => Some(number.clone()),
        // The JSON reader would pass over white space around it.
        Value::String(text) if text.trim() == text => serde_json::from_str(text).ok(),
        _ => None,
    }
}
