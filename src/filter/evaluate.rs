//! What a filter is for a call.

use super::number;
use super::path::Path;
use super::tree::{Comparison, Expr};
use serde_json::{Number, Value};
use std::borrow::Cow;
use std::cmp::Ordering;

/// A call as filters see it.
#[derive(Clone, Debug)]
pub struct Event<'v> {
    call: &'v Value,
    kind: Option<Value>,
}

impl<'v> Event<'v> {
    /// A call that says itself what it is.
    pub fn new(call: &'v Value) -> Self {
        Self { call, kind: None }
    }

    /// A call of this type. Its body need not name it where the endpoint does, and Segment's filters see it all the same.
    pub fn of_type(call: &'v Value, kind: &str) -> Self {
        Self { call, kind: Some(kind.into()) }
    }

    fn at(&self, path: &Path) -> &Value {
        match (&self.kind, path.steps.as_slice()) {
            (Some(kind), [step]) if step == "type" => kind,
            _ => path.find(self.call).unwrap_or(&Value::Null),
        }
    }
}

/// A part of a filter, with what it is for one call.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Part {
    /// The part, in FQL.
    pub expression: String,
    /// What it is.
    pub value: Value,
    /// What it is made of; literals are not told.
    pub parts: Vec<Self>,
}

impl Part {
    pub(super) fn of(expr: &Expr, event: &Event<'_>) -> Self {
        let inner: Vec<&Expr> = match expr {
            Expr::Or(sides) | Expr::And(sides) => sides.iter().collect(),
            Expr::Not(inner) => vec![inner],
            Expr::Compare(left, _, right) => vec![left, right],
            Expr::Call(_, inner) | Expr::List(inner) => inner.iter().collect(),
            Expr::Path(_) | Expr::Literal(_) => Vec::new(),
        };
        let told = inner.into_iter().filter(|inner| !matches!(inner, Expr::Literal(_)));
        Self {
            expression: expr.to_string(),
            value: value(expr, event).into_owned(),
            parts: told.map(|inner| Self::of(inner, event)).collect(),
        }
    }
}

/// Whether a value counts as true: only `true` does.
pub(super) fn is_true(value: &Value) -> bool {
    *value == Value::Bool(true)
}

/// What an expression is for a call. It goes as deep as the filter, and no deeper.
pub(super) fn value<'v>(expr: &'v Expr, event: &'v Event<'_>) -> Cow<'v, Value> {
    let holds = |side: &'v Expr| is_true(&value(side, event));
    let answer = match expr {
        Expr::Literal(literal) => return Cow::Borrowed(literal),
        Expr::Path(path) => return Cow::Borrowed(event.at(path)),
        Expr::Or(sides) => Value::Bool(sides.iter().any(holds)),
        Expr::And(sides) => Value::Bool(sides.iter().all(holds)),
        Expr::Not(inner) => Value::Bool(!holds(inner)),
        Expr::Compare(left, comparison, right) => {
            Value::Bool(comparison.holds(&value(left, event), &value(right, event)))
        }
        Expr::Call(function, arguments) => {
            let mut arguments = arguments.iter().map(|argument| value(argument, event));
            let mut next = || arguments.next().unwrap_or(Cow::Owned(Value::Null));
            let first = next();
            function.of(&first, &next())
        }
        Expr::List(elements) => elements.iter().map(|element| value(element, event).into_owned()).collect(),
    };
    Cow::Owned(answer)
}

impl Comparison {
    fn holds(self, left: &Value, right: &Value) -> bool {
        let ordered = |is: fn(Ordering) -> bool| numbers(left, right).is_some_and(|(l, r)| is(number::compare(l, r)));
        match self {
            Self::Equal => equal(left, right),
            Self::NotEqual => !equal(left, right),
            Self::Less => ordered(Ordering::is_lt),
            Self::LessOrEqual => ordered(Ordering::is_le),
            Self::Greater => ordered(Ordering::is_gt),
            Self::GreaterOrEqual => ordered(Ordering::is_ge),
            Self::In => is_in(left, right),
        }
    }
}

fn numbers<'v>(left: &'v Value, right: &'v Value) -> Option<(&'v Number, &'v Number)> {
    match (left, right) {
        (Value::Number(left), Value::Number(right)) => Some((left, right)),
        _ => None,
    }
}

fn is_in(value: &Value, list: &Value) -> bool {
    let scalar = !matches!(value, Value::Array(_) | Value::Object(_));
    scalar && list.as_array().is_some_and(|elements| elements.iter().any(|element| equal(value, element)))
}

/// Of one type and the same; numbers by their digits. A call nests no deeper than the reader let it.
fn equal(left: &Value, right: &Value) -> bool {
    match (left, right) {
        (Value::Number(left), Value::Number(right)) => number::compare(left, right).is_eq(),
        (Value::Array(left), Value::Array(right)) => {
            left.len() == right.len() && left.iter().zip(right).all(|(left, right)| equal(left, right))
        }
        (Value::Object(left), Value::Object(right)) => {
            let same = |(key, value): (&String, &Value)| right.get(key).is_some_and(|other| equal(value, other));
            left.len() == right.len() && left.iter().all(same)
        }
        _ => left == right,
    }
}
