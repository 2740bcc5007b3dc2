//! A second, simple evaluator: it knows no text of filters, only what was meant, and calculates in its own way.

use proptest::prelude::*;
use serde_json::Value;

/// A value of an event or of a filter.
#[derive(Clone, Debug, PartialEq)]
pub(crate) enum Val {
    Null,
    Bool(bool),
    /// As JSON writes it.
    Num(&'static str),
    Text(String),
    List(Vec<Self>),
    Object(Vec<(&'static str, Self)>),
}

/// What is meant by a filter.
#[derive(Clone, Debug)]
pub(crate) enum Node {
    Or(Vec<Self>),
    And(Vec<Self>),
    Not(Box<Self>),
    Compare(Term, &'static str, Term),
    Value(Term),
}

/// What is meant by a value in it.
#[derive(Clone, Debug)]
pub(crate) enum Term {
    /// A number: as FQL writes it and as JSON does.
    Num(&'static str, &'static str),
    Literal(Val),
    List(Vec<Self>),
    Field(&'static str),
    Call(&'static str, Vec<Self>),
    Match(Box<Self>, Vec<Glob>),
}

/// What is meant by a piece of a pattern.
#[derive(Clone, Debug)]
pub(crate) enum Glob {
    Run,
    Any,
    One(char),
    Class(bool, char, char),
}

/// The fields of events, and how a filter writes them.
const FIELDS: [(&str, &str); 7] = [
    ("type", "type"),
    ("a", "properties.a"),
    ("b", "properties.b"),
    ("product 1", "properties.product\\ 1"),
    ("größe", "properties.gr\\ö\\ße"),
    ("2nd", "properties.2nd"),
    ("missing", "properties.missing.deeper"),
];

const NUMBERS: [&str; 13] = [
    "0",
    "-0.0",
    "1",
    "1.50",
    "15e-1",
    "-2",
    "100",
    "1e2",
    "0.000001",
    "123456789012345678",
    "123456789012345679",
    "123456789012345678.000001",
    "-123456789012345679",
];

const WRITTEN: [(&str, &str); 8] = [
    ("0", "0"),
    ("+1.0", "1.0"),
    ("001.5", "1.5"),
    ("-2", "-2"),
    ("100", "100"),
    ("123456789012345678", "123456789012345678"),
    ("123456789012345678.000001", "123456789012345678.000001"),
    ("-123456789012345679.0", "-123456789012345679.0"),
];

const TEXTS: [&str; 11] = ["", "a", "Ab", "ab c", "it's", "true", "false", "1.5", "007", "ß*", "\\["];

fn scalar() -> impl Strategy<Value = Val> {
    prop_oneof![
        Just(Val::Null),
        any::<bool>().prop_map(Val::Bool),
        prop::sample::select(TEXTS.as_slice()).prop_map(|text| Val::Text(text.to_owned())),
    ]
}

pub(crate) fn val() -> impl Strategy<Value = Val> {
    let leaf = prop_oneof![scalar(), prop::sample::select(NUMBERS.as_slice()).prop_map(Val::Num)];
    leaf.prop_recursive(2, 8, 3, |inner| {
        prop_oneof![
            prop::collection::vec(inner.clone(), 0..4).prop_map(Val::List),
            inner.prop_map(|inner| Val::Object(vec![("k", inner)])),
        ]
    })
}

/// The values of an event's fields, in their order.
pub(crate) fn event() -> impl Strategy<Value = Vec<Val>> {
    prop::collection::vec(val(), FIELDS.len() - 1)
}

/// The event as JSON.
pub(crate) fn json(event: &[Val]) -> Value {
    let members = FIELDS.iter().zip(event).skip(1).map(|((name, _), value)| format!("\"{name}\": {}", text_of(value)));
    let members: Vec<String> = members.collect();
    let text = format!("{{\"type\": {}, \"properties\": {{{}}}}}", text_of(&event[0]), members.join(", "));
    serde_json::from_str(&text).unwrap()
}

fn text_of(value: &Val) -> String {
    match value {
        Val::Null => "null".to_owned(),
        Val::Bool(yes) => yes.to_string(),
        Val::Num(text) => (*text).to_owned(),
        Val::Text(text) => Value::from(text.as_str()).to_string(),
        Val::List(items) => format!("[{}]", items.iter().map(text_of).collect::<Vec<_>>().join(",")),
        Val::Object(members) => {
            let members: Vec<String> =
                members.iter().map(|(key, value)| format!("\"{key}\":{}", text_of(value))).collect();
            format!("{{{}}}", members.join(","))
        }
    }
}

fn term() -> impl Strategy<Value = Term> {
    let leaf = prop_oneof![
        scalar().prop_map(Term::Literal),
        prop::sample::select(WRITTEN.as_slice()).prop_map(|(fql, json)| Term::Num(fql, json)),
        prop::sample::select(FIELDS.as_slice()).prop_map(|(name, _)| Term::Field(name)),
    ];
    let one = [
        "length",
        "lowercase",
        "uppercase",
        "snakecase",
        "kebabcase",
        "titlecase",
        "typeof",
        "bool",
        "string",
        "number",
    ];
    leaf.prop_recursive(3, 12, 3, move |inner| {
        prop_oneof![
            prop::collection::vec(inner.clone(), 0..4).prop_map(Term::List),
            (prop::sample::select(one.to_vec()), inner.clone()).prop_map(|(name, term)| Term::Call(name, vec![term])),
            (inner.clone(), inner.clone()).prop_map(|(text, part)| Term::Call("contains", vec![text, part])),
            (inner, prop::collection::vec(glob(), 0..5)).prop_map(|(text, globs)| Term::Match(Box::new(text), globs)),
        ]
    })
}

fn glob() -> impl Strategy<Value = Glob> {
    let character = prop::sample::select(vec!['a', 'b', 'A', ' ', '*', '[', '\\', 'ß', '\'', '.', '1']);
    prop_oneof![
        2 => Just(Glob::Run),
        1 => Just(Glob::Any),
        2 => character.clone().prop_map(Glob::One),
        1 => (any::<bool>(), character.clone(), character).prop_map(|(not, first, last)| Glob::Class(not, first, last)),
    ]
}

pub(crate) fn node() -> impl Strategy<Value = Node> {
    let sign = prop::sample::select(vec!["=", "!=", "<", "<=", ">", ">=", "in"]);
    let leaf = prop_oneof![
        3 => (term(), sign, term()).prop_map(|(left, sign, right)| Node::Compare(left, sign, right)),
        1 => term().prop_map(Node::Value),
    ];
    leaf.prop_recursive(4, 16, 3, |inner| {
        prop_oneof![
            prop::collection::vec(inner.clone(), 2..4).prop_map(Node::Or),
            prop::collection::vec(inner.clone(), 2..4).prop_map(Node::And),
            inner.prop_map(|inner| Node::Not(Box::new(inner))),
        ]
    })
}

/// Writes a filter with no more parentheses than it needs.
pub(crate) fn fql(node: &Node) -> String {
    let join = |sides: &[Node], word: &str, within_and: bool| {
        let side = |side: &Node| match side {
            Node::Or(_) => format!("({})", fql(side)),
            Node::And(_) if within_and => format!("({})", fql(side)),
            _ => fql(side),
        };
        sides.iter().map(side).collect::<Vec<_>>().join(word)
    };
    match node {
        Node::Or(sides) => join(sides, " or ", false),
        Node::And(sides) => join(sides, "\nand ", true),
        Node::Not(inner) => match &**inner {
            Node::Value(term @ (Term::Field(_) | Term::Call(..) | Term::Match(..))) => format!("!{}", fql_term(term)),
            inner => format!("!({})", fql(inner)),
        },
        Node::Compare(left, "in", right) => format!("{} in {}", fql_term(left), fql_term(right)),
        Node::Compare(left, sign, right) => format!("{}{sign}{}", fql_term(left), fql_term(right)),
        Node::Value(term) => fql_term(term),
    }
}

fn fql_term(term: &Term) -> String {
    let list = |terms: &[Term]| terms.iter().map(fql_term).collect::<Vec<_>>().join(" , ");
    let quoted = |text: &str| if text.contains('\'') { format!("\"{text}\"") } else { format!("'{text}'") };
    match term {
        Term::Num(fql, _) => (*fql).to_owned(),
        Term::Literal(Val::Text(text)) => quoted(text),
        Term::Literal(value) => text_of(value),
        Term::List(terms) => format!("[{}]", list(terms)),
        Term::Field(name) => FIELDS.iter().find(|(known, _)| known == name).unwrap().1.to_owned(),
        Term::Call(name, terms) => format!("{name}({})", list(terms)),
        Term::Match(text, globs) => {
            let piece = |glob: &Glob| match glob {
                Glob::Run => "*".to_owned(),
                Glob::Any => "?".to_owned(),
                Glob::One(one) => format!("\\{one}"),
                Glob::Class(not, first, last) => format!("[{}\\{first}-\\{last}]", if *not { "^" } else { "" }),
            };
            format!("match({}, {})", fql_term(text), quoted(&globs.iter().map(piece).collect::<String>()))
        }
    }
}

pub(crate) fn holds(node: &Node, event: &[Val]) -> bool {
    match node {
        Node::Or(sides) => sides.iter().any(|side| holds(side, event)),
        Node::And(sides) => sides.iter().all(|side| holds(side, event)),
        Node::Not(inner) => !holds(inner, event),
        Node::Value(term) => of(term, event) == Val::Bool(true),
        Node::Compare(left, sign, right) => {
            let (left, right) = (of(left, event), of(right, event));
            let order = match (&left, &right) {
                (Val::Num(left), Val::Num(right)) => Some(millionths(left).cmp(&millionths(right))),
                _ => None,
            };
            match *sign {
                "=" => same(&left, &right),
                "!=" => !same(&left, &right),
                "<" => order.is_some_and(|order| order.is_lt()),
                "<=" => order.is_some_and(|order| order.is_le()),
                ">" => order.is_some_and(|order| order.is_gt()),
                ">=" => order.is_some_and(|order| order.is_ge()),
                _ => match (&left, &right) {
                    (Val::List(_) | Val::Object(_), _) => false,
                    (_, Val::List(items)) => items.iter().any(|item| same(&left, item)),
                    _ => false,
                },
            }
        }
    }
}

fn same(left: &Val, right: &Val) -> bool {
    match (left, right) {
        (Val::Num(left), Val::Num(right)) => millionths(left) == millionths(right),
        (Val::List(left), Val::List(right)) => {
            left.len() == right.len() && (0..left.len()).all(|index| same(&left[index], &right[index]))
        }
        (Val::Object(left), Val::Object(right)) => same(&left[0].1, &right[0].1),
        _ => left == right,
    }
}

/// A number in millionths; none here has more digits behind its point.
fn millionths(text: &str) -> i128 {
    let (mantissa, exponent) = text.split_once('e').unwrap_or((text, "0"));
    let (whole, fraction) = mantissa.split_once('.').unwrap_or((mantissa, ""));
    let digits: i128 = format!("{whole}{fraction}").parse().unwrap();
    let shift = 6 + exponent.parse::<i32>().unwrap() - i32::try_from(fraction.len()).unwrap();
    digits * 10_i128.pow(u32::try_from(shift).unwrap())
}

fn of(term: &Term, event: &[Val]) -> Val {
    match term {
        Term::Num(_, json) => Val::Num(json),
        Term::Literal(value) => value.clone(),
        Term::List(terms) => Val::List(terms.iter().map(|term| of(term, event)).collect()),
        Term::Field(name) => {
            let index = FIELDS.iter().position(|(known, _)| known == name).unwrap();
            event.get(index).cloned().unwrap_or(Val::Null)
        }
        Term::Call("contains", terms) => match (of(&terms[0], event), of(&terms[1], event)) {
            (Val::Text(text), Val::Text(part)) => {
                Val::Bool((0..=text.len()).any(|at| text.as_bytes()[at..].starts_with(part.as_bytes())))
            }
            _ => Val::Bool(false),
        },
        Term::Call(name, terms) => call(name, of(&terms[0], event)),
        Term::Match(text, globs) => match of(text, event) {
            Val::Text(text) => Val::Bool(fits(&text.chars().collect::<Vec<_>>(), globs)),
            _ => Val::Bool(false),
        },
    }
}

fn call(name: &str, value: Val) -> Val {
    match (name, value) {
        ("length", Val::Null) => Val::Num("0"),
        ("length", Val::Text(text)) => Val::Num(text.len().to_string().leak()),
        ("length", Val::List(items)) => Val::Num(items.len().to_string().leak()),
        ("lowercase", Val::Text(text)) => Val::Text(text.chars().flat_map(char::to_lowercase).collect()),
        ("uppercase", Val::Text(text)) => Val::Text(text.chars().flat_map(char::to_uppercase).collect()),
        ("snakecase", Val::Text(text)) => Val::Text(text.split(' ').collect::<Vec<_>>().join("_")),
        ("kebabcase", Val::Text(text)) => Val::Text(text.split(' ').collect::<Vec<_>>().join("-")),
        ("titlecase", Val::Text(text)) => {
            let word = |word: &str| {
                let mut rest = word.chars();
                rest.next().into_iter().flat_map(char::to_uppercase).chain(rest).collect::<String>()
            };
            Val::Text(text.split(' ').map(word).collect::<Vec<_>>().join(" "))
        }
        ("typeof", value) => Val::Text(
            match value {
                Val::Null => "null",
                Val::Bool(_) => "bool",
                Val::Num(_) => "number",
                Val::Text(_) => "string",
                Val::List(_) => "list",
                Val::Object(_) => "object",
            }
            .to_owned(),
        ),
        ("bool", Val::Null) => Val::Bool(false),
        ("bool", Val::Bool(yes)) => Val::Bool(yes),
        ("bool", Val::Num(number)) => Val::Bool(millionths(number) != 0),
        ("bool", Val::Text(text)) if text == "true" || text == "false" => Val::Bool(text == "true"),
        ("bool", Val::List(items)) => Val::Bool(!items.is_empty()),
        ("string", Val::Text(text)) => Val::Text(text),
        ("string", Val::Num(number)) => Val::Text(number.to_owned()),
        ("string", Val::Bool(yes)) => Val::Text(yes.to_string()),
        // The JSON reader's spelling of exponents.
        ("string", list @ Val::List(_)) => Val::Text(text_of(&list).replace("1e2", "1e+2")),
        ("number", Val::Num(number)) => Val::Num(number),
        ("number", Val::Text(text)) if text == "1.5" => Val::Num("1.5"),
        _ => Val::Null,
    }
}

fn fits(text: &[char], globs: &[Glob]) -> bool {
    match (globs, text) {
        ([], _) => text.is_empty(),
        ([Glob::Run, rest @ ..], _) => (0..=text.len()).any(|at| fits(&text[at..], rest)),
        (_, []) => false,
        ([glob, globs @ ..], [first, text @ ..]) => {
            let takes = match glob {
                Glob::Run | Glob::Any => true,
                Glob::One(one) => one == first,
                Glob::Class(not, from, to) => (from <= first && first <= to) != *not,
            };
            takes && fits(text, globs)
        }
    }
}
