//! What impact.com makes of what it queued: submissions, and the actions that come of them.

use super::check::Form;
use crate::clock::Time;
use serde_json::{Map, Value, json};

/// The documented reasons of a modification.
const REASONS: [&str; 13] = [
    "ORDER_UPDATE",
    "ITEM_RETURNED",
    "CONS_FRAUD",
    "CONS_ERROR",
    "ORDER_ERROR",
    "PUB_ACT_DISPUTE",
    "ADV_ACT_DISPUTE",
    "NOT_COMPLIANCE_TERMS",
    "ITEM_OUT_OF_STOCK",
    "TEST_ACTION",
    "PARTNER_NOT_ACTIVE",
    "CREDITED_DIFFERENT_MP",
    "OTHER",
];

/// The documented disposition codes of a reversal.
const DISPOSITIONS: [&str; 14] = [
    "REJECTED",
    "CONS_INFO_INVALID",
    "CONS_ERROR",
    "CONS_FRAUD",
    "ITEM_RETURNED",
    "ITEM_OUT_OF_STOCK",
    "ORDER_ERROR",
    "PUB_ACT_DISPUTE",
    "NOT_COMPLIANCE_TERMS",
    "MP_RETURNED",
    "OTHER",
    "CREDITED_DIFFERENT_MP",
    "ADV_ACT_DISPUTE",
    "TEST_ACTION",
];

/// What a submission is of.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Kind {
    Conversion,
    Modification,
    Reversal,
}

/// All accounts' submissions and actions, in order of arrival.
#[derive(Debug, Default)]
pub(super) struct Books {
    submissions: Vec<Submission>,
    actions: Vec<Action>,
    /// How often a submission is asked for before it is complete.
    pub(super) questions: u32,
    /// The reasons for which orders are refused.
    pub(super) refused: Vec<(String, String)>,
    /// The most actions that a page of their list has, however many are asked for; 0: no such limit.
    pub(super) page_actions: usize,
}

#[derive(Debug)]
struct Submission {
    sid: String,
    id: String,
    kind: Kind,
    form: Form,
    asked: u32,
    /// Once it is complete: why it came to nothing, as type and reason.
    outcome: Option<Result<(), (&'static str, String)>>,
}

/// An action, as impact.com shows it.
#[derive(Debug)]
struct Action {
    sid: String,
    event_type: String,
    shown: Map<String, Value>,
}

impl Books {
    /// Queues a submission; its id.
    pub(super) fn queue(&mut self, sid: &str, kind: Kind, form: Form) -> String {
        let id = format!("A-{}", uuid::Uuid::from_u128(self.submissions.len() as u128));
        let (sid, outcome) = (sid.to_owned(), None);
        self.submissions.push(Submission { sid, id: id.clone(), kind, form, asked: 0, outcome });
        id
    }

    /// What a submission is shown as; `None`: there is none of this id.
    pub(super) fn show(&mut self, sid: &str, id: &str) -> Option<Value> {
        let at = self.submissions.iter().position(|one| one.sid == sid && one.id == id)?;
        let submission = self.submissions.get_mut(at)?;
        submission.asked += 1;
        if submission.asked > self.questions && submission.outcome.is_none() {
            let (kind, form) = (submission.kind, submission.form.clone());
            let outcome = self.process(sid, kind, &form);
            self.submissions.get_mut(at)?.outcome = Some(outcome);
        }
        self.submissions.get(at).map(Submission::to_json)
    }

    /// The actions of a program with events between these times, the oldest first.
    pub(super) fn list(&self, sid: &str, campaign: &str, from: Option<Time>, to: Option<Time>) -> Vec<Value> {
        let within = |action: &&Action| {
            let at = action.shown.get("EventDate").and_then(Value::as_str).and_then(Time::parse);
            let program = action.shown.get("CampaignId").and_then(Value::as_str);
            action.sid == sid
                && program == Some(campaign)
                && at.is_some_and(|at| from.is_none_or(|from| at >= from) && to.is_none_or(|to| at <= to))
        };
        self.actions.iter().filter(within).map(|one| one.shown.clone().into()).collect()
    }

