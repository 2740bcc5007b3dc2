//! `selvedge envelopes`: what Segment missed and will get, or refused later.

use super::bulk;
use super::cells::{self, list, member};
use super::node::{self, Failure, Target};
use super::stretch::Stretch;
use crate::admin::api::{Ask, Bulk, Deed, Listing, Queue};
use clap::{Args, Subcommand};
use serde_json::Value;
use std::process::ExitCode;

/// List, show, retry or drop the envelopes that are kept for Segment, on a running or stopped node
///
/// Those that wait until Segment is back, and the dead: those that it refused later, or that waited for too long. Exit
/// codes: 0 done, 1 not found or not possible, 2 usage or configuration.
#[derive(Args)]
pub(super) struct Arguments {
    #[command(subcommand)]
    action: Action,
    #[command(flatten)]
    target: Target,
}

#[derive(Subcommand)]
enum Action {
    /// The youngest envelopes that meet all that is asked
    List(Filter),
    /// One envelope, and the types and messageIds of its calls
    Show {
        /// Its number
        id: i64,
        /// What its calls say, too; these are people's data
        #[arg(long)]
        body: bool,
    },
    /// Send dead envelopes after those that wait: one by its number, or all that meet what is asked
    ///
    /// It does not matter any more how old they are. With filters it says how many there are and asks.
    Retry(Which),
    /// Give waiting envelopes up, or remove dead ones for good: one by its number, or all that meet what is asked
    ///
    /// With filters it says how many there are and asks.
    Drop(Which),
}

#[derive(Args)]
struct Which {
    /// The number of one
    id: Option<i64>,
    /// All of them
    #[arg(long)]
    all: bool,
    #[command(flatten)]
    filter: Filter,
    /// Do not ask
    #[arg(long)]
    yes: bool,
}

#[derive(Args)]
struct Filter {
    /// waiting or dead; both with a comma between them
    #[arg(long)]
    state: Option<String>,
    /// Why they were given up: refused, expired, damaged, dropped
    #[arg(long)]
    reason: Option<String>,
    #[command(flatten)]
    stretch: Stretch,
}

const QUEUE: Queue = Queue::Envelopes;

/// The columns of the list: a title, and the member of the JSON that it shows.
const COLUMNS: [(&str, &str); 6] = [
    ("ID", "id"),
    ("STATE", "state"),
    ("PATH", "path"),
    ("TRIES", "attempts"),
    ("ARRIVAL", "arrival"),
    ("REASON", "reason"),
];

/// Runs the command.
pub(super) fn run(arguments: Arguments) -> ExitCode {
    let target = &arguments.target;
    match arguments.action {
        Action::List(filter) => node::ask(target, Ask::List(QUEUE, filter.into()), table),
        Action::Show { id, body: false } => node::ask(target, Ask::Show(QUEUE, id), whole),
        Action::Show { id, body: true } => node::end(target, with_body(target, id)),
        Action::Retry(which) => act(target, Deed::Retry, which),
        Action::Drop(which) => act(target, Deed::Drop, which),
    }
}

fn act(target: &Target, deed: Deed, which: Which) -> ExitCode {
    let mut listing = Listing::from(which.filter);
    match which.id {
        Some(_) if which.all || listing != Listing::default() => {
            node::end(target, Err(Failure::Usage("name a number or filters, not both".to_owned())))
        }
        Some(id) => node::ask(target, Ask::Act(QUEUE, deed, id), if deed == Deed::Drop { dropped } else { waiting }),
        None => {
            if which.all {
                listing.state.get_or_insert_with(|| bulk::states(QUEUE, deed).to_owned());
            }
            bulk::run(target, Bulk { queue: QUEUE, deed, listing }, which.yes)
        }
    }
}

fn with_body(target: &Target, id: i64) -> Result<ExitCode, Failure> {
    let told = node::reach(target, async |reached| {
        let (mut told, body) = (reached.ask(Ask::Show(QUEUE, id)).await?, reached.ask(Ask::Body(id)).await?);
        if let (Value::Object(told), Value::Object(body)) = (&mut told, body) {
            told.extend(body);
        }
        Ok(told)
    })?;
    target.print(&told, whole)?;
    Ok(ExitCode::SUCCESS)
}

fn dropped(_: &Value) -> String {
    "dropped\n".to_owned()
}

fn waiting(_: &Value) -> String {
    "it waits again\n".to_owned()
}

impl From<Filter> for Listing {
    fn from(filter: Filter) -> Self {
        let Filter { state, reason, stretch } = filter;
        let Stretch { older_than, newer_than, before, limit } = stretch;
        Self { state, reason, older_than, newer_than, before, limit, ..Self::default() }
    }
}

fn table(body: &Value) -> String {
    cells::table(&COLUMNS, list(body, "envelopes"))
}

fn whole(body: &Value) -> String {
    let Some(members) = body.as_object() else { return String::new() };
    let plain = members.keys().filter(|name| *name != "calls");
    let mut text: String = plain.map(|name| format!("{name:12}  {}\n", member(body, name))).collect();
    let calls = list(body, "calls");
    text.push_str(&format!("calls         {}\n", calls.len()));
    for call in calls {
        text.push_str(&format!("  {} {}\n", member(call, "type"), member(call, "messageId")));
    }
    text
}
