//! impact.com's account API: what is asked of it is a path, and what `connect` and `check --online` are answered is read
//! here (the company, its programs, their event types). It is fetched elsewhere.

use percent_encoding::{AsciiSet, NON_ALPHANUMERIC, PercentEncode, percent_decode_str, utf8_percent_encode};
use serde_json::Value;

/// The `Impact Partnership Cloud` destination in Segment's catalog.
pub const CATALOG_ID: &str = "5ed96e0b97e7ba0c0346cc04";

/// What is written in percent in a path: all but what RFC 3986 calls unreserved (§2.3).
const RESERVED: &AsciiSet = &NON_ALPHANUMERIC.remove(b'-').remove(b'.').remove(b'_').remove(b'~');

/// Elements of one page; the API allows no more.
const PAGE_ELEMENTS: u32 = 1000;

/// A program as its account sees it.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Campaign {
    /// The campaign ID.
    pub id: String,
    /// Its name for people.
    pub name: String,
    /// `ACTIVE`, or why it is not.
    pub state: String,
    /// The domains whose page loads it takes, as somebody wrote them.
    pub site_definition: String,
    /// What is added to the URLs of its landings: the program's template, then its partners'.
    pub templates: Vec<String>,
}

/// Who the account is; any token that may read at all may read it.
pub fn company_path(sid: &str) -> String {
    format!("{}/CompanyInformation", account(sid))
}

/// The first page of the active programs.
pub fn campaigns_path(sid: &str) -> String {
    format!("{}/Campaigns?State=ACTIVE&PageSize={PAGE_ELEMENTS}&Page=1", account(sid))
}

/// One program.
pub fn campaign_path(sid: &str, campaign: &str) -> String {
    format!("{}/Campaigns/{}", account(sid), escaped(campaign))
}

/// The first page of a program's contracts, which name its event types: no list of these is documented.
pub fn contracts_path(sid: &str, campaign: &str) -> String {
    format!("{}/Contracts?PageSize={PAGE_ELEMENTS}&Page=1", campaign_path(sid, campaign))
}

/// Where conversions go.
pub(super) fn conversions_path(sid: &str) -> String {
    format!("{}/Conversions", account(sid))
}

/// Where changes of actions go, and where they are listed.
pub(super) fn actions_path(sid: &str) -> String {
    format!("{}/Actions", account(sid))
}

/// What became of a submission.
pub(super) fn submission_path(sid: &str, id: &str) -> String {
    format!("{}/APISubmissions/{}", account(sid), escaped(id))
}

fn account(sid: &str) -> String {
    format!("/Advertisers/{}", escaped(sid))
}

fn escaped(segment: &str) -> PercentEncode<'_> {
    utf8_percent_encode(segment, RESERVED)
}

/// The next page's path; `None`: this was the last. A host that it names is left out: the credentials are for this one.
pub fn next(answer: &Value) -> Option<String> {
    let next: http::Uri = answer.get("@nextpageuri")?.as_str()?.parse().ok()?;
    next.path_and_query().map(ToString::to_string)
}

/// One page of [`campaigns_path`]; `None`: it is none.
pub fn campaigns(answer: &Value) -> Option<Vec<Campaign>> {
    answer.get("Campaigns")?.as_array()?.iter().map(campaign).collect()
}

/// The answer to [`campaign_path`], or one of the list.
pub fn campaign(answer: &Value) -> Option<Campaign> {
    let tracking = answer.get("GatewayTrackingSettings").unwrap_or(&Value::Null);
    let templates = ["CampaignTrackingTemplate", "MediaPartnerTrackingTemplate"];
    let templates = templates.into_iter().map(|key| text(tracking, key)).filter(|template| !template.is_empty());
    Some(Campaign {
        id: Some(text(answer, "Id")).filter(|id| !id.is_empty())?,
        name: text(answer, "Name"),
        state: text(answer, "State"),
        site_definition: text(answer, "SiteDefinition"),
        templates: templates.collect(),
    })
}

/// An event type that a contract pays for.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct EventType {
    /// Its id: the action tracker's.
    pub id: String,
    /// Its name for people.
    pub name: String,
}

/// The event types of one page of [`contracts_path`], each once.
pub fn event_types(answer: &Value) -> Vec<EventType> {
    let mut found = Vec::new();
    gather(answer, &mut found);
    found
}

/// The terms that hold them are nested differently in templates and in contracts of one's own.
fn gather(value: &Value, found: &mut Vec<EventType>) {
    match value {
        Value::Array(elements) => elements.iter().for_each(|element| gather(element, found)),
        Value::Object(members) => {
            let one = EventType { id: text(value, "EventTypeId"), name: text(value, "EventTypeName") };
            if !one.id.is_empty() && !found.contains(&one) {
                found.push(one);
            }
            members.values().for_each(|member| gather(member, found));
        }
        _ => {}
    }
}

