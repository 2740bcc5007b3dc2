//! FQL, the language of Segment's destination filters: which calls a program takes.
//!
//! ```text
//! expression  one `or` two          true if one side is; `and` binds more tightly
//!             one `and` two         true if both sides are
//!             !path  !f(…)  !( … )  true unless what follows is
//!             value                 true if the value is `true`
//!             value = value         also  !=  <  <=  >  >=  in
//! value       'text'  "text"        nothing is escaped inside; the other kind of quote may stand there
//!             12  -1.50             with any number of digits
//!             true  false  null
//!             [value, …]
//!             properties.region     letters, digits, _ and -; anything else behind a backslash: properties.product\ 1
//!             f(value, …)
//! ```
//!
//! `all` by itself takes every call. There are no side effects and no errors while a filter is asked: what has the wrong
//! type is answered by these rules.
//!
//! | written | is | where a type does not fit |
//! |---|---|---|
//! | a path that leads nowhere | `null` | |
//! | `a or b`, `a and b`, `!a`, and the whole | true or false | only `true` counts as true: `null`, texts and numbers do not |
//! | `a = b`, `a != b` | whether type and value are the same | different types are not equal |
//! | `a < b`, `<=`, `>`, `>=` | compares numbers | false |
//! | `a in list` | whether an element equals `a` | false: `a` is a list or an object, or there is no list |
//! | `contains(text, part)` | whether `part` stands in it | false |
//! | `match(text, pattern)` | whether all of it fits the pattern | false; also for a pattern that is none |
//! | `length(list or text)` | elements, or bytes in UTF-8 | `null` is 0 long; of anything else `null` |
//! | `lowercase(text)`, `uppercase(text)` | the other letters | `null` |
//! | `snakecase(text)`, `kebabcase(text)` | each white space becomes `_` or `-` | `null` |
//! | `titlecase(text)` | each word begins with a capital | `null` |
//! | `typeof(value)` | `"string"`, `"number"`, `"list"`, `"bool"`, `"null"`, `"object"` | |
//! | `bool(value)` | `true` for `true`, `"true"`, a number but 0, a list with elements; `false` for their opposites and `null` | `null`: any other text, an object |
//! | `string(value)` | a number's digits, `"true"`, a list as JSON | `null`: `null`, an object |
//! | `number(value)` | a number, or what a text writes as JSON writes numbers | `null` |
//!
//! In a pattern `*` is any run of characters, `?` is one, `[a-z]` and `[^abc]` are one of or not of these, and `\` takes the
//! next character as it is.
//!
//! Numbers are compared by what their digits say, all of them: `1.10 = 1.1` and `1e2 = 100`, while
//! `12345678901234567890 = 12345678901234567891` is false.

mod evaluate;
mod function;
mod glob;
mod lexer;
mod number;
mod parser;
mod path;
mod tree;

pub use evaluate::{Event, Part};
pub use path::Path;

use crate::fault::Fault;
use std::fmt;
use tree::Expr;

/// A filter longer than this is a fault.
pub const BYTES_MAX: usize = 16 * 1024;

/// Parentheses, lists and functions nest at most so deep.
pub const DEPTH_MAX: usize = 64;

/// What takes every call.
const ALL: &str = "all";

/// A filter that can be asked.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Filter {
    /// `None`: `all`.
    root: Option<Expr>,
}

impl Filter {
    /// Reads FQL.
    ///
    /// # Errors
    /// The first fault, its place counted in `text`.
    pub fn parse(text: &str) -> Result<Self, Fault> {
        if text.len() > BYTES_MAX {
            let message = format!("the filter has {} bytes, and {BYTES_MAX} are the most", text.len());
            return Err(Fault::error(0..0, message).help("compare with a list: `properties.sku in ['…', '…']`"));
        }
        if text.trim() == ALL {
            return Ok(Self { root: None });
        }
        parser::parse(text).map(|root| Self { root: Some(root) })
    }

    /// Whether it is `all`.
    pub fn takes_all(&self) -> bool {
        self.root.is_none()
    }

    /// Whether the filter takes this call.
    pub fn takes(&self, event: &Event<'_>) -> bool {
        self.root.as_ref().is_none_or(|root| evaluate::is_true(&evaluate::value(root, event)))
    }

    /// What each part of the filter is for this call; `None`: it is `all`, which has none.
    pub fn parts(&self, event: &Event<'_>) -> Option<Part> {
        self.root.as_ref().map(|root| Part::of(root, event))
    }

    /// Where a path begins that no call has, with a warning for each: `region = "Canada"` asks for the call's own field
    /// `region`, and `properties.region = Canada` for its field `Canada`.
    pub fn doubts(text: &str) -> Vec<Fault> {
        if text.trim() == ALL { Vec::new() } else { parser::doubts(text) }
    }
}

/// As it was understood, with all parentheses.
impl fmt::Display for Filter {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match &self.root {
            Some(root) => write!(f, "{root}"),
            None => f.write_str(ALL),
        }
    }
}
