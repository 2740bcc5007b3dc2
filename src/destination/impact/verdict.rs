//! What impact.com says of a submission: the API submission object of its brand API, and the action that came of it.

use super::super::{Endpoint, Outcome, Said, Trouble};
use super::account;
use super::answer::{self, Answer, bounded, member, text};
use crate::clock::Time;
use serde_json::Value;
use std::time::Duration;

/// The documented values of a submission's `ErrorReason`, and what we say ourselves where impact.com says nothing.
const REASONS: [&str; 32] = [
    "ACTION_REF_NOT_FOUND",
    "ACTIONTERMS_NOT_FOUND",
    "ACTIONTRACKER_CAMPAIGN_MISMATCH",
    "ACTIONTRACKER_NOT_ACTIVE",
    "ACTIONTRACKER_NOT_FOUND",
    "BLACKLISTED_SOURCE_IP",
    "BLOCKED_BY_PROMOCODE",
    "CALL_DUPLICATE",
    "CALL_DURATION_TOO_SHORT",
    "CALL_FOR_CALL_PER_CONV_AT",
    "CALL_INCOMPLETE",
    "CALL_OUTSIDE_DAILY_RANGE",
    "CAMPAIGN_NOT_FOUND",
    "CONTRACT_NOT_FOUND",
    "CONV_DUPLICATE",
    "CONV_MALFORMED",
    "CREDITING_RULE_MISMATCH",
    "MALFORMED",
    "MAX_RECURRENCES_REACHED",
    "NO_ITEM",
    "NO_VALID_ACTION_REF",
    "OID_MISSING",
    "OTHER_REF_PRIORITIZED",
    "OUTSIDE_ASSOCIATION_WINDOW",
    "PARTNER_NOT_ACTIVE",
    "REFTYPE_NOT_ACCEPTED",
    "RESTRICTED_PROMOCODE",
    "UNCLAIMED",
    "unanswered",
    "forbidden",
    "no_receipt",
    "no_submission",
];

/// The label of a verdict's reason: the first of its words that is documented, so that there are never too many.
pub fn label(reason: &str) -> &'static str {
    let known = |word: &str| REASONS.into_iter().find(|known| *known == word);
    reason.split_whitespace().find_map(known).unwrap_or("other")
}

/// How far around its event an action is looked for: impact.com keeps whole seconds.
const AROUND: Duration = Duration::from_secs(1);

/// Actions of a page: the fewest that the API allows, so that a page stays small.
const PAGE_ACTIONS: u32 = 2000;

/// The submission's own id, of the address that impact.com answered a delivery with.
pub(super) fn batch_id(receipt: &str) -> Option<&str> {
    let (_, id) = receipt.split_once("/APISubmissions/")?;
    id.split(['/', '?', '#']).next().filter(|id| !id.is_empty())
}

/// What an answer to a question about a submission means.
pub fn said(answer: &Answer, now: Time) -> Said {
    match answer::outcome(answer, Endpoint::Conversions, now) {
        Outcome::Accepted { .. } => {
            let json: Option<Value> = serde_json::from_slice(&answer.body).ok();
            json.map_or(Said::NotYet, |json| of_submission(&json))
        }
        Outcome::Retry { why, after, .. } => Said::Retry { why, after },
        // A submission that was queued a moment ago may not be found yet.
        Outcome::NoAccess { status: 404, .. } => Said::NotYet,
        Outcome::NoAccess { status, .. } => Said::Unauthorized { status },
        Outcome::Refused { .. } | Outcome::Unfit(_) => Said::Retry { why: Trouble::ServerError, after: None },
    }
}

fn of_submission(json: &Value) -> Said {
    if !text(json, "status").is_some_and(|status| status.eq_ignore_ascii_case("complete")) {
        return Said::NotYet;
    }
    let reason = words(member(json, "errorreason")).or_else(|| words(member(json, "errortype")));
    match reason {
        Some(reason) => Said::Refused { reason },
        None => Said::Accepted { action_id: action_of(json) },
    }
}

