//! One walk over a JSON text that checks all of it and hands out the places of what is asked for.
//!
//! The scanner accepts exactly RFC 8259's JSON texts (a leading byte order mark apart), [`DEPTH_MAX`] deep at most. It allocates nothing; values are places in the text, read when somebody wants them.

use std::borrow::Cow;

/// How deep values may nest: more is no event that anybody sent on purpose, and the walk is recursive.
pub const DEPTH_MAX: u8 = 128;

/// A range of bytes of the text. Bodies are at most 2 MiB, so 32 bits are plenty.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Span {
    /// The first byte.
    pub start: u32,
    /// The byte after the last.
    pub end: u32,
}

impl Span {
    /// The bytes of `text` at this place; empty when it is not a place of that text.
    pub fn of(self, text: &[u8]) -> &[u8] {
        text.get(self.start as usize..self.end as usize).unwrap_or_default()
    }
}

/// What a value is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Shape {
    /// `null`
    Null,
    /// `true` or `false`
    Bool,
    /// A number.
    Number,
    /// A string; its span includes the quotes.
    String,
    /// An array; its span includes the brackets.
    Array,
    /// An object; its span includes the braces.
    Object,
}

/// A value: what it is, and where.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Node {
    /// What it is.
    pub shape: Shape,
    /// Where it is.
    pub span: Span,
}

impl Node {
    /// The value's own bytes.
    pub fn raw(self, text: &[u8]) -> &[u8] {
        self.span.of(text)
    }

    /// A string's characters, unescaped; `None` for other shapes.
    pub fn string(self, text: &[u8]) -> Option<Cow<'_, str>> {
        (self.shape == Shape::String).then(|| unescape(inside(self.raw(text))))
    }

    /// The characters of a string, or the digits of a number; `None` for other shapes.
    pub fn scalar(self, text: &[u8]) -> Option<Cow<'_, str>> {
        match self.shape {
            Shape::String => self.string(text),
            Shape::Number => Some(String::from_utf8_lossy(self.raw(text))),
            Shape::Null | Shape::Bool | Shape::Array | Shape::Object => None,
        }
    }

    /// Whether the value says nothing: `null` or `""`.
    pub fn is_blank(self) -> bool {
        match self.shape {
            Shape::Null => true,
            Shape::String => self.span.end - self.span.start <= 2,
            Shape::Bool | Shape::Number | Shape::Array | Shape::Object => false,
        }
    }
}

/// Why a text was not walked to its end.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ScanError {
    /// It is no JSON text; `at` is the byte where it stops being one.
    NotJson {
        /// Offset in bytes.
        at: u32,
    },
    /// It nests deeper than [`DEPTH_MAX`].
    TooDeep,
}

/// A walk in progress.
pub struct Cursor<'a> {
    text: &'a [u8],
    at: usize,
    depth: u8,
}

impl<'a> Cursor<'a> {
    /// Begins a walk at the text's first value. The text must be valid UTF-8.
    pub fn new(text: &'a [u8]) -> Self {
        let at = if text.starts_with(b"\xEF\xBB\xBF") { 3 } else { 0 };
        let mut cursor = Self { text, at, depth: 0 };
        cursor.space();
        cursor
    }

    /// Ends a walk: after the value only white space may follow.
    pub fn finish(mut self) -> Result<(), ScanError> {
        self.space();
        if self.at == self.text.len() { Ok(()) } else { self.fail() }
    }

    /// The next value's shape, judged by its first byte.
    pub fn shape(&self) -> Result<Shape, ScanError> {
        match self.peek() {
            Some(b'{') => Ok(Shape::Object),
            Some(b'[') => Ok(Shape::Array),
            Some(b'"') => Ok(Shape::String),
            Some(b't' | b'f') => Ok(Shape::Bool),
            Some(b'n') => Ok(Shape::Null),
            Some(b'-' | b'0'..=b'9') => Ok(Shape::Number),
            _ => self.fail(),
        }
    }

