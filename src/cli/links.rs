//! `selvedge links`: whose click is known, and forgetting it.

use super::cells::member;
use super::node::{self, Target};
use crate::admin::api::{Ask, Person};
use clap::{Args, Subcommand, ValueEnum};
use serde_json::Value;
use std::process::ExitCode;

/// Get or forget the link of an id, on a running or stopped node
///
/// Exit codes: 0 done, 1 nothing is known or not possible, 2 usage or configuration.
#[derive(Args)]
pub(super) struct Arguments {
    #[command(subcommand)]
    action: Action,
    #[command(flatten)]
    target: Target,
}

#[derive(Subcommand)]
enum Action {
    /// The click that an id has, and what a call with only this id gets
    Get(Id),
    /// Forget an id's link and its joins
    Forget(Id),
}

#[derive(Args)]
struct Id {
    /// Which kind of id
    kind: Kind,
    /// The id itself
    id: String,
    /// Its space
    #[arg(long, default_value = "default")]
    space: String,
}

#[derive(Clone, Copy, ValueEnum)]
enum Kind {
    /// An anonymousId
    Anonymous,
    /// A userId
    User,
}

/// Runs the command.
pub(super) fn run(arguments: Arguments) -> ExitCode {
    match arguments.action {
        Action::Get(id) => node::ask(&arguments.target, Ask::Link(id.into()), text),
        Action::Forget(id) => node::ask(&arguments.target, Ask::Forget(id.into()), |_| "forgotten\n".to_owned()),
    }
}

impl From<Id> for Person {
    fn from(id: Id) -> Self {
        let kind = match id.kind {
            Kind::Anonymous => "anonymous",
            Kind::User => "user",
        };
        Self { space: Some(id.space), kind: kind.to_owned(), id: id.id }
    }
}

fn text(body: &Value) -> String {
    let own = match body.get("click") {
        Some(click) if click.is_object() => format!("{} until {}", shown(click), member(body, "until")),
        _ => "none of its own".to_owned(),
    };
    let found = match (member(body, "found").as_str(), body.get("found_click")) {
        ("click", Some(click)) => shown(click),
        ("shared", _) => "nothing: too many ids are joined to it".to_owned(),
        _ => "nothing".to_owned(),
    };
    format!("click   {own}\njoined  to other ids: {}\na call with only this id gets  {found}\n", member(body, "joined"))
}

fn shown(click: &Value) -> String {
    format!("{} of {} ({})", member(click, "id"), member(click, "at"), member(click, "place"))
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn a_link_is_told_in_words() {
        let click = json!({ "id": "abc", "at": "2026-11-24T03:56:35.120Z", "place": "landing" });
        let body = json!({ "click": click, "until": "2026-12-24T03:56:35.120Z", "joined": 2, "found": "click", "found_click": click });
        let expected = "\
click   abc of 2026-11-24T03:56:35.120Z (landing) until 2026-12-24T03:56:35.120Z
joined  to other ids: 2
a call with only this id gets  abc of 2026-11-24T03:56:35.120Z (landing)
";
        assert_eq!(text(&body), expected);
        let body = json!({ "click": null, "until": null, "joined": 17, "found": "shared", "found_click": null });
        assert!(text(&body).contains("none of its own") && text(&body).contains("nothing: too many"));
    }
}
