//! Who delivers: Segment's own destination is switched off for exactly what is delivered here.

use crate::harness::Stage;
use serde_json::{Value, json};

const OFF: &str = r#""Impact Partnership Cloud":false"#;

fn order(number: usize, integrations: &str) -> String {
    format!(
        r#"{{"type":"track","event":"Order Completed","messageId":"m{number}","userId":"customer-1"{integrations},"properties":{{"order_id":"o{number}"}}}}"#
    )
}

#[tokio::test]
async fn integrations_are_set_whatever_they_were_unless_they_are_no_object() {
    let stage = Stage::set().await;
    for (number, (before, after, outcome)) in [
        ("", None, "set"),
        (r#","integrations":{}"#, Some(format!(r#","integrations":{{{OFF}}}"#)), "set"),
        (r#","integrations":null"#, Some(format!(r#","integrations":{{{OFF}}}"#)), "set"),
        (
            r#","integrations":{"All":true, "X":{}}"#,
            Some(format!(r#","integrations":{{{OFF},"All":true, "X":{{}}}}"#)),
            "set",
        ),
        (
            r#","integrations":{"All":false,"Impact Partnership Cloud":true}"#,
            Some(format!(r#","integrations":{{"All":false,{OFF}}}"#)),
            "set",
        ),
        (
            r#","integrations":{"Impact Partnership Cloud":{"a":[1]},"Y":1}"#,
            Some(format!(r#","integrations":{{{OFF},"Y":1}}"#)),
            "options_replaced",
        ),
        (
            r#","integrations":{"impact partnership cloud":true}"#,
            Some(format!(r#","integrations":{{{OFF},"impact partnership cloud":true}}"#)),
            "set",
        ),
        (r#","integrations":true"#, Some(r#","integrations":true"#.to_owned()), "left"),
        (r#","integrations":["x"]"#, Some(r#","integrations":["x"]"#.to_owned()), "left"),
    ]
    .into_iter()
    .enumerate()
    {
        let series = format!("selvedge_envelopes_total{{outcome=\"{outcome}\"}}");
        let counted = stage.edge.count(&series).await;
        let seen = stage.forwarded("/cdp/v1/t", "", order(number, before)).await;
        let expected = match after {
            Some(after) => order(number, &after),
            None => order(number, "").replacen('{', &format!(r#"{{"integrations":{{{OFF}}},"#), 1),
        };
        assert_eq!(String::from_utf8_lossy(&seen.body), expected, "{before}");
        assert_eq!(stage.edge.count(&series).await, counted + 1, "{outcome}");
    }
    assert_eq!(stage.impact.wait_for_conversions(9).await.len(), 9);
}

#[tokio::test]
async fn only_what_is_delivered_is_switched_off() {
    let stage = Stage::set().await;
    let batch = json!({"batch": [
        {"type": "track", "event": "Order Completed", "messageId": "1", "userId": "customer-1"},
        {"type": "track", "event": "Viewed", "messageId": "2", "userId": "customer-1"},
        {"type": "page", "messageId": "3", "userId": "customer-1"},
        {"type": "identify", "messageId": "4", "userId": "customer-1"},
        {"type": "group", "messageId": "5", "userId": "customer-1"},
        {"type": "track", "event": "Application Installed", "messageId": "6", "anonymousId": "a"},
        {"type": "track", "event": "Application Opened", "messageId": "7", "anonymousId": "a"},
        {"type": "track", "event": "Order Completed", "messageId": "1", "userId": "customer-1"},
        {"type": "track", "messageId": "8", "userId": "customer-1"},
    ]});
    let seen = stage.forwarded("/cdp/v1/batch", "", batch.to_string()).await;
    let off: Vec<bool> =
        seen.calls().iter().map(|call| call["integrations"]["Impact Partnership Cloud"] == json!(false)).collect();
    assert_eq!(off, [true, false, false, false, false, true, true, true, false]);
    assert_eq!(stage.impact.wait_for_conversions(2).await.len(), 2);
    assert_eq!(stage.impact.wait_for_page_loads(1).await.len(), 1);
    let recorded = |endpoint: &str, outcome: &str| {
        format!(r#"selvedge_deliveries_total{{program="us",endpoint="{endpoint}",outcome="{outcome}"}}"#)
    };
    assert_eq!(stage.edge.count(&recorded("conversions", "recorded")).await, 2);
    assert_eq!(stage.edge.count(&recorded("conversions", "duplicate")).await, 1);
    assert_eq!(stage.edge.count(&recorded("page_load", "recorded")).await, 1);
}

/// Segment's own destination would not have got such a call; its click is everybody else's all the same.
#[tokio::test]
async fn what_a_caller_keeps_from_the_destination_is_not_delivered_but_enriched() {
    let stage = Stage::set().await;
    let context = r#","context":{"page":{"search":"?im_ref=abc"}}"#;
    let referrer = r#","context":{"referrer":{"id":"abc","type":"impactRadius"},"page":{"search":"?im_ref=abc"}}"#;
    for (number, integrations) in [
        format!("{{{OFF}}}"),
        format!(r#"{{"All":true,{OFF}}}"#),
        r#"{"All":false}"#.to_owned(),
        r#"{"All":false, "Segment.io":{"apiHost":"x"}}"#.to_owned(),
    ]
    .iter()
    .enumerate()
    {
        let own = |context: &str| order(number, &format!(r#","integrations":{integrations}{context}"#));
        let seen = stage.forwarded("/cdp/v1/t", "", own(context)).await;
        assert_eq!(String::from_utf8_lossy(&seen.body), own(referrer));
    }
    // A batch speaks for those of its items that say nothing themselves.
    let batch = json!({"integrations": {"All": false}, "batch": [
        {"type": "track", "event": "Order Completed", "messageId": "b1", "userId": "customer-1"},
        {"type": "track", "event": "Order Completed", "messageId": "b2", "userId": "customer-1",
            "integrations": {"Impact Partnership Cloud": true}},
    ]});
    stage.forwarded("/cdp/v1/batch", "", batch.to_string()).await;
    assert_eq!(stage.impact.wait_for_conversions(1).await[0].field("OrderId"), Some("b2"));
    assert_eq!(stage.edge.count("selvedge_envelopes_total{outcome=\"switched_off\"}").await, 5);
    let (_, listed) = stage.edge.operate("deliveries list --format json").await;
    let listed: Value = serde_json::from_str(&listed).unwrap();
    assert_eq!(listed["deliveries"].as_array().unwrap().len(), 1);
}

#[tokio::test]
async fn where_segment_delivers_calls_are_only_enriched() {
    let stage = Stage::set_with(|edge| edge.impact("mode = \"segment\"")).await;
    let call = r#"{"type":"track","event":"Order Completed","messageId":"m","userId":"customer-1","context":{"page":{"search":"?im_ref=abc"}},"integrations":{"All":true}}"#;
    let seen = stage.forwarded("/cdp/v1/t", "", call).await;
    let referrer = r#""context":{"referrer":{"id":"abc","type":"impactRadius"},"#;
    assert_eq!(String::from_utf8_lossy(&seen.body), call.replace(r#""context":{"#, referrer));
    // The next call of the person finds the link, and nothing is on its way to impact.com.
    let seen = stage.forwarded("/cdp/v1/t", "", order(2, "")).await;
    assert_eq!(seen.calls()[0]["context"]["referrer"]["id"], "abc");
    assert_eq!(seen.calls()[0].get("integrations"), None);
    let (_, deliveries) = stage.edge.operate("deliveries list --format json").await;
    assert_eq!(serde_json::from_str::<Value>(&deliveries).unwrap(), json!({"deliveries": []}));
    assert!(stage.impact.conversions().is_empty());
}

#[tokio::test]
async fn another_networks_referrer_stays_and_the_order_has_its_click_all_the_same() {
    let stage = Stage::set().await;
    let context = r#","context":{"referrer":{"type":"dataxu","id":"x"},"page":{"search":"?im_ref=abc"}}"#;
    let seen = stage.forwarded("/cdp/v1/t", "", order(1, context)).await;
    let expected = order(1, context).replacen('{', &format!(r#"{{"integrations":{{{OFF}}},"#), 1);
    assert_eq!(String::from_utf8_lossy(&seen.body), expected);
    assert_eq!(stage.impact.wait_for_conversions(1).await[0].field("ClickId"), Some("abc"));
}

#[tokio::test]
async fn each_program_is_delivered_by_its_own_way_and_once() {
    let by_segment = "[[impact.program]]\nname = \"by-segment\"\nmode = \"segment\"\naccount_sid = \"IRsegment\"\ncampaign_id = \"2\"\n\
        api_key = { env = \"IMPACT_AUTH_TOKEN\" }\naction_event_names = [\"Order Completed\", \"User Registered\"]\n\
        filter = 'properties.region = \"ca\" or properties.region = \"both\"'\n";
    let direct = "filter = 'properties.region = \"us\" or properties.region = \"both\"'";
    let stage = Stage::set_with(|edge| edge.program(direct).with(by_segment)).await;
    let order = |event: &str, region: &str| json!({"type": "track", "event": event, "messageId": format!("{event}{region}"), "userId": "u", "properties": {"order_id": region, "region": region}});
    let batch = json!({"batch": [
        order("Order Completed", "us"),
        order("Order Completed", "ca"),
        order("Order Completed", "both"),
        order("User Registered", "us"),
        order("User Registered", "both"),
        order("Viewed", "both"),
    ]});
    let seen = stage.forwarded("/cdp/v1/batch", "", batch.to_string()).await;
    let off: Vec<bool> =
        seen.calls().iter().map(|call| call["integrations"]["Impact Partnership Cloud"] == json!(false)).collect();
    // Only where nobody needs it; what both take is the other campaign's, too.
    assert_eq!(off, [true, false, false, false, false, false]);
    let conversions = stage.impact.wait_for_conversions(2).await;
    let mut orders: Vec<_> =
        conversions.iter().map(|seen| (seen.path.clone(), seen.field("OrderId").unwrap().to_owned())).collect();
    orders.sort();
    let own = format!("/Advertisers/{}/Conversions", selvedge::demo::impact::ACCOUNT_SID);
    assert_eq!(orders, [(own.clone(), "both".to_owned()), (own, "us".to_owned())]);
    for (outcome, count) in [("set", 1), ("needed", 1)] {
        assert_eq!(
            stage.edge.count(&format!("selvedge_envelopes_total{{outcome=\"{outcome}\"}}")).await,
            count,
            "{outcome}"
        );
    }
}
