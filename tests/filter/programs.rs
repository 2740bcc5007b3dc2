//! Programs that choose their calls, as `explain` and a second mapping tell.

use selvedge::clock::Time;
use selvedge::config::{self, Config};
use selvedge::destination::kept::{self, CannotRemap};
use selvedge::destination::{Program, Request, Skip, Sources, Subject};
use selvedge::secret::Secrets;
use selvedge::segment::CallKind;
use serde_json::{Value, json};
use std::path::Path;

/// A configuration with a program for each of these settings, named `p0`, `p1`, …
fn configured(settings: &[&str]) -> Config {
    let mut text = "[listen]\nhttp = \"127.0.0.1:0\"\n[[site]]\norigin = \"http://127.0.0.1:3000\"\n".to_owned();
    for (index, setting) in settings.iter().enumerate() {
        text += &format!(
            "[[impact.program]]\nname = \"p{index}\"\naccount_sid = \"IR1\"\napi_key = {{ env = \"T\" }}\n\
             campaign_id = 1\n{setting}\n"
        );
    }
    config::parse(&text, "x.toml", Path::new(""), Secrets::Optional).unwrap().config
}

fn subject<'a>(call: &'a Value, sources: &'a Sources) -> Subject<'a> {
    let arrival = Time::from_seconds(1_795_508_131);
    let kind = CallKind::Track;
    Subject { call, kind, arrival, sent_at: None, visitor: None, click: None, write_key: None, sources }
}

fn mapped(call: &Value, settings: &[&str]) -> Vec<Result<Request, Skip>> {
    let (config, sources) = (configured(settings), Sources::default());
    Program::all(&config.impact).map(|program| program.map(&subject(call, &sources))).collect()
}

fn param(request: &Request, name: &str) -> Option<String> {
    request.params.iter().find(|param| param.name == name).map(|param| param.value.clone())
}

#[test]
fn one_call_goes_to_each_program_that_wants_it() {
    // The endpoint says that it is a track call; the body does not.
    let call = json!({"event": "Order Completed", "userId": "u", "properties": {"region": "Canada", "order_id": "o"}});
    let told = mapped(
        &call,
        &[
            "filter = 'properties.region = \"United States\"'",
            "filter = 'properties.region = \"Canada\" and type = \"track\"'",
            "filter = 'properties.region in [\"Canada\", \"Mexico\"]'",
            "",
            "filter = 'type = \"page\"'\nsample = 0",
            "sample = 0",
            "sample = 1",
        ],
    );
    let skips: Vec<Option<Skip>> = told.iter().map(|told| told.as_ref().err().copied()).collect();
    assert_eq!(skips, [Some(Skip::Filter), None, None, None, Some(Skip::Filter), Some(Skip::Sample), None]);
}

#[test]
fn a_sample_takes_its_share_and_each_person_has_one_fate() {
    let config = configured(&["sample = 0.2", "sample = 0.2\nsample_by = \"properties.plan\"", "sample = 0.6"]);
    let sources = Sources::default();
    let programs: Vec<Program<'_>> = Program::all(&config.impact).collect();
    let takes = |program: usize, call: &Value| programs[program].map(&subject(call, &sources)).is_ok();
    let order = |people: Value| {
        let mut call = people;
        call["event"] = json!("Order Completed");
        call
    };
    let mut taken = 0;
    for number in 0..2_000 {
        let id = format!("person-{number}");
        let call = order(json!({"anonymousId": id, "userId": "u", "messageId": "m"}));
        let fate = takes(0, &call);
        taken += u32::from(fate);
        for same in [json!({"anonymousId": id}), json!({"anonymousId": null, "userId": id}), json!({"messageId": id})] {
            assert_eq!(takes(0, &order(same)), fate, "{id}");
        }
        assert!(takes(2, &call) || !fate, "a larger sample holds the smaller one");
    }
    assert!((320..480).contains(&taken), "{taken} of 2000");
    // By Segment's rule: MD5 of the JSON text, so "pro" with its quotes. Calculated apart from this program.
    for (plan, expected) in FATES {
        let call = order(json!({"properties": {"plan": plan}, "anonymousId": plan}));
        assert_eq!(takes(1, &call), *expected < 0.2, "{plan}");
        assert_eq!(takes(2, &call), *expected < 0.6, "{plan}");
    }
    // Nothing there: all have one fate, that of `undefined`.
    assert!(!takes(1, &order(json!({}))));
}

/// Where the MD5 of a text in quotes lies between 0 and 1.
const FATES: &[(&str, f64)] = &[
    ("free", 0.0414),
    ("enterprise", 0.0615),
    ("team", 0.3558),
    ("trial", 0.5234),
    ("silver", 0.6013),
    ("pro", 0.6254),
    ("business", 0.7117),
];

#[test]
fn what_is_dropped_is_seen_by_the_filter_but_not_by_the_mapping() {
    let call = json!({
        "event": "Order Completed", "userId": "customer-1",
        "properties": {"order_id": "o", "note": "secret", "products": [{"sku": "a", "name": "A"}, {"sku": "b", "name": "B"}]},
    });
    let rule = "filter = 'properties.note = \"secret\" and userId = \"customer-1\"'\n\
                drop_properties = [\"userId\", \"properties.note\", \"properties.products.name\", \"nothing.here\"]\n\
                custom_parameter_mapping = { Text1 = \"properties.note\" }";
    let told = mapped(&call, &[rule, "custom_parameter_mapping = { Text1 = \"properties.note\" }"]);
    let (dropped, whole) = (told[0].as_ref().unwrap(), told[1].as_ref().unwrap());
    for name in ["Text1", "CustomerId", "ItemName1", "ItemName2"] {
        assert_eq!((param(dropped, name).is_some(), param(whole, name).is_some()), (false, true), "{name}");
    }
    for name in ["OrderId", "ItemSku1", "ItemSku2"] {
        assert!(param(dropped, name).is_some(), "{name}: {dropped:?}");
        assert_eq!(param(dropped, name), param(whole, name));
    }
    assert_eq!(mapped(&call, &["drop_properties = [\"event\"]"]), [Err(Skip::NoEventName)]);
}

#[test]
fn a_call_that_was_taken_is_mapped_again_whatever_the_filter_says_today() {
    let call = json!({
        "event": "Order Completed", "userId": "u", "properties": {"order_id": "o", "mail": "ada@example.com", "note": "n"},
    });
    let before = configured(&["filter = 'properties.mail = \"ada@example.com\"'"]);
    let sources = Sources::default();
    let subject = subject(&call, &sources);
    assert!(Program::all(&before.impact).next().unwrap().map(&subject).is_ok());
    let kept = kept::write(&subject, &before.impact);
    // In what is kept the address is hashed: the same filter would not take it any more.
    let today = configured(&[
        "filter = 'properties.mail = \"ada@example.com\"'\nsample = 0\ndrop_properties = [\"properties.note\"]\n\
         custom_parameter_mapping = { Text1 = \"properties.note\", Text2 = \"properties.order_id\" }",
    ]);
    let again = kept::remap(&kept, "p0", &today.impact, &sources).unwrap().request;
    assert_eq!((param(&again, "Text1"), param(&again, "Text2")), (None, Some("o".to_owned())));
    // What the guide's settings say is asked again.
    let other = configured(&["action_event_names = []"]);
    assert_eq!(kept::remap(&kept, "p0", &other.impact, &sources), Err(CannotRemap::Skipped(Skip::EventNotListed)));
}
