//! Answers as text: cells and tables.

use serde_json::Value;

/// A member as text: `-` where there is none.
pub(super) fn member(value: &Value, name: &str) -> String {
    match value.get(name) {
        None | Some(Value::Null) => "-".to_owned(),
        Some(Value::String(text)) => text.clone(),
        Some(other) => other.to_string(),
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
