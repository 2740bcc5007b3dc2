//! The golden cases of the mapping: one file per row, alternative, footnote, setting and ruling.
//!
//! A case is `{"about", "settings", "call", "expect"}` and, where they matter, `kind` (else the call's `type`), `arrival`,
//! `sent_at`, `visitor`, `click`, `write_key` and `sources`. `settings` are a program's and the shared ones, under the names
//! of the configuration file; what a case leaves out is the default. `expect` is `{"skip"}` or `{"endpoint", "params"}`
//! with all parameters there are, and optionally `order`, `unrepeatable` and `from` (where single parameters came from).
//! The expectations are written by hand from the guide, never taken from a run.

#![allow(
    clippy::unwrap_used,
    clippy::panic,
    clippy::indexing_slicing,
    reason = "a case that cannot be read fails the test, with the place"
)]

use proptest::prelude::*;
use selvedge::click::{Click, ClickId, Place};
use selvedge::clock::Time;
use selvedge::destination::impact::config::{EmailNormalization, Mode};
use selvedge::destination::{Program, Request, Rule, Skip, Sources, Subject, impact, kept};
use selvedge::filter::{Filter, Path as CallPath};
use selvedge::metrics::Label;
use selvedge::segment::config::Source;
use selvedge::segment::{CallKind, Visitor};
use serde_json::{Map, Value, json};
use std::path::{Path, PathBuf};

/// When calls arrive, unless a case says otherwise.
const ARRIVAL: &str = "2026-11-24T12:00:00.000Z";

#[test]
fn every_case_maps_as_the_guide_says() {
    let cases = cases();
    assert!(cases.len() >= 120, "only {} cases found", cases.len());
    let failures: Vec<String> = cases.iter().filter_map(|path| failure(path)).collect();
    assert!(failures.is_empty(), "{} of {} cases:\n{}", failures.len(), cases.len(), failures.join("\n"));
}

proptest! {
    /// Whatever stands in the places that the tables name, nothing panics and these stay true.
    #[test]
    fn no_call_breaks_the_form(places in prop::collection::vec((prop::sample::select(PLACES), any_value()), 0..12)) {
        let mut call = json!({"type": "track", "event": "Order Completed", "context": {}, "properties": {}});
        for (place, value) in &places {
            put(&mut call, place, value.clone());
        }
        let settings = json!({
            "enable_identify_events": true,
            "also_send_current_names": true,
            "custom_parameter_mapping": {"CustomerEmail": "properties.mail", "Text1": "properties.products[0].sku"},
            "custom_mapping_for_products": {"ItemSubTotal": "line", "ItemText_1": "a.b[0]"},
        });
        for kind in ["track", "identify"] {
            let told = run(&json!({"settings": settings, "call": call, "kind": kind}));
            let Some(params) = told.get("params") else {
                prop_assert!(["no_event_name", "event_not_listed"].contains(&told["skip"].as_str().unwrap()));
                continue;
            };
            for (name, value) in params.as_object().unwrap() {
                prop_assert!(!value.as_str().unwrap().is_empty(), "{} is empty", name);
            }
            if let Some(hash) = params.get("CustomerEmail") {
                prop_assert!(hash.as_str().unwrap().bytes().all(|b| b.is_ascii_hexdigit()), "{}", hash);
            }
            let macro_sent = params.get("OrderId") == Some(&json!("IR_AN_64_TS"));
            prop_assert_eq!(&told["unrepeatable"], &json!(macro_sent));
            prop_assert_eq!(told["order"].is_object(), kind == "track" && !macro_sent);
        }
    }
}

const PLACES: &[&str] = &[
    "event",
    "userId",
    "messageId",
    "timestamp",
    "traits",
    "context",
    "context.ip",
    "context.device",
    "context.device.type",
    "context.device.adTrackingEnabled",
    "context.traits.email",
    "context.referrer",
    "context.page.url",
    "context.repeatChain",
    "properties",
    "properties.email",
    "properties.mail",
    "properties.orderId",
    "properties.revenue",
    "properties.products",
];

fn any_value() -> impl Strategy<Value = Value> {
    let leaf = prop_oneof![
        Just(json!(null)),
        Just(json!("")),
        Just(json!("IR_AN_64_TS")),
        Just(json!("android")),
        Just(json!("Order Completed")),
        any::<bool>().prop_map(|yes| json!(yes)),
        any::<f64>().prop_map(|number| json!(number)),
        "\\PC{0,20}".prop_map(|text| json!(text)),
    ];
    leaf.prop_recursive(3, 16, 4, |inner| {
        let keys = prop::sample::select(vec!["sku", "price", "line", "a", "b", "email", "id", "type"]);
        prop_oneof![
            prop::collection::vec(inner.clone(), 0..4).prop_map(Value::from),
            prop::collection::vec((keys, inner), 0..4).prop_map(|members| Value::Object(
                members.into_iter().map(|(key, value)| (key.to_owned(), value)).collect()
            )),
        ]
    })
}

