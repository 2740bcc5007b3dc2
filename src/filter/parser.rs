//! From tokens to a tree: one function for each rule of the grammar, so that the tightest binding is the deepest.

use super::function::Function;
use super::lexer::{Lexer, Placed, Token};
use super::path::Path;
use super::tree::{Comparison, Expr};
use super::{ALL, DEPTH_MAX};
use crate::fault::{Fault, nearest};
use serde_json::Value;
use std::ops::Range;

/// Reads a whole filter.
pub(super) fn parse(text: &str) -> Result<Expr, Fault> {
    Parser::new(text)?.whole()
}

/// Warnings about paths that begin with no field of a call; none where the filter cannot be read.
pub(super) fn doubts(text: &str) -> Vec<Fault> {
    let Ok(mut parser) = Parser::new(text) else { return Vec::new() };
    match parser.whole() {
        Ok(_) => parser.doubts,
        Err(_) => Vec::new(),
    }
}

/// The fields of a call's top level that Segment knows: a path begins with one of them, or something was forgotten.
const FIELDS: [&str; 22] = [
    "type",
    "event",
    "name",
    "category",
    "anonymousId",
    "userId",
    "previousId",
    "groupId",
    "messageId",
    "context",
    "properties",
    "traits",
    "integrations",
    "timestamp",
    "originalTimestamp",
    "sentAt",
    "receivedAt",
    "channel",
    "version",
    "projectId",
    "writeKey",
    "_metadata",
];

struct Parser<'t> {
    lexer: Lexer<'t>,
    /// The token at hand.
    next: Placed<'t>,
    depth: usize,
    doubts: Vec<Fault>,
}

impl<'t> Parser<'t> {
    fn new(text: &'t str) -> Result<Self, Fault> {
        let mut lexer = Lexer::new(text);
        let next = lexer.next()?;
        Ok(Self { lexer, next, depth: 0, doubts: Vec::new() })
    }

    fn whole(&mut self) -> Result<Expr, Fault> {
        let expr = self.either()?;
        if self.next.token == Token::End { Ok(expr) } else { Err(self.unexpected_after()) }
    }

    /// `one or two or …`
    fn either(&mut self) -> Result<Expr, Fault> {
        let first = self.both()?;
        let mut sides = vec![first];
        while self.take_word("or")? {
            sides.push(self.both()?);
        }
        Ok(joined(sides, Expr::Or))
    }

    /// `one and two and …`
    fn both(&mut self) -> Result<Expr, Fault> {
        let mut sides = vec![self.side()?];
        while self.take_word("and")? {
            sides.push(self.side()?);
        }
        Ok(joined(sides, Expr::And))
    }

    fn side(&mut self) -> Result<Expr, Fault> {
        if self.take_sign("!")? {
            return Ok(Expr::Not(Box::new(self.negated()?)));
        }
        if self.take_sign("(")? {
            return self.grouped();
        }
        let left = self.value()?;
        let (Token::Sign(sign) | Token::Word(sign)) = self.next.token else { return Ok(left) };
        let Some(comparison) = Comparison::parse(sign) else { return Ok(left) };
        self.advance()?;
        if (comparison, &self.next.token) == (Comparison::Less, &Token::Sign(">")) {
            return Err(self.refuse("`<>` is no comparison").help("FQL has `!=`"));
        }
        let is_parenthesis = self.next.token == Token::Sign("(");
        if comparison == Comparison::In && is_parenthesis {
            return Err(self.refuse("a list stands in brackets").help("write `type in ['track', 'page']`"));
        }
        Ok(Expr::Compare(Box::new(left), comparison, Box::new(self.value()?)))
    }

    /// What stands behind `!`: parentheses, a function or a path.
    fn negated(&mut self) -> Result<Expr, Fault> {
        if self.take_sign("(")? {
            return self.grouped();
        }
        let place = self.next.span.clone();
        let expr = match self.next.token {
            Token::Word(_) | Token::Path(_) => self.value()?,
            _ => return Err(self.refuse("`!` needs a path, a function or parentheses behind it").help(NEGATION)),
        };
        if let Expr::Literal(_) = expr {
            return Err(Fault::error(place, "`!` cannot stand before a constant").help(NEGATION));
        }
        match self.next.token {
            Token::Sign(sign) | Token::Word(sign) if Comparison::parse(sign).is_some() => {
                Err(self.refuse("what `!` stands before cannot be compared").help(NEGATION))
            }
            _ => Ok(expr),
        }
    }

