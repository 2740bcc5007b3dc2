//! Rust source as the rules read it: lines stay where they are, what does not count becomes blank.

/// One source file.
pub(crate) struct Source {
    /// Its path from the package's root, with `/` between the parts.
    pub(crate) path: String,
    /// As it stands on the disk.
    pub(crate) text: String,
    /// Without comments.
    pub(crate) uncommented: String,
    /// Without comments, string contents and test modules: what the program does.
    pub(crate) code: String,
    /// Whether the whole file is a test.
    pub(crate) is_test: bool,
    /// The files that this one declares as test modules, without their ending.
    pub(crate) test_files: Vec<String>,
}

impl Source {
    pub(crate) fn new(path: &str, text: &str) -> Self {
        let bare = blank(text, true);
        let tests = test_modules(&bare);
        let test_files = tests.iter().filter_map(|range| declared(path, &text[range.clone()])).collect();
        let is_test = !path.starts_with("src/");
        let code = without(&bare, &tests);
        let uncommented = without(&blank(text, false), &tests);
        Self { path: path.into(), text: text.into(), uncommented, code, is_test, test_files }
    }

    /// The file's place below `src/`; `None` outside.
    pub(crate) fn in_src(&self) -> Option<&str> {
        self.path.strip_prefix("src/")
    }

    /// The top-level module that the file belongs to.
    pub(crate) fn room(&self) -> Option<&str> {
        let first = self.in_src()?.split('/').next()?;
        Some(first.strip_suffix(".rs").unwrap_or(first))
    }
}

/// The line, from 1, of a byte.
pub(crate) fn line_of(text: &str, at: usize) -> usize {
    text.bytes().take(at).filter(|b| *b == b'\n').count() + 1
}

/// Blanks comments, and the contents of strings and characters too if told so. Length and lines stay.
fn blank(text: &str, strings: bool) -> String {
    let bytes = text.as_bytes();
    let mut out = bytes.to_vec();
    let mut at = 0;
    while at < bytes.len() {
        let rest = &bytes[at..];
        let is_word = at > 0 && (bytes[at - 1].is_ascii_alphanumeric() || bytes[at - 1] == b'_');
        let (length, is_blank) = match rest {
            [b'/', b'/', ..] => (rest.iter().position(|b| *b == b'\n').unwrap_or(rest.len()), true),
            [b'/', b'*', ..] => (block_comment(rest), true),
            [b'r', b'"' | b'#', ..] if !is_word => (raw_string(rest), strings),
            [b'b', b'r', b'"' | b'#', ..] if !is_word => (1 + raw_string(&rest[1..]), strings),
            [b'"', ..] => (quoted(rest, b'"'), strings),
            [b'\'', b'\\', ..] => (quoted(rest, b'\''), strings),
            // A character; anything else after an apostrophe is a lifetime.
            [b'\'', _, b'\'', ..] => (3, strings),
            _ => (1, false),
        };
        if is_blank {
            out[at..at + length].iter_mut().filter(|b| **b != b'\n').for_each(|b| *b = b' ');
        }
        at += length;
    }
    String::from_utf8_lossy(&out).into_owned()
}

fn block_comment(rest: &[u8]) -> usize {
    let mut depth = 0;
    let mut at = 0;
    while at + 1 < rest.len() {
        match (rest[at], rest[at + 1]) {
            (b'/', b'*') => (depth, at) = (depth + 1, at + 2),
            (b'*', b'/') if depth == 1 => return at + 2,
            (b'*', b'/') => (depth, at) = (depth - 1, at + 2),
            _ => at += 1,
        }
    }
    rest.len()
}

/// `rest` starts at the `r`. What turns out to be no string (`r#type`) is one byte long.
fn raw_string(rest: &[u8]) -> usize {
    let hashes = rest[1..].iter().take_while(|b| **b == b'#').count();
    if rest.get(1 + hashes) != Some(&b'"') {
        return 1;
    }
    let end: Vec<u8> = [b'"'].into_iter().chain(std::iter::repeat_n(b'#', hashes)).collect();
    let body = 2 + hashes;
    let length = rest[body..].windows(end.len()).position(|w| w == end);
    length.map_or(rest.len(), |length| body + length + end.len())
}

fn quoted(rest: &[u8], quote: u8) -> usize {
    let mut at = 1;
    while at < rest.len() {
        match rest[at] {
            b'\\' => at += 2,
            b if b == quote => return at + 1,
            _ => at += 1,
        }
    }
    rest.len()
}

/// The byte ranges of modules and items under `#[cfg(test)]`.
fn test_modules(bare: &str) -> Vec<std::ops::Range<usize>> {
    let starts = bare.match_indices("#[cfg(test)]").map(|(at, _)| at);
    starts.map(|start| start..item_end(bare.as_bytes(), start + 12)).collect()
}

/// The file, without its ending, that `mod name;` or `#[path = "name.rs"] mod …;` stands for in the file at `path`.
fn declared(path: &str, item: &str) -> Option<String> {
    let name = item.strip_suffix(';')?.split_whitespace().next_back()?;
    let (folder, file) = path.rsplit_once('/')?;
    if let Some((_, rest)) = item.split_once("#[path = \"") {
        return Some(format!("{folder}/{}", rest.split_once(".rs")?.0));
    }
    Some(match file {
        "mod.rs" | "lib.rs" | "main.rs" => format!("{folder}/{name}"),
        file => format!("{folder}/{}/{name}", file.trim_end_matches(".rs")),
    })
}

/// Where the item ends that begins at `at`: after its block's closing brace, or its semicolon where it has none.
pub(crate) fn item_end(bare: &[u8], at: usize) -> usize {
    let (mut braces, mut brackets) = (0, 0);
    for (offset, byte) in bare[at..].iter().enumerate() {
        match byte {
            b'(' | b'[' => brackets += 1,
            b')' | b']' => brackets -= 1,
            b'{' => braces += 1,
            b'}' if braces == 1 => return at + offset + 1,
            b'}' => braces -= 1,
            b';' if braces == 0 && brackets == 0 => return at + offset + 1,
            _ => {}
        }
    }
    bare.len()
}

fn without(text: &str, ranges: &[std::ops::Range<usize>]) -> String {
    let mut out = text.as_bytes().to_vec();
    for range in ranges {
        out[range.clone()].iter_mut().filter(|b| **b != b'\n').for_each(|b| *b = b' ');
    }
    String::from_utf8_lossy(&out).into_owned()
}

#[test]
fn what_does_not_count_becomes_blank() {
    let text = "a(); // b()\n/* c /* d */ */ e(\"f()\\\"\", r#\"g\"\"#, '\"', 'h', '\\'');\nfn i<'j>() {}\n#[cfg(test)]\nmod tests {\n fn k() {}\n}\nl();";
    let source = Source::new("src/x/mod.rs", text);
    let shown: String = source.code.split_whitespace().collect::<Vec<_>>().join(" ");
    assert_eq!(shown, "a(); e( , , , , ); fn i<'j>() {} l();");
    assert_eq!(line_of(&source.code, source.code.find("l();").unwrap()), 8);
    assert!(source.uncommented.contains("f()") && !source.uncommented.contains("b()"));
    assert_eq!(source.room(), Some("x"));
    for (path, item, file) in [
        ("src/x/mod.rs", "mod model;", "src/x/model"),
        ("src/x/y.rs", "mod model;", "src/x/y/model"),
        ("src/x/y.rs", "#[path = \"model.rs\"]\nmod tests;", "src/x/model"),
    ] {
        assert_eq!(Source::new(path, &format!("#[cfg(test)]\n{item}")).test_files, [file]);
    }
}
