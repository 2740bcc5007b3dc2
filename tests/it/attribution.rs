//! Every way in which an order finds its click. A browser lands with the click, and later a server reports the order with what that
//! way gives it; beside it, somebody else's order of the same shape finds nothing.

use crate::harness::Stage;
use serde_json::{Value, json};

const CLICK: &str = "2uz3sQWFlxyJRcqwUx0Mo38bUkH";

/// A shop between its visitor's browser and its own server.
struct Shop(Stage);

impl Shop {
    async fn open() -> Self {
        Self(Stage::set_with(|edge| edge.program("enable_page_events = true")).await)
    }

    /// A browser lands with the click: the Cookie field that it sends from now on.
    async fn landing(&self) -> String {
        let lines = ["Accept: text/html", "Sec-Fetch-Dest: document", "User-Agent: Mozilla/5.0"];
        let landing = self.0.edge.get(&format!("/?im_ref={CLICK}"), &lines).await;
        let pairs: Vec<&str> = landing.fields("set-cookie").iter().map(|set| set.split(';').next().unwrap()).collect();
        format!("Cookie: {}\r\n", pairs.join("; "))
    }

    /// What analytics.js sends from the shop's pages.
    async fn browser(&self, cookies: &str, path: &str, call: Value) {
        let lines = format!(
            "Origin: http://shop.example\r\nSec-Fetch-Site: same-origin\r\nContent-Type: text/plain\r\nUser-Agent: Mozilla/5.0\r\n{cookies}"
        );
        assert_eq!(self.0.post(&format!("/cdp/v1/{path}"), &lines, call.to_string()).await, 200);
    }

    /// What the server sends beside orders: no cookie, no page.
    async fn server(&self, path: &str, call: Value) {
        let lines = "Content-Type: application/json\r\nUser-Agent: analytics-node/2.1\r\n";
        assert_eq!(self.0.post(&format!("/cdp/v1/{path}"), lines, call.to_string()).await, 200);
    }

    /// The server reports the visitor's order, with what it knows of the visitor, and a stranger's.
    async fn only_the_visitors_order_is_the_clicks(&self, visitor: (&str, Value), stranger: (&str, Value)) {
        self.0.segment.forget();
        for (id, (lines, known)) in [("visitors", visitor), ("strangers", stranger)] {
            let mut order = json!({"type": "track", "event": "Order Completed", "messageId": id,
                "properties": {"order_id": id, "revenue": 59.5, "currency": "EUR"}});
            order.as_object_mut().unwrap().extend(known.as_object().unwrap().clone());
            assert_eq!(self.0.post("/cdp/v1/track", lines, order.to_string()).await, 200);
        }
        let calls: Vec<Value> = self.0.segment.wait_for(2).await.iter().flat_map(selvedge::demo::Seen::calls).collect();
        let referrer = |call: &Value| call.pointer("/context/referrer/id").cloned();
        assert_eq!([referrer(&calls[0]), referrer(&calls[1])], [Some(json!(CLICK)), None]);
        let conversions = self.0.impact.wait_for_conversions(2).await;
        let click_of = |order: &str| {
            let own = conversions.iter().find(|seen| seen.field("OrderId") == Some(order));
            own.unwrap().field("ClickId").map(str::to_owned)
        };
        assert_eq!([click_of("visitors"), click_of("strangers")], [Some(CLICK.to_owned()), None]);
    }
}

#[tokio::test]
async fn by_context_referrer() {
    let shop = Shop::open().await;
    // The page has no Segment script: the shop keeps the parameter itself and hands it to its server.
    shop.landing().await;
    let said = json!({"context": {"referrer": {"id": CLICK, "type": "impactRadius"}}});
    let other = json!({"context": {"referrer": {"url": "https://shop.example/"}}});
    shop.only_the_visitors_order_is_the_clicks(("", said), ("", other)).await;
}

#[tokio::test]
async fn by_the_cookie() {
    let shop = Shop::open().await;
    // The server hands the Cookie field on that the order's own request had.
    let cookies = shop.landing().await;
    shop.only_the_visitors_order_is_the_clicks((&cookies, json!({})), ("Cookie: session=1\r\n", json!({}))).await;
}

#[tokio::test]
async fn by_anonymous_id() {
    let shop = Shop::open().await;
    let cookies = shop.landing().await;
    shop.browser(&cookies, "p", json!({"type": "page", "anonymousId": "a-1", "userId": null, "messageId": "p"})).await;
    let (own, other) = (json!({"anonymousId": "a-1"}), json!({"anonymousId": "a-2"}));
    shop.only_the_visitors_order_is_the_clicks(("", own), ("", other)).await;
}

#[tokio::test]
async fn by_user_id_after_an_identify() {
    let shop = Shop::open().await;
    let cookies = shop.landing().await;
    shop.browser(&cookies, "p", json!({"type": "page", "anonymousId": "a-1", "userId": null, "messageId": "p"})).await;
    // The visitor logs in on another page, where the cookie is gone.
    let identify = json!({"type": "identify", "anonymousId": "a-1", "userId": "customer-1001", "messageId": "i"});
    shop.browser("", "i", identify).await;
    let (own, other) = (json!({"userId": "customer-1001"}), json!({"userId": "customer-1002"}));
    shop.only_the_visitors_order_is_the_clicks(("", own), ("", other)).await;
}

#[tokio::test]
async fn by_user_id_after_a_server_side_identify() {
    let shop = Shop::open().await;
    let cookies = shop.landing().await;
    shop.browser(&cookies, "p", json!({"type": "page", "anonymousId": "a-1", "userId": null, "messageId": "p"})).await;
    // The sign-up's form carried the anonymousId to the server.
    let identify = json!({"type": "identify", "anonymousId": "a-1", "userId": "customer-1001", "messageId": "i"});
    shop.server("identify", identify).await;
    let (own, other) = (json!({"userId": "customer-1001"}), json!({"userId": "a-1"}));
    shop.only_the_visitors_order_is_the_clicks(("", own), ("", other)).await;
}

#[tokio::test]
async fn by_user_id_after_an_alias() {
    let shop = Shop::open().await;
    let cookies = shop.landing().await;
    shop.browser(&cookies, "p", json!({"type": "page", "anonymousId": "a-1", "userId": null, "messageId": "p"})).await;
    shop.server("alias", json!({"type": "alias", "previousId": "a-1", "userId": "customer-1001", "messageId": "a"}))
        .await;
    let (own, other) = (json!({"userId": "customer-1001"}), json!({"userId": "customer-1002"}));
    shop.only_the_visitors_order_is_the_clicks(("", own), ("", other)).await;
}

#[tokio::test]
async fn by_user_id_of_page_calls() {
    let shop = Shop::open().await;
    let cookies = shop.landing().await;
    // Somebody who is logged in already: no identify, but each page call names both.
    let page = json!({"type": "page", "anonymousId": "a-1", "userId": "customer-1001", "messageId": "p"});
    shop.browser(&cookies, "p", page).await;
    let (own, other) = (json!({"userId": "customer-1001"}), json!({"userId": "customer-1002"}));
    shop.only_the_visitors_order_is_the_clicks(("", own), ("", other)).await;
    // The page load that impact.com counts the click by says both, too.
    let page_load = &shop.0.impact.wait_for_page_loads(1).await[0];
    let said = ["ClickId", "CustomProfileId", "CustomerId"].map(|name| page_load.field(name));
    assert_eq!(said, [Some(CLICK), Some("a-1"), Some("customer-1001")]);
}
