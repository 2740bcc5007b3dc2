//! While Segment is away: what it missed is on disk, is answered in its place, and reaches it later, in order.

use crate::harness::{Edge, Origin, Stage, answers, eventually, soon};
use selvedge::clock::Time;
use selvedge::demo::{Answer, Seen};
use serde_json::{Value, json};
use std::time::Duration;

fn call(number: usize) -> String {
    json!({"type": "track", "event": "Step", "messageId": format!("m{number}"), "userId": "customer-1"}).to_string()
}

fn message_ids(seen: &[Seen]) -> Vec<String> {
    seen.iter().flat_map(Seen::calls).map(|call| call["messageId"].as_str().unwrap().to_owned()).collect()
}

/// Waits until Segment has taken these calls, whatever it saw in vain before.
async fn taken(stage: &Stage, count: usize) -> Vec<Seen> {
    soon("the calls at Segment", async {
        loop {
            let seen = stage.segment.seen();
            if seen.len() >= count {
                return seen;
            }
            tokio::time::sleep(Duration::from_millis(10)).await;
        }
    })
    .await
}

#[tokio::test]
async fn what_segment_misses_is_answered_and_reaches_it_later_in_order() {
    let mut stage = Stage::set().await;
    stage.segment.script().always(Answer::status(503));
    for number in 0..5 {
        let answer = stage.call("/cdp/v1/track", "", call(number)).await;
        assert_eq!((answer.status(), answer.text().as_str()), (200, r#"{"success":true}"#));
        assert_eq!(answer.field("content-type"), Some("application/json"));
    }
    stage.edge.kill_and_run_again().await;
    assert_eq!(stage.post("/cdp/v1/track", "", call(5)).await, 200);
    stage.segment.forget();
    stage.segment.script().usual();
    let mut ids = message_ids(&taken(&stage, 6).await);
    ids.dedup();
    assert_eq!(ids, ["m0", "m1", "m2", "m3", "m4", "m5"]);
    assert_eq!(stage.post("/cdp/v1/track", "", call(6)).await, 200);
    assert_eq!(message_ids(&taken(&stage, 7).await).last().map(String::as_str), Some("m6"));
}

#[tokio::test]
async fn every_way_of_being_away_is_one() {
    for status in [500, 502, 503, 504] {
        let stage = Stage::set().await;
        stage.segment.script().next(Answer::status(status));
        assert_eq!(stage.post("/cdp/v1/t", "", call(1)).await, 200, "{status}");
        assert_eq!(message_ids(&taken(&stage, 2).await), ["m1", "m1"], "{status}");
    }
    let origin = Origin::start(answers("200 OK", &[], "")).await;
    let nobody_listens = Edge::before(&origin).await;
    let post = "POST /cdp/v1/t HTTP/1.1\r\nHost: x\r\nContent-Length: 2\r\n\r\n{}";
    let answer = nobody_listens.send(post).await;
    assert_eq!((answer.status(), answer.text().as_str()), (200, r#"{"success":true}"#));
}

#[tokio::test]
async fn answers_that_mean_something_are_passed_on() {
    let stage = Stage::set().await;
    for status in [400, 401, 403, 404, 413, 501, 505] {
        stage.segment.script().next(Answer::status(status).body("{\"code\":\"no\"}"));
        let answer = stage.call("/cdp/v1/t", "", call(1)).await;
        assert_eq!((answer.status(), answer.text().as_str()), (status, "{\"code\":\"no\"}"));
    }
    stage.segment.script().next(Answer::status(429).header("Retry-After", "7"));
    let answer = stage.call("/cdp/v1/t", "", call(1)).await;
    assert_eq!((answer.status(), answer.field("x-ratelimit-reset")), (429, Some("7")));
}

#[tokio::test]
async fn a_call_that_waited_is_dated_as_if_it_had_not() {
    let stage = Stage::set().await;
    let sent_at = "2026-11-24T12:00:00.000Z";
    let batch = json!({"batch": [{"type": "track", "event": "A", "messageId": "a"}], "sentAt": sent_at}).to_string();
    let bare = r#"{"type":"track","event":"B","messageId":"b" ,"n":1.10}"#;
    stage.segment.script().next(Answer::status(503)).next(Answer::status(503));
    let before = selvedge::clock::Clock::System.now();
    assert_eq!(stage.post("/cdp/v1/batch", "", &batch).await, 200);
    let seen = taken(&stage, 3).await;
    let after = selvedge::clock::Clock::System.now();
    let moved: Value = serde_json::from_slice(&seen.last().unwrap().body).unwrap();
    let moved = Time::parse(moved["sentAt"].as_str().unwrap()).unwrap();
    let wait = moved.since(Time::parse(sent_at).unwrap());
    assert!(wait > Duration::ZERO && wait <= after.since(before), "{wait:?}");
    stage.segment.forget();
    stage.segment.script().next(Answer::status(503));
    assert_eq!(stage.post("/cdp/v1/t", "", bare).await, 200);
    let seen = taken(&stage, 2).await;
    let text = String::from_utf8(seen.last().unwrap().body.to_vec()).unwrap();
    let rest = text.strip_prefix(r#"{"timestamp":""#).unwrap();
    let (timestamp, rest) = rest.split_once("\",").unwrap();
    assert_eq!(format!("{{{rest}"), bare);
    let timestamp = Time::parse(timestamp).unwrap();
    assert!(timestamp >= after && timestamp <= selvedge::clock::Clock::System.now());
}

#[tokio::test]
async fn what_is_kept_is_what_would_have_gone_on() {
    let stage = Stage::set().await;
    stage.segment.script().next(Answer::status(503));
    let order = json!({"type": "track", "event": "Order Completed", "messageId": "m", "userId": "customer-1",
        "properties": {"order_id": "o1", "revenue": 10.5}, "context": {"referrer": {"type": "impactRadius", "id": "abc"}}});
    let lines = "Authorization: Basic d3JpdGVrZXk6\r\nOrigin: http://shop.example\r\nCookie: s=1\r\nContent-Type: text/plain\r\n";
    assert_eq!(stage.post("/cdp/v1/track", lines, order.to_string()).await, 200);
    let seen = taken(&stage, 2).await;
    let (first, second) = (&seen[0], &seen[1]);
    assert_eq!(first.calls()[0]["integrations"]["Impact Partnership Cloud"], json!(false));
    assert_eq!(second.calls()[0]["integrations"], first.calls()[0]["integrations"]);
    for field in ["authorization", "content-type", "origin", "x-forwarded-for", "user-agent"] {
        assert_eq!(second.header(field), first.header(field), "{field}");
    }
    assert_eq!((second.header("cookie"), &second.path), (None, &first.path));
    assert_eq!(stage.impact.wait_for_conversions(1).await.len(), 1, "our own delivery does not wait for Segment");
}

#[tokio::test]
async fn bearer_tokens_are_not_kept_and_pixels_are() {
    let stage = Stage::set().await;
    stage.segment.script().next(Answer::status(503));
    let answer = stage.call("/cdp/v1/t", "Authorization: Bearer secret-token\r\n", call(1)).await;
    assert_eq!((answer.status(), answer.field("retry-after")), (503, Some("10")));
    stage.segment.forget();
    stage.segment.script().next(Answer::status(503));
    let pixel = stage.edge.get("/cdp/v1/pixel/track?userId=u1&event=Seen&writeKey=k", &[]).await;
    assert_eq!(pixel.status(), 200);
    let seen = taken(&stage, 2).await;
    assert_eq!((&seen[1].path, &seen[1].query, seen[1].method.as_str()), (&seen[0].path, &seen[0].query, "GET"));
}

#[tokio::test]
async fn a_refusal_or_a_429_on_the_way_is_heeded() {
    let stage = Stage::set().await;
    stage.segment.script().always(Answer::status(503));
    assert_eq!(stage.post("/cdp/v1/t", "", call(1)).await, 200);
    assert_eq!(stage.post("/cdp/v1/t", "", call(2)).await, 200);
    // The first is refused, which does not hold the second up; that one has to wait.
    stage.segment.script().next(Answer::status(400)).next(Answer::status(429).header("Retry-After", "1"));
    stage.segment.script().always(Answer::status(200));
    eventually("both to be dealt with", async || {
        let page = stage.edge.admin("/metrics").await.text();
        let is = |line: &str| page.lines().any(|other| other == line);
        (is("selvedge_envelopes_waiting 0") && is("selvedge_envelopes_dead 1")).then_some(())
    })
    .await;
    assert_eq!(message_ids(&stage.segment.seen()).last().map(String::as_str), Some("m2"));
    assert_eq!(stage.edge.count(r#"selvedge_envelopes_total{outcome="sent_on"}"#).await, 1);
}

#[tokio::test]
async fn a_wrong_key_at_one_start_costs_no_envelope() {
    let [own, wrong] = ["a1", "b2"].map(|pair| format!("key = \"{}\"", pair.repeat(32)));
    let mut stage = Stage::set_with(|edge| edge.storing(&own)).await;
    stage.segment.script().always(Answer::status(503));
    assert_eq!(stage.post("/cdp/v1/t", "", call(1)).await, 200);
    stage.edge.kill();
    stage.segment.forget();
    stage.segment.script().usual();
    stage.segment.script().next(Answer::status(503));
    stage.edge.configure(&own, &wrong);
    stage.edge.run_again();
    assert_eq!(stage.post("/cdp/v1/t", "", call(2)).await, 200);
    assert_eq!(message_ids(&taken(&stage, 2).await), ["m2", "m2"], "it goes on past the one that cannot be read");
    let warning = "1 kept envelopes cannot be read with this [store] key";
    assert!(stage.edge.readiness(200).await.contains(warning));
    assert_eq!(stage.edge.count("selvedge_envelopes_locked").await, 1);
    stage.edge.kill();
    stage.segment.forget();
    stage.edge.configure(&wrong, &own);
    stage.edge.run_again();
    assert_eq!(message_ids(&taken(&stage, 1).await), ["m1"]);
    assert!(!stage.edge.readiness(200).await.contains(warning));
}

#[tokio::test]
async fn what_segment_refused_later_is_warned_of_and_sent_when_somebody_wants_it() {
    let stage = Stage::set().await;
    stage.segment.script().next(Answer::status(503)).next(Answer::status(400));
    assert_eq!(stage.post("/cdp/v1/t", "", call(1)).await, 200);
    let warning = "1 kept envelopes were given up; `selvedge envelopes list --state dead` tells why";
    eventually("the warning", async || stage.edge.admin("/readyz").await.text().contains(warning).then_some(())).await;
    let (code, said) = stage.edge.operate("envelopes list").await;
    assert!(code == Some(0) && said.contains("1   dead   /v1/t  ") && said.contains("refused: 400"), "{said}");
    stage.segment.forget();
    assert_eq!(stage.edge.operate("envelopes retry 1").await.0, Some(0));
    assert_eq!(message_ids(&taken(&stage, 1).await), ["m1"]);
    eventually("no warning", async || (!stage.edge.admin("/readyz").await.text().contains(warning)).then_some(()))
        .await;
}