    /// What stands in parentheses, the first of them taken already.
    fn grouped(&mut self) -> Result<Expr, Fault> {
        self.deeper()?;
        let expr = self.either()?;
        if !self.take_sign(")")? {
            return Err(self.unexpected_after());
        }
        self.depth -= 1;
        Ok(expr)
    }

    fn value(&mut self) -> Result<Expr, Fault> {
        let Placed { token, span } = self.next.clone();
        match token {
            Token::Text(text) => self.literal(text.into()),
            Token::Number(number) => self.literal(Value::Number(number)),
            Token::Path(path) => {
                self.advance()?;
                Ok(self.path(path, span))
            }
            Token::Word(word) => self.word(word, span),
            Token::Sign("[") => {
                self.advance()?;
                Ok(list(self.items("]")?))
            }
            Token::Sign(_) | Token::End => Err(self.refuse("a value is missing here").help(VALUES)),
        }
    }

    fn literal(&mut self, value: Value) -> Result<Expr, Fault> {
        self.advance()?;
        Ok(Expr::Literal(value))
    }

    fn word(&mut self, word: &str, span: Range<usize>) -> Result<Expr, Fault> {
        match word {
            "true" => return self.literal(true.into()),
            "false" => return self.literal(false.into()),
            "null" => return self.literal(Value::Null),
            "and" | "or" | "in" => {
                let help = format!("{VALUES}; a field of the name `{word}` is written `\\{word}`");
                return Err(self.refuse("a value is missing here").help(help));
            }
            _ => self.advance()?,
        }
        if !self.take_sign("(")? {
            if word == "not" && matches!(self.next.token, Token::Word(_) | Token::Path(_)) && !self.is_joint() {
                return Err(Fault::error(span, "FQL has no word `not`").help(NOT));
            }
            return Ok(self.path(Path { steps: vec![word.to_owned()] }, span));
        }
        let Some(function) = Function::parse(word) else { return Err(no_function(word, span)) };
        let arguments = self.items(")")?;
        if arguments.len() != function.takes().len() {
            let plural = if arguments.len() == 1 { "" } else { "s" };
            let message = format!("`{word}` does not take {} argument{plural}", arguments.len());
            return Err(Fault::error(span, message).help(format!("write `{word}({})`", function.takes().join(", "))));
        }
        Ok(Expr::Call(function, arguments))
    }

    /// A path, which is noted where it begins with no field that calls have.
    fn path(&mut self, path: Path, span: Range<usize>) -> Expr {
        if let Some(first) = path.steps.first().filter(|first| !FIELDS.contains(&first.as_str())) {
            let message = format!("`{first}` is taken as a field of the call, and calls have no such field");
            let help = match nearest(first, FIELDS.into_iter().chain([ALL])) {
                Some(near) => format!("did you mean `{near}`?"),
                None => format!("a text stands in quotes: '{first}'; a property is written `properties.{path}`"),
            };
            self.doubts.push(Fault::warning(span, message).help(help));
        }
        Expr::Path(path)
    }

    /// Whether the token at hand joins what stands before it with what follows.
    fn is_joint(&self) -> bool {
        matches!(self.next.token, Token::Word(word) if matches!(word, "and" | "or") || Comparison::parse(word).is_some())
    }

    /// Values with commas between them, up to the sign that ends them; the one that begins them is taken already.
    fn items(&mut self, end: &str) -> Result<Vec<Expr>, Fault> {
        self.deeper()?;
        let mut items = Vec::new();
        let mut ended = self.take_sign(end)?;
        while !ended {
            items.push(self.value()?);
            ended = self.take_sign(end)?;
            if !ended && !self.take_sign(",")? {
                return Err(self.refuse(format!("`,` or `{end}` is missing here")).help(VALUES));
            }
        }
        self.depth -= 1;
        Ok(items)
    }

