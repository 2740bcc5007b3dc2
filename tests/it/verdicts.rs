//! What impact.com says later of what it had only queued.

use crate::harness::{Edge, Stage, Starting, eventually};
use selvedge::clock::Time;
use selvedge::demo::{Answer, Impact};
use serde_json::{Value, json};
use std::time::Duration;

/// Verdicts come at once, not after 20 minutes.
pub(crate) fn prompt(edge: Starting) -> Starting {
    edge.with("[delivery]\nverdict_after = \"20ms\"\nverdict_for = \"1h\"")
}

pub(crate) fn order(id: &str) -> Value {
    json!({"type": "track", "event": "Order Completed", "messageId": id, "userId": format!("customer-{id}"),
        "properties": {"order_id": id, "revenue": 10.50, "currency": "USD"}})
}

impl Edge {
    /// A delivery, once it has this verdict.
    pub(crate) async fn judged(&self, id: u64, verdict: &str) -> Value {
        eventually(&format!("delivery {id} to be {verdict}"), async || {
            let shown = self.admin(&format!("/api/deliveries/{id}")).await;
            let shown: Value = serde_json::from_slice(&shown.body).unwrap();
            (shown["verdict"] == verdict).then_some(shown)
        })
        .await
    }
}

#[tokio::test]
async fn a_verdict_is_kept_with_its_delivery() {
    let stage = Stage::set_with(prompt).await;
    stage.impact.complete_after(2);
    stage.impact.refuse_order("o2", "OUTSIDE_ASSOCIATION_WINDOW");
    assert_eq!((stage.track(order("o1")).await, stage.track(order("o2")).await), (200, 200));
    let accepted = stage.edge.judged(1, "accepted").await;
    let action = stage.impact.actions("1000").remove(0)["Id"].clone();
    assert_eq!((&accepted["action_id"], &accepted["verdict_why"]), (&action, &json!(null)));
    assert_eq!((&accepted["verdict_asks"], &accepted["state"]), (&json!(3), &json!("delivered")));
    let refused = stage.edge.judged(2, "refused").await;
    let reason = "OUTSIDE_ASSOCIATION_WINDOW";
    assert_eq!((refused["verdict_why"].as_str(), &refused["action_id"]), (Some(reason), &json!(null)));
    let asked = &stage.impact.questions()[0];
    assert_eq!((asked.method.as_str(), asked.header("ir-version")), ("GET", Some("14")));
    assert_eq!(stage.impact.questions().len(), 6, "what is known is not asked again");

    let (code, list) = stage.edge.operate("deliveries list --verdict refused").await;
    assert!(code == Some(0) && list.contains("o2") && !list.contains("o1"), "{list}");
    let (_, list) = stage.edge.operate(&format!("deliveries list --reason {reason}")).await;
    assert!(list.contains("o2") && !list.contains("o1"), "{list}");
    let (_, shown) = stage.edge.operate("deliveries show 2").await;
    assert!(shown.contains("verdict       refused\n") && shown.contains(reason), "{shown}");
    let (_, counts) = stage.edge.operate("deliveries count").await;
    let expected = "PROGRAM  VERDICT   REASON                      COUNT\n\
                    us       accepted  -                           1\n\
                    us       refused   OUTSIDE_ASSOCIATION_WINDOW  1\n";
    assert_eq!(counts, expected);
    let (code, said) = stage.edge.operate("deliveries list --verdict maybe").await;
    assert!(code == Some(2) && said.contains("pending, accepted, refused, unknown"), "{code:?} {said}");
    for (verdict, reason) in [("accepted", "none"), ("refused", reason)] {
        let series = format!(r#"selvedge_verdicts_total{{program="us",verdict="{verdict}",reason="{reason}"}}"#);
        assert_eq!(stage.edge.count(&series).await, 1, "{series}");
    }
}

/// Three orders of the same second.
#[tokio::test]
async fn an_action_is_found_on_whichever_page_of_their_list_it_is() {
    let stage = Stage::set_with(prompt).await;
    stage.impact.page_actions(1);
    for (id, name) in [(1, "o1"), (2, "o2"), (3, "o3")] {
        let mut order = order(name);
        order["timestamp"] = json!("2026-11-24T03:56:35.120Z");
        assert_eq!(stage.track(order).await, 200);
        let judged = stage.edge.judged(id, "accepted").await;
        let action = stage.impact.actions("1000").pop().unwrap();
        assert_eq!((&judged["action_id"], &action["Oid"]), (&action["Id"], &json!(name)));
    }
}

#[tokio::test]
async fn a_verdict_that_nobody_gives_is_unknown() {
    let waits = "[delivery]\nverdict_after = \"20ms\"\nverdict_for = \"200ms\"";
    let forbidden = r#"{"Status":"ERROR","Message":"Access Denied"}"#;
    for (answer, reason, warns) in [
        (None, "unanswered", false),
        (Some(Answer::status(500)), "unanswered", false),
        (Some(Answer::status(403).body(forbidden)), "forbidden", true),
    ] {
        let stage = Stage::set_with(|edge| edge.with(waits)).await;
        stage.impact.complete_after(u32::MAX);
        if let Some(answer) = answer {
            stage.impact.submissions_script().always(answer);
        }
        assert_eq!((stage.track(order("o1")).await, stage.track(order("o2")).await), (200, 200));
        for id in [1, 2] {
            assert_eq!(stage.edge.judged(id, "unknown").await["verdict_why"], reason);
        }
        // Deliveries go on, whatever becomes of the verdicts.
        assert_eq!(stage.track(order("o3")).await, 200);
        stage.impact.wait_for_conversions(3).await;
        let ready = stage.edge.admin("/readyz").await;
        assert_eq!((ready.status(), ready.text().contains("may not read APISubmissions")), (200, warns));
        assert_eq!(stage.edge.log().matches("may not read APISubmissions").count(), usize::from(warns));
        let held_up = r#"selvedge_held_up{program="us",endpoint="verdicts",why="forbidden"}"#;
        assert_eq!(stage.edge.count(held_up).await, u64::from(warns));
        if warns {
            let questions = stage.impact.questions().len();
            assert!((1..=2).contains(&questions), "{questions} questions to an account that may not ask");
        }
    }
}

#[tokio::test]
async fn a_verdict_outlives_the_process() {
    let mut stage = Stage::set_with(prompt).await;
    stage.impact.submissions_script().always(Answer::Hang);
    assert_eq!(stage.track(order("o1")).await, 200);
    eventually("the question", async || stage.impact.questions().first().map(drop)).await;
    stage.edge.kill();
    stage.impact.submissions_script().usual();
    stage.edge.run_again();
    assert_eq!(stage.edge.judged(1, "accepted").await["action_id"], stage.impact.actions("1000")[0]["Id"]);
    assert_eq!(stage.impact.conversions().len(), 1);
}

#[tokio::test]
async fn questions_leave_conversions_their_half_of_the_account() {
    let stage = Stage::set_with(prompt).await;
    stage.impact.complete_after(u32::MAX);
    // Of ten requests in an hour nine are left: five are kept, and a question may take two.
    let queued = r#"{"Status":"QUEUED","QueuedUri":"/Advertisers/x/APISubmissions/A-1"}"#;
    let limited = Answer::status(200).header("X-RateLimit-Limit", "10").header("X-RateLimit-Remaining", "9");
    stage.impact.conversions_script().next(limited.header("X-RateLimit-Reset", "3600").body(queued));
    assert_eq!(stage.track(order("o1")).await, 200);
    eventually("the questions", async || (stage.impact.questions().len() == 3).then_some(())).await;
    // The account is not asked again for an hour; what is due goes out all the same.
    assert_eq!(stage.track(order("o2")).await, 200);
    assert_eq!(stage.impact.wait_for_conversions(2).await.len(), 2);
    assert_eq!(stage.impact.questions().len(), 3);
    let shown = stage.edge.judged(1, "pending").await;
    assert_eq!(shown["verdict_asks"], 3);
}

#[tokio::test]
async fn a_revoked_token_loses_no_verdict() {
    let stage =
        Stage::set_with(|edge| edge.with("[delivery]\nverdict_after = \"20ms\"\nverdict_for = \"100ms\"")).await;
    stage.impact.submissions_script().always(Answer::status(401));
    assert_eq!(stage.track(order("o1")).await, 200);
    let held_up = r#"selvedge_held_up{program="us",endpoint="verdicts",why="credentials"}"#;
    eventually("the metric", async || (stage.edge.count(held_up).await == 1).then_some(())).await;
    assert!(stage.edge.admin("/readyz").await.text().contains("verdicts has refused the account's credentials"));
    let time = |shown: &Value, name: &str| Time::parse(shown[name].as_str().unwrap()).unwrap();
    eventually("a day to be over", async || {
        let shown = stage.edge.judged(1, "pending").await;
        (time(&shown, "verdict_next") > time(&shown, "ended").plus(Duration::from_millis(100))).then_some(())
    })
    .await;
}

#[tokio::test]
async fn verdicts_can_be_left_alone() {
    let stage = Stage::set_with(|edge| edge.with("[delivery]\nverdicts = false\nverdict_after = \"1ms\"")).await;
    assert_eq!(stage.track(order("o1")).await, 200);
    let delivered = eventually("the delivery", async || {
        let shown = stage.edge.admin("/api/deliveries/1").await.text();
        shown.contains("\"delivered\"").then_some(shown)
    })
    .await;
    assert!(delivered.contains("\"verdict\":null"), "{delivered}");
}

#[tokio::test]
async fn the_click_of_a_page_load_becomes_the_visitors_who_had_none() {
    for (setting, expected) in [(true, Some("0c22384eN-3765c5f900c2878068a0631b")), (false, None)] {
        let stage = Stage::set_with(|edge| {
            edge.program("enable_page_events = true").impact(&format!("keep_click_id_of_page_load = {setting}"))
        })
        .await;
        let page = json!({"type": "page", "anonymousId": "a-1", "messageId": "p", "context": {"page": {"url": "https://shop.example/"}}});
        assert_eq!(stage.post("/cdp/v1/page", "", page.to_string()).await, 200);
        stage.impact.wait_for_page_loads(1).await;
        let link = eventually("the link, or the end of the delivery", async || {
            let shown = stage.edge.admin("/api/deliveries/1").await.text();
            let link = stage.edge.admin("/api/links?kind=anonymous&id=a-1").await;
            (link.status() == 200 || expected.is_none() && shown.contains("\"delivered\"")).then(|| link.text())
        })
        .await;
        assert_eq!(link.contains("0c22384eN-3765c5f900c2878068a0631b"), expected.is_some(), "{link}");
        let order = json!({"type": "track", "event": "Order Completed", "messageId": "m", "anonymousId": "a-1", "properties": {"order_id": "o1"}});
        assert_eq!(stage.track(order).await, 200);
        assert_eq!(stage.impact.wait_for_conversions(1).await[0].field("ClickId"), expected);
    }
}

/// The stand-in is gone for a while, with all that it had queued.
#[tokio::test]
async fn an_impact_that_forgot_a_submission_leaves_it_unknown() {
    let waits = "[delivery]\nverdict_after = \"200ms\"\nverdict_for = \"500ms\"";
    let stage = Stage::set_with(|edge| edge.with(waits)).await;
    assert_eq!(stage.track(order("o1")).await, 200);
    stage.impact.wait_for_conversions(1).await;
    let port = stage.impact.address().port();
    let Stage { edge, impact, segment, origin } = stage;
    edge.judged(1, "pending").await;
    drop(impact);
    let impact = eventually("the port", async || Impact::start_at(port).await.ok()).await;
    let stage = Stage { edge, segment, impact, origin };
    assert_eq!(stage.edge.judged(1, "unknown").await["verdict_why"], "unanswered");
}
