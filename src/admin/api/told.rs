//! Deliveries and links as JSON.

use crate::click::{Click, Place};
use crate::links::{Entry, Found};
use crate::metrics::Label;
use crate::outbox::{Delivery, Verdict, VerdictCount};
use serde_json::{Value, json};

/// A delivery in a list.
pub(super) fn summary(delivery: &Delivery) -> Value {
    let (request, verdict) = (&delivery.request, delivery.verdict.as_ref());
    json!({
        "id": delivery.id.0,
        "state": delivery.state.name(),
        "program": request.program,
        "endpoint": request.endpoint.label(),
        "event": request.event,
        "order_id": request.order_id,
        "message_id": request.message_id,
        "basis": request.basis,
        "click_id": request.click_id,
        "attempts": delivery.attempts,
        "created": delivery.created.iso8601(),
        "due": delivery.due.iso8601(),
        "ended": delivery.ended.map(|ended| ended.iso8601()),
        "reason": delivery.reason,
        "last_error": delivery.last_error,
        "receipt": delivery.receipt,
        "verdict": verdict.map(|row| row.verdict.name()),
        "verdict_why": verdict.and_then(|row| row.reason.as_deref()),
        "action_id": verdict.and_then(|row| row.action_id.as_deref()),
        "call_kept": request.call.is_some(),
    })
}

/// A delivery with its form.
pub(super) fn whole(delivery: &Delivery) -> Value {
    let mut value = summary(delivery);
    if let Value::Object(members) = &mut value {
        let params = delivery.request.params.iter().map(|(name, value)| (name.clone(), Value::from(value.as_str())));
        members.insert("params".into(), Value::from_iter(params));
        members.insert("arrival".into(), delivery.request.arrival.iso8601().into());
        members.insert("unrepeatable".into(), delivery.request.unrepeatable.into());
        let next = delivery.verdict.as_ref().and_then(|row| row.ask_at);
        members.insert("verdict_asks".into(), delivery.verdict.as_ref().map(|row| row.asked).into());
        members.insert("verdict_next".into(), next.map(|next| next.iso8601()).into());
    }
    value
}

pub(super) fn verdict_count(count: &VerdictCount) -> Value {
    json!({
        "program": count.program,
        "verdict": count.verdict.map(Verdict::name),
        "reason": count.reason,
        "count": count.count,
    })
}

pub(super) fn entry(entry: &Entry) -> Value {
    let (found, via) = match &entry.found {
        Found::Click(found) => ("click", Some(click(found))),
        Found::Shared => ("shared", None),
        Found::Nothing => ("nothing", None),
    };
    json!({
        "click": entry.click.as_ref().map(click),
        "until": entry.until.map(|until| until.iso8601()),
        "joined": entry.joined,
        "found": found,
        "found_click": via,
    })
}

pub(super) fn click(click: &Click) -> Value {
    let place = match click.place {
        Place::Landing => "landing",
        Place::Call => "call",
        Place::Said => "said",
        Place::Cookie => "cookie",
    };
    json!({ "id": click.id.as_str(), "at": click.at.iso8601(), "place": place })
}