    /// Walks over the next value, whatever it is.
    pub fn value(&mut self) -> Result<Node, ScanError> {
        let shape = self.shape()?;
        let start = self.at;
        match shape {
            Shape::Object => self.skip_object()?,
            Shape::Array => self.skip_array()?,
            Shape::String => self.skip_string()?,
            Shape::Bool if self.peek() == Some(b't') => self.literal(b"true")?,
            Shape::Bool => self.literal(b"false")?,
            Shape::Null => self.literal(b"null")?,
            Shape::Number => self.number()?,
        }
        Ok(self.node(shape, start))
    }

    /// Walks over the next value, an object: `each` is called with the cursor at every member's value, which it must
    /// walk over. Answers the object, and whether it has no members.
    pub fn object(
        &mut self,
        mut each: impl FnMut(&mut Self, &[u8]) -> Result<(), ScanError>,
    ) -> Result<(Node, bool), ScanError> {
        let start = self.at;
        self.enter()?;
        self.space();
        if self.peek() == Some(b'}') {
            self.leave();
            return Ok((self.node(Shape::Object, start), true));
        }
        loop {
            let key = self.key()?;
            self.token(b':')?;
            self.space();
            match &key {
                Cow::Borrowed(raw) => each(self, raw)?,
                Cow::Owned(unescaped) => each(self, unescaped)?,
            }
            self.space();
            match self.peek() {
                Some(b',') => self.at += 1,
                Some(b'}') => break,
                _ => return self.fail(),
            }
            self.space();
        }
        self.leave();
        Ok((self.node(Shape::Object, start), false))
    }

    /// Walks over the next value, an array: `each` is called with the cursor at every element, which it must walk over.
    pub fn array(&mut self, mut each: impl FnMut(&mut Self) -> Result<(), ScanError>) -> Result<Node, ScanError> {
        let start = self.at;
        self.enter()?;
        self.space();
        if self.peek() == Some(b']') {
            self.leave();
            return Ok(self.node(Shape::Array, start));
        }
        loop {
            each(self)?;
            self.space();
            match self.peek() {
                Some(b',') => self.at += 1,
                Some(b']') => break,
                _ => return self.fail(),
            }
            self.space();
        }
        self.leave();
        Ok(self.node(Shape::Array, start))
    }

    fn skip_object(&mut self) -> Result<(), ScanError> {
        self.enter()?;
        self.space();
        if self.peek() == Some(b'}') {
            self.leave();
            return Ok(());
        }
        loop {
            if self.peek() != Some(b'"') {
                return self.fail();
            }
            self.skip_string()?;
            self.token(b':')?;
            self.space();
            self.value()?;
            self.space();
            match self.peek() {
                Some(b',') => self.at += 1,
                Some(b'}') => break,
                _ => return self.fail(),
            }
            self.space();
        }
        self.leave();
        Ok(())
    }

    fn skip_array(&mut self) -> Result<(), ScanError> {
        self.array(|cursor| cursor.value().map(drop)).map(drop)
    }

