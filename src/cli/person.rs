//! `selvedge person`: everything that is known of a person, and erasing it.

use super::FAILED;
use super::cells::{list, member};
use super::node::{self, Failure, Target};
use crate::admin::api::{Ask, Person};
use clap::{Args, Subcommand};
use http::StatusCode;
use serde_json::Value;
use std::process::ExitCode;

/// Show or erase everything that is known of a person, on a running or stopped node
///
/// That is: the links of the id and of the ids joined to it, when their clicks were first seen, their deliveries in
/// every state, and their calls in the envelopes that wait for Segment, or that it refused. Exit codes: 0 done, 1 nothing
/// is known that could be shown, or not all could be erased, 2 usage or configuration.
#[derive(Args)]
pub(super) struct Arguments {
    #[command(subcommand)]
    action: Action,
    #[command(flatten)]
    target: Target,
}

#[derive(Subcommand)]
enum Action {
    /// What is known; with --format json in every detail, the calls included
    Show(Who),
    /// Erase it for good, so that no file of the store holds it any more
    ///
    /// Goes from the id to the ids that it is joined to, and says which; not to an id that more than 16 others share, nor to
    /// what names another userId on a device that two use. Conversions that were not delivered yet are not delivered.
    /// What stays are hashes of call and order ids, without a name to them: they keep an order from being paid twice
    /// (up to 30 days). A delivery that is being sent stays, too: run it again. What the person does from then on is
    /// recorded as anybody's. Copies of the store that you made (backups, damaged files set aside) are yours to erase.
    ///
    /// The store's file is written anew, which needs as much free space again; on a running node only up to 32 MiB. If it
    /// is larger, what was erased is overwritten, but run this once more on the stopped node to be sure of every trace.
    /// Of somebody of whom nothing is known it only clears what earlier erasures left, and exits with 0.
    Erase {
        #[command(flatten)]
        who: Who,
        /// Do not ask
        #[arg(long)]
        yes: bool,
    },
}

#[derive(Args)]
struct Who {
    #[command(flatten)]
    id: Id,
    /// The id's space
    #[arg(long, default_value = "default")]
    space: String,
}

#[derive(Args)]
#[group(required = true, multiple = false)]
struct Id {
    /// An anonymousId of the person's
    #[arg(long, value_name = "ID")]
    anonymous_id: Option<String>,
    /// A userId of the person's
    #[arg(long, value_name = "ID")]
    user_id: Option<String>,
}

impl From<Who> for Person {
    fn from(who: Who) -> Self {
        let (kind, id) = match (who.id.anonymous_id, who.id.user_id) {
            (Some(id), _) => ("anonymous", id),
            (None, id) => ("user", id.unwrap_or_default()),
        };
        Self { space: Some(who.space), kind: kind.to_owned(), id }
    }
}

/// Runs the command.
pub(super) fn run(arguments: Arguments) -> ExitCode {
    let target = &arguments.target;
    match arguments.action {
        Action::Show(who) => node::ask(target, Ask::Person(who.into()), known),
        Action::Erase { who, yes } => node::end(target, erase(target, &who.into(), yes)),
    }
}

const LARGE: &str = "\
the store is too large to be written anew while the node runs: of rows that its database had moved before, copies may be
left in unused places of the file; to clear them, run this again while the node is stopped
";
/// Asked when somebody's data was erased before, but perhaps not the traces of it.
const NOTHING: &str =
    "Nothing is known of this person. Clear what earlier erasures may have left in unused places of the store?";

fn erase(target: &Target, person: &Person, yes: bool) -> Result<ExitCode, Failure> {
    let question = match node::reach(target, async |reached| reached.ask(Ask::Person(person.clone())).await) {
        Ok(known) => question(&known),
        Err(Failure::Answered(answer)) if answer.status == StatusCode::NOT_FOUND => NOTHING.to_owned(),
        Err(failure) => return Err(failure),
    };
    if !node::confirm(&question, yes)? {
        return Ok(ExitCode::from(FAILED));
    }
    let erased = node::reach(target, async |reached| reached.ask(Ask::Erase(person.clone())).await)?;
    target.print(&erased, text)?;
    let is_all = list(&erased, "being_sent").is_empty();
    Ok(if is_all { ExitCode::SUCCESS } else { ExitCode::from(FAILED) })
}

