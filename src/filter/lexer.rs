//! From FQL's text to its tokens, each with its place.

use super::number;
use super::path::Path;
use crate::fault::Fault;
use serde_json::Number;
use std::ops::Range;

/// The smallest piece of a filter.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Token<'t> {
    /// A step that stands alone, without a backslash: a keyword, a function's name, or a path.
    Word(&'t str),
    Path(Path),
    Text(&'t str),
    Number(Number),
    /// Punctuation.
    Sign(&'t str),
    End,
}

/// A token and its place.
#[derive(Clone, Debug)]
pub(super) struct Placed<'t> {
    pub(super) token: Token<'t>,
    pub(super) span: Range<usize>,
}

/// Whether a word by itself may mean something else than a path.
pub(super) fn is_keyword(word: &str) -> bool {
    matches!(word, "and" | "or" | "in" | "true" | "false" | "null" | "all")
}

/// Whether a path takes this character without a backslash.
pub(super) fn is_plain(character: char) -> bool {
    character.is_ascii_alphanumeric() || matches!(character, '_' | '-')
}

/// Whether a word would be read as a number.
pub(super) fn starts_number(word: &str) -> bool {
    word.strip_prefix(['+', '-']).unwrap_or(word).starts_with(|first: char| first.is_ascii_digit())
}

/// Longer signs stand before those that they begin with.
const SIGNS: [&str; 12] = ["!=", "<=", ">=", "=", "<", ">", "!", "(", ")", "[", "]", ","];

/// Reads a text that is one path.
pub(super) fn path(text: &str) -> Result<Path, Fault> {
    let mut lexer = Lexer::new(text);
    let (steps, _) = lexer.steps()?;
    match lexer.rest().chars().next() {
        None => Ok(Path { steps }),
        Some(other) => Err(lexer.stray(other)),
    }
}

/// Takes one token after another from a filter.
#[derive(Clone)]
pub(super) struct Lexer<'t> {
    text: &'t str,
    at: usize,
}

impl<'t> Lexer<'t> {
    pub(super) fn new(text: &'t str) -> Self {
        Self { text, at: 0 }
    }

    /// The next token; at the end [`Token::End`], again and again.
    pub(super) fn next(&mut self) -> Result<Placed<'t>, Fault> {
        let rest = self.rest();
        self.at += rest.len() - rest.trim_start().len();
        let start = self.at;
        let token = self.token()?;
        Ok(Placed { token, span: start..self.at })
    }

    fn rest(&self) -> &'t str {
        self.text.get(self.at..).unwrap_or_default()
    }

    fn token(&mut self) -> Result<Token<'t>, Fault> {
        let rest = self.rest();
        let Some(first) = rest.chars().next() else { return Ok(Token::End) };
        if let '\'' | '"' = first {
            return self.string(first);
        }
        if starts_number(rest) {
            return self.number();
        }
        if rest.starts_with("==") {
            let fault = Fault::error(self.at..self.at + 2, "`==` is no comparison");
            return Err(fault.help("FQL compares with a single `=`"));
        }
        if let Some(sign) = SIGNS.into_iter().find(|sign| rest.starts_with(sign)) {
            self.at += sign.len();
            return Ok(Token::Sign(sign));
        }
        if !is_plain(first) && first != '\\' {
            return Err(self.stray(first));
        }
        let start = self.at;
        let (steps, escaped) = self.steps()?;
        Ok(match self.text.get(start..self.at) {
            Some(word) if steps.len() == 1 && !escaped => Token::Word(word),
            _ => Token::Path(Path { steps }),
        })
    }

    fn string(&mut self, quote: char) -> Result<Token<'t>, Fault> {
        let inner = self.rest().get(1..).unwrap_or_default();
        let Some((text, _)) = inner.split_once(quote) else {
            let fault = Fault::error(self.at..self.text.len(), format!("this text has no closing {quote}"));
            return Err(fault.help("a text ends with the quote that begins it; the other kind may stand inside"));
        };
        let start = self.at;
        self.at += text.len() + 2;
        if text.ends_with('\\') && self.rest().starts_with(is_plain) {
            let fault = Fault::error(start..self.at, "the text ends here: nothing is escaped inside a text");
            return Err(fault.help("put the other kind of quote around it: \"it's\""));
        }
        Ok(Token::Text(text))
    }

    fn number(&mut self) -> Result<Token<'t>, Fault> {
        let (rest, start) = (self.rest(), self.at);
        let unsigned = rest.strip_prefix(['+', '-']).unwrap_or(rest);
        let digits = |text: &str| text.bytes().take_while(u8::is_ascii_digit).count();
        let mut length = rest.len() - unsigned.len() + digits(unsigned);
        if let Some(fraction) = rest.get(length..).and_then(|rest| rest.strip_prefix('.')) {
            length += if digits(fraction) > 0 { 1 + digits(fraction) } else { 0 };
        }
        self.at += length;
        let more = |character: char| is_plain(character) || matches!(character, '.' | '\\');
        let tail = self.rest().find(|character| !more(character)).unwrap_or(self.rest().len());
        match rest.get(..length).and_then(number::parse) {
            Some(number) if tail == 0 => Ok(Token::Number(number)),
            _ => {
                let message = "this is neither a number nor a path";
                let help = "a number is digits, perhaps with a sign and a fraction; a path that begins with a digit has a \
                            backslash before it";
                Err(Fault::error(start..self.at + tail, message).help(help))
            }
        }
    }

    /// The steps of a path, and whether a backslash stood among them.
    fn steps(&mut self) -> Result<(Vec<String>, bool), Fault> {
        let (mut steps, mut step, mut escaped) = (Vec::new(), String::new(), false);
        loop {
            let mut characters = self.rest().chars();
            match characters.next() {
                Some('\\') => {
                    let Some(next) = characters.next() else {
                        let fault = Fault::error(self.at..self.at + 1, "the path ends with a backslash");
                        return Err(fault.help("a backslash takes the next character into the path"));
                    };
                    step.push(next);
                    self.at += 1 + next.len_utf8();
                    escaped = true;
                }
                Some(plain) if is_plain(plain) => {
                    step.push(plain);
                    self.at += 1;
                }
                other => {
                    if let Some(bad) = other.filter(|bad| !steps.is_empty() && step.is_empty() && bad.is_alphanumeric())
                    {
                        return Err(self.stray(bad));
                    }
                    if step.is_empty() {
                        let width = other.map_or(0, char::len_utf8);
                        let fault = Fault::error(self.at..self.at + width, "a step of the path is missing here");
                        return Err(fault.help("the steps of a path are joined by single dots: `context.page.url`"));
                    }
                    steps.push(std::mem::take(&mut step));
                    if other != Some('.') {
                        return Ok((steps, escaped));
                    }
                    self.at += 1;
                }
            }
        }
    }

    fn stray(&self, character: char) -> Fault {
        let help = match character {
            '\u{2018}'..='\u{201f}' | '«' | '»' | '`' => "texts stand in straight quotes: 'text' or \"text\"",
            '&' => "FQL has the word `and`",
            '|' => "FQL has the word `or`",
            '.' => "a path begins with a name: `properties.region`",
            letter if letter.is_alphanumeric() => {
                "a path has the letters A to Z, digits, `_` and `-`; any other needs a backslash before it, and a text quotes"
            }
            _ => "in a path, such a character needs a backslash before it; a text needs quotes around it",
        };
        Fault::error(self.at..self.at + character.len_utf8(), format!("`{character}` has no place here")).help(help)
    }
}
