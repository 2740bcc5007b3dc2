//! What reaches impact.com, and what becomes of what it does not take.

use crate::harness::{Edge, Origin, Stage, answers, eventually};
use selvedge::clock::{Clock, Time};
use selvedge::demo::impact::{ACCOUNT_SID, AUTH_TOKEN};
use selvedge::demo::{Answer, Impact, Segment};
use serde_json::{Value, json};
use std::collections::HashMap;
use std::sync::{Arc, Mutex};

fn order(id: &str) -> Value {
    json!({"type": "track", "event": "Order Completed", "messageId": id, "userId": "customer-1", "writeKey": "k",
        "properties": {"order_id": id, "revenue": 10.50, "currency": "USD"}})
}

/// A call with some of its members replaced.
fn merged(mut call: Value, other: Value) -> Value {
    let (Value::Object(members), Value::Object(other)) = (&mut call, other) else { panic!("no objects") };
    members.extend(other);
    call
}

impl Edge {
    /// A delivery as the admin listener shows it.
    async fn delivery(&self, id: u64) -> Value {
        serde_json::from_slice(&self.admin(&format!("/api/deliveries/{id}")).await.body).unwrap()
    }

    /// The same, once it is in this state.
    async fn delivery_in(&self, id: u64, state: &str) -> Value {
        let what = format!("delivery {id} to be {state}");
        eventually(&what, async || Some(self.delivery(id).await).filter(|delivery| delivery["state"] == state)).await
    }
}

/// As many products as the guide's traffic can bring in one call of 32 KiB by an SDK, some of them no products at all.
#[tokio::test]
async fn an_order_of_a_thousand_products_arrives_whole() {
    let stage = Stage::set().await;
    let products: Vec<Value> = (1..=1000)
        .map(
            |number| {
                if number % 100 == 0 { json!("none") } else { json!({"sku": format!("s{number}"), "price": "1.10"}) }
            },
        )
        .collect();
    let order = merged(order("o1"), json!({"properties": {"order_id": "o1", "products": products}}));
    let size = order.to_string().len();
    assert!(size < 32_768, "{size}");
    assert_eq!(stage.track(order).await, 200);
    let sent = stage.impact.wait_for_conversions(1).await.remove(0);
    for number in 1..=1000 {
        let is_product = number % 100 != 0;
        let [sku, price] =
            ["ItemSku", "ItemPrice"].map(|name| sent.field(&format!("{name}{number}")).map(str::to_owned));
        assert_eq!(sku, is_product.then(|| format!("s{number}")));
        assert_eq!(price.as_deref(), is_product.then_some("1.10"), "{number}");
    }
    assert_eq!(sent.field("ItemSku1001"), None);
    assert_eq!(stage.edge.delivery_in(1, "delivered").await["order_id"], "o1");
}

#[tokio::test]
async fn conversions_are_authenticated_and_page_loads_are_not() {
    let stage = Stage::set_with(|edge| {
        edge.program("enable_page_events = true").listening("trusted_proxies = [\"127.0.0.1\"]")
    })
    .await;
    assert_eq!(stage.track(order("o1")).await, 200);
    let conversion = stage.impact.wait_for_conversions(1).await.remove(0);
    let page = json!({"type": "page", "anonymousId": "a-1", "messageId": "p", "context": {"page": {"url": "https://shop.example/?im_ref=abc"}}});
    let browser = "Origin: https://shop.example\r\nUser-Agent: Mozilla/5.0\r\nX-Forwarded-For: 192.0.2.7\r\n";
    assert_eq!(stage.post("/cdp/v1/p", browser, page.to_string()).await, 200);
    let page_load = stage.impact.wait_for_page_loads(1).await.remove(0);

    let basic = format!(
        "Basic {}",
        base64::Engine::encode(&base64::engine::general_purpose::STANDARD, format!("{ACCOUNT_SID}:{AUTH_TOKEN}"))
    );
    assert_eq!(conversion.path, format!("/Advertisers/{ACCOUNT_SID}/Conversions"));
    assert_eq!(
        (conversion.header("authorization"), conversion.header("ir-version")),
        (Some(basic.as_str()), Some("14"))
    );
    assert_eq!(page_load.path, "/PageLoad");
    assert_eq!((page_load.header("authorization"), page_load.header("ir-version")), (None, None));
    for (seen, fields) in [
        (
            &conversion,
            [
                ("OrderId", Some("o1")),
                ("OrderSubTotalPostDiscount", Some("10.5")),
                ("IpAddress", None),
                ("UserAgent", None),
            ],
        ),
        (
            &page_load,
            [
                ("ClickId", Some("abc")),
                ("CustomProfileId", Some("a-1")),
                ("IpAddress", Some("192.0.2.7")),
                ("UserAgent", Some("Mozilla/5.0")),
            ],
        ),
    ] {
        assert_eq!(seen.header("content-type"), Some("application/x-www-form-urlencoded"));
        for (name, value) in fields {
            assert_eq!(seen.field(name), value, "{name}");
        }
    }
    let delivered = stage.edge.delivery_in(1, "delivered").await;
    assert!(delivered["receipt"].as_str().unwrap().contains("/APISubmissions/A-"), "{delivered}");
}

