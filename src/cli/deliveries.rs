//! `selvedge deliveries`: what is to be delivered, was, or could not be.

mod export;

use super::bulk;
use super::cells::{self, list, member, printable};
use super::node::{self, Failure, Target};
use super::stretch::Stretch;
use crate::admin::api::{Ask, Bulk, Deed, Listing, Queue};
use crate::destination::Endpoint;
use crate::metrics::Label;
use clap::{Args, Subcommand};
use serde_json::Value;
use std::process::ExitCode;

/// List, show, count, retry, drop or export deliveries, on a running or stopped node
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
    /// How many deliveries meet all that is asked, by program and by the verdict of impact.com
    Count(Filter),
    /// One delivery with every field of its form, and whether the call that it was mapped from is kept
    Show {
        /// Its number
        id: i64,
    },
    /// Try waiting deliveries or dead letters now: one by its number, or all that meet what is asked
    ///
    /// With filters it says how many there are and asks; nothing but waiting deliveries and dead letters is meant.
    Retry {
        #[command(flatten)]
        which: Which,
        /// Map them again first, from the calls that they were made of, by the configuration of today (on a running
        /// node: by the one that it runs with). What the program would not take any more, and what has no call kept
        /// with it, stays as it is
        #[arg(long)]
        remap: bool,
    },
    /// Give waiting deliveries up, or remove dead letters for good: one by its number, or all that meet what is asked
    ///
    /// With filters it says how many there are and asks; nothing but waiting deliveries and dead letters is meant.
    Drop {
        #[command(flatten)]
        which: Which,
    },
    /// All deliveries that meet what is asked, the youngest first, with their forms
    ///
    /// CSV as in RFC 4180, the form as JSON in the last column. In CSV a text that begins with = + - @ or a tab gets a '
    /// in front, since spreadsheets run such texts, and these come from strangers; JSON has every text as it is.
    Export(Filter),
}

#[derive(Args)]
struct Which {
    /// The number of one
    id: Option<i64>,
    #[command(flatten)]
    filter: Filter,
    /// Do not ask
    #[arg(long)]
    yes: bool,
}

#[derive(Args)]
struct Filter {
    /// waiting, leased, delivered or dead; several with commas between them
    #[arg(long)]
    state: Option<String>,
    /// The program's name
    #[arg(long)]
    program: Option<String>,
    /// Where they go; actions are refunds
    #[arg(long, value_parser = Endpoint::ALL.map(Label::label))]
    endpoint: Option<String>,
    /// What impact.com said later: pending, accepted, refused or unknown
    #[arg(long)]
    verdict: Option<String>,
    /// Why they were given up (refused, ambiguous, damaged, dropped …), or judged (CONV_DUPLICATE …)
    #[arg(long)]
    reason: Option<String>,
    /// The order's id
    #[arg(long)]
    order: Option<String>,
    /// The call's messageId
    #[arg(long)]
    message: Option<String>,
    #[command(flatten)]
    stretch: Stretch,
}

const QUEUE: Queue = Queue::Deliveries;

/// The columns of the list: a title, and the member of the JSON that it shows.
const COLUMNS: [(&str, &str); 10] = [
    ("ID", "id"),
    ("STATE", "state"),
    ("PROGRAM", "program"),
    ("ENDPOINT", "endpoint"),
    ("EVENT", "event"),
    ("ORDER", "order_id"),
    ("BASIS", "basis"),
    ("TRIES", "attempts"),
    ("VERDICT", "verdict"),
    ("CREATED", "created"),
];

/// Runs the command.
pub(super) fn run(arguments: Arguments) -> ExitCode {
    let target = &arguments.target;
    match arguments.action {
        Action::List(filter) => node::ask(target, Ask::List(QUEUE, filter.into()), table),
        Action::Count(filter) => node::ask(target, Ask::Verdicts(filter.into()), counts),
        Action::Show { id } => node::ask(target, Ask::Show(QUEUE, id), whole),
        Action::Retry { which, remap: false } => act(target, Deed::Retry, which),
        Action::Retry { which, remap: true } => act(target, Deed::Remap, which),
        Action::Drop { which } => act(target, Deed::Drop, which),
        Action::Export(filter) => export::run(target, filter.into()),
    }
}

fn act(target: &Target, deed: Deed, which: Which) -> ExitCode {
    let listing = Listing::from(which.filter);
    match which.id {
        Some(_) if listing != Listing::default() => {
            node::end(target, Err(Failure::Usage("name a number or filters, not both".to_owned())))
        }
        Some(id) => node::ask(target, Ask::Act(QUEUE, deed, id), if deed == Deed::Drop { dropped } else { due }),
        None => bulk::run(target, Bulk { queue: QUEUE, deed, listing }, which.yes),
    }
}

fn dropped(_: &Value) -> String {
    "dropped\n".to_owned()
}

fn due(body: &Value) -> String {
    match body.get("moved").filter(|moved| moved.is_object()) {
        Some(moved) => format!("it is due now\n{}", bulk::order_change(moved)),
        None => "it is due now\n".to_owned(),
    }
}

impl From<Filter> for Listing {
    fn from(filter: Filter) -> Self {
        let Filter { state, program, endpoint, verdict, reason, order, message, stretch } = filter;
        let Stretch { older_than, newer_than, before, limit } = stretch;
        Self { state, program, endpoint, verdict, reason, order, message, older_than, newer_than, before, limit }
    }
}

fn table(body: &Value) -> String {
    cells::table(&COLUMNS, list(body, "deliveries"))
}

fn counts(body: &Value) -> String {
    let titles = [("PROGRAM", "program"), ("VERDICT", "verdict"), ("REASON", "reason"), ("COUNT", "count")];
    cells::table(&titles, list(body, "verdicts"))
}

fn whole(body: &Value) -> String {
    let Some(members) = body.as_object() else { return String::new() };
    let plain =
        members.keys().filter(|name| *name != "params").map(|name| format!("{name:12}  {}\n", member(body, name)));
    let params = body.get("params").and_then(Value::as_object).into_iter().flatten();
    let params = params
        .map(|(name, value)| format!("  {} = {}\n", printable(name), printable(value.as_str().unwrap_or_default())));
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
              "order_id": null, "basis": "carried", "attempts": 3, "verdict": "refused", "created": "2026-11-24T03:56:35.120Z" },
        ]});
        let expected = "\
ID  STATE  PROGRAM  ENDPOINT     EVENT            ORDER  BASIS    TRIES  VERDICT  CREATED
7   dead   us       conversions  Order Completed  -      carried  3      refused  2026-11-24T03:56:35.120Z
";
        assert_eq!(table(&body), expected);
        assert_eq!(table(&json!({ "deliveries": [] })).lines().count(), 1);
        // What strangers wrote neither steers the terminal nor breaks the table.
        let bad = json!({ "deliveries": [{ "id": 7, "order_id": "bad\u{1b}[31mred\n" }]});
        assert!(table(&bad).lines().nth(1).unwrap().contains("bad·[31mred·"));
    }

    #[test]
    fn a_delivery_is_shown_with_its_form() {
        let body = json!({ "id": 7, "reason": null, "params": { "OrderId": "o 1", "Numeric": "1.10" } });
        assert_eq!(whole(&body), "id            7\nreason        -\nparams\n  Numeric = 1.10\n  OrderId = o 1\n");
    }
}
