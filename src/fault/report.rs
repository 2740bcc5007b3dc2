//! Faults as a report: for people, and for machines.

use super::{Fault, Faults};
use serde::Serialize;
use std::ops::Range;

/// A source line longer than this is cut around the fault: all of it would push the message out of sight.
const SHOWN_CHARS_MAX: usize = 160;

impl Faults {
    /// For people: `file:line:column: error: message`, the source line, what is meant underlined, and the help.
    pub fn to_text(&self) -> String {
        self.list.iter().map(|fault| self.fault_text(fault)).collect()
    }

    /// For machines: an array of `{file, line, column, severity, message, help}`. Line and column count from 1,
    /// columns in characters; both are null when the file could not be read.
    pub fn to_json(&self) -> String {
        let rows: Vec<Row<'_>> = self.list.iter().map(|fault| self.row(fault)).collect();
        // Strings and numbers only: there is nothing that JSON could not hold.
        serde_json::to_string_pretty(&rows).unwrap_or_default()
    }

    fn fault_text(&self, fault: &Fault) -> String {
        let Row { file, severity, message, .. } = self.row(fault);
        let mut text = match self.place(fault) {
            Some(place) => format!("{file}:{}:{}: {severity}: {message}\n", place.line, place.column),
            None => format!("{file}: {severity}: {message}\n"),
        };
        if let Some(excerpt) = self.place(fault).and_then(|place| self.excerpt(&place)) {
            text.push_str(&excerpt);
        }
        for line in fault.help.iter().flat_map(|help| help.lines()) {
            text.push_str(&format!("    help: {}\n", printable(line)));
        }
        text
    }

    fn row<'a>(&'a self, fault: &'a Fault) -> Row<'a> {
        let place = self.place(fault);
        Row {
            file: &self.file,
            line: place.as_ref().map(|place| place.line),
            column: place.as_ref().map(|place| place.column),
            severity: fault.severity.word(),
            message: printable(&fault.message),
            help: fault.help.as_deref(),
        }
    }

    /// Where a fault is; `None`: the file as a whole.
    fn place(&self, fault: &Fault) -> Option<Place> {
        let span = fault.span.clone()?;
        let before = self.text.get(..span.start).unwrap_or(&self.text);
        let line_start = before.rfind('\n').map_or(0, |newline| newline + 1);
        let column = before.get(line_start..).map_or(0, visible_chars) + 1;
        Some(Place { line: before.matches('\n').count() + 1, column, line_start, span })
    }

    /// The source line and its underline, secrets blotted out.
    fn excerpt(&self, place: &Place) -> Option<String> {
        let line = self.text.get(place.line_start..)?.lines().next()?;
        if line.trim().is_empty() {
            return None;
        }
        let (mut shown, mut underline) = (String::new(), String::new());
        let cut =
            visible_chars(line).saturating_sub(SHOWN_CHARS_MAX).min(place.column.saturating_sub(SHOWN_CHARS_MAX / 2));
        let visible = line.char_indices().filter(|(_, char)| *char != BYTE_ORDER_MARK);
        for (offset, char) in visible.skip(cut).take(SHOWN_CHARS_MAX) {
            let at = place.line_start + offset;
            let hidden = self.hidden.iter().any(|span| span.contains(&at));
            shown.push(if hidden { '•' } else { printable_char(char) });
            underline.push(match char {
                _ if place.span.contains(&at) => '^',
                '\t' => '\t',
                _ => ' ',
            });
        }
        if !underline.contains('^') {
            underline = " ".repeat(place.column.saturating_sub(1 + cut)) + "^";
        }
        Some(format!("    {shown}\n    {}\n", underline.trim_end()))
    }
}

/// A fault as a row of the report for machines.
#[derive(Serialize)]
struct Row<'a> {
    file: &'a str,
    line: Option<usize>,
    column: Option<usize>,
    severity: &'static str,
    message: String,
    help: Option<&'a str>,
}

