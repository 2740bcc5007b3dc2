//! From the click to impact.com: the real program between stand-ins that speak the documented protocols.

use crate::harness::{Stage, soon};
use crate::sdk::{Sdk, drive};
use selvedge::demo::Answer;
use serde_json::{Value, json};

const DOCUMENT: &[&str] = &["Accept: text/html", "Sec-Fetch-Dest: document", "User-Agent: Mozilla/5.0"];

fn order(message: &str, order: &str, person: (&str, &str)) -> Value {
    json!({"type": "track", "event": "Order Completed", "messageId": message, person.0: person.1, "writeKey": "k",
        "properties": {"order_id": order, "revenue": 10.5, "currency": "USD"}})
}

#[tokio::test]
async fn a_landing_leaves_the_click_and_its_twin_and_keeps_shared_caches_out() {
    let stage = Stage::set().await;
    let landing = stage.edge.get("/?im_ref=abc%3A1", DOCUMENT).await;
    let cookies = landing.fields("set-cookie");
    assert!(cookies[0].starts_with("im_ref=1.") && cookies[0].contains(".-.abc:1; "), "{cookies:?}");
    assert!(cookies[0].contains("HttpOnly") && !cookies[0].contains("Secure"), "{cookies:?}");
    let twin = "s%3Acontext.referrer={%22id%22:%22abc:1%22%2C%22type%22:%22impactRadius%22}; ";
    assert!(cookies[1].starts_with(twin), "{cookies:?}");
    assert_eq!(landing.field("cache-control"), Some("max-age=60, private"));
    let plain = stage.edge.get("/", DOCUMENT).await;
    assert_eq!((plain.field("set-cookie"), plain.field("cache-control")), (None, Some("public, max-age=60")));
    for hostile in ["%0d%0aSet-Cookie:x", "%00", "a%22b", "%C3%BC", "~made", "%7Bclickid%7D", &"x".repeat(20_000)] {
        let answer = stage.edge.get(&format!("/?im_ref={hostile}"), DOCUMENT).await;
        assert_eq!(
            (answer.status(), answer.field("set-cookie"), answer.text().as_str()),
            (200, None, "hello"),
            "{hostile}"
        );
    }
    for aside in [&["Sec-Fetch-Dest: image"][..], &["Accept: text/html", "Sec-Purpose: prefetch"], &["Accept: */*"]] {
        assert_eq!(stage.edge.get("/?im_ref=abc", aside).await.field("set-cookie"), None, "{aside:?}");
    }
}