    fn key(&mut self) -> Result<Cow<'a, [u8]>, ScanError> {
        if self.peek() != Some(b'"') {
            return self.fail();
        }
        let start = self.at;
        self.skip_string()?;
        let raw = inside(self.text.get(start..self.at).unwrap_or_default());
        Ok(match unescape(raw) {
            Cow::Borrowed(key) => Cow::Borrowed(key.as_bytes()),
            Cow::Owned(key) => Cow::Owned(key.into_bytes()),
        })
    }

    fn skip_string(&mut self) -> Result<(), ScanError> {
        self.at += 1;
        loop {
            let rest = self.text.get(self.at..).unwrap_or_default();
            let Some(plain) = rest.iter().position(|&b| b == b'"' || b == b'\\' || b < 0x20) else {
                self.at = self.text.len();
                return self.fail();
            };
            self.at += plain;
            match self.peek() {
                Some(b'"') => {
                    self.at += 1;
                    return Ok(());
                }
                Some(b'\\') => self.escape()?,
                _ => return self.fail(),
            }
        }
    }

    fn escape(&mut self) -> Result<(), ScanError> {
        match self.text.get(self.at + 1) {
            Some(b'"' | b'\\' | b'/' | b'b' | b'f' | b'n' | b'r' | b't') => self.at += 2,
            Some(b'u') => {
                let digits = self.text.get(self.at + 2..self.at + 6).unwrap_or_default();
                if digits.len() != 4 || !digits.iter().all(u8::is_ascii_hexdigit) {
                    return self.fail();
                }
                self.at += 6;
            }
            _ => return self.fail(),
        }
        Ok(())
    }

    fn number(&mut self) -> Result<(), ScanError> {
        if self.peek() == Some(b'-') {
            self.at += 1;
        }
        match self.peek() {
            Some(b'0') => self.at += 1,
            Some(b'1'..=b'9') => self.digits()?,
            _ => return self.fail(),
        }
        if self.peek() == Some(b'.') {
            self.at += 1;
            self.digits()?;
        }
        if let Some(b'e' | b'E') = self.peek() {
            self.at += 1;
            if let Some(b'+' | b'-') = self.peek() {
                self.at += 1;
            }
            self.digits()?;
        }
        Ok(())
    }

    fn digits(&mut self) -> Result<(), ScanError> {
        let rest = self.text.get(self.at..).unwrap_or_default();
        let count = rest.iter().take_while(|b| b.is_ascii_digit()).count();
        self.at += count;
        if count == 0 { self.fail() } else { Ok(()) }
    }

    fn literal(&mut self, word: &[u8]) -> Result<(), ScanError> {
        if !self.text.get(self.at..).is_some_and(|rest| rest.starts_with(word)) {
            return self.fail();
        }
        self.at += word.len();
        Ok(())
    }

    fn token(&mut self, byte: u8) -> Result<(), ScanError> {
        self.space();
        if self.peek() != Some(byte) {
            return self.fail();
        }
        self.at += 1;
        Ok(())
    }

    fn enter(&mut self) -> Result<(), ScanError> {
        self.depth += 1;
        self.at += 1;
        if self.depth > DEPTH_MAX { Err(ScanError::TooDeep) } else { Ok(()) }
    }

    fn leave(&mut self) {
        self.depth -= 1;
        self.at += 1;
    }

    fn space(&mut self) {
        while let Some(b' ' | b'\t' | b'\n' | b'\r') = self.peek() {
            self.at += 1;
        }
    }

    fn peek(&self) -> Option<u8> {
        self.text.get(self.at).copied()
    }

    fn node(&self, shape: Shape, start: usize) -> Node {
        Node { shape, span: Span { start: place(start), end: place(self.at) } }
    }

    fn fail<T>(&self) -> Result<T, ScanError> {
        Err(ScanError::NotJson { at: place(self.at) })
    }
}

fn place(at: usize) -> u32 {
    u32::try_from(at).unwrap_or(u32::MAX)
}

fn inside(quoted: &[u8]) -> &[u8] {
    quoted.get(1..quoted.len().saturating_sub(1)).unwrap_or_default()
}

/// What stands between the quotes of a JSON string, unescaped; half a surrogate pair becomes U+FFFD.
fn unescape(raw: &[u8]) -> Cow<'_, str> {
    let Some(first) = memchr::memchr(b'\\', raw) else {
        return String::from_utf8_lossy(raw);
    };
    let (plain, mut rest) = raw.split_at(first);
    let mut out = String::from_utf8_lossy(plain).into_owned();
    while let [b'\\', kind, tail @ ..] = rest {
        let (character, tail) = match kind {
            b'u' => surrogates(tail),
            b'b' => ('\u{8}', tail),
            b'f' => ('\u{c}', tail),
            b'n' => ('\n', tail),
            b'r' => ('\r', tail),
            b't' => ('\t', tail),
            other => (char::from(*other), tail),
        };
        out.push(character);
        let next = memchr::memchr(b'\\', tail).unwrap_or(tail.len());
        let (plain, more) = tail.split_at(next);
        out.push_str(&String::from_utf8_lossy(plain));
        rest = more;
    }
    Cow::Owned(out)
}

