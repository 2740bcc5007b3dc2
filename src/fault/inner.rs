//! Settings that are a language of their own: a fault in one is shown at its place in the file, through TOML's quotes and
//! escapes.

use super::{Fault, Section};
use toml::Spanned;
use toml::de::DeValue;

impl<'r> Section<'r> {
    /// A string, of one line or several, read by a function that counts its faults' places in that string; `""` is the same as
    /// absent. `None`: absent, or faulty.
    pub fn language<T>(
        &mut self,
        key: &'static str,
        what: &str,
        read: impl FnOnce(&str) -> Result<T, Fault>,
        doubts: impl FnOnce(&str) -> Vec<Fault>,
    ) -> Option<T> {
        let value = self.ask(key)?;
        let Some(text) = value.get_ref().as_str() else {
            return self.mistyped(key, value, what, "write it in quotes");
        };
        if super::section::is_unset(value) {
            return None;
        }
        let read = read(text);
        let faults = doubts(text).into_iter().chain(read.as_ref().err().cloned());
        faults.for_each(|fault| self.push_inner(key, value, fault));
        read.ok()
    }

    fn push_inner(&self, key: &str, value: &Spanned<DeValue<'_>>, fault: Fault) {
        let (outer, text) = (value.span(), value.get_ref().as_str().unwrap_or_default());
        let written = self.reader.written(&outer);
        let place = |at: usize| outer.start + place(written, text, at);
        let span = fault.span.map_or(outer.clone(), |span| place(span.start)..place(span.end));
        if text.contains('\n') {
            // A closing quote may be missing further up: then these lines are other settings.
            self.reader.hide_broken_secret(&span);
        }
        self.reader.push(Fault { span: Some(span), message: format!("`{key}`: {}", fault.message), ..fault });
    }
}

/// Where byte `at` of a string stands in what is `written` in the file, quotes included.
fn place(written: &str, text: &str, at: usize) -> usize {
    let quotes =
        ["'''", "\"\"\"", "'", "\""].into_iter().find(|quotes| written.starts_with(quotes)).unwrap_or_default();
    let has_escapes = quotes.starts_with('"');
    let mut rest = written.get(quotes.len()..).unwrap_or_default();
    if quotes.len() == 3 {
        // The line's end right behind the quotes is no part of the string.
        rest = rest.strip_prefix("\r\n").or_else(|| rest.strip_prefix('\n')).unwrap_or(rest);
    }
    for character in text.get(..at).unwrap_or(text).chars() {
        rest = skip(rest, has_escapes);
        let width = if has_escapes && rest.starts_with('\\') { escape(rest) } else { character.len_utf8() };
        rest = rest.get(width..).unwrap_or_default();
    }
    written.len() - skip(rest, has_escapes).len()
}

/// What is left of `rest` behind backslashes at the ends of lines, which stand for nothing, with the white space after them.
fn skip(mut rest: &str, has_escapes: bool) -> &str {
    while let Some(after) =
        rest.strip_prefix('\\').filter(|after| has_escapes && after.starts_with([' ', '\t', '\r', '\n']))
    {
        rest = after.trim_start_matches([' ', '\t', '\r', '\n']);
    }
    rest
}

/// How many bytes an escape takes.
fn escape(rest: &str) -> usize {
    match rest.as_bytes().get(1) {
        Some(b'x') => 4,
        Some(b'u') => 6,
        Some(b'U') => 10,
        _ => 2,
    }
}

#[cfg(test)]
mod tests {
    use super::super::Reader;
    use super::*;
    use crate::secret::Secrets;
    use std::ops::Range;
    use std::path::Path;

    /// Where the `#` of a setting is found, given where it stands in the string.
    fn found(written: &str) -> Range<usize> {
        let text = format!("a = 1\nx = {written}\n");
        let (reader, tree) = Reader::new("x.toml", &text, Path::new(""), Secrets::Optional);
        let mut root = reader.root(tree.get_ref());
        let fault = |text: &str| {
            let at = text.find('#').unwrap();
            Fault::error(at..at + 1, "here")
        };
        let read: Option<()> = root.language("x", "a language", |text| Err(fault(text)), |_| Vec::new());
        assert_eq!(read, None);
        drop(root);
        let faults = reader.into_faults();
        let fault = faults.iter().next().unwrap();
        assert_eq!((faults.iter().count(), &*fault.message), (1, "`x`: here"), "{faults}");
        fault.span.clone().unwrap()
    }

    #[test]
    fn a_place_in_a_string_is_found_in_the_file() {
        for written in [
            "'a #'",
            "\"a #\"",
            "\"#\"",
            "\"é \\\" \\\\ \\t \\u00e9 \\U0001F600 \\\\ü#\"",
            "'\\\" \\\\#'",
            "'''a #'''",
            "'''\n  a\n  é \\ #\n'''",
            "'''\r\n  a\r\n  #\r\n'''",
            "\"\"\"\na \\\n   \\\"#\"\"\"",
            "\"\"\"a\\\r\n\r\n   \\   \n b\\n\n#\"\"\"",
            "\"\"\"\\\n   #\"\"\"",
            "\"\"\"\r\n  a\r\n  #\r\n\"\"\"",
        ] {
            let text = format!("a = 1\nx = {written}\n");
            let at = text.find('#').unwrap();
            assert_eq!(found(written), at..at + 1, "{written}");
        }
        // What is written as an escape is found at the escape.
        assert_eq!(found("\"a \\u0023 b\""), 13..19);
    }
}
