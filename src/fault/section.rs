//! Reading a section of the file: one question per setting, a fault for every answer that will not do.

use super::{Fault, Faults, Form, form};
use crate::secret::Secrets;
use crate::units;
use std::cell::RefCell;
use std::collections::BTreeSet;
use std::ops::{Range, RangeInclusive};
use std::path::Path;
use toml::Spanned;
use toml::de::{DeTable, DeValue};

/// Reads one file and collects its faults.
pub struct Reader<'t> {
    /// The file's folder: what relative paths in it are relative to.
    pub(super) folder: &'t Path,
    /// Whether secrets must be had.
    pub(super) secrets: Secrets,
    /// The places of the syntax faults.
    broken: Vec<Range<usize>>,
    text: &'t str,
    faults: RefCell<Faults>,
}

/// One section (a table) of the file, or the absence of one.
///
/// Every question is remembered, so that [`Section::finish`] can tell the keys that nobody asked for.
pub struct Section<'r> {
    pub(super) reader: &'r Reader<'r>,
    /// `impact`, `impact.program`; empty: the file's top.
    path: String,
    /// Whether it is one of several (`[[…]]`).
    repeated: bool,
    table: Option<&'r DeTable<'r>>,
    /// The section's header; the file's start when there is none.
    header: Range<usize>,
    allowed: BTreeSet<&'static str>,
    refused: BTreeSet<&'static str>,
}

impl<'t> Reader<'t> {
    /// Parses `text`, the content of `file`. All syntax faults are noted; what could be read is returned.
    pub fn new(file: &str, text: &'t str, folder: &'t Path, secrets: Secrets) -> (Self, Spanned<DeTable<'t>>) {
        let (tree, errors) = DeTable::parse_recoverable(text);
        let mut faults = Faults::new(file, text);
        let mut broken = Vec::new();
        for error in errors {
            let span = error.span().unwrap_or(0..0);
            super::hidden::hide_broken_secret(&mut faults, text, &span);
            faults.push(Fault::error(span.clone(), error.message()).help("this is not TOML: see https://toml.io"));
            broken.push(span);
        }
        (Self { folder, secrets, broken, text, faults: RefCell::new(faults) }, tree)
    }

    /// The file's top, where the sections are.
    pub fn root<'r>(&'r self, tree: &'r DeTable<'r>) -> Section<'r> {
        self.section(String::new(), false, Some(tree), 0..0)
    }

    /// Whether the text has syntax faults. What is missing or unknown then may be their doing, and is not reported.
    pub fn is_broken(&self) -> bool {
        !self.broken.is_empty()
    }

    /// Adds a fault, unless a syntax fault on the same line explains it.
    pub fn push(&self, fault: Fault) {
        let line = |span: &Range<usize>| self.text.get(..span.start).map(|before| before.matches('\n').count());
        let explained =
            fault.span.as_ref().is_some_and(|span| self.broken.iter().any(|broken| line(broken) == line(span)));
        if !explained {
            self.faults.borrow_mut().push(fault);
        }
    }

    /// No report will show these bytes.
    pub(super) fn hide(&self, span: Range<usize>) {
        self.faults.borrow_mut().hide(span);
    }

    /// No report will show what may be a secret on the line of `span`.
    pub(super) fn hide_broken_secret(&self, span: &Range<usize>) {
        super::hidden::hide_broken_secret(&mut self.faults.borrow_mut(), self.text, span);
    }

    /// What stands in the file at `span`.
    pub(super) fn written(&self, span: &Range<usize>) -> &'t str {
        self.text.get(span.clone()).unwrap_or_default()
    }

    /// Whether a value's place is the header of its section: a value written in place has its own.
    fn is_header(&self, value: &Spanned<DeValue<'_>>) -> bool {
        let written = self.written(&value.span());
        match value.get_ref() {
            DeValue::Table(_) => written.starts_with('['),
            DeValue::Array(items) => written.starts_with("[[") && items.iter().all(|item| item.get_ref().is_table()),
            _ => false,
        }
    }

    /// All faults found.
    pub fn into_faults(self) -> Faults {
        self.faults.into_inner()
    }

    fn section<'r>(
        &'r self,
        path: String,
        repeated: bool,
        table: Option<&'r DeTable<'r>>,
        header: Range<usize>,
    ) -> Section<'r> {
        Section { reader: self, path, repeated, table, header, allowed: BTreeSet::new(), refused: BTreeSet::new() }
    }
}

