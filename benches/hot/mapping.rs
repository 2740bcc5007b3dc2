//! What it costs to map a call to impact.com's parameters.

use divan::{Bencher, black_box};
use selvedge::click::{Click, ClickId, Place};
use selvedge::clock::Time;
use selvedge::config;
use selvedge::destination::{Endpoint, Program, Sources, Subject};
use selvedge::secret::Secrets;
use selvedge::segment::CallKind;
use serde_json::Value;
use std::path::Path;

/// An order with all that the Segment spec gives it; a third product is added.
const ORDER: &str = include_str!("../../tests/fixtures/bodies/ec_order_completed.json");

const PAGE: &str = include_str!("../../tests/fixtures/bodies/page.json");

/// A program with the settings that most have.
const CONFIG: &str = r#"
    [listen]
    http = "127.0.0.1:0"
    [[site]]
    origin = "http://127.0.0.1:3000"
    [[impact.program]]
    name = "us"
    account_sid = "IR1"
    api_key = { env = "IMPACT_AUTH_TOKEN" }
    campaign_id = 1000
    event_type_id = 30001
    enable_page_events = true
    custom_parameter_mapping = { CustomerStatus = "properties.customer_status", Text1 = "context.campaign.source" }
    custom_mapping_for_products = { ItemSubCategory = "variant" }
"#;

#[divan::bench(sample_size = 100)]
fn map_an_order_of_three_products(bencher: Bencher) {
    let mut order: Value = serde_json::from_str(ORDER).unwrap();
    let products = order["properties"]["products"].as_array_mut().unwrap();
    products.push(products.first().unwrap().clone());
    assert_eq!(products.len(), 3);
    map(bencher, &order, CallKind::Track, Endpoint::Conversions);
}

#[divan::bench(sample_size = 100)]
fn map_a_page(bencher: Bencher) {
    map(bencher, &serde_json::from_str(PAGE).unwrap(), CallKind::Page, Endpoint::PageLoad);
}

fn map(bencher: Bencher, call: &Value, kind: CallKind, endpoint: Endpoint) {
    let impact = config::parse(CONFIG, "bench.toml", Path::new(""), Secrets::Optional).unwrap().config.impact;
    let program = Program::all(&impact).next().unwrap();
    let sources = Sources::default();
    let id = ClickId::parse(b"2uz3sQWFlxyJRcqwUx0Mo38bUkHzZTRxqSjAVQ0").unwrap();
    let click = Click { id, at: Time::from_seconds(1_795_408_130), place: Place::Cookie };
    let subject = Subject {
        call,
        kind,
        arrival: Time::from_seconds(1_795_508_131),
        sent_at: Time::parse("2026-11-24T08:15:30.480Z"),
        visitor: None,
        click: Some(&click),
        write_key: Some("WRITEKEY0123456789abcdefghijklmn"),
        sources: &sources,
    };
    assert_eq!(program.map(&subject).unwrap().endpoint, endpoint);
    bencher.bench_local(|| program.map(black_box(&subject)));
}