#[tokio::test]
async fn a_browser_call_gets_the_referrer_and_nothing_else_changes() {
    let stage = Stage::set().await;
    let now = selvedge::clock::Clock::System.now().seconds();
    let lines = format!(
        "Origin: http://shop.example\r\nCookie: session=s; im_ref=1.{now}.-.abc\r\nContent-Type: text/plain\r\n"
    );
    let body = r#"{ "messageId":"m", "properties":{"n":1.10,"big":12345678901234567890} ,"context":{"ip":"1.2.3.4"}}"#;
    assert_eq!(stage.post("/cdp/v1/p", &lines, body).await, 200);
    let seen = stage.segment.wait_for(1).await;
    let spliced = body.replace(r#""context":{"#, r#""context":{"referrer":{"id":"abc","type":"impactRadius"},"#);
    assert_eq!(String::from_utf8_lossy(&seen[0].body), spliced);
    assert_eq!((seen[0].header("cookie"), seen[0].path.as_str()), (None, "/v1/p"));
    for untouched in ["not json", "[1,2]", "{\"a\":1", &format!("{}{}", "[".repeat(10_000), "]".repeat(10_000))] {
        stage.segment.forget();
        stage.post("/cdp/v1/p", &lines, untouched).await;
        assert_eq!(String::from_utf8_lossy(&stage.segment.wait_for(1).await[0].body), *untouched);
    }
}

#[tokio::test]
async fn a_server_side_order_finds_its_click_by_either_id_and_survives_kill_9() {
    let mut stage = Stage::set().await;
    let page = json!({"type": "page", "anonymousId": "a-1", "messageId": "p", "context": {"page": {"url": "http://shop.example/?im_ref=abc"}}});
    assert_eq!(stage.post("/cdp/v1/page", "", page.to_string()).await, 200);
    let identify = json!({"type": "identify", "anonymousId": "a-1", "userId": "customer-1", "messageId": "i"});
    assert_eq!(stage.post("/cdp/v1/identify/", "", identify.to_string()).await, 200);
    stage.impact.conversions_script().next(Answer::status(503)).next(Answer::status(503));
    assert_eq!(stage.track(order("m1", "o1", ("userId", "customer-1"))).await, 200);
    assert_eq!(stage.track(order("m2", "o2", ("anonymousId", "a-1"))).await, 200);
    stage.edge.kill_and_run_again().await;
    assert_eq!(stage.track(order("m3", "o3", ("userId", "customer-1"))).await, 200);
    let delivered = soon("three orders", async {
        loop {
            let orders: std::collections::BTreeSet<String> = stage
                .impact
                .wait_for_conversions(3)
                .await
                .iter()
                .filter(|seen| seen.field("ClickId") == Some("abc"))
                .filter_map(|seen| seen.field("OrderId").map(str::to_owned))
                .collect();
            if orders.len() == 3 {
                break orders;
            }
            tokio::time::sleep(std::time::Duration::from_millis(20)).await;
        }
    })
    .await;
    assert_eq!(delivered.into_iter().collect::<Vec<_>>(), ["o1", "o2", "o3"]);
    let calls: Vec<Value> = stage.segment.seen().iter().flat_map(selvedge::demo::Seen::calls).collect();
    for call in calls.iter().filter(|call| call["type"] == "track") {
        assert_eq!(call["context"]["referrer"], json!({"id": "abc", "type": "impactRadius"}));
        assert_eq!(call["integrations"]["Impact Partnership Cloud"], json!(false));
    }
}

#[tokio::test]
async fn the_same_order_is_delivered_once() {
    let stage = Stage::set().await;
    for (message, id) in [("m1", "o1"), ("m1", "o1"), ("m2", "o1"), ("m3", "o3")] {
        assert_eq!(stage.track(order(message, id, ("userId", "customer-7"))).await, 200);
    }
    let mut orders: Vec<_> = stage
        .impact
        .wait_for_conversions(2)
        .await
        .iter()
        .map(|seen| seen.field("OrderId").unwrap().to_owned())
        .collect();
    orders.sort();
    assert_eq!(orders, ["o1", "o3"]);
}

#[tokio::test]
async fn real_sdks_have_their_orders_enriched_forwarded_and_delivered() {
    for sdk in [Sdk::Node, Sdk::Python, Sdk::PythonGzip] {
        let stage = Stage::set().await;
        let page = json!({"type": "page", "anonymousId": "anonymous-1001", "userId": "customer-1001", "messageId": "p",
            "context": {"page": {"search": "?im_ref=abc"}}});
        assert_eq!(stage.post("/cdp/v1/page", "", page.to_string()).await, 200);
        let front = format!("http://{}", stage.edge.address());
        let Some(output) = drive(sdk, &front, "/cdp").await else { continue };
        assert!(output.status.success(), "{sdk:?}: {}", String::from_utf8_lossy(&output.stderr));
        let conversion = stage.impact.wait_for_conversions(1).await;
        assert_eq!(conversion[0].field("ClickId"), Some("abc"), "{sdk:?}");
        let calls: Vec<Value> = stage.segment.seen().iter().flat_map(selvedge::demo::Seen::calls).collect();
        let order = calls.iter().find(|call| call["type"] == "track").unwrap();
        assert_eq!(order["context"]["referrer"]["id"], json!("abc"), "{sdk:?}");
    }
}
