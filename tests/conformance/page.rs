//! The page of the documentation that tells how each case went.

use crate::case::Case;
use std::collections::HashMap;
use std::fmt::Write as _;
use std::path::PathBuf;

/// One server's column: its heading, and a cell for each case.
pub(crate) struct Column {
    pub(crate) heading: String,
    pub(crate) cells: Vec<String>,
}

const INTRODUCTION: &str = "\
What becomes of requests and answers that are odd, broken or meant to deceive.

# Conformance

Each row is a case of `tests/conformance/cases`: bytes that a visitor sends over a socket, and an origin that records what reaches
it and answers to the byte. A cell tells the first status that the visitor got, and with ✗ what is wrong with that by the
section that the row names. Beyond that, in every case and for everybody:

* Nothing reaches the origin that two readers could understand in two ways: control characters, two framings, an odd
  Transfer-Encoding or Content-Length, not exactly one Host, an upgrade to HTTP/2.
* One request stays one, and so does an answer.
* A canary request that follows, on the same connection if it is still open and on the next, gets its own answer.

*Refused* is a status that blames the visitor (4xx, 501, 505), or a closed connection, and no whole request at the origin. *Failed* is
a 5xx, or an answer that visibly breaks off. Where a section leaves a choice, both are right. nginx and HAProxy are those of Debian 12, configured as in
`tests/conformance/nginx.conf` and `haproxy.cfg`; what a stranger says in the fields of `spoof-…` they can be told to overwrite, too, one
setting for each.
";

/// Where the page is.
pub(crate) fn path() -> PathBuf {
    PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("src/proxy/conformance.md")
}

/// The column as the committed page has it, without the cells of cases that it does not know.
pub(crate) fn committed(cases: &[Case], at: usize) -> Column {
    let page = std::fs::read_to_string(path()).unwrap_or_default();
    let rows = page.lines().filter(|line| line.starts_with("| ")).map(|line| line.trim_matches('|').split(" | "));
    let rows: Vec<Vec<&str>> = rows.map(|row| row.map(str::trim).collect()).collect();
    let column = 3 + at;
    let heading = rows.iter().find(|row| row[0] == "case").map_or("", |row| row[column]).to_owned();
    let cells: HashMap<&str, &str> =
        rows.iter().filter(|row| row.len() == 6).map(|row| (row[0], row[column])).collect();
    let cell = |case: &Case| (*cells.get(case.name.as_str()).unwrap_or(&"")).to_owned();
    Column { heading, cells: cases.iter().map(cell).collect() }
}

/// The page.
pub(crate) fn render(cases: &[Case], columns: &[Column]) -> String {
    let mut page = INTRODUCTION.to_owned();
    write!(page, "\n| of {} cases |", cases.len()).unwrap();
    columns.iter().for_each(|column| write!(page, " {} |", column.heading).unwrap());
    page.push_str("\n|---|--:|--:|--:|\n| as they must be |");
    for column in columns {
        write!(page, " {} |", column.cells.iter().filter(|cell| !cell.starts_with('✗')).count()).unwrap();
    }
    page.push('\n');
    let mut theme = "";
    for (i, case) in cases.iter().enumerate() {
        if case.theme != theme {
            theme = &case.theme;
            write!(page, "\n# {theme}\n\n| case | RFC | must be |").unwrap();
            columns.iter().for_each(|column| write!(page, " {} |", column.heading).unwrap());
            page.push_str("\n|---|---|---|---|---|---|\n");
        }
        write!(page, "| {} | {} | {} |", case.name, case.rfc.trim_start_matches("RFC "), case.verdict).unwrap();
        columns.iter().for_each(|column| write!(page, " {} |", column.cells[i]).unwrap());
        page.push('\n');
    }
    page
}
