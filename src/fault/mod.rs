//! A fault in the configuration, with its place, and the reader that collects all of them.
//!
//! A room reads its settings from a [`Section`]: each question pushes a fault at the exact place and goes on, so that
//! one run reports everything. What is wrong never stops the reading; [`Faults::has_errors`] decides at the end.

pub mod form;
mod hidden;
mod inner;
mod report;
mod section;

pub use form::Form;
pub use section::{Reader, Section, nearest};

use std::fmt;
use std::ops::Range;

/// Something wrong, or doubtful, in the configuration file.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Fault {
    /// Whether the file can be used all the same.
    pub severity: Severity,
    /// Its bytes in the text; `None`: the file as a whole (it could not be read).
    pub span: Option<Range<usize>>,
    /// What is wrong: one sentence.
    pub message: String,
    /// What is allowed, or what was probably meant.
    pub help: Option<String>,
}

/// How bad a fault is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Severity {
    /// The configuration cannot be used.
    Error,
    /// It can, but somebody should look.
    Warning,
}

/// All faults of one file, in the order of the file. Its `Display` is the report for people; a secret that stands in
/// the file is blotted out there.
#[derive(Clone)]
pub struct Faults {
    file: String,
    text: String,
    list: Vec<Fault>,
    hidden: Vec<Range<usize>>,
}

impl Fault {
    /// An error at `span`.
    pub fn error(span: Range<usize>, message: impl Into<String>) -> Self {
        Self { severity: Severity::Error, span: Some(span), message: message.into(), help: None }
    }

    /// A warning at `span`.
    pub fn warning(span: Range<usize>, message: impl Into<String>) -> Self {
        Self { severity: Severity::Warning, ..Self::error(span, message) }
    }

    /// Adds what is allowed, or what was probably meant.
    #[must_use]
    pub fn help(mut self, help: impl Into<String>) -> Self {
        self.help = Some(help.into());
        self
    }
}

impl Severity {
    /// `error` or `warning`.
    pub fn word(self) -> &'static str {
        match self {
            Self::Error => "error",
            Self::Warning => "warning",
        }
    }
}

impl Faults {
    /// No faults yet, in `text` of the file that the reports call `file`.
    pub fn new(file: impl Into<String>, text: impl Into<String>) -> Self {
        Self { file: file.into(), text: text.into(), list: Vec::new(), hidden: Vec::new() }
    }

    /// The one fault of a file that could not be read at all.
    pub fn unreadable(file: impl Into<String>, message: impl Into<String>, help: impl Into<String>) -> Self {
        let mut faults = Self::new(file, "");
        faults.push(Fault { span: None, ..Fault::error(0..0, message).help(help) });
        faults
    }

    /// Adds a fault behind those of earlier places, once.
    pub fn push(&mut self, fault: Fault) {
        if self.list.contains(&fault) {
            return;
        }
        let start = |fault: &Fault| fault.span.as_ref().map_or(0, |span| span.start);
        let place = self.list.partition_point(|earlier| start(earlier) <= start(&fault));
        self.list.insert(place, fault);
    }

    /// Whether any of them is an error.
    pub fn has_errors(&self) -> bool {
        self.list.iter().any(|fault| fault.severity == Severity::Error)
    }

    /// Whether there is none.
    pub fn is_empty(&self) -> bool {
        self.list.is_empty()
    }

    /// One by one, in the order of the file.
    pub fn iter(&self) -> impl Iterator<Item = &Fault> {
        self.list.iter()
    }

    /// No report will show these bytes.
    pub(crate) fn hide(&mut self, span: Range<usize>) {
        self.hidden.push(span);
    }
}

impl fmt::Display for Faults {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.to_text())
    }
}

/// The report, not the fields: the text may hold a secret.
impl fmt::Debug for Faults {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

impl std::error::Error for Faults {}