/// One line of a text, or of a list of texts.
fn words(value: Option<&Value>) -> Option<String> {
    let joined = match value? {
        Value::String(text) => text.clone(),
        Value::Array(list) => list.iter().filter_map(Value::as_str).collect::<Vec<_>>().join(" "),
        _ => return None,
    };
    Some(bounded(&joined.replace(',', " "))).filter(|joined| !joined.is_empty())
}

/// The action that a submission names itself: not documented, but cheaper than looking for it.
fn action_of(json: &Value) -> Option<String> {
    let in_uri = |name| text(json, name)?.split_once("/Actions/").map(|(_, id)| id);
    text(json, "actionid").or_else(|| in_uri("actionuri")).or_else(|| in_uri("uri")).map(bounded)
}

/// The first page of the actions around an event's time; `None` for a form without one.
pub(super) fn actions_path(sid: &str, campaign_id: &str, params: &[(String, String)]) -> Option<String> {
    let at = Time::parse(value_of(params, "EventDate")?)?;
    let second = |time: Time| Time::from_seconds(time.seconds()).iso8601();
    let query = url::form_urlencoded::Serializer::new(String::new())
        .append_pair("CampaignId", campaign_id)
        .append_pair("ActionDateStart", &second(at.minus(AROUND)))
        .append_pair("ActionDateEnd", &second(at.plus(AROUND)))
        .append_pair("PageSize", &PAGE_ACTIONS.to_string())
        .finish();
    Some(format!("{}?{query}", account::actions_path(sid)))
}

/// A page of a list of actions; `None`: it is none.
pub(super) fn actions(answer: &Answer) -> Option<Value> {
    serde_json::from_slice(&answer.body).ok().filter(|_| (200..300).contains(&answer.status))
}

/// The action of an order in a page of a list of actions.
pub(super) fn find_action(page: &Value, params: &[(String, String)]) -> Option<String> {
    let order = value_of(params, "OrderId")?;
    let event_type = value_of(params, "EventTypeId");
    let actions = member(page, "actions").and_then(Value::as_array)?;
    let is_it = |action: &&Value| {
        text(action, "oid") == Some(order)
            && event_type.is_none_or(|id| member(action, "actiontrackerid").is_none_or(|tracker| is(tracker, id)))
    };
    actions.iter().find(is_it).and_then(|action| text(action, "id")).map(bounded)
}

/// Ids are numbers in the documentation, and strings in most answers.
fn is(value: &Value, id: &str) -> bool {
    match value {
        Value::String(text) => text == id,
        Value::Number(number) => number.as_str() == id,
        _ => false,
    }
}

/// A field of a form.
pub(super) fn value_of<'p>(params: &'p [(String, String)], name: &str) -> Option<&'p str> {
    params.iter().find(|(known, _)| known == name).map(|(_, value)| value.as_str())
}

#[cfg(test)]
mod tests {
    use super::*;
    use http::HeaderMap;
    use serde_json::json;

    fn said_of(status: u16, body: &str) -> Said {
        said(&Answer { status, headers: HeaderMap::new(), body: body.into() }, Time::from_seconds(1))
    }