impl<'r> Section<'r> {
    /// A string of the given form; `None`: absent, or faulty.
    pub fn value<T>(&mut self, key: &'static str, form: &Form<T>) -> Option<T> {
        let value = self.ask(key)?;
        self.read(key, value, form)
    }

    /// A string of the given form, where `""` is the same as absent.
    pub fn optional<T>(&mut self, key: &'static str, form: &Form<T>) -> Option<T> {
        let value = self.ask(key)?;
        if is_unset(value) { None } else { self.read(key, value, form) }
    }

    /// A string, or a whole number written without quotes; `""` is the same as absent.
    pub fn identifier(&mut self, key: &'static str) -> Option<String> {
        let value = self.ask(key)?;
        if is_unset(value) { None } else { self.read_identifier(key, value) }
    }

    /// `true` or `false`.
    pub fn bool(&mut self, key: &'static str) -> Option<bool> {
        let value = self.ask(key)?;
        let read = value.get_ref().as_bool();
        read.or_else(|| self.mistyped(key, value, "true or false", "write it without quotes"))
    }

    /// A whole number within `range`.
    pub fn count(&mut self, key: &'static str, range: RangeInclusive<u32>) -> Option<u32> {
        let value = self.ask(key)?;
        let what = format!("a whole number from {} to {}", range.start(), range.end());
        match value.get_ref().as_integer() {
            None => self.mistyped(key, value, &what, "write it without quotes"),
            Some(integer) => match u32::from_str_radix(integer.as_str(), integer.radix()) {
                Ok(count) if range.contains(&count) => Some(count),
                _ => self.fault_at(value.span(), format!("`{key}` must be {what}"), "choose one within the range"),
            },
        }
    }

    /// A size within `range`, in bytes.
    pub fn size(&mut self, key: &'static str, range: RangeInclusive<u32>) -> Option<u32> {
        let size = self.value(key, &form::SIZE)?;
        let within = u32::try_from(size).ok().filter(|size| range.contains(size));
        if within.is_none() {
            let [least, most] = [range.start(), range.end()].map(|bytes| units::print_size(u64::from(*bytes)));
            for (_, span) in self.places(key) {
                self.refuse_at(
                    span,
                    format!("`{key}` must be a size from {least} to {most}"),
                    "choose one within the range",
                );
            }
        }
        within
    }

    /// A number within `range`, with or without a fraction.
    pub fn fraction(&mut self, key: &'static str, range: RangeInclusive<f64>) -> Option<f64> {
        let value = self.ask(key)?;
        let what = format!("a number from {} to {}", range.start(), range.end());
        let written = match value.get_ref() {
            DeValue::Integer(integer) if integer.radix() == 10 => integer.as_str(),
            DeValue::Float(float) => float.as_str(),
            _ => return self.mistyped(key, value, &what, "write it without quotes"),
        };
        match written.parse() {
            Ok(number) if range.contains(&number) => Some(number),
            _ => self.fault_at(value.span(), format!("`{key}` must be {what}"), "choose one within the range"),
        }
    }

