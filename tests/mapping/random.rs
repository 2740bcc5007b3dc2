//! The form of what is mapped, whatever the call.

use crate::run;
use proptest::prelude::*;
use serde_json::{Value, json};

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