/// Puts a value where a path leads, over whatever is in the way.
fn put(call: &mut Value, place: &str, value: Value) {
    let mut at = call;
    for step in place.split('.') {
        if !at.is_object() {
            *at = json!({});
        }
        at = &mut at[step];
    }
    *at = value;
}

fn cases() -> Vec<PathBuf> {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/fixtures/mapping");
    let mut cases: Vec<PathBuf> = std::fs::read_dir(folder).unwrap().map(|entry| entry.unwrap().path()).collect();
    cases.sort();
    cases
}

fn failure(path: &Path) -> Option<String> {
    let case: Value = serde_json::from_str(&std::fs::read_to_string(path).unwrap())
        .unwrap_or_else(|error| panic!("{}: {error}", path.display()));
    only_known(path, &case);
    let actual = run(&case);
    let expected = &case["expect"];
    let differences: Vec<String> = expected
        .as_object()
        .unwrap_or_else(|| panic!("{}: no expectation", path.display()))
        .iter()
        .filter(|(key, value)| !agrees(key, value, actual.get(*key)))
        .map(|(key, value)| {
            format!("  {key}: expected {value}\n  {key}: was      {}", actual.get(key).unwrap_or(&Value::Null))
        })
        .collect();
    let name = path.file_stem().unwrap().to_string_lossy();
    (!differences.is_empty()).then(|| format!("{name} ({}):\n{}", case["about"], differences.join("\n")))
}

/// Everything must be equal, but a case may name the origin of some parameters only.
fn agrees(key: &str, expected: &Value, actual: Option<&Value>) -> bool {
    match (key, actual) {
        ("from", Some(actual)) => {
            expected.as_object().unwrap().iter().all(|(name, origin)| actual.get(name) == Some(origin))
        }
        _ => actual == Some(expected),
    }
}

fn only_known(path: &Path, case: &Value) {
    let known = [
        "about",
        "settings",
        "call",
        "kind",
        "arrival",
        "sent_at",
        "visitor",
        "click",
        "write_key",
        "sources",
        "expect",
    ];
    for key in case.as_object().unwrap().keys() {
        assert!(known.contains(&key.as_str()), "{}: unknown key {key}", path.display());
    }
    let outcome = case["expect"].get("skip").or(case["expect"].get("params"));
    assert!(outcome.is_some(), "{}: expects neither a skip nor parameters", path.display());
}

fn run(case: &Value) -> Map<String, Value> {
    let config = settings(case.get("settings").unwrap_or(&json!({})));
    let call = &case["call"];
    let visitor = case.get("visitor").map(|visitor| Visitor {
        ip: visitor["ip"].as_str().map(|ip| ip.parse().unwrap()),
        user_agent: visitor["user_agent"].as_str().map(str::to_owned),
    });
    let click = case.get("click").map(|id| Click {
        id: ClickId::parse(id.as_str().unwrap().as_bytes()).unwrap(),
        at: Time::from_seconds(1_795_000_000),
        place: Place::Cookie,
    });
    let time = |key: &str| case.get(key).map(|text| Time::parse(text.as_str().unwrap()).unwrap());
    let sources = Sources::new(&sources(case.get("sources")));
    let subject = Subject {
        call,
        kind: kind(case.get("kind").unwrap_or(&call["type"])),
        arrival: time("arrival").unwrap_or(Time::parse(ARRIVAL).unwrap()),
        sent_at: time("sent_at"),
        visitor: visitor.as_ref(),
        click: click.as_ref(),
        write_key: case.get("write_key").map(|key| key.as_str().unwrap()),
        sources: &sources,
    };
    let program = Program::all(&config).next().unwrap();
    match program.map(&subject) {
        Ok(request) => {
            let again = kept::remap(&kept::write(&subject, &config), program.name(), &config, &sources);
            assert_eq!(again.as_ref().map(|again| &again.request), Ok(&request), "what is kept maps the same way");
            told(&request)
        }
        Err(skip) => told_skip(skip),
    }
}

fn told(request: &Request) -> Map<String, Value> {
    let params: Map<String, Value> =
        request.params.iter().map(|param| (param.name.to_string(), json!(param.value))).collect();
    assert_eq!(params.len(), request.params.len(), "a parameter is there twice: {:?}", request.params);
    let from: Map<String, Value> =
        request.params.iter().map(|param| (param.name.to_string(), json!(param.source))).collect();
    let order = request.order.as_ref().map(|order| json!({"id": order.id, "event_type": order.event_type}));
    let told = json!({
        "endpoint": format!("{:?}", request.endpoint),
        "params": params,
        "from": from,
        "order": order,
        "unrepeatable": request.unrepeatable,
    });
    told.as_object().unwrap().clone()
}

fn told_skip(skip: Skip) -> Map<String, Value> {
    json!({"skip": skip.label()}).as_object().unwrap().clone()
}

