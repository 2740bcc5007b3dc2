//! Paths of custom mappings: the first line is a path, the rest the call that it is followed in.

use super::{NOW, first_line};
use selvedge::destination::{Param, Sources, Subject, impact};
use selvedge::segment::CallKind;
use serde_json::{Value, json};
use std::sync::LazyLock;

static IMPACT: LazyLock<impact::Config> = LazyLock::new(|| super::configured(CONFIG).impact);

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
"#;

pub fn target(bytes: &[u8]) {
    let (path, call) = first_line(bytes);
    let Ok(path) = std::str::from_utf8(path) else { return };
    if let Ok(mut call) = serde_json::from_slice::<Value>(call)
        && let Some(members) = call.as_object_mut()
    {
        members.insert("event".to_owned(), json!("Order Completed"));
        members.insert("properties".to_owned(), json!({"products": [members.clone()]}));
        params(&call, path);
    }
    if path == "event" {
        return;
    }
    // With a backslash before each character a path is one step, whatever stands in it.
    let escaped: String = path.chars().flat_map(|character| ['\\', character]).collect();
    let followed = params(&json!({"event": "Order Completed", path: "here"}), &escaped);
    assert_eq!(followed.iter().find(|param| param.name == "Text1").unwrap().value, "here");
}

fn params(call: &Value, path: &str) -> Vec<Param> {
    let mut program = IMPACT.programs[0].clone();
    program.custom_parameter_mapping = vec![("Text1".to_owned(), path.to_owned())];
    program.custom_mapping_for_products = vec![("ItemText_1".to_owned(), path.to_owned())];
    let subject = Subject {
        call,
        kind: CallKind::Track,
        arrival: NOW,
        sent_at: None,
        visitor: None,
        click: None,
        write_key: None,
        sources: &Sources::default(),
    };
    program.map(&IMPACT, &subject).unwrap().params
}