/// A place in the text.
struct Place {
    line: usize,
    column: usize,
    line_start: usize,
    span: Range<usize>,
}

/// Editors do not show it, so no column counts it.
const BYTE_ORDER_MARK: char = '\u{feff}';

fn visible_chars(text: &str) -> usize {
    text.chars().filter(|char| *char != BYTE_ORDER_MARK).count()
}

/// A report goes to a terminal: what is quoted from the file must not steer it.
fn printable(text: &str) -> String {
    text.chars().map(printable_char).collect()
}

fn printable_char(char: char) -> char {
    if char.is_control() && char != '\t' { '·' } else { char }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_fault_is_shown_with_its_line_and_an_underline() {
        let text = "a = 1\n\tprix = \"é€\" # \u{1b}[31m\r\n";
        let mut faults = Faults::new("x.toml", text);
        let start = text.find('"').unwrap();
        faults.push(Fault::error(start..start + 7, "no such price").help("one\ntwo"));
        assert_eq!(
            faults.to_text(),
            "x.toml:2:9: error: no such price\n    \tprix = \"é€\" # ·[31m\n    \t       ^^^^\n    help: one\n    help: two\n"
        );
    }

    #[test]
    fn a_long_line_is_cut_around_the_fault() {
        let text = format!("{}x{}", "a".repeat(1000), "b".repeat(1000));
        for at in [0, 20, 1000, 1990, 2000, 2001] {
            let mut faults = Faults::new("x.toml", text.as_str());
            faults.push(Fault::error(at..at + 1, "here"));
            let report = faults.to_text();
            let lines: Vec<Vec<char>> = report.lines().map(|line| line.chars().collect()).collect();
            assert_eq!(lines[1].len(), 4 + SHOWN_CHARS_MAX);
            let caret = lines[2].iter().position(|char| *char == '^').unwrap();
            assert_eq!(lines[1].get(caret).copied(), text.chars().nth(at), "{at}\n{report}");
        }
    }

    #[test]
    fn columns_count_characters_and_not_bytes() {
        let text = "\u{feff}é = \"ü\", x";
        let mut faults = Faults::new("x.toml", text);
        faults.push(Fault::warning(text.find('x').unwrap()..text.len(), "m"));
        assert!(
            faults.to_text().starts_with("x.toml:1:10: warning: m\n    é = \"ü\", x\n             ^\n"),
            "{faults}"
        );
    }

    #[test]
    fn a_hidden_span_is_blotted_out_in_every_report() {
        let mut faults = Faults::new("x.toml", "key = \"hunter2\"\n");
        faults.hide(6..15);
        faults.push(Fault::warning(6..15, "a secret"));
        for report in [faults.to_text(), faults.to_json(), format!("{faults:?}"), format!("{faults}")] {
            assert!(!report.contains("hunter2"), "{report}");
        }
        assert!(faults.to_text().contains("key = •••••••••\n"), "{faults}");
    }

    #[test]
    fn the_end_of_the_file_and_the_file_itself_are_places_too() {
        let mut faults = Faults::new("x.toml", "a =");
        faults.push(Fault::error(3..3, "a value is missing"));
        assert_eq!(faults.to_text(), "x.toml:1:4: error: a value is missing\n    a =\n       ^\n");
        let faults = Faults::unreadable("x.toml", "there is no such file", "make one");
        assert_eq!(faults.to_text(), "x.toml: error: there is no such file\n    help: make one\n");
        assert!(faults.to_json().contains("\"line\": null"));
    }

    #[test]
    fn faults_are_in_the_order_of_the_file() {
        let mut faults = Faults::new("x.toml", "a\nb\nc\n");
        for (place, message) in [(4, "c"), (0, "a"), (2, "b1"), (2, "b2")] {
            faults.push(Fault::error(place..place + 1, message));
        }
        assert_eq!(faults.iter().map(|fault| fault.message.as_str()).collect::<Vec<_>>(), ["a", "b1", "b2", "c"]);
    }
}
