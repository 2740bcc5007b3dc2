//! Calls and settings that are not as they should be, in numbers that no golden case could hold.

use crate::{run, settings};
use selvedge::clock::Time;
use selvedge::destination::kept::{CannotRemap, remap, write};
use selvedge::destination::{Sources, Subject};
use selvedge::segment::CallKind;
use serde_json::{Value, json};

#[test]
fn a_thousand_products_each_keep_their_number_and_what_they_have() {
    let product = |number: usize| match number % 5 {
        0 => json!("no object"),
        1 => json!({"sku": format!("s{number}"), "price": number}),
        2 => json!({"price": number, "line": number * 2}),
        3 => json!({"name": null, "quantity": [], "brand": "b"}),
        _ => json!({}),
    };
    let products: Vec<Value> = (1..=1000).map(product).collect();
    let call = json!({"type": "track", "event": "Order Completed", "messageId": "m", "properties": {"products": products, "revenue": 1}});
    let told = run(&json!({"settings": {"custom_mapping_for_products": {"ItemSubTotal": "line"}}, "call": call}));

    let mut expected = json!({"CampaignId": "1000", "EventDate": "2026-11-24T12:00:00.000Z", "EventTypeCode": "Order Completed", "OrderId": "m"});
    for number in 1..=1000_usize {
        let of_item: &[(&str, String)] = match number % 5 {
            1 => &[("ItemSku", format!("s{number}")), ("ItemPrice", number.to_string())],
            2 => &[("ItemSubTotal", (number * 2).to_string())],
            3 => &[("ItemBrand", "b".to_owned())],
            _ => &[],
        };
        for (name, value) in of_item {
            expected[format!("{name}{number}")] = json!(value);
        }
    }
    assert_eq!(told["params"], expected);
}

/// The program of a delivery has gone from the configuration, or nothing that it was mapped from can be read.
#[test]
fn a_vanished_campaign_is_told_and_nothing_is_mapped() {
    let sources = Sources::new(&[], false);
    let call = json!({"type": "track", "event": "Order Completed", "messageId": "m"});
    let subject = Subject {
        call: &call,
        kind: CallKind::Track,
        arrival: Time::from_seconds(1_795_000_000),
        sent_at: None,
        visitor: None,
        click: None,
        write_key: None,
        sources: &sources,
    };
    let before = settings(&json!({"name": "shop"}));
    let kept = write(&subject, &before);
    assert!(remap(&kept, "shop", &before, &sources).is_ok());
    let renamed = settings(&json!({"name": "store"}));
    assert_eq!(remap(&kept, "shop", &renamed, &sources), Err(CannotRemap::NoProgram));
    let moved = settings(&json!({"name": "shop", "campaign_id": "2000"}));
    let again = remap(&kept, "shop", &moved, &sources).unwrap().request;
    assert!(again.params.iter().any(|param| param.name == "CampaignId" && param.value == "2000"), "{again:?}");
    let silent = settings(&json!({"name": "shop", "action_event_names": []}));
    assert!(matches!(remap(&kept, "shop", &silent, &sources), Err(CannotRemap::Skipped(_))));
    assert_eq!(remap("{}", "shop", &before, &sources), Err(CannotRemap::NotKept));
}