    #[test]
    fn what_submissions_say() {
        let refused = |reason: &str| Said::Refused { reason: reason.to_owned() };
        let accepted = |id: Option<&str>| Said::Accepted { action_id: id.map(str::to_owned) };
        let trouble = |why| Said::Retry { why, after: None };
        for (status, body, expected) in [
            (
                200,
                r#"{"BatchId":"A-1","Type":"Conversion","Status":"Queued","ErrorType":"","ErrorReason":null}"#,
                Said::NotYet,
            ),
            (200, r#"{"Status":"In Progress"}"#, Said::NotYet),
            (
                200,
                r#"{"Status":"Complete","CompletionDate":"2020-09-10T10:11:15-07:00","ErrorType":"","ErrorReason":""}"#,
                accepted(None),
            ),
            (200, r#"{"status":"COMPLETE","Uri":"/Advertisers/IR/APISubmissions/A-1"}"#, accepted(None)),
            (200, r#"{"Status":"Complete","ActionId":"1000.4636.158133"}"#, accepted(Some("1000.4636.158133"))),
            (
                200,
                r#"{"Status":"Complete","ActionUri":"/Advertisers/IR/Actions/1000.1.2"}"#,
                accepted(Some("1000.1.2")),
            ),
            (
                200,
                r#"{"Status":"Complete","ErrorType":"Contract Error","ErrorReason":"CONTRACT_NOT_FOUND RESTRICTED_PROMOCODE"}"#,
                refused("CONTRACT_NOT_FOUND RESTRICTED_PROMOCODE"),
            ),
            (
                200,
                r#"{"Status":"Complete","ErrorReason":["CONV_DUPLICATE","NO_ITEM"]}"#,
                refused("CONV_DUPLICATE NO_ITEM"),
            ),
            (200, r#"{"Status":"Complete","ErrorType":"Validation"}"#, refused("Validation")),
            (200, r#"{"Status":"Complete","ErrorType":{},"ErrorReason":[]}"#, accepted(None)),
            (200, "<html>", Said::NotYet),
            (200, "", Said::NotYet),
            (404, r#"{"Status":"ERROR","Message":"not found"}"#, Said::NotYet),
            (401, "", Said::Unauthorized { status: 401 }),
            (403, "", Said::Unauthorized { status: 403 }),
            (429, "", trouble(Trouble::RateLimited)),
            (400, "", trouble(Trouble::ServerError)),
            (503, "", trouble(Trouble::ServerError)),
        ] {
            assert_eq!(said_of(status, body), expected, "{status} {body}");
        }
    }

    #[test]
    fn reasons_have_bounded_labels() {
        for (reason, expected) in [
            ("CONV_DUPLICATE", "CONV_DUPLICATE"),
            ("SOMETHING_NEW OUTSIDE_ASSOCIATION_WINDOW", "OUTSIDE_ASSOCIATION_WINDOW"),
            ("unanswered", "unanswered"),
            ("Validation", "other"),
            ("", "other"),
        ] {
            assert_eq!(label(reason), expected, "{reason}");
        }
    }

    #[test]
    fn where_a_submission_is() {
        for (receipt, id) in [
            ("/Advertisers/IRsid/APISubmissions/A-1", Some("A-1")),
            ("https://api.impact.com/Advertisers/IRsid/APISubmissions/A-1?x=y", Some("A-1")),
            ("/Advertisers/IRsid/APISubmissions/", None),
            ("/x", None),
        ] {
            assert_eq!(batch_id(receipt), id, "{receipt}");
        }
    }

    #[test]
    fn an_action_is_found_by_its_order_and_event_type() {
        let params = |more: &[(&str, &str)]| {
            let all = [("OrderId", "o1"), ("EventDate", "2026-11-24T03:56:35.120Z")].iter().chain(more);
            all.map(|(name, value)| ((*name).to_owned(), (*value).to_owned())).collect::<Vec<_>>()
        };
        let around = "ActionDateStart=2026-11-24T03%3A56%3A34.000Z&ActionDateEnd=2026-11-24T03%3A56%3A36.000Z";
        let path = format!("/Advertisers/IR1/Actions?CampaignId=1000&{around}&PageSize=2000");
        assert_eq!(actions_path("IR1", "1000", &params(&[])), Some(path));
        assert_eq!(actions_path("IR1", "1000", &[]), None);
        let page = json!({"@total": "3", "Actions": [{"Id": "1000.1.1", "Oid": "o2", "ActionTrackerId": 7},
            {"Id": "1000.1.2", "Oid": "o1", "ActionTrackerId": "8"}, {"Id": "1000.1.3", "Oid": "o1", "ActionTrackerId": 7},
            {"Id": "1000.1.4", "Oid": "o1", "ActionTrackerId": null}]});
        for (more, expected) in [
            (&[][..], Some("1000.1.2")),
            (&[("EventTypeId", "7")][..], Some("1000.1.3")),
            (&[("EventTypeId", "9")][..], None),
        ] {
            assert_eq!(find_action(&page, &params(more)).as_deref(), expected, "{more:?}");
        }
        assert_eq!(find_action(&json!([]), &params(&[])), None);
    }
}
