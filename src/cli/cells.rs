//! Answers as text: cells and tables.

use serde_json::Value;

/// Texts come from strangers, and must neither steer a terminal nor begin a line of their own: what would is a dot.
pub(super) fn printable(text: &str) -> String {
    let steers = |character: char| {
        // Line and paragraph separators, and what turns the direction of the text.
        character.is_control() || matches!(character, '\u{2028}'..='\u{202e}' | '\u{2066}'..='\u{2069}')
    };
    text.chars().map(|character| if steers(character) { '·' } else { character }).collect()
}

/// A member as text: `-` where there is none.
pub(super) fn member(value: &Value, name: &str) -> String {
    match value.get(name) {
        None | Some(Value::Null) => "-".to_owned(),
        Some(Value::String(text)) => printable(text),
        Some(other) => printable(&other.to_string()),
    }
}

/// A table of `columns`: each a title, and the member of a row that it shows.
pub(super) fn table<const N: usize>(columns: &[(&str, &str); N], rows: &[Value]) -> String {
    let titles = columns.map(|(title, _)| title.to_owned());
    let rows = rows.iter().map(|row| columns.map(|(_, name)| member(row, name)));
    let rows: Vec<_> = std::iter::once(titles).chain(rows).collect();
    let mut widths = [0; N];
    for row in &rows {
        widths.iter_mut().zip(row).for_each(|(width, cell)| *width = (*width).max(cell.chars().count()));
    }
    let line = |row: &[String; N]| {
        let cells: Vec<_> = row.iter().zip(widths).map(|(cell, width)| format!("{cell:width$}")).collect();
        format!("{}\n", cells.join("  ").trim_end())
    };
    rows.iter().map(line).collect()
}

/// The elements of a member that is a list.
pub(super) fn list<'a>(body: &'a Value, name: &str) -> &'a [Value] {
    body.get(name).and_then(Value::as_array).map_or(&[], Vec::as_slice)
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn a_strangers_text_stays_in_its_cell() {
        let row = json!({ "a": "bad\u{1b}[31mred\r\nnext\tü\u{9b}1m\u{202e}tac", "b": ["\u{7f}"], "c": null });
        assert_eq!(table(&[("A", "a"), ("B", "b"), ("C", "c")], &[row]).lines().count(), 2);
        let row = json!({ "a": "bad\u{1b}[31mred\r\nnext\tü\u{9b}1m\u{202e}tac" });
        assert_eq!(member(&row, "a"), "bad·[31mred··next·ü·1m·tac");
    }
}
