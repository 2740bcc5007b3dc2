//! Whether the node lives, is ready, and what it counted.

use super::api::{Answer, store_failed};
use super::{Admin, Node};
use crate::clock::Time;
use crate::delivery::Why;
use crate::metrics::Metrics;
use crate::outbox::{Backlog, Depth, Lane, State};
use crate::store::Health;
use axum::extract;
use axum::response::{IntoResponse, Response};
use http::StatusCode;
use http::header::CONTENT_TYPE;
use serde_json::{Value, json};
use std::sync::PoisonError;

/// A process that can answer lives.
pub(super) async fn live() -> Answer {
    Answer::fine(json!({ "live": true }))
}

/// A node is ready while its store takes writes and it is not about to stop. It tells nothing of its origins: restarting
/// us does not mend them. What is held up on its way to a destination, or to Segment, is a warning: the site is served all the same.
pub(super) async fn ready(extract::State(node): Node) -> Answer {
    let (reasons, warnings) = (reasons(&node.admin), warnings(&node.admin).await);
    let status = if reasons.is_empty() { StatusCode::OK } else { StatusCode::SERVICE_UNAVAILABLE };
    Answer { status, body: json!({ "ready": reasons.is_empty(), "reasons": reasons, "warnings": warnings }) }
}

/// For Prometheus.
pub(super) async fn metrics(extract::State(node): Node) -> Response {
    let Admin { metrics, outbox, forwards, store, pacing, .. } = &node.admin;
    let troubles = pacing.lock().unwrap_or_else(PoisonError::into_inner).troubles();
    metrics.held_up(troubles.into_iter().map(|(lane, why, _)| (lane.program, lane.endpoint, why)));
    let stats = store.stats();
    metrics.store(stats.commits, stats.total);
    // A store that cannot be read leaves the queue's figures as they were; readiness says why.
    if let Ok(depths) = outbox.depth().await {
        let now = outbox.now();
        for state in State::ALL {
            let (count, oldest) = sum(&depths, state);
            metrics.queue(state, count, oldest.map(|oldest| now.since(oldest)).unwrap_or_default());
        }
    }
    if let Ok(Backlog { waiting, locked, dead, oldest }) = forwards.backlog().await {
        metrics.missed(waiting, locked, dead, oldest.map(|oldest| outbox.now().since(oldest)).unwrap_or_default());
    }
    ([(CONTENT_TYPE, Metrics::CONTENT_TYPE)], metrics.expose()).into_response()
}

/// What the page shows beside the events.
pub(super) async fn status(extract::State(node): Node) -> Answer {
    let depths = match node.admin.outbox.depth().await {
        Ok(depths) => depths,
        Err(error) => return store_failed(&error),
    };
    let states = State::ALL.map(|state| {
        let (count, oldest) = sum(&depths, state);
        (state.name().to_owned(), json!({ "count": count, "oldest": oldest.map(|oldest| oldest.iso8601()) }))
    });
    let reasons = reasons(&node.admin);
    let warnings = warnings(&node.admin).await;
    Answer::fine(json!({
        "ready": reasons.is_empty(), "reasons": reasons, "warnings": warnings, "deliveries": Value::from_iter(states)
    }))
}

fn reasons(admin: &Admin) -> Vec<String> {
    let mut reasons = Vec::new();
    if admin.draining.is_cancelled() {
        reasons.push("the node is stopping".to_owned());
    }
    if let Health::Failing { since, reason } = admin.store.health() {
        reasons.push(format!("the store has been failing since {}: {reason}", since.iso8601()));
    }
    if let late @ 1.. = admin.outbox.late() {
        reasons.push(format!("{late} deliveries wait in memory until the store takes them"));
    }
    reasons
}

async fn warnings(admin: &Admin) -> Vec<String> {
    let mut warnings = held_up(admin);
    // Of a store that cannot be read the reasons tell.
    let Ok(Backlog { locked, dead, .. }) = admin.forwards.backlog().await else { return warnings };
    if locked > 0 {
        warnings.push(format!("{locked} kept envelopes cannot be read with this [store] key; they wait for their own"));
    }
    if dead > 0 {
        warnings.push(format!("{dead} kept envelopes were given up; `selvedge envelopes list --state dead` tells why"));
    }
    warnings
}

fn held_up(admin: &Admin) -> Vec<String> {
    let troubles = admin.pacing.lock().unwrap_or_else(PoisonError::into_inner).troubles();
    let sentence = |(lane, why, since): (Lane, Why, Time)| {
        let (Lane { program, endpoint }, since) = (lane, since.iso8601());
        match why {
            Why::Down => format!("program {program}: {endpoint} has not answered since {since}; its deliveries wait"),
            Why::Credentials => format!(
                "program {program}: {endpoint} has refused the account's credentials since {since}; its deliveries wait"
            ),
            Why::Missing => {
                format!(
                    "program {program}: {endpoint} has known no such account or campaign since {since}; its deliveries wait"
                )
            }
            Why::Forbidden => format!(
                "program {program}: since {since} the account's token may not read APISubmissions; its verdicts are not known"
            ),
        }
    };
    let aside = admin.store.set_aside().into_iter();
    let aside = aside.map(|file| format!("the store was damaged, and not all of it could be read: {file} is what it was; remove it when it is dealt with"));
    troubles.into_iter().map(sentence).chain(aside).collect()
}

fn sum(depths: &[Depth], state: State) -> (u64, Option<Time>) {
    let of_state = || depths.iter().filter(|depth| depth.state == state);
    (of_state().map(|depth| depth.count).sum(), of_state().map(|depth| depth.oldest).min())
}