fn kind(name: &Value) -> CallKind {
    match name.as_str().unwrap() {
        "track" => CallKind::Track,
        "page" => CallKind::Page,
        "screen" => CallKind::Screen,
        "identify" => CallKind::Identify,
        "group" => CallKind::Group,
        "alias" => CallKind::Alias,
        other => panic!("no such kind: {other}"),
    }
}

fn sources(listed: Option<&Value>) -> Vec<Source> {
    let listed = listed.map(|listed| listed.as_array().unwrap().clone()).unwrap_or_default();
    let source = |value: &Value| Source {
        write_key: value["write_key"].as_str().unwrap().into(),
        name: value["name"].as_str().unwrap().into(),
        space: "default".into(),
    };
    listed.iter().map(source).collect()
}

/// One program with the guide's defaults, and what the case sets instead.
fn settings(overrides: &Value) -> impact::Config {
    let mut program = defaults();
    let mut config = impact::Config {
        api: "https://api.impact.com".parse().unwrap(),
        tracking: "https://trkapi.impact.com".parse().unwrap(),
        version: "14".into(),
        email_normalization: EmailNormalization::default(),
        send_click_id_on_page_load: true,
        also_send_current_names: false,
        keep_click_id_of_page_load: false,
        mode: Mode::default(),
        programs: Vec::new(),
    };
    for (name, value) in overrides.as_object().unwrap() {
        let flag = || value.as_bool().unwrap();
        match name.as_str() {
            "campaign_id" => program.campaign_id = text(value),
            "enable_page_events" => program.enable_page_events = flag(),
            "enable_screen_events" => program.enable_screen_events = flag(),
            "enable_identify_events" => program.enable_identify_events = flag(),
            "ios_app_id" => program.ios_app_id = Some(text(value)),
            "android_app_id" => program.android_app_id = Some(text(value)),
            "event_type_id" => program.event_type_id = Some(text(value)),
            "event_type_ids" => program.event_type_ids = pairs(value),
            "action_event_names" => program.action_event_names = list(value),
            "install_event_names" => program.install_event_names = list(value),
            "page_load_event_names" => program.page_load_event_names = list(value),
            "refund_event_names" => program.refund_event_names = list(value),
            "cancel_event_names" => program.cancel_event_names = list(value),
            "update_event_names" => program.update_event_names = list(value),
            "custom_parameter_mapping" => program.custom_parameter_mapping = pairs(value),
            "custom_mapping_for_products" => program.custom_mapping_for_products = pairs(value),
            "sources" => program.sources = Some(list(value)),
            "filter" => program.rule.filter = Some(Filter::parse(&text(value)).unwrap()),
            "sample" => program.rule.sample = value.as_f64(),
            "sample_by" => program.rule.sample_by = Some(CallPath::parse(&text(value)).unwrap()),
            "drop_properties" => {
                program.rule.drop_properties = list(value).iter().map(|path| CallPath::parse(path).unwrap()).collect();
            }
            "send_click_id_on_page_load" => config.send_click_id_on_page_load = flag(),
            "also_send_current_names" => config.also_send_current_names = flag(),
            "email_normalization" => config.email_normalization = normalization(value),
            "mode" => config.mode = if value == "segment" { Mode::Segment } else { Mode::Direct },
            other => panic!("no such setting: {other}"),
        }
    }
    config.programs.push(program);
    config
}

fn defaults() -> impact::Program {
    impact::Program {
        name: "shop".into(),
        account_sid: "IRsid".into(),
        api_key: None,
        campaign_id: "1000".into(),
        enable_page_events: false,
        enable_screen_events: false,
        enable_identify_events: false,
        ios_app_id: None,
        android_app_id: None,
        event_type_id: None,
        event_type_ids: Vec::new(),
        action_event_names: vec!["Order Completed".into()],
        install_event_names: vec!["Application Installed".into()],
        page_load_event_names: vec!["Application Opened".into()],
        refund_event_names: Vec::new(),
        cancel_event_names: Vec::new(),
        update_event_names: Vec::new(),
        custom_parameter_mapping: Vec::new(),
        custom_mapping_for_products: Vec::new(),
        sources: None,
        rule: Rule::default(),
    }
}

fn text(value: &Value) -> String {
    value.as_str().unwrap().to_owned()
}

fn list(value: &Value) -> Vec<String> {
    value.as_array().unwrap().iter().map(text).collect()
}

fn pairs(value: &Value) -> Vec<(String, String)> {
    value.as_object().unwrap().iter().map(|(name, value)| (name.clone(), text(value))).collect()
}

fn normalization(value: &Value) -> EmailNormalization {
    match value.as_str().unwrap() {
        "trim_lower" => EmailNormalization::TrimLower,
        "trim" => EmailNormalization::Trim,
        "none" => EmailNormalization::None,
        other => panic!("no such normalization: {other}"),
    }
}