    fn deeper(&mut self) -> Result<(), Fault> {
        self.depth += 1;
        if self.depth > DEPTH_MAX {
            return Err(self
                .refuse(format!("this nests more than {DEPTH_MAX} deep"))
                .help("write it with fewer parentheses"));
        }
        Ok(())
    }

    fn advance(&mut self) -> Result<(), Fault> {
        self.next = self.lexer.next()?;
        Ok(())
    }

    fn take(&mut self, wanted: &Token<'_>) -> Result<bool, Fault> {
        let taken = self.next.token == *wanted;
        if taken {
            self.advance()?;
        }
        Ok(taken)
    }

    fn take_sign(&mut self, sign: &str) -> Result<bool, Fault> {
        self.take(&Token::Sign(sign))
    }

    fn take_word(&mut self, word: &str) -> Result<bool, Fault> {
        self.take(&Token::Word(word))
    }

    /// A fault at the token at hand.
    fn refuse(&self, message: impl Into<String>) -> Fault {
        Fault::error(self.next.span.clone(), message)
    }

    /// The fault of what stands where an expression has ended.
    fn unexpected_after(&self) -> Fault {
        let is_open = self.depth > 0;
        let fault = match self.next.token {
            Token::End => return self.refuse("a parenthesis is not closed").help("`)` is missing"),
            Token::Sign(")") => return self.refuse("this parenthesis was not opened").help("leave it out"),
            Token::Sign(sign) | Token::Word(sign) if Comparison::parse(sign).is_some() => {
                return self.refuse("only two values can be compared").help("join comparisons with `and` or `or`");
            }
            _ => self.refuse("this does not belong to what stands before it"),
        };
        if self.next.token == Token::Word("not") {
            return self.refuse("FQL has no word `not`").help(NOT);
        }
        let meant = match self.next.token {
            Token::Word(word) => nearest(word, ["and", "or"].into_iter()),
            _ => None,
        };
        match (&self.next.token, meant) {
            (_, Some(word)) => fault.help(format!("did you mean `{word}`?")),
            (Token::Sign("["), None) => fault.help("a path leads into objects, and into no element of a list"),
            (Token::Word(_) | Token::Path(_) | Token::Number(_), None) => {
                fault.help("a text stands in quotes: 'United States'; expressions are joined with `and` or `or`")
            }
            _ if is_open => fault.help("expected `and`, `or` or `)`"),
            _ => fault.help("expected `and`, `or` or the end"),
        }
    }
}

/// What can stand behind `!`.
const NEGATION: &str = "write `!( … )` around a whole expression, or compare with `!=`";

/// How FQL negates.
const NOT: &str = "write `!( … )`: `!(userId in ['a', 'b'])`";

/// What a value can be.
const VALUES: &str = "a value is a path, a text in quotes, a number, true, false, null, a list or a function";

fn joined(mut sides: Vec<Expr>, join: fn(Vec<Expr>) -> Expr) -> Expr {
    match (sides.len(), sides.pop()) {
        (1, Some(only)) => only,
        (_, last) => {
            sides.extend(last);
            join(sides)
        }
    }
}

/// A list of literals is one itself: it need not be made for every call.
fn list(elements: Vec<Expr>) -> Expr {
    let literal = |element: &Expr| match element {
        Expr::Literal(value) => Some(value.clone()),
        _ => None,
    };
    match elements.iter().map(literal).collect::<Option<Vec<Value>>>() {
        Some(values) => Expr::Literal(Value::Array(values)),
        None => Expr::List(elements),
    }
}

fn no_function(word: &str, span: Range<usize>) -> Fault {
    let names = Function::names().collect::<Vec<_>>().join(", ");
    let help = match nearest(word, Function::names()) {
        _ if word == "not" => NOT.to_owned(),
        Some(near) => format!("did you mean `{near}`? There are: {names}"),
        None => format!("there are: {names}"),
    };
    Fault::error(span, format!("there is no function `{word}`")).help(help)
}