    /// One of a few words, and what it stands for.
    pub fn choice<T: Copy>(&mut self, key: &'static str, choices: &[(&'static str, T)]) -> Option<T> {
        let value = self.ask(key)?;
        let text: String = self.read(key, value, &form::TEXT)?;
        let chosen = choices.iter().find(|(word, _)| *word == text).map(|(_, meaning)| *meaning);
        chosen.or_else(|| {
            let words = choices.iter().map(|(word, _)| *word);
            let allowed = words.clone().map(|word| format!("\"{word}\"")).collect::<Vec<_>>().join(", ");
            let help = match nearest(&text, words) {
                Some(word) => format!("did you mean \"{word}\"? Allowed: {allowed}"),
                None => format!("allowed: {allowed}"),
            };
            self.fault_at(value.span(), format!("`{key}` cannot be \"{text}\""), help)
        })
    }

    /// A list of strings of the given form, without those that are faulty.
    pub fn list<T>(&mut self, key: &'static str, form: &Form<T>) -> Option<Vec<T>> {
        let value = self.ask(key)?;
        match value.get_ref().as_array() {
            Some(items) => Some(items.iter().filter_map(|item| self.read(key, item, form)).collect()),
            None => self.mistyped(key, value, "a list", "write it in brackets: [\"…\", \"…\"]"),
        }
    }

    /// A string of the given form, or a list of them.
    pub fn one_or_more<T>(&mut self, key: &'static str, form: &Form<T>) -> Option<Vec<T>> {
        let value = self.ask(key)?;
        match value.get_ref().as_array() {
            Some(_) => self.list(key, form),
            None => self.read(key, value, form).map(|one| vec![one]),
        }
    }

    /// A table of strings, in the order of the file; a name whose value is `""` is left out.
    pub fn strings(&mut self, key: &'static str) -> Option<Vec<(String, String)>> {
        self.pairs(key, |section, name, value| section.read(name, value, &form::TEXT))
    }

    /// A table of strings or whole numbers, in the order of the file; a name whose value is `""` is left out.
    pub fn identifiers(&mut self, key: &'static str) -> Option<Vec<(String, String)>> {
        self.pairs(key, Self::read_identifier)
    }

    /// Whether anything stands under a key.
    pub fn has(&self, key: &str) -> bool {
        self.raw(key).is_some()
    }

    /// Whether the values of secrets are needed.
    pub fn secrets(&self) -> Secrets {
        self.reader.secrets
    }

    /// The section of that name; an empty one when it is absent.
    pub fn section(&mut self, key: &'static str) -> Self {
        let path = self.path_of(key);
        let Some(value) = self.ask(key) else {
            return self.reader.section(path, false, None, 0..0);
        };
        let table = value.get_ref().as_table();
        if table.is_none() {
            let help = format!("there is one of it: write it as [{path}]");
            let _: Option<()> = self.mistyped(key, value, "one section", &help);
        }
        self.reader.section(path, false, table, value.span())
    }

    /// The sections of that name (`[[…]]`), in the order of the file.
    pub fn sections(&mut self, key: &'static str) -> Vec<Self> {
        let Some(value) = self.ask(key) else { return Vec::new() };
        let path = self.path_of(key);
        let help = format!("there can be several of it: write each as [[{path}]]");
        let (items, listed) = match value.get_ref() {
            DeValue::Array(items) => (items.as_ref(), true),
            // One in single brackets: the fault is noted, and the section is read all the same.
            _ => (std::slice::from_ref(value), false),
        };
        let mut sections = Vec::new();
        for item in items {
            let table = item.get_ref().as_table();
            if table.is_none() || !listed {
                let _: Option<()> = self.mistyped(key, item, "a list of sections", &help);
            }
            sections.extend(table.map(|table| self.reader.section(path.clone(), true, Some(table), item.span())));
        }
        sections
    }

    /// Pushes a fault for each of `keys` that is absent or `""`.
    pub fn require(&self, keys: &[&'static str]) {
        for key in keys {
            match self.raw(key) {
                None if self.reader.is_broken() => {}
                None => {
                    self.complain(
                        format!("`{key}` is missing from {}", self.title()),
                        format!("add a line `{key} = …`"),
                    );
                }
                Some(value) if is_unset(value) => {
                    self.refuse_at(value.span(), format!("`{key}` is empty"), "it is needed");
                }
                Some(_) => {}
            }
        }
    }

    /// Refuses a key that this version does not have yet, and that must not be ignored.
    pub fn refuse(&mut self, key: &'static str, message: &str, help: &str) {
        self.refused.insert(key);
        if let Some(value) = self.raw(key) {
            self.refuse_at(value.span(), message, help);
        }
    }

    /// Pushes a fault for every key that nobody asked for. Call it after the last question.
    pub fn finish(self) {
        let unknown = self.table.iter().flat_map(|table| table.iter());
        for (key, value) in unknown {
            let name = key.get_ref().as_ref();
            if self.allowed.contains(name) || self.refused.contains(name) {
                continue;
            }
            // It may be a secret under a mistyped key.
            if !self.reader.is_header(value) {
                self.reader.hide(value.span());
            }
            if !self.reader.is_broken() {
                let message = format!("`{name}` is unknown in {}", self.title());
                self.reader.push(Fault::error(key.span(), message).help(self.meant(name)));
            }
        }
    }

    /// An error about this section as a whole, at its header.
    pub fn complain(&self, message: impl Into<String>, help: impl Into<String>) {
        self.refuse_at(self.header.clone(), message, help);
    }

    /// An error about the value under `key`, where it stands.
    pub fn complain_of(&self, key: &str, message: impl Into<String>, help: impl Into<String>) {
        self.refuse_at(self.raw(key).map_or(self.header.clone(), Spanned::span), message, help);
    }

    /// A warning about this section as a whole, at its header.
    pub fn warn(&self, message: impl Into<String>, help: impl Into<String>) {
        self.warn_at(self.header.clone(), message, help);
    }

    /// A warning at `span`.
    pub fn warn_at(&self, span: Range<usize>, message: impl Into<String>, help: impl Into<String>) {
        self.reader.push(Fault::warning(span, message).help(help));
    }

    /// An error at `span`.
    pub fn refuse_at(&self, span: Range<usize>, message: impl Into<String>, help: impl Into<String>) {
        self.reader.push(Fault::error(span, message).help(help));
    }

    /// An error at `span`, in place of a value.
    pub(super) fn fault_at<T>(
        &self,
        span: Range<usize>,
        message: impl Into<String>,
        help: impl Into<String>,
    ) -> Option<T> {
        self.reader.push(Fault::error(span, message).help(help));
        None
    }

    /// The strings under a key (one, or a list of them) as they stand in the file, with their places: for checks that
    /// compare sections.
    pub fn places(&self, key: &str) -> Vec<(&'r str, Range<usize>)> {
        let Some(value) = self.raw(key) else { return Vec::new() };
        let items = value.get_ref().as_array().map_or(std::slice::from_ref(value), |items| items.as_ref());
        items.iter().filter_map(|item| Some((item.get_ref().as_str()?, item.span()))).collect()
    }

    /// The names in the table under a key, in the order of the file, with their places.
    pub fn names(&self, key: &str) -> Vec<(&'r str, Range<usize>)> {
        let table = self.raw(key).and_then(|value| value.get_ref().as_table());
        let mut names: Vec<_> = table
            .into_iter()
            .flat_map(|table| table.keys())
            .map(|name| (name.get_ref().as_ref(), name.span()))
            .collect();
        names.sort_by_key(|(_, span)| span.start);
        names
    }

    /// The texts in the table under a key, with their names and places.
    pub fn texts(&self, key: &str) -> Vec<(&'r str, &'r str, Range<usize>)> {
        let table = self.raw(key).and_then(|value| value.get_ref().as_table());
        let entries = table.into_iter().flat_map(|table| table.iter());
        entries.filter_map(|(name, value)| Some((&**name.get_ref(), value.get_ref().as_str()?, value.span()))).collect()
    }

    /// How the section is written: `[listen]`, `[[site]]`.
    pub fn title(&self) -> String {
        match (&*self.path, self.repeated) {
            ("", _) => "the file's top level".to_owned(),
            (path, false) => format!("[{path}]"),
            (path, true) => format!("[[{path}]]"),
        }
    }

    /// The value under `key`, remembered as asked for.
    pub(super) fn ask(&mut self, key: &'static str) -> Option<&'r Spanned<DeValue<'r>>> {
        self.allowed.insert(key);
        self.raw(key)
    }

    /// A fault about a value of another type.
    pub(super) fn mistyped<T>(&self, key: &str, value: &Spanned<DeValue<'_>>, what: &str, help: &str) -> Option<T> {
        let found = match value.get_ref() {
            DeValue::String(_) => "a string",
            DeValue::Integer(_) => "a whole number",
            DeValue::Float(_) => "a number",
            DeValue::Boolean(_) => "true or false",
            DeValue::Datetime(_) => "a date",
            DeValue::Array(_) => "a list",
            DeValue::Table(_) => "a table",
        };
        self.refuse_at(value.span(), format!("`{key}` must be {what}, not {found}"), help);
        None
    }

    fn raw(&self, key: &str) -> Option<&'r Spanned<DeValue<'r>>> {
        self.table?.get(key)
    }

    fn path_of(&self, key: &str) -> String {
        if self.path.is_empty() { key.to_owned() } else { format!("{}.{key}", self.path) }
    }

    fn read<T>(&self, key: &str, value: &Spanned<DeValue<'_>>, form: &Form<T>) -> Option<T> {
        let Some(text) = value.get_ref().as_str() else {
            return self.mistyped(key, value, form.what, form.help);
        };
        if text.contains('\n') {
            // No setting has several lines: a quote is missing, and what it swallowed is not to be quoted.
            return self.fault_at(value.span(), format!("`{key}` must be one line"), "is a closing quote missing?");
        }
        match (form.read)(text) {
            Ok(read) => Some(read),
            Err(sentence) => self.fault_at(value.span(), format!("`{key}`: {sentence}"), form.help),
        }
    }

    fn read_identifier(&self, key: &str, value: &Spanned<DeValue<'_>>) -> Option<String> {
        match value.get_ref() {
            DeValue::String(text) => Some(text.as_ref().to_owned()),
            DeValue::Integer(number)
                if number.radix() == 10 && number.as_str().bytes().all(|byte| byte.is_ascii_digit()) =>
            {
                Some(number.as_str().to_owned())
            }
            _ => self.mistyped(key, value, "a string or a whole number", "write it in quotes"),
        }
    }

    fn pairs(
        &mut self,
        key: &'static str,
        read: impl Fn(&Self, &str, &Spanned<DeValue<'r>>) -> Option<String>,
    ) -> Option<Vec<(String, String)>> {
        let value = self.ask(key)?;
        let Some(table) = value.get_ref().as_table() else {
            return self.mistyped(key, value, "a table", "write it in braces: { Name = \"…\" }");
        };
        let mut entries: Vec<_> = table.iter().collect();
        entries.sort_by_key(|(name, _)| name.span().start);
        let pairs = entries.into_iter().filter(|(_, value)| !is_unset(value));
        Some(
            pairs
                .filter_map(|(name, value)| Some((name.get_ref().to_string(), read(self, name.get_ref(), value)?)))
                .collect(),
        )
    }

    /// The help for an unknown key: what was probably meant, and all that is allowed.
    fn meant(&self, name: &str) -> String {
        let allowed = self.allowed.iter().copied().collect::<Vec<_>>().join(", ");
        match nearest(name, self.allowed.iter().copied()) {
            Some(near) => format!("did you mean `{near}`? Allowed here: {allowed}"),
            None => format!("allowed here: {allowed}"),
        }
    }
}

/// The candidate that was probably meant by `word`, if one is near enough to be worth asking.
pub fn nearest<'c>(word: &str, candidates: impl Iterator<Item = &'c str>) -> Option<&'c str> {
    /// From here on two words of this length look like one mistyped.
    const ALIKE_MIN: f64 = 0.6;
    let plain = |text: &str| text.to_lowercase().replace(['-', ' '], "_");
    let word = plain(word);
    candidates
        .map(|candidate| (strsim::normalized_damerau_levenshtein(&word, &plain(candidate)), candidate))
        .filter(|(alike, _)| *alike >= ALIKE_MIN)
        .max_by(|(left, _), (right, _)| left.total_cmp(right))
        .map(|(_, candidate)| candidate)
}

/// Whether a value is `""`, which stands for absent where a setting is optional.
pub(super) fn is_unset(value: &Spanned<DeValue<'_>>) -> bool {
    value.get_ref().as_str() == Some("")
}
