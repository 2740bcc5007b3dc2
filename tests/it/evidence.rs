//! Which click a call gets, as Segment sees it.

use crate::harness::Stage;
use selvedge::clock::Clock;
use serde_json::{Value, json};

const DAY: i64 = 86_400;

/// The master cookie of a click of so many days ago, as a field.
fn cookie(id: &str, days_ago: i64) -> String {
    format!("Cookie: im_ref=1.{}.-.{id}\r\n", Clock::System.now().seconds() - days_ago * DAY)
}

fn page(url: &str) -> Value {
    json!({"type": "page", "context": {"page": {"url": url}}})
}

fn with(mut call: Value, more: Value) -> Value {
    let Value::Object(more) = more else { panic!("{more} is no object") };
    call.as_object_mut().unwrap().extend(more);
    call
}

/// A page call of somebody who comes by a click.
fn landing(click: &str, ids: Value) -> Value {
    with(page(&format!("https://shop.example/?im_ref={click}")), ids)
}

impl Stage {
    /// The click that Segment sees in a server's call.
    async fn click_of(&self, call: Value) -> Option<String> {
        let seen = self.forwarded("/cdp/v1/b", "", json!({"batch": [call]}).to_string()).await;
        seen.calls()[0]["context"]["referrer"]["id"].as_str().map(str::to_owned)
    }

    async fn learn(&self, call: Value) {
        assert_eq!(self.post("/cdp/v1/b", "", json!({"batch": [call]}).to_string()).await, 200);
    }
}

