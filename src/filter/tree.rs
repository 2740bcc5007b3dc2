//! What a filter means, as a tree.

use super::function::Function;
use super::path::Path;
use serde_json::Value;
use std::fmt;

/// An expression or a value.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Expr {
    Or(Vec<Self>),
    And(Vec<Self>),
    Not(Box<Self>),
    Compare(Box<Self>, Comparison, Box<Self>),
    Call(Function, Vec<Self>),
    /// A list with an element that is no literal; others are literals.
    List(Vec<Self>),
    Path(Path),
    Literal(Value),
}

/// How two values are compared.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Comparison {
    Equal,
    NotEqual,
    Less,
    LessOrEqual,
    Greater,
    GreaterOrEqual,
    In,
}

impl Comparison {
    const ALL: [(&'static str, Self); 7] = [
        ("=", Self::Equal),
        ("!=", Self::NotEqual),
        ("<", Self::Less),
        ("<=", Self::LessOrEqual),
        (">", Self::Greater),
        (">=", Self::GreaterOrEqual),
        ("in", Self::In),
    ];

    /// The comparison that is written like this.
    pub(super) fn parse(sign: &str) -> Option<Self> {
        Self::ALL.iter().find(|(written, _)| *written == sign).map(|(_, comparison)| *comparison)
    }

    fn sign(self) -> &'static str {
        Self::ALL.iter().find(|(_, comparison)| *comparison == self).map_or("", |(written, _)| written)
    }
}

/// In FQL, so that it is read as the same tree again.
impl fmt::Display for Expr {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Or(sides) => joined(f, sides, " or ", Self::fmt_side),
            Self::And(sides) => joined(f, sides, " and ", Self::fmt_side),
            Self::Not(inner) if matches!(**inner, Self::Path(_) | Self::Call(..)) => write!(f, "!{inner}"),
            Self::Not(inner) => write!(f, "!({inner})"),
            Self::Compare(left, comparison, right) => write!(f, "{left} {} {right}", comparison.sign()),
            Self::Call(function, arguments) => {
                write!(f, "{}(", function.name())?;
                joined(f, arguments, ", ", fmt::Display::fmt)?;
                f.write_str(")")
            }
            Self::List(elements) => {
                f.write_str("[")?;
                joined(f, elements, ", ", fmt::Display::fmt)?;
                f.write_str("]")
            }
            Self::Path(path) => write!(f, "{path}"),
            Self::Literal(value) => literal(f, value),
        }
    }
}

impl Expr {
    fn fmt_side(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Or(_) | Self::And(_) => write!(f, "({self})"),
            other => write!(f, "{other}"),
        }
    }
}

fn joined<T>(
    f: &mut fmt::Formatter<'_>,
    items: &[T],
    between: &str,
    write: impl Fn(&T, &mut fmt::Formatter<'_>) -> fmt::Result,
) -> fmt::Result {
    for (index, item) in items.iter().enumerate() {
        if index > 0 {
            f.write_str(between)?;
        }
        write(item, f)?;
    }
    Ok(())
}

fn literal(f: &mut fmt::Formatter<'_>, value: &Value) -> fmt::Result {
    match value {
        // A text that was written in one kind of quote has none of this kind in it.
        Value::String(text) if text.contains('\'') => write!(f, "\"{text}\""),
        Value::String(text) => write!(f, "'{text}'"),
        Value::Array(elements) => {
            f.write_str("[")?;
            joined(f, elements, ", ", |element, f| literal(f, element))?;
            f.write_str("]")
        }
        other => write!(f, "{other}"),
    }
}
