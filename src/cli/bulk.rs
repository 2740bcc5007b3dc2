//! `retry` and `drop` of deliveries and envelopes with filters: counted, asked about, and done slice by slice.

use super::FAILED;
use super::cells::member;
use super::node::{self, Failure, Reached, Target};
use crate::admin::api::{Ask, Bulk, Deed, Queue};
use serde_json::{Value, json};
use std::process::ExitCode;

/// What there is something to do about: a waiting envelope is under way already.
pub(super) fn states(queue: Queue, deed: Deed) -> &'static str {
    match (queue, deed) {
        (Queue::Envelopes, Deed::Retry) => "dead",
        _ => "waiting,dead",
    }
}

/// How many numbers are told of those that nothing was done to for one reason; JSON has all of them.
const NUMBERS_TOLD: usize = 10;

/// What became of all of them.
#[derive(Default)]
struct Report {
    done: u64,
    not_done: Vec<Value>,
    moved: Vec<Value>,
}

/// Runs the command.
pub(super) fn run(target: &Target, bulk: Bulk, yes: bool) -> ExitCode {
    node::end(target, count_and_do(target, bulk, yes))
}

fn count_and_do(target: &Target, bulk: Bulk, yes: bool) -> Result<ExitCode, Failure> {
    let Bulk { queue, deed, mut listing } = bulk;
    if listing.is_open() {
        return Err(Failure::Usage("name the number of one, or at least one filter, such as --state dead".to_owned()));
    }
    listing.state.get_or_insert_with(|| states(queue, deed).to_owned());
    let counted = node::reach(target, async |reached| reached.ask(Ask::Count(queue, listing.clone())).await)?;
    let count = counted.get("count").and_then(Value::as_u64).unwrap_or_default();
    let count = listing.limit.map_or(count, |limit| count.min(u64::from(limit)));
    if count > 0 && !node::confirm(&question(queue, deed, count), yes)? {
        return Ok(ExitCode::from(FAILED));
    }
    // What is recorded while somebody thinks about the question was not asked about.
    listing.before = counted.get("youngest").and_then(Value::as_i64).map(|youngest| youngest.saturating_add(1));
    let mut report = Report::default();
    let outcome = match count {
        0 => Ok(()),
        _ => node::reach(target, async |reached| {
            slices(reached, Bulk { queue, deed, listing }, count, &mut report).await
        }),
    };
    target.print(&report.json(count), |_| report.text(queue, deed, count))?;
    outcome?;
    Ok(if report.not_done.is_empty() { ExitCode::SUCCESS } else { ExitCode::from(FAILED) })
}

fn question(queue: Queue, deed: Deed, count: u64) -> String {
    let what = match deed {
        Deed::Retry if queue == Queue::Envelopes => "send them after those that wait",
        Deed::Retry => "try them now",
        Deed::Remap => "map them again and try them now",
        Deed::Drop => "give them up; dead ones go for good",
    };
    let match_them = if count == 1 { "matches" } else { "match" };
    format!("{count} {} {match_them}: {what}?", noun(queue, count))
}

fn noun(queue: Queue, count: u64) -> &'static str {
    match (queue, count) {
        (Queue::Deliveries, 1) => "delivery",
        (Queue::Envelopes, 1) => "envelope",
        _ => queue.name(),
    }
}

async fn slices(reached: &Reached, mut bulk: Bulk, count: u64, report: &mut Report) -> Result<(), Failure> {
    let mut left = count;
    while left > 0 {
        bulk.listing.limit = Some(u32::try_from(left).unwrap_or(u32::MAX));
        let body = reached.ask(Ask::Bulk(bulk.clone())).await?;
        let Some(next) = body.get("next").and_then(Value::as_i64) else { break };
        bulk.listing.before = Some(next);
        left = left.saturating_sub(report.take(body));
    }
    Ok(())
}

impl Report {
    /// Takes a slice's answer in; how many deliveries it was about.
    fn take(&mut self, mut body: Value) -> u64 {
        let done = body.get("done").and_then(Value::as_u64).unwrap_or_default();
        let mut taken = |name: &str| match body.get_mut(name).map(Value::take) {
            Some(Value::Array(values)) => values,
            _ => Vec::new(),
        };
        let (not_done, moved) = (taken("not_done"), taken("moved"));
        let about = done + not_done.len() as u64;
        self.done += done;
        self.not_done.extend(not_done);
        self.moved.extend(moved);
        about
    }

    fn json(&self, count: u64) -> Value {
        json!({ "matched": count, "done": self.done, "not_done": self.not_done, "moved": self.moved })
    }

    fn text(&self, queue: Queue, deed: Deed, count: u64) -> String {
        if count == 0 {
            return format!("no {} matches\n", noun(queue, 1));
        }
        let done = match deed {
            Deed::Retry if queue == Queue::Envelopes => "waiting again",
            Deed::Retry => "due now",
            Deed::Remap => "mapped again and due now",
            Deed::Drop => "dropped",
        };
        let mut text = format!("{} {done}, {} not done\n", self.done, self.not_done.len());
        let mut reasons: Vec<(String, Vec<String>)> = Vec::new();
        for one in &self.not_done {
            let (why, id) = (member(one, "why"), member(one, "id"));
            match reasons.iter_mut().find(|(known, _)| *known == why) {
                Some((_, ids)) => ids.push(id),
                None => reasons.push((why, vec![id])),
            }
        }
        for (why, ids) in reasons {
            let told: Vec<_> = ids.iter().take(NUMBERS_TOLD).map(String::as_str).collect();
            let more = if ids.len() > NUMBERS_TOLD { " …" } else { "" };
            text.push_str(&format!("  {}: {why} (number {}{more})\n", ids.len(), told.join(", ")));
        }
        text.extend(self.moved.iter().map(order_change));
        text
    }
}

/// Says that a delivery that was tried before is another order now.
pub(super) fn order_change(moved: &Value) -> String {
    let [id, from, to] = ["id", "from", "to"].map(|name| member(moved, name));
    format!("  take care: number {id} was tried before as order {from}, and is order {to} now\n")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_was_not_done_is_told_by_reason() {
        let mut report = Report::default();
        let mut not_done: Vec<_> = (1..=11).rev().map(|id| json!({ "id": id, "why": "it is being sent" })).collect();
        not_done.push(json!({ "id": 0, "why": "no such delivery" }));
        let moved = json!([{ "id": 40, "from": "o1", "to": null }]);
        let about = report.take(json!({ "done": 3, "not_done": not_done, "moved": moved, "next": 1 }));
        assert_eq!(about, 15);
        let expected = "\
3 mapped again and due now, 12 not done
  11: it is being sent (number 11, 10, 9, 8, 7, 6, 5, 4, 3, 2 …)
  1: no such delivery (number 0)
  take care: number 40 was tried before as order o1, and is order - now
";
        assert_eq!(report.text(Queue::Deliveries, Deed::Remap, 15), expected);
        assert_eq!(Report::default().text(Queue::Envelopes, Deed::Drop, 0), "no envelope matches\n");
    }
}