#[tokio::test]
async fn a_referrer_that_is_there_is_respected() {
    let careful = Stage::set().await;
    let eager = Stage::set_with(|edge| edge.segment("overwrite_referrer = true")).await;
    for (before, after, overwritten) in [
        (r#"{"type":"impactRadius","id":"mine"}"#, None, None),
        (r#"{"type":"impactRadius","id":7}"#, None, None),
        (r#"{"id":"mine","type":"impact\u0052adius","x":1.0}"#, None, None),
        (r#"{"type":"dataxu","id":"x"}"#, None, Some(r#"{"type":"impactRadius","id":"abc"}"#)),
        (r#"{"id":"x"}"#, None, Some(r#"{"type":"impactRadius","id":"abc"}"#)),
        (r#""https://a.example""#, None, None),
        ("[1]", None, None),
        (
            r#"{ "url":"u" }"#,
            Some(r#"{"id":"abc","type":"impactRadius", "url":"u" }"#),
            Some(r#"{"id":"abc","type":"impactRadius", "url":"u" }"#),
        ),
        (
            r#"{"type":"impactRadius"}"#,
            Some(r#"{"id":"abc","type":"impactRadius"}"#),
            Some(r#"{"id":"abc","type":"impactRadius"}"#),
        ),
        (
            r#"{"type":"impactRadius","id":""}"#,
            Some(r#"{"type":"impactRadius","id":"abc"}"#),
            Some(r#"{"type":"impactRadius","id":"abc"}"#),
        ),
        ("null", Some(r#"{"id":"abc","type":"impactRadius"}"#), Some(r#"{"id":"abc","type":"impactRadius"}"#)),
    ] {
        for (stage, after) in [(&careful, after), (&eager, overwritten)] {
            let call = |referrer: &str| format!(r#"{{"n": 1.10, "context": {{"referrer":{referrer}, "a":[ ]}}}}"#);
            let seen = stage.forwarded("/cdp/v1/p", &cookie("abc", 1), call(before)).await;
            let seen = String::from_utf8_lossy(&seen.body).into_owned();
            let same = |text: &str| {
                let value = |text: &str| serde_json::from_str::<Value>(text).unwrap();
                value(&seen) == value(&call(text)) && seen.len() == call(text).len()
            };
            match after {
                None => assert_eq!(seen, call(before)),
                Some(after) => assert!(same(after), "{before} became {seen}"),
            }
        }
    }
    for (reason, count) in [("said", 3), ("other_type", 2), ("not_an_object", 2)] {
        let series = format!("selvedge_calls_untouched_total{{reason=\"{reason}\"}}");
        assert_eq!(careful.edge.count(&series).await, count, "{reason}");
    }
    let numbers = r#"selvedge_calls_total{type="page",basis="said"}"#;
    assert_eq!(careful.edge.count(numbers).await, 3);
}

#[tokio::test]
async fn between_the_url_and_the_cookie_the_policy_decides() {
    let last = Stage::set().await;
    let first = Stage::set_with(|edge| edge.with("[click]\npolicy = \"first\"")).await;
    for (stage, newer, older) in [(last, "new", "new"), (first, "old", "old")] {
        // The URL's click is new to the edge, so it is as young as its call.
        let call = page("https://shop.example/?im_ref=new").to_string();
        let seen = stage.forwarded("/cdp/v1/p", &cookie("old", 2), &call).await;
        assert_eq!(seen.calls()[0]["context"]["referrer"]["id"], newer);
        // The same click again, in an old link: its time has not moved.
        let seen = stage.forwarded("/cdp/v1/p", &cookie("old", 1), &call).await;
        assert_eq!(seen.calls()[0]["context"]["referrer"]["id"], older);
    }
    let stage = Stage::set().await;
    stage
        .learn(with(landing("early", json!({"anonymousId": "a"})), json!({"timestamp": "2026-01-01T00:00:00Z"})))
        .await;
    let call = page("https://shop.example/?im_ref=early").to_string();
    let seen = stage.forwarded("/cdp/v1/p", &cookie("later", 1), &call).await;
    assert_eq!(seen.calls()[0]["context"]["referrer"]["id"], "later");
}

#[tokio::test]
async fn a_click_older_than_the_window_changes_nothing() {
    let stage = Stage::set().await;
    let call = r#"{"context":{"ip":"1"}}"#;
    let seen = stage.forwarded("/cdp/v1/p", &cookie("old", 31), call).await;
    assert_eq!(seen.body, call);
    let seen = stage.forwarded("/cdp/v1/p", &cookie("young", 29), call).await;
    assert_eq!(seen.calls()[0]["context"]["referrer"]["id"], "young");
    // An event of before the click is not the click's.
    let early = json!({"type": "page", "timestamp": "2026-01-01T00:00:00Z"}).to_string();
    assert_eq!(stage.forwarded("/cdp/v1/p", &cookie("young", 1), &early).await.body, early);
}

#[tokio::test]
async fn every_place_of_a_call_that_may_hold_a_click_is_looked_at() {
    let stage = Stage::set().await;
    for call in [
        json!({"type": "page", "context": {"page": {"url": "https://a.example/?x=1&im_ref=abc#f"}}}),
        json!({"type": "page", "context": {"page": {"search": "?im_ref=abc"}}}),
        json!({"type": "page", "context": {"page": {"url": "https://a.example/canonical", "search": "?im_ref=abc"}}}),
        json!({"type": "page", "properties": {"url": "https://a.example/?im_ref=abc"}}),
        json!({"type": "page", "properties": {"search": "?im_ref=abc"}}),
        json!({"type": "track", "event": "Deep Link Opened", "properties": {"url": "shop://x?im_ref=abc"}}),
        json!({"type": "track", "event": "Deep Link Opened", "properties": {"im_ref": "abc"}}),
        json!({"type": "identify", "context": {"page": {"search": "?im_ref=abc"}}}),
        json!({"type": "group", "context": {"page": {"search": "?im_ref=abc"}}}),
        json!({"type": "screen", "properties": {"url": "shop://x?im_ref=abc"}}),
        json!({"type": "alias", "context": {"page": {"search": "?im_ref=abc"}}}),
    ] {
        assert_eq!(stage.click_of(call.clone()).await.as_deref(), Some("abc"), "{call}");
    }
    for call in [
        json!({"type": "track", "event": "Clicked", "properties": {"im_ref": "abc"}}),
        json!({"type": "page", "context": {"page": {"referrer": "https://a.example/?im_ref=abc"}}}),
        json!({"type": "page", "context": {"page": {"url": "https://a.example/?IM_REF=abc"}}}),
        json!({"type": "page", "context": {"page": {"url": "https://a.example/?im_ref={clickid}"}}}),
        json!({"type": "page", "context": {"page": {"url": "https://a.example/?im_ref=~made-up"}}}),
    ] {
        assert_eq!(stage.click_of(call.clone()).await, None, "{call}");
    }
}

#[tokio::test]
async fn an_id_that_many_share_brings_nobody_a_click() {
    let stage = Stage::set().await;
    stage.learn(landing("abc", json!({"anonymousId": "kiosk"}))).await;
    let by_kiosk = || json!({"type": "track", "event": "Viewed", "anonymousId": "kiosk"});
    for number in 0..16 {
        let ids = json!({"anonymousId": "kiosk", "userId": format!("customer-{number}")});
        stage.learn(with(json!({"type": "identify"}), ids)).await;
    }
    assert_eq!(stage.click_of(by_kiosk()).await.as_deref(), Some("abc"));
    // One too many.
    stage.learn(json!({"type": "identify", "anonymousId": "kiosk", "userId": "customer-16"})).await;
    assert_eq!(stage.click_of(by_kiosk()).await, None);
    let stranger = json!({"type": "track", "event": "Viewed", "anonymousId": "kiosk", "userId": "stranger"});
    assert_eq!(stage.click_of(stranger).await, None);
    assert_eq!(stage.edge.count("selvedge_calls_of_shared_ids_total").await, 2);
    // What the kiosk's visitor shows of his own counts all the same.
    assert_eq!(stage.click_of(landing("own", json!({"anonymousId": "kiosk"}))).await.as_deref(), Some("own"));
}

#[tokio::test]
async fn what_stands_for_no_id_links_nobody() {
    let stage = Stage::set().await;
    let long = "x".repeat(257);
    let nobody = [
        json!(null),
        json!(""),
        json!("null"),
        json!("undefined"),
        json!("anonymous"),
        json!("guest"),
        json!("0"),
        json!(0),
        json!(-1),
        json!("00000000-0000-0000-0000-000000000000"),
        json!(long),
    ];
    for id in &nobody {
        for name in ["anonymousId", "userId"] {
            stage.learn(landing("abc", json!({name: id}))).await;
            assert_eq!(
                stage.click_of(json!({"type": "track", "event": "Viewed", name: id})).await,
                None,
                "{name} {id}"
            );
        }
    }
    // A number is an id like any other; as text it is the same one.
    stage.learn(landing("abc", json!({"userId": 1001}))).await;
    let call = json!({"type": "track", "event": "Viewed", "userId": "1001"});
    assert_eq!(stage.click_of(call).await.as_deref(), Some("abc"));
}

#[tokio::test]
async fn an_alias_and_an_identify_join_both_ways_and_links_outlive_a_crash() {
    let mut stage = Stage::set().await;
    stage.learn(landing("one", json!({"anonymousId": "a-1"}))).await;
    stage.learn(json!({"type": "alias", "previousId": "a-1", "userId": "customer-1"})).await;
    stage.learn(landing("two", json!({"userId": "customer-2"}))).await;
    stage.learn(json!({"type": "alias", "previousId": "a-2", "userId": "customer-2"})).await;
    stage.learn(json!({"type": "identify", "anonymousId": "a-3", "userId": "customer-3"})).await;
    stage.learn(landing("three", json!({"userId": "customer-3"}))).await;
    let viewed = |kind: &str, id: &str| json!({"type": "track", "event": "Viewed", kind: id});
    for crashed in [false, true] {
        for (kind, id, click) in [
            ("anonymousId", "a-1", Some("one")),
            ("userId", "customer-1", Some("one")),
            ("anonymousId", "a-2", Some("two")),
            ("userId", "customer-2", Some("two")),
            ("anonymousId", "a-3", Some("three")),
            ("userId", "a-3", None),
            ("userId", "customer-4", None),
        ] {
            assert_eq!(stage.click_of(viewed(kind, id)).await.as_deref(), click, "{kind} {id}, crashed: {crashed}");
        }
        if !crashed {
            // A delivery's commit is behind all that was taught before.
            let order = json!({"type": "track", "event": "Order Completed", "messageId": "m", "userId": "customer-1"});
            assert_eq!(stage.track(order).await, 200);
            stage.edge.kill_and_run_again().await;
        }
    }
}

#[tokio::test]
async fn each_call_of_a_batch_is_its_own_persons() {
    let stage = Stage::set().await;
    stage.learn(landing("ann", json!({"userId": "customer-a"}))).await;
    stage.learn(landing("bob", json!({"anonymousId": "b-1"}))).await;
    let batch = r#"{"batch":[
        {"type":"track","event":"Viewed","userId":"customer-a"},
        {"type":"track","event":"Viewed","anonymousId":"b-1","context":{"ip":"1"}},
        {"type":"track","event":"Viewed","userId":"nobody"},
        {"type":"track","event":"Viewed","userId":"customer-a","context":{"referrer":{"type":"impactRadius","id":"said"}}},
        {"type":"page","userId":"customer-a","context":{"page":{"search":"?im_ref=url"}}},
        {"type":"unknown","userId":"customer-a"},
        7
    ],"context":{"locale":"de"},"sentAt":"x"}"#;
    let seen = stage.forwarded("/cdp/v1/batch", "", batch).await;
    let referrer = |id: &str| format!(r#""referrer":{{"id":"{id}","type":"impactRadius"}}"#);
    let expected = batch
        .replacen(r#"{"type":"track""#, &format!(r#"{{"context":{{{}}},"type":"track""#, referrer("ann")), 1)
        .replacen(r#"{"ip""#, &format!(r#"{{{},"ip""#, referrer("bob")), 1)
        .replacen(r#"{"page":"#, &format!(r#"{{{},"page":"#, referrer("url")), 1);
    assert_eq!(String::from_utf8_lossy(&seen.body), expected);
}

#[tokio::test]
async fn a_same_site_call_with_a_newer_click_brings_the_cookies() {
    let stage = Stage::set().await;
    let call = page("https://shop.example/?im_ref=new").to_string();
    for (site, cookies, gets) in [
        ("same-origin", String::new(), true),
        ("same-site", String::new(), true),
        ("same-origin", cookie("old", 2), true),
        ("same-origin", cookie("new", 2), false),
        ("cross-site", String::new(), false),
        ("none", String::new(), false),
    ] {
        let lines = format!("Origin: https://shop.example\r\nSec-Fetch-Site: {site}\r\n{cookies}");
        let answer = stage.call("/cdp/v1/p", &lines, &call).await;
        let set = answer.fields("set-cookie");
        assert_eq!((answer.status(), answer.text().as_str()), (200, r#"{"success":true}"#));
        assert_eq!(set.len(), if gets { 2 } else { 0 }, "{site} {cookies}: {set:?}");
        assert!(set.first().is_none_or(|set| set.contains(".-.new; ") && set.contains("HttpOnly")), "{set:?}");
        assert!(set.get(1).is_none_or(|set| set.starts_with("s%3Acontext.referrer={%22id%22:%22new%22")), "{set:?}");
        assert!(
            !gets || answer.field("cache-control").is_some_and(|value| value.contains("private")),
            "{}",
            answer.head
        );
    }
    // A bot's browser is given nothing, and teaches nothing.
    let bot = json!({"userAgent": "Googlebot/2.1", "page": {"url": "https://shop.example/?im_ref=bots"}});
    let bot = json!({"type": "page", "anonymousId": "bot", "context": bot}).to_string();
    let answer = stage.call("/cdp/v1/p", "Origin: https://shop.example\r\nSec-Fetch-Site: same-origin\r\n", &bot).await;
    assert!(answer.fields("set-cookie").is_empty());
    assert_eq!(stage.click_of(json!({"type": "track", "event": "Viewed", "anonymousId": "bot"})).await, None);
}

#[tokio::test]
async fn segments_own_cookies_never_reach_the_site() {
    let stage = Stage::set().await;
    let answer = selvedge::demo::Answer::status(200).header("Set-Cookie", "theirs=1").body("{}");
    stage.segment.script().next(answer);
    let answer = stage.call("/cdp/v1/p", "", "{}").await;
    assert_eq!((answer.status(), answer.field("set-cookie")), (200, None));
}