/// The character of one `\u` escape or of a pair of them; `tail` begins after the first `\u`.
fn surrogates(tail: &[u8]) -> (char, &[u8]) {
    let (unit, after) = unit(tail);
    if (0xD800..0xDC00).contains(&unit)
        && let [b'\\', b'u', second @ ..] = after
    {
        let (low, rest) = self::unit(second);
        if (0xDC00..0xE000).contains(&low) {
            let code = 0x10000 + ((unit - 0xD800) << 10) + (low - 0xDC00);
            return (char::from_u32(code).unwrap_or(char::REPLACEMENT_CHARACTER), rest);
        }
    }
    (char::from_u32(unit).unwrap_or(char::REPLACEMENT_CHARACTER), after)
}

fn unit(tail: &[u8]) -> (u32, &[u8]) {
    let (digits, rest) = tail.split_at(tail.len().min(4));
    let unit = digits.iter().fold(0, |sum, digit| sum * 16 + char::from(*digit).to_digit(16).unwrap_or(0));
    (unit, rest)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn accepts(text: &[u8]) -> bool {
        let mut cursor = Cursor::new(text);
        cursor.value().and_then(|_| cursor.finish()).is_ok()
    }

    #[test]
    fn accepts_json_and_nothing_else() {
        for good in [
            "{}",
            "[]",
            " [ ] ",
            "0",
            "-0",
            "1.10",
            "1e400",
            "-1.5E+7",
            "\"\"",
            "\"\\u00e9\\ud83d\\ude00\"",
            "\"\\ud800\"",
            "null",
            "true",
            "false",
            "{\"a\":[1,{\"b\":null}],\"a\":2}",
            "\u{feff}{}",
            "\t{\r\n\"a\" : 1 }\n",
            "12345678901234567890",
        ] {
            assert!(accepts(good.as_bytes()), "{good}");
        }
        for bad in [
            "",
            " ",
            "{",
            "}",
            "[1,]",
            "{\"a\":1,}",
            "{a:1}",
            "{'a':1}",
            "01",
            ".5",
            "1.",
            "-",
            "+1",
            "1e",
            "True",
            "nul",
            "\"",
            "\"\\x\"",
            "\"\\u12\"",
            "\"a\nb\"",
            "{} {}",
            "{\"a\" 1}",
            "[1 2]",
            "// c\n{}",
            "NaN",
            "{\"a\":}",
            "\"\\",
        ] {
            assert!(!accepts(bad.as_bytes()), "{bad}");
        }
    }

    #[test]
    fn nesting_has_an_end() {
        let nested = |n: usize| format!("{}{}", "[".repeat(n), "]".repeat(n));
        assert!(accepts(nested(128).as_bytes()));
        let deep = nested(10_000);
        assert_eq!(Cursor::new(deep.as_bytes()).value().unwrap_err(), ScanError::TooDeep);
    }

    #[test]
    fn unescapes_like_json() {
        for (raw, plain) in [
            (r#""abc""#, "abc"),
            (r#""a\"\\\/\b\f\n\r\tz""#, "a\"\\/\u{8}\u{c}\n\r\tz"),
            (r#""\u00e9\ud83d\ude00!""#, "é😀!"),
            (r#""\ud83dx""#, "\u{fffd}x"),
            (r#""\ude00""#, "\u{fffd}"),
        ] {
            let mut cursor = Cursor::new(raw.as_bytes());
            let node = cursor.value().unwrap();
            assert_eq!(node.string(raw.as_bytes()).unwrap(), plain);
        }
    }
}