    fn process(&mut self, sid: &str, kind: Kind, form: &Form) -> Result<(), (&'static str, String)> {
        let contract = |reason: &str| Err(("Contract Error", reason.to_owned()));
        if kind != Kind::Conversion {
            let Some(action) = self.action(sid, form) else { return contract("NO_VALID_ACTION_REF") };
            action.change(kind, form);
            return Ok(());
        }
        let (order, event_type) = (form.get("OrderId").unwrap_or_default(), event_type(form));
        if let Some((_, reason)) = self.refused.iter().find(|(refused, _)| refused == order) {
            return contract(reason);
        }
        let is_same = |action: &Action| action.sid == sid && action.is(order) && action.event_type == event_type;
        if self.actions.iter().any(is_same) {
            return contract("CONV_DUPLICATE");
        }
        let campaign = form.get("CampaignId").unwrap_or_default();
        let id = format!("{campaign}.4636.{}", self.actions.len() + 1);
        let shown = json!({
            "Id": id, "CampaignId": campaign, "ActionTrackerId": form.get("EventTypeId").unwrap_or("4636"),
            "State": "PENDING", "Amount": form.get("OrderSubTotalPostDiscount").unwrap_or("0"), "Oid": order,
            "EventDate": form.get("EventDate"), "Uri": format!("/Advertisers/{sid}/Actions/{id}"),
        });
        let Value::Object(shown) = shown else { return Ok(()) };
        self.actions.push(Action { sid: sid.to_owned(), event_type, shown });
        Ok(())
    }

    fn action(&mut self, sid: &str, form: &Form) -> Option<&mut Action> {
        let (id, order, tracker) = (form.get("ActionId"), form.get("OrderId"), form.get("ActionTrackerId"));
        let is_it = |action: &Action| match id {
            Some(id) => action.text("Id") == id,
            None => order.is_some_and(|order| action.is(order)) && tracker == Some(action.text("ActionTrackerId")),
        };
        self.actions.iter_mut().find(|action| action.sid == sid && is_it(action))
    }
}

impl Submission {
    fn to_json(&self) -> Value {
        let status = match (&self.outcome, self.asked) {
            (Some(_), _) => "Complete",
            (None, 1) => "Queued",
            (None, _) => "In Progress",
        };
        let error = self.outcome.as_ref().and_then(|outcome| outcome.as_ref().err());
        json!({
            "BatchId": self.id, "AccountId": 10001, "SubmissionDate": "2020-09-10T09:50:12-07:00",
            "CampaignId": self.form.get("CampaignId"), "OrderId": self.form.get("OrderId"),
            "Payload": self.form.to_query(), "Type": format!("{:?}", self.kind), "Status": status,
            "CompletionDate": self.outcome.as_ref().map(|_| "2020-09-10T10:11:15-07:00"),
            "ErrorType": error.map(|(kind, _)| *kind), "ErrorReason": error.map(|(_, reason)| reason),
            "Uri": format!("/Advertisers/{}/APISubmissions/{}", self.sid, self.id),
        })
    }
}

impl Action {
    fn text(&self, name: &str) -> &str {
        self.shown.get(name).and_then(Value::as_str).unwrap_or_default()
    }

    fn is(&self, order: &str) -> bool {
        self.text("Oid") == order
    }

    fn change(&mut self, kind: Kind, form: &Form) {
        if kind == Kind::Reversal {
            self.shown.insert("State".into(), "REVERSED".into());
        } else if let Some(amount) = form.get("Amount") {
            self.shown.insert("Amount".into(), amount.into());
        }
    }
}

fn event_type(form: &Form) -> String {
    let named = ["EventTypeId", "ActionTrackerId", "EventTypeCode", "EventCode"];
    named.into_iter().find_map(|name| form.get(name)).unwrap_or_default().to_owned()
}

/// What is wrong with a request to change or reverse an action, as field and message.
pub(super) fn faults(kind: Kind, form: &Form) -> Vec<(&'static str, &'static str)> {
    let mut faults = Vec::new();
    if form.get("ActionId").is_none() && (form.get("ActionTrackerId").is_none() || form.get("OrderId").is_none()) {
        faults.push(("ActionId", "ActionId, or ActionTrackerId and OrderId, is required"));
    }
    let (code, known) = match kind {
        Kind::Reversal => ("DispositionCode", &DISPOSITIONS[..]),
        _ => ("Reason", &REASONS[..]),
    };
    if !form.get(code).is_some_and(|given| known.contains(&given)) {
        faults.push((code, "is required, and one of the known codes"));
    }
    if kind == Kind::Modification && form.get("Sku").is_some() && form.get("Amount").is_some() {
        faults.push(("Amount", "is the order's, and excludes items"));
    }
    faults
}