#[tokio::test]
async fn what_is_refused_becomes_a_dead_letter_in_impacts_own_words() {
    let fault = "CurrencyCode: CurrencyCode must be an ISO 4217 code";
    for (capitals, words) in [(false, format!("400: {fault}")), (true, format!("400: Validation Failed: {fault}"))] {
        let stage = Stage::set().await;
        stage.impact.spell_in_capitals(capitals);
        let mut bad = order("o1");
        bad["properties"]["currency"] = json!("EURO");
        assert_eq!(stage.track(bad).await, 200);
        stage.edge.delivery_in(1, "dead").await;
        let (code, list) = stage.edge.operate("deliveries list --state dead").await;
        assert!(code == Some(0) && list.contains("1   dead   us       conversions  Order Completed  o1"), "{list}");
        let (code, shown) = stage.edge.operate("deliveries show 1").await;
        let lines: Vec<&str> = shown.lines().collect();
        let last_error = format!("last_error    {words}");
        for line in [last_error.as_str(), "reason        refused", "attempts      1", "  CurrencyCode = EURO"] {
            assert!(lines.contains(&line), "{line} is not in\n{shown}");
        }
        assert_eq!(code, Some(0));
        let dead = r#"selvedge_deliveries_total{program="us",endpoint="conversions",outcome="dead"}"#;
        assert_eq!((stage.edge.count(dead).await, stage.impact.conversions().len()), (1, 1));
        // A dead letter frees its order: the corrected one goes out.
        let mut good = order("o1");
        good["messageId"] = json!("m2");
        assert_eq!(stage.track(good).await, 200);
        assert_eq!(stage.impact.wait_for_conversions(2).await[1].field("CurrencyCode"), Some("USD"));
    }
}

#[tokio::test]
async fn a_person_sends_a_dead_letter_again() {
    let stage = Stage::set().await;
    stage.impact.conversions_script().next(Answer::status(402).body("no"));
    assert_eq!(stage.track(order("o1")).await, 200);
    let dead = stage.edge.delivery_in(1, "dead").await;
    assert_eq!(dead["last_error"], "402: no");
    assert_eq!(stage.edge.operate("deliveries retry 1").await.0, Some(0));
    stage.edge.delivery_in(1, "delivered").await;
    let seen = stage.impact.conversions();
    assert_eq!((seen.len(), &seen[0].body), (2, &seen[1].body));
}

#[tokio::test]
async fn impact_says_how_long_to_wait() {
    let epoch = (Clock::System.now().seconds() + 600).to_string();
    for (name, value) in [("Retry-After", "600"), ("X-RateLimit-Reset", "600"), ("X-RateLimit-Reset", epoch.as_str())] {
        let stage = Stage::set().await;
        stage.impact.conversions_script().next(Answer::status(429).header(name, value).body("slow down"));
        assert_eq!(stage.track(order("o1")).await, 200);
        let limited = eventually("the limit to be noted", async || {
            Some(stage.edge.delivery(1).await).filter(|delivery| delivery["last_error"] == "slow down")
        })
        .await;
        let time = |member: &str| Time::parse(limited[member].as_str().unwrap()).unwrap();
        let wait = time("due").since(time("created")).as_secs();
        // An epoch counts from before the delivery was made.
        assert!((595..=660).contains(&wait), "{name}: {value}: {wait} s");
        assert_eq!((&limited["state"], &limited["attempts"]), (&json!("waiting"), &json!(1)));
        // The limit is the account's: the next order waits with it.
        assert_eq!(stage.track(order("o2")).await, 200);
        assert_eq!(stage.edge.delivery(2).await["attempts"], 0);
        assert_eq!(stage.impact.conversions().len(), 1);
    }
}

