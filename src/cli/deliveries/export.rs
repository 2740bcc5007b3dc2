//! `selvedge deliveries export`: all that match, page by page.

use super::super::node::{self, Failure, Format, Reached, Target, print};
use crate::admin::api::{Ask, Listing};
use serde_json::Value;
use std::process::ExitCode;

/// How many are asked for at once: about a megabyte.
const PAGE: u32 = 500;

/// The columns, and the members of the JSON that they show.
const COLUMNS: [&str; 23] = [
    "id",
    "state",
    "program",
    "endpoint",
    "event",
    "order_id",
    "message_id",
    "basis",
    "click_id",
    "attempts",
    "arrival",
    "created",
    "due",
    "ended",
    "reason",
    "last_error",
    "receipt",
    "verdict",
    "verdict_why",
    "action_id",
    "unrepeatable",
    "call_kept",
    "params",
];

/// Runs the command.
pub(super) fn run(target: &Target, listing: Listing) -> ExitCode {
    let line = match target.format() {
        None | Some(Format::Csv) => row,
        Some(Format::Json) => |delivery: &Value| format!("{delivery}\n"),
        Some(Format::Text) => {
            return node::end(target, Err(Failure::Usage("an export is csv or json".to_owned())));
        }
    };
    let exported = node::reach(target, async |reached| {
        if target.format() != Some(Format::Json) {
            print(&format!("{}\r\n", COLUMNS.join(",")))?;
        }
        pages(reached, listing, line).await
    });
    node::end(target, exported.map(|()| ExitCode::SUCCESS))
}

async fn pages(reached: &Reached, mut listing: Listing, line: fn(&Value) -> String) -> Result<(), Failure> {
    let mut left = listing.limit.unwrap_or(u32::MAX);
    while left > 0 {
        listing.limit = Some(left.min(PAGE));
        let body = reached.ask(Ask::Export(listing.clone())).await?;
        let deliveries = body.get("deliveries").and_then(Value::as_array).map_or(&[][..], Vec::as_slice);
        print(&deliveries.iter().map(line).collect::<String>())?;
        let last = deliveries.last().and_then(|last| last.get("id")).and_then(Value::as_i64);
        let Some(last) = last else { break };
        listing.before = Some(last);
        left = left.saturating_sub(u32::try_from(deliveries.len()).unwrap_or(u32::MAX));
    }
    Ok(())
}

/// A record of RFC 4180.
fn row(delivery: &Value) -> String {
    let cells = COLUMNS.map(|name| match delivery.get(name) {
        None | Some(Value::Null) => String::new(),
        Some(Value::String(text)) => cell(text),
        Some(other) => quoted(&other.to_string()),
    });
    format!("{}\r\n", cells.join(","))
}

/// A text of a stranger's must not become a formula.
fn cell(text: &str) -> String {
    match text.starts_with(['=', '+', '-', '@', '\t', '\r']) {
        true => quoted(&format!("'{text}")),
        false => quoted(text),
    }
}

fn quoted(text: &str) -> String {
    match text.contains(['"', ',', '\r', '\n']) {
        true => format!("\"{}\"", text.replace('"', "\"\"")),
        false => text.to_owned(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn cells_are_quoted_and_formulas_are_not_run() {
        for (text, written) in [
            ("plain", "plain"),
            ("a,b", "\"a,b\""),
            ("say \"hi\"\r\nthere", "\"say \"\"hi\"\"\r\nthere\""),
            ("=1+1", "'=1+1"),
            ("+49", "'+49"),
            ("-5", "'-5"),
            ("@SUM(A1,A2)", "\"'@SUM(A1,A2)\""),
            ("\t=1", "'\t=1"),
            ("a=1", "a=1"),
            ("", ""),
        ] {
            assert_eq!(cell(text), written, "{text:?}");
        }
    }

    #[test]
    fn a_delivery_is_a_record() {
        let delivery =
            json!({ "id": -7, "state": "dead", "reason": null, "order_id": "=o", "params": { "Text1": "a\"b" } });
        assert_eq!(row(&delivery), "-7,dead,,,,'=o,,,,,,,,,,,,,,,,,\"{\"\"Text1\"\":\"\"a\\\"\"b\"\"}\"\r\n");
    }
}