/// The query parameters that carry a click ID by these templates (`im_ref={clickid}`), each once.
pub fn click_parameters(templates: &[String]) -> Vec<String> {
    let mut names = Vec::new();
    for pair in templates.iter().flat_map(|template| template.split(['?', '&'])) {
        let Some((name, value)) = pair.split_once('=') else { continue };
        let value = percent_decode_str(value.trim()).decode_utf8_lossy();
        let name = percent_decode_str(name.trim()).decode_utf8_lossy().into_owned();
        if value.eq_ignore_ascii_case("{clickid}") && !name.is_empty() && !names.contains(&name) {
            names.push(name);
        }
    }
    names
}

/// A member as text: ids are numbers on one page and strings on the next.
fn text(value: &Value, key: &str) -> String {
    match value.get(key) {
        Some(Value::String(text)) => text.trim().to_owned(),
        Some(Value::Number(number)) => number.to_string(),
        _ => String::new(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn the_click_parameter_is_what_the_template_gives_the_click_id_to() {
        for (templates, names) in [
            (&["im_ref={clickid}&utm_source=impact"][..], &["im_ref"][..]),
            (&["?utm_source=impact&irclickid={ClickId}"], &["irclickid"]),
            (&["utm=a & clickid = %7Bclickid%7D"], &["clickid"]),
            (&["im_ref={clickid}", "im_ref={clickid}&cid={clickid}"], &["im_ref", "cid"]),
            (&["utm_source={irpid}", "x={clickid}y", "={clickid}", ""], &[]),
        ] {
            let templates: Vec<String> = templates.iter().map(|template| (*template).to_owned()).collect();
            assert_eq!(click_parameters(&templates), names, "{templates:?}");
        }
    }

    #[test]
    fn programs_are_read_with_ids_of_either_type() {
        let tracking = json!({"CampaignTrackingTemplate": "im_ref={clickid}", "MediaPartnerTrackingTemplate": ""});
        let page = json!({"@page": "1", "@nextpageuri": "/Advertisers/IR1/Campaigns?Page=2", "Campaigns": [
            {"Id": 1000, "Name": "Acme", "State": "ACTIVE", "SiteDefinition": "acme.example", "GatewayTrackingSettings": tracking},
            {"Id": "2000"},
        ]});
        let read = campaigns(&page).unwrap();
        assert_eq!((&*read[0].id, &*read[0].name, &*read[1].id), ("1000", "Acme", "2000"));
        assert_eq!((&read[0].templates[..], read[1].templates.len()), (&["im_ref={clickid}".to_owned()][..], 0));
        assert_eq!(next(&page).as_deref(), Some("/Advertisers/IR1/Campaigns?Page=2"));
        let named = json!({"@nextpageuri": "https://elsewhere.example/Advertisers/IR1/Campaigns?Page=3"});
        assert_eq!(next(&named).as_deref(), Some("/Advertisers/IR1/Campaigns?Page=3"));
        assert_eq!((next(&json!({"@nextpageuri": ""})), next(&json!({}))), (None, None));
        assert!(campaigns(&json!({"Campaigns": [{"Name": "no id"}]})).is_none());
    }

    #[test]
    fn event_types_are_found_wherever_the_terms_hold_them() {
        let payouts =
            json!([{"EventTypeId": "7", "EventTypeName": "Sale"}, {"EventTypeId": 8, "EventTypeName": "Lead"}]);
        let page = json!({"Contracts": [{"TemplateTerms": {"EventPayouts": payouts}},
            {"TemplateTerms": [{"EventPayouts": {"EventTypeId": 7, "EventTypeName": "Sale"}}]}]});
        let found: Vec<String> = event_types(&page).into_iter().map(|one| format!("{} {}", one.id, one.name)).collect();
        assert_eq!(found, ["7 Sale", "8 Lead"]);
    }

    #[test]
    fn paths_are_of_one_account() {
        assert_eq!(company_path("IR/1"), "/Advertisers/IR%2F1/CompanyInformation");
        assert_eq!(campaign_path("IR-1._~z", "10"), "/Advertisers/IR-1._~z/Campaigns/10");
        assert_eq!(submission_path("IR1", "A-1?c#d%e ü"), "/Advertisers/IR1/APISubmissions/A-1%3Fc%23d%25e%20%C3%BC");
        assert_eq!(contracts_path("IR1", "10"), "/Advertisers/IR1/Campaigns/10/Contracts?PageSize=1000&Page=1");
    }
}