fn question(known: &Value) -> String {
    let [deliveries, envelopes] = ["deliveries", "envelopes"].map(|name| list(known, name).len());
    format!("{}: {deliveries} deliveries, calls in {envelopes} envelopes. Erase it all for good?", ids(known))
}

/// What is known, for people.
fn known(body: &Value) -> String {
    let mut text = format!("{}\n", ids(body));
    for link in list(body, "links") {
        let click = link.get("click").unwrap_or(&Value::Null);
        text.push_str(&format!(
            "link      {} of {} until {}\n",
            member(click, "id"),
            member(click, "at"),
            member(link, "until")
        ));
    }
    for seen in list(body, "sightings") {
        let others = if seen.get("also_of_others") == Some(&Value::Bool(true)) { ", also of others" } else { "" };
        text.push_str(&format!("click     {} first seen {}{others}\n", member(seen, "click"), member(seen, "at")));
    }
    for delivery in list(body, "deliveries") {
        let cells = ["id", "state", "program", "endpoint", "event", "order_id"].map(|name| member(delivery, name));
        text.push_str(&format!("delivery  {}\n", cells.join("  ")));
    }
    for envelope in list(body, "envelopes") {
        let [id, state, path, arrival] = ["id", "state", "path", "arrival"].map(|name| member(envelope, name));
        let calls = list(envelope, "calls").len();
        text.push_str(&format!("envelope  {id}  {state}  {path}  {arrival}  calls of theirs: {calls}\n"));
    }
    text
}

/// What was erased, for people.
fn text(body: &Value) -> String {
    let [links, sightings, deliveries, calls, envelopes] =
        ["links", "sightings", "deliveries", "calls", "envelopes"].map(|name| member(body, name));
    let mut text = format!(
        "{}\nerased: {links} links, {sightings} clicks, {deliveries} deliveries, {calls} kept calls ({envelopes} whole envelopes)\n",
        ids(body)
    );
    let being_sent = list(body, "being_sent").iter().map(Value::to_string).collect::<Vec<_>>();
    if !being_sent.is_empty() {
        text.push_str(&format!("still being sent: deliveries {}; run it again in a minute\n", being_sent.join(", ")));
    }
    if body.get("rewritten") == Some(&Value::Bool(false)) {
        text.push_str(LARGE);
    }
    for file in list(body, "set_aside").iter().filter_map(Value::as_str) {
        text.push_str(&format!(
            "{file} was set aside damaged, and may hold them still: remove it from the store folder\n"
        ));
    }
    text
}

/// Whose data it is.
fn ids(body: &Value) -> String {
    let ids = body.get("ids").unwrap_or(&Value::Null);
    let short = |hash: &Value| hash.as_str().unwrap_or_default().chars().take(8).collect::<String>();
    let joined: Vec<_> = list(ids, "joined").iter().map(short).collect();
    let shared = list(ids, "shared").len();
    let mut text = "this id".to_owned();
    if !joined.is_empty() {
        text.push_str(&format!(" and {} joined to it (hashes {})", joined.len(), joined.join(", ")));
    }
    if shared > 0 {
        text.push_str(&format!(", not {shared} that too many share"));
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn what_was_erased_is_told_in_words() {
        let ids = json!({ "asked": "aa", "joined": ["0123456789", "ff"], "shared": ["b", "c"] });
        let body = json!({ "ids": ids, "links": 1, "sightings": 2, "deliveries": 3, "calls": 4, "envelopes": 0, "being_sent": [7, 9],
            "rewritten": true, "set_aside": ["selvedge.db.damaged-9"] });
        let expected = "\
this id and 2 joined to it (hashes 01234567, ff), not 2 that too many share
erased: 1 links, 2 clicks, 3 deliveries, 4 kept calls (0 whole envelopes)
still being sent: deliveries 7, 9; run it again in a minute
selvedge.db.damaged-9 was set aside damaged, and may hold them still: remove it from the store folder
";
        assert_eq!(text(&body), expected);
    }
}
