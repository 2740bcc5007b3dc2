//! `selvedge deliveries`: what is to be delivered, was, or could not be.

use super::node::{self, Target, member};
use crate::admin::api::{Ask, Listing};
use clap::{Args, Subcommand};
use serde_json::Value;
use std::process::ExitCode;

/// List, show, retry or drop deliveries, on a running or stopped node
///
/// Exit codes: 0 done, 1 not found or not possible, 2 usage or configuration.
#[derive(Args)]
pub(super) struct Arguments {
    #[command(subcommand)]
    action: Action,
    #[command(flatten)]
    target: Target,
}

#[derive(Subcommand)]
enum Action {
    /// The youngest deliveries that meet all that is asked
    List(Filter),
    /// One delivery with every field of its form
    Show {
        /// Its number
        id: i64,
    },
    /// Try a waiting delivery or a dead letter now
    Retry {
        /// Its number
        id: i64,
    },
    /// Give a waiting delivery up, or remove a dead letter for good
    Drop {
        /// Its number
        id: i64,
    },
}

#[derive(Args)]
struct Filter {
    /// waiting, leased, delivered or dead
    #[arg(long)]
    state: Option<String>,
    /// The program's name
    #[arg(long)]
    program: Option<String>,
    /// conversions or page_load
    #[arg(long)]
    endpoint: Option<String>,
    /// The order's id
    #[arg(long)]
    order: Option<String>,
    /// The call's messageId
    #[arg(long)]
    message: Option<String>,
    /// Only numbers below this one: the next page
    #[arg(long, value_name = "ID")]
    before: Option<i64>,
    /// How many at most
    #[arg(long, default_value_t = 50)]
    limit: u32,
}

/// The columns of the list: a title, and the member of the JSON that it shows.
const COLUMNS: [(&str, &str); 9] = [
    ("ID", "id"),
    ("STATE", "state"),
    ("PROGRAM", "program"),
    ("ENDPOINT", "endpoint"),
    ("EVENT", "event"),
    ("ORDER", "order_id"),
    ("BASIS", "basis"),
    ("TRIES", "attempts"),
    ("CREATED", "created"),
];

/// Runs the command.
pub(super) fn run(arguments: Arguments) -> ExitCode {
    let target = &arguments.target;
    match arguments.action {
        Action::List(filter) => node::ask(target, Ask::List(filter.into()), table),
        Action::Show { id } => node::ask(target, Ask::Show(id), whole),
        Action::Retry { id } => node::ask(target, Ask::Retry(id), |_| "it is due now\n".to_owned()),
        Action::Drop { id } => node::ask(target, Ask::Drop(id), |_| "dropped\n".to_owned()),
    }
}

impl From<Filter> for Listing {
    fn from(filter: Filter) -> Self {
        let Filter { state, program, endpoint, order, message, before, limit } = filter;
        Self { state, program, endpoint, order, message, before, limit: Some(limit) }
    }
}

fn table(body: &Value) -> String {
    let deliveries = body.get("deliveries").and_then(Value::as_array).map_or(&[][..], Vec::as_slice);
    let titles = COLUMNS.map(|(title, _)| title.to_owned());
    let rows = deliveries.iter().map(|delivery| COLUMNS.map(|(_, name)| member(delivery, name)));
    let rows: Vec<_> = std::iter::once(titles).chain(rows).collect();
    let mut widths = [0; COLUMNS.len()];
    for row in &rows {
        widths.iter_mut().zip(row).for_each(|(width, cell)| *width = (*width).max(cell.chars().count()));
    }
    let line = |row: &[String; COLUMNS.len()]| {
        let cells: Vec<_> = row.iter().zip(widths).map(|(cell, width)| format!("{cell:width$}")).collect();
        format!("{}\n", cells.join("  ").trim_end())
    };
    rows.iter().map(line).collect()
}

fn whole(body: &Value) -> String {
    let Some(members) = body.as_object() else { return String::new() };
    let plain =
        members.keys().filter(|name| *name != "params").map(|name| format!("{name:12}  {}\n", member(body, name)));
    let params = body.get("params").and_then(Value::as_object).into_iter().flatten();
    let params = params.map(|(name, value)| format!("  {name} = {}\n", value.as_str().unwrap_or_default()));
    plain.chain(["params\n".to_owned()]).chain(params).collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn a_list_is_a_table() {
        let body = json!({ "deliveries": [
            { "id": 7, "state": "dead", "program": "us", "endpoint": "conversions", "event": "Order Completed",
              "order_id": null, "basis": "carried", "attempts": 3, "created": "2026-11-24T03:56:35.120Z" },
        ]});
        let expected = "\
ID  STATE  PROGRAM  ENDPOINT     EVENT            ORDER  BASIS    TRIES  CREATED
7   dead   us       conversions  Order Completed  -      carried  3      2026-11-24T03:56:35.120Z
";
        assert_eq!(table(&body), expected);
        assert_eq!(table(&json!({ "deliveries": [] })).lines().count(), 1);
    }

    #[test]
    fn a_delivery_is_shown_with_its_form() {
        let body = json!({ "id": 7, "reason": null, "params": { "OrderId": "o 1", "Numeric": "1.10" } });
        assert_eq!(whole(&body), "id            7\nreason        -\nparams\n  Numeric = 1.10\n  OrderId = o 1\n");
    }
}