#[tokio::test]
async fn after_the_wait_everything_is_delivered() {
    let stage = Stage::set().await;
    stage.impact.conversions_script().next(Answer::status(429).header("X-RateLimit-Reset", "1"));
    for id in ["o1", "o2", "o3"] {
        assert_eq!(stage.track(order(id)).await, 200);
    }
    for id in 1..=3 {
        stage.edge.delivery_in(id, "delivered").await;
    }
    let seen = stage.impact.conversions();
    let tries = |id: &str| seen.iter().filter(|one| one.field("OrderId") == Some(id)).count();
    assert!(seen.len() >= 4 && ["o1", "o2", "o3"].iter().all(|id| tries(id) >= 1), "{seen:?}");
}

/// An impact.com that fails each order's first try in the way that the order is named, and takes the second.
async fn failing_first(tries: Arc<Mutex<HashMap<String, Vec<Vec<u8>>>>>) -> Origin {
    Origin::scripted(move |connection, seen| {
        let form: HashMap<String, String> = url::form_urlencoded::parse(&seen.body).into_owned().collect();
        let fault = form["OrderId"].clone();
        let first = {
            let mut tries = tries.lock().unwrap();
            let of_order = tries.entry(fault.clone()).or_default();
            of_order.push(seen.body.clone());
            of_order.len() == 1
        };
        Box::pin(async move {
            let answer = match fault.as_str() {
                "reset" if first => vec![],
                "cut-in-the-head" if first => b"HTTP/1.1 200 OK\r\nContent-Le".to_vec(),
                "no-http" if first => b"SSH-2.0-OpenSSH\r\n".to_vec(),
                "redirect" if first => answers("302 Found", &["Location: /elsewhere"], ""),
                "500" | "502" | "503" if first => answers(&format!("{fault} Trouble"), &[], "trouble"),
                "cut-in-the-body" if first => b"HTTP/1.1 200 OK\r\nContent-Length: 99\r\n\r\n{\"Queued".to_vec(),
                _ => answers("200 OK", &[], r#"{"Status":"QUEUED","QueuedUri":"/x"}"#),
            };
            connection.write(answer).await;
            false
        })
    })
    .await
}

#[tokio::test]
async fn whatever_breaks_the_same_order_is_sent_again() {
    let tries = Arc::default();
    let impact = failing_first(Arc::clone(&tries)).await;
    let segment = Segment::start().await.unwrap();
    let site = Origin::start(answers("200 OK", &[], "")).await;
    let url = format!("http://{}", impact.address());
    let edge = Edge::between(&segment.url(), &url).site(&[], site.address()).run().await;
    let faults = ["reset", "cut-in-the-head", "no-http", "redirect", "500", "502", "503", "cut-in-the-body"];
    for fault in faults {
        let call = order(fault).to_string();
        let length = call.len();
        let request = format!("POST /cdp/v1/t HTTP/1.1\r\nHost: a\r\nContent-Length: {length}\r\n\r\n{call}");
        assert_eq!(edge.send(request).await.status(), 200);
    }
    for (id, fault) in (1..).zip(faults) {
        let delivered = edge.delivery_in(id, "delivered").await;
        let tries: Vec<Vec<u8>> = tries.lock().unwrap()[fault].clone();
        assert!(tries.iter().all(|form| *form == tries[0]), "{fault}: {tries:?}");
        // A 200 has said that it was taken before its body broke off: a second try could be a second action.
        let expected = if fault == "cut-in-the-body" { (1, json!(null)) } else { (2, json!("/x")) };
        assert_eq!((tries.len(), delivered["receipt"].clone()), expected, "{fault}");
    }
}

#[tokio::test]
async fn an_answer_that_never_comes_holds_nobody_up() {
    let stage = Stage::set().await;
    stage.impact.conversions_script().next(Answer::Hang);
    assert_eq!(stage.track(order("o1")).await, 200);
    stage.impact.wait_for_conversions(1).await;
    let other = json!({"userId": "customer-2"});
    assert_eq!(stage.track(merged(order("o2"), other)).await, 200);
    stage.edge.delivery_in(2, "delivered").await;
    assert_eq!(stage.edge.delivery(1).await["state"], "leased");
    // impact.com goes away, with the answer, and comes back.
    let Stage { edge, segment, impact, origin } = stage;
    let (port, hung) = (impact.address().port(), impact.conversions().remove(0));
    drop(impact);
    let impact = eventually("the port", async || Impact::start_at(port).await.ok()).await;
    edge.delivery_in(1, "delivered").await;
    let seen = impact.conversions();
    assert_eq!((seen.len(), &seen[0].body), (1, &hung.body));
    // So it does when the edge itself is killed before the answer.
    impact.conversions_script().next(Answer::Hang);
    let mut stage = Stage { edge, segment, impact, origin };
    assert_eq!(stage.track(order("o3")).await, 200);
    stage.impact.wait_for_conversions(2).await;
    stage.edge.kill_and_run_again().await;
    stage.edge.delivery_in(3, "delivered").await;
    let seen = stage.impact.conversions();
    assert_eq!((seen.len(), &seen[1].body), (3, &seen[2].body));
}

#[tokio::test]
async fn a_program_without_access_waits_for_a_person_and_its_page_loads_go_on() {
    for (status, title, why, word) in
        [(401, "Unauthorized", "credentials", "credentials"), (404, "Not Found", "missing", "campaign")]
    {
        let mut stage = Stage::set().await;
        let body = json!({"status": status, "title": title}).to_string();
        stage.impact.conversions_script().always(Answer::status(status).body(body));
        assert_eq!(stage.track(order("o1")).await, 200);
        let noted = eventually("the refusal to be noted", async || {
            Some(stage.edge.delivery(1).await).filter(|delivery| delivery["last_error"] != json!(null))
        })
        .await;
        assert_eq!((&noted["state"], &noted["last_error"]), (&json!("waiting"), &json!(format!("{status}: {title}"))));
        let opened = json!({"type": "track", "event": "Application Opened", "messageId": "m", "anonymousId": "a", "context": {"app": {"namespace": "com.example"}}});
        assert_eq!(stage.track(opened).await, 200);
        stage.edge.delivery_in(2, "delivered").await;
        // The site is served all the same, so the node is ready; but it says what is wrong.
        let ready = stage.edge.admin("/readyz").await;
        let said: Value = serde_json::from_slice(&ready.body).unwrap();
        let warning = said["warnings"][0].as_str().unwrap();
        assert!(ready.status() == 200 && warning.contains("us") && warning.contains(word), "{said}");
        let held_up = format!("selvedge_held_up{{program=\"us\",endpoint=\"conversions\",why=\"{why}\"}}");
        assert_eq!(stage.edge.count(&held_up).await, 1);
        // Corrected, with a restart: nothing is lost.
        stage.impact.conversions_script().usual();
        stage.edge.kill_and_run_again().await;
        stage.edge.delivery_in(1, "delivered").await;
    }
}

#[tokio::test]
async fn neighbours_that_are_away_at_the_start_keep_nothing_from_the_site() {
    let mut origin = Origin::start(answers("200 OK", &[], "hello")).await;
    let (segment, impact) = (Segment::start().await.unwrap(), Impact::start().await.unwrap());
    let (segment_port, impact_port) = (segment.address().port(), impact.address().port());
    let starting = Edge::between(&segment.url(), &impact.url()).site(&[], origin.address());
    drop((segment, impact));
    let edge = starting.run().await;
    let landing = edge.get("/?im_ref=abc", &["Accept: text/html"]).await;
    assert_eq!((landing.status(), landing.text().as_str(), landing.fields("set-cookie").len()), (200, "hello", 2));
    assert_eq!(origin.saw().await.line(), "GET /?im_ref=abc HTTP/1.1");
    assert_eq!(edge.admin("/readyz").await.status(), 200);
    let call = order("o1").to_string();
    let length = call.len();
    let request = format!("POST /cdp/v1/t HTTP/1.1\r\nHost: a\r\nContent-Length: {length}\r\n\r\n{call}");
    let away = edge.send(&request).await;
    assert_eq!((away.status(), away.text().as_str()), (200, r#"{"success":true}"#));
    edge.delivery_in(1, "waiting").await;

    let segment = eventually("Segment's port", async || Segment::start_at(segment_port).await.ok()).await;
    let impact = eventually("impact.com's port", async || Impact::start_at(impact_port).await.ok()).await;
    eventually("the call at Segment", async || segment.seen().first().map(drop)).await;
    // An SDK may bring it again; what is on disk already is delivered once.
    assert_eq!(edge.send(&request).await.status(), 200);
    assert_eq!(segment.seen()[0].calls()[0]["integrations"]["Impact Partnership Cloud"], json!(false));
    edge.delivery_in(1, "delivered").await;
    assert_eq!(impact.conversions().len(), 1);
}
