//! Several programs beside each other: each call goes to those that take it.

use crate::harness::Stage;
use selvedge::demo::Seen;
use selvedge::demo::impact::AUTH_TOKEN;
use serde_json::json;

/// The orders that an account got, in their order.
fn orders(seen: &[Seen], account: &str) -> Vec<String> {
    let path = format!("/Advertisers/{account}/Conversions");
    let own = seen.iter().filter(|seen| seen.path == path);
    let mut orders: Vec<String> = own.map(|seen| seen.field("OrderId").unwrap().to_owned()).collect();
    orders.sort();
    orders
}

#[tokio::test]
async fn a_call_goes_once_to_each_program_whose_filter_takes_it() {
    let other = |name: &str, rule: &str| {
        format!(
            "[[impact.program]]\nname = \"{name}\"\naccount_sid = \"IR{name}\"\ncampaign_id = \"2\"\n\
             api_key = {{ env = \"IMPACT_AUTH_TOKEN\" }}\n{rule}"
        )
    };
    let stage = Stage::set_with(|edge| {
        edge.program("filter = 'context.region = \"us\"'")
            .with(&other("canada", "filter = 'context.region = \"ca\" and type = \"track\"'"))
            .with(&other("clicked", "filter = 'context.referrer.type = \"impactRadius\"'"))
    })
    .await;
    for account in ["IRcanada", "IRclicked"] {
        stage.impact.open_account(account, AUTH_TOKEN);
    }
    let order = |id: &str, context| {
        json!({"type": "track", "event": "Order Completed", "messageId": id, "userId": "customer-1", "context": context,
            "properties": {"order_id": id}})
    };
    // The batch says the region of all but one; the click in a call's URL makes its referrer.
    let batch = json!({"context": {"region": "us"}, "batch": [
        order("o1", json!({})),
        order("o2", json!({"region": "ca"})),
        order("o3", json!({"region": "mx"})),
    ]});
    let seen = stage.forwarded("/cdp/v1/batch", "", batch.to_string()).await;
    let off: Vec<bool> =
        seen.calls().iter().map(|call| call["integrations"]["Impact Partnership Cloud"] == json!(false)).collect();
    assert_eq!(off, [true, true, false], "Segment's own destination delivers what nobody took");
    // The type is the endpoint's only.
    let mut typeless = order("o4", json!({"region": "ca", "page": {"search": "?im_ref=abc"}}));
    typeless.as_object_mut().unwrap().remove("type");
    assert_eq!(stage.post("/cdp/v1/track", "", typeless.to_string()).await, 200);

    let conversions = stage.impact.wait_for_conversions(4).await;
    assert_eq!(orders(&conversions, selvedge::demo::impact::ACCOUNT_SID), ["o1"]);
    assert_eq!(orders(&conversions, "IRcanada"), ["o2", "o4"]);
    assert_eq!(orders(&conversions, "IRclicked"), ["o4"]);
    assert_eq!(
        stage
            .edge
            .count("selvedge_deliveries_total{program=\"us\",endpoint=\"conversions\",outcome=\"recorded\"}")
            .await,
        1
    );
}
