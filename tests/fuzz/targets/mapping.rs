//! From the body of an envelope to impact.com's parameters.

use super::{NOW, oracle};
use selvedge::click::{Click, Place};
use selvedge::clock::Time;
use selvedge::destination::{Endpoint, Program, Request, Sources, Subject, impact};
use selvedge::segment::referrer::enrich;
use selvedge::segment::{CallKind, Envelope, Expect, Visitor};
use std::sync::LazyLock;

static IMPACT: LazyLock<impact::Config> = LazyLock::new(|| super::configured(CONFIG).impact);

/// Everything on, and mappings into all corners.
const CONFIG: &str = r#"
    [listen]
    http = "127.0.0.1:0"
    [[site]]
    origin = "http://127.0.0.1:3000"
    [impact]
    also_send_current_names = true
    [[impact.program]]
    name = "us"
    account_sid = "IR1"
    api_key = { env = "IMPACT_AUTH_TOKEN" }
    campaign_id = 1000
    event_type_id = 30001
    ios_app_id = 7
    enable_page_events = true
    enable_screen_events = true
    enable_identify_events = true
    action_event_names = ["Order Completed", "Product Added"]
    custom_parameter_mapping = { CustomerEmail = "properties.mail", Text1 = "properties.products[0].sku" }
    custom_mapping_for_products = { ItemSubTotal = "line", ItemText_1 = "a.b[0]" }
"#;

pub fn target(bytes: &[u8]) {
    let names = oracle::names();
    let click = Click { id: oracle::click(), at: NOW, place: Place::Landing };
    let visitor = Visitor { ip: Some([192, 0, 2, 7].into()), user_agent: Some("Mozilla/5.0".to_owned()) };
    let kinds = [CallKind::Track, CallKind::Page, CallKind::Screen, CallKind::Identify];
    for expect in kinds.map(Expect::One).into_iter().chain([Expect::Batch]) {
        let Ok(envelope) = Envelope::read(bytes, expect, &names) else { continue };
        for view in envelope.calls() {
            let edits = enrich(&view, &click.id, &names, false).unwrap_or_default();
            let Some(call) = view.value(&edits) else { continue };
            let sent_at = view.sent_at().and_then(|text| Time::parse(&text));
            let subject = Subject {
                call: &call,
                kind: view.kind,
                arrival: NOW,
                sent_at,
                visitor: Some(&visitor),
                click: Some(&click),
                write_key: None,
                sources: &Sources::default(),
            };
            for program in Program::all(&IMPACT) {
                let Ok(request) = program.map(&subject) else { continue };
                assert_eq!(program.map(&subject).as_ref(), Ok(&request));
                check(&request);
            }
        }
    }
}

/// What impact.com needs is there, nothing is empty or twice, and no address is plain.
fn check(request: &Request) {
    let value = |name: &str| request.params.iter().find(|param| param.name == name).map(|param| param.value.as_str());
    for param in &request.params {
        assert!(!param.value.is_empty(), "{} is empty", param.name);
        assert_eq!(
            request.params.iter().filter(|other| other.name == param.name).count(),
            1,
            "{} is twice",
            param.name
        );
    }
    assert_eq!(value("CampaignId"), Some("1000"));
    assert_eq!(value("ClickId"), Some(oracle::click().as_str()));
    assert!(Time::parse(value("EventDate").unwrap()).is_some(), "{:?}", value("EventDate"));
    if let Some(email) = value("CustomerEmail") {
        assert!([40, 64].contains(&email.len()) && email.bytes().all(|byte| byte.is_ascii_hexdigit()), "{email}");
    }
    let conversion = request.endpoint == Endpoint::Conversions;
    assert_eq!(value("OrderId").is_some(), conversion);
    assert_eq!(
        request.order.as_ref().map(|order| order.id.as_str()),
        value("OrderId").filter(|_| !request.unrepeatable)
    );
}
