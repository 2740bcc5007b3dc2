//! Orders that are taken back, in whole or in part, cancelled or changed.

use crate::harness::{Edge, Stage, Starting, eventually};
use crate::verdicts::{order, prompt};
use selvedge::demo::{Answer, Seen};
use serde_json::{Value, json};

/// The program takes the three events of Segment's.
fn refunding(edge: Starting) -> Starting {
    prompt(edge).program(
        "refund_event_names = [\"Order Refunded\"]\ncancel_event_names = [\"Order Cancelled\"]\n\
         update_event_names = [\"Order Updated\"]",
    )
}

fn event(name: &str, message: &str, properties: &Value) -> Value {
    json!({"type": "track", "event": name, "messageId": message, "userId": "back-office", "properties": properties})
}

impl Edge {
    /// A delivery, once it is a dead letter.
    async fn dead(&self, id: u64) -> Value {
        eventually(&format!("delivery {id} to be dead"), async || {
            let shown = self.admin(&format!("/api/deliveries/{id}")).await;
            let shown: Value = serde_json::from_slice(&shown.body).unwrap();
            (shown["state"] == "dead").then_some(shown)
        })
        .await
    }
}

/// Method, and the form's fields in the order in which they were sent.
fn told(seen: &Seen) -> (String, String) {
    (seen.method.clone(), String::from_utf8(seen.body.to_vec()).unwrap())
}

#[tokio::test]
async fn an_order_is_taken_back_by_the_action_of_its_verdict() {
    let stage = Stage::set_with(refunding).await;
    for id in ["o1", "o2", "o3", "o4"] {
        assert_eq!(stage.track(order(id)).await, 200);
    }
    for id in 1..=4 {
        stage.edge.judged(id, "accepted").await;
    }
    let products =
        json!([{"sku": "s1", "price": "12.50", "quantity": 2, "category": "Hats"}, {"sku": "s 2", "price": 3}]);
    for (name, message, properties) in [
        ("Order Refunded", "r1", json!({"order_id": "o1", "total": 10.5})),
        ("Order Cancelled", "r2", json!({"order_id": "o2"})),
        ("Order Refunded", "r3", json!({"order_id": "o3", "products": products})),
        ("Order Updated", "r4", json!({"order_id": "o4", "revenue": "8.10", "products": products})),
    ] {
        assert_eq!(stage.track(event(name, message, &properties)).await, 200);
    }
    let mut told: Vec<_> = stage.impact.wait_for_changes(4).await.iter().map(told).collect();
    told.sort();
    let ids = stage.impact.actions("1000");
    let id = |order: &str| ids.iter().find(|action| action["Oid"] == order).unwrap()["Id"].as_str().unwrap().to_owned();
    let mut expected = [
        ("DELETE", format!("ActionId={}&DispositionCode=ITEM_RETURNED", id("o1"))),
        ("DELETE", format!("ActionId={}&DispositionCode=REJECTED", id("o2"))),
        (
            "PUT",
            format!(
                "ActionId={}&Reason=ITEM_RETURNED&Sku=s1&ItemSubTotalDelta=-25.00&Category=Hats&Sku2=s+2&ItemSubTotalDelta2=-3",
                id("o3")
            ),
        ),
        ("PUT", format!("ActionId={}&Reason=ORDER_UPDATE&Amount=8.10", id("o4"))),
    ]
    .map(|(method, body)| (method.to_owned(), body));
    expected.sort();
    assert_eq!(told, expected);
    // They have verdicts of their own.
    for id in 5..=8 {
        let judged = stage.edge.judged(id, "accepted").await;
        assert_eq!(judged["endpoint"], "actions");
    }
    let actions = stage.impact.actions("1000");
    for (order, state, amount) in
        [("o1", "REVERSED", "10.5"), ("o2", "REVERSED", "10.5"), ("o3", "PENDING", "10.5"), ("o4", "PENDING", "8.10")]
    {
        let action = actions.iter().find(|action| action["Oid"] == order).unwrap();
        assert_eq!((&action["State"], &action["Amount"]), (&json!(state), &json!(amount)), "{order}");
    }
    let (code, list) = stage.edge.operate("deliveries list --endpoint actions").await;
    assert!(code == Some(0) && list.matches(" actions ").count() == 4, "{list}");
}

#[tokio::test]
async fn a_refund_waits_for_the_verdict_on_its_order() {
    let mut stage = Stage::set_with(refunding).await;
    stage.impact.submissions_script().always(Answer::status(503));
    let both = json!({"type": "track", "event": "Order Refunded", "messageId": "r1", "userId": "back-office", "properties": {"order_id": "o1"}});
    assert_eq!((stage.track(order("o1")).await, stage.track(both).await), (200, 200));
    // Others' orders go on.
    assert_eq!(stage.track(order("o2")).await, 200);
    stage.impact.wait_for_conversions(2).await;
    eventually("some questions", async || (stage.impact.questions().len() > 4).then_some(())).await;
    let shown: Value = serde_json::from_slice(&stage.edge.admin("/api/deliveries/2").await.body).unwrap();
    assert_eq!((&shown["state"], &shown["attempts"]), (&json!("waiting"), &json!(0)));
    stage.edge.kill_and_run_again().await;
    assert_eq!(stage.impact.changes().len(), 0);
    stage.impact.submissions_script().usual();
    let action = stage.edge.judged(1, "accepted").await["action_id"].clone();
    let change = stage.impact.wait_for_changes(1).await.remove(0);
    assert_eq!((change.method.as_str(), change.field("ActionId")), ("DELETE", action.as_str()));
    stage.edge.judged(2, "accepted").await;
}

#[tokio::test]
async fn a_refund_that_is_faster_than_its_order_waits_for_it() {
    let mut stage = Stage::set_with(|edge| refunding(edge).program("event_type_id = \"7\"")).await;
    assert_eq!(stage.track(event("Order Refunded", "r1", &json!({"order_id": "o1"}))).await, 200);
    stage.edge.kill_and_run_again().await;
    assert_eq!(stage.track(order("o1")).await, 200);
    let action = stage.edge.judged(2, "accepted").await["action_id"].clone();
    let change = stage.impact.wait_for_changes(1).await.remove(0);
    assert_eq!((change.method.as_str(), change.field("ActionId")), ("DELETE", action.as_str()));
    stage.edge.judged(1, "accepted").await;
}

#[tokio::test]
async fn an_order_without_a_known_action_is_named_by_event_type_and_order() {
    let refund = || event("Order Refunded", "r1", &json!({"order_id": "o9"}));
    let stage = Stage::set_with(|edge| refunding(edge).program("event_type_id = \"7\"")).await;
    assert_eq!(stage.track(refund()).await, 200);
    // Its order may still come; a person need not wait.
    assert_eq!(stage.edge.operate("deliveries retry 1").await.0, Some(0));
    let change = stage.impact.wait_for_changes(1).await.remove(0);
    let named = ["ActionId", "ActionTrackerId", "OrderId"].map(|name| change.field(name));
    assert_eq!(named, [None, Some("7"), Some("o9")]);
    assert_eq!(stage.edge.judged(1, "refused").await["verdict_why"], "NO_VALID_ACTION_REF");

    let stage = Stage::set_with(refunding).await;
    assert_eq!(stage.track(refund()).await, 200);
    assert_eq!(stage.edge.operate("deliveries retry 1").await.0, Some(0));
    assert_eq!(stage.track(event("Order Refunded", "r2", &json!({"total": 3}))).await, 200);
    assert_eq!(stage.track(order("o1")).await, 200);
    stage.edge.judged(3, "accepted").await;
    let unpriced = json!({"order_id": "o1", "products": [{"sku": "s1", "price": 1}, {"sku": "s2"}]});
    assert_eq!(stage.track(event("Order Refunded", "r3", &unpriced)).await, 200);
    let part = json!({"order_id": "o1", "total": 3.5});
    assert_eq!(stage.track(event("Order Refunded", "r4", &part)).await, 200);
    for (message, name, changed) in [
        ("u1", "Order Updated", json!({"order_id": "o1", "products": [{"sku": "s1", "price": 1}]})),
        ("u2", "Order Updated", json!({"order_id": "o1", "revenue": -3})),
        ("u3", "Order Updated", json!({"order_id": "o1"})),
    ] {
        assert_eq!(stage.track(event(name, message, &changed)).await, 200);
    }
    let dead = [
        (1, "no_action_id"),
        (2, "no_action_id"),
        (4, "unreadable_product"),
        (5, "part_without_products"),
        (6, "products_without_amount"),
        (7, "bad_amount"),
        (8, "nothing_to_change"),
    ];
    for (id, reason) in dead {
        let dead = stage.edge.dead(id).await;
        assert_eq!(dead["reason"], reason, "{dead}");
    }
    assert_eq!(stage.impact.changes().len(), 0);
}

#[tokio::test]
async fn a_part_without_products_keeps_back_neither_the_rest_nor_a_cancellation() {
    let mut stage = Stage::set_with(refunding).await;
    stage.impact.submissions_script().always(Answer::status(503));
    let products = json!([{"sku": "s1", "price": "12.50", "quantity": 2}, {"sku": "s2", "price": 3, "quantity": 1}]);
    let listed = event("Order Completed", "o2", &json!({"order_id": "o2", "discount": 1, "products": products}));
    for call in [order("o1"), listed] {
        assert_eq!(stage.track(call).await, 200);
    }
    // All of them come before the verdicts on their orders, and wait for these.
    for (name, message, properties) in [
        ("Order Refunded", "r3", json!({"order_id": "o1", "total": 4})),
        ("Order Cancelled", "c4", json!({"order_id": "o1"})),
        ("Order Refunded", "r5", json!({"order_id": "o2", "total": "26.99"})),
        ("Order Refunded", "r6", json!({"order_id": "o2", "total": 27})),
    ] {
        assert_eq!(stage.track(event(name, message, &properties)).await, 200);
    }
    stage.edge.kill_and_run_again().await;
    stage.impact.submissions_script().usual();
    for id in [4, 6] {
        stage.edge.judged(id, "accepted").await;
    }
    for id in [3, 5] {
        assert_eq!(stage.edge.dead(id).await["reason"], "part_without_products");
    }
    let mut told: Vec<_> =
        stage.impact.changes().iter().map(|seen| seen.field("DispositionCode").map(String::from)).collect();
    told.sort();
    assert_eq!(told, ["ITEM_RETURNED", "REJECTED"].map(|code| Some(code.to_owned())));
}

#[tokio::test]
async fn the_same_part_can_be_refunded_twice_but_never_by_accident() {
    let mut stage = Stage::set_with(refunding).await;
    assert_eq!(stage.track(order("o1")).await, 200);
    stage.edge.judged(1, "accepted").await;
    let part =
        |message| event("Order Refunded", message, &json!({"order_id": "o1", "products": [{"sku": "s", "price": 5}]}));
    // An SDK brings the first twice.
    for message in ["r1", "r1", "r2"] {
        assert_eq!(stage.track(part(message)).await, 200);
    }
    let changes = stage.impact.wait_for_changes(2).await;
    assert_eq!(told(&changes[0]), told(&changes[1]));
    stage.edge.judged(3, "accepted").await;
    assert_eq!(stage.impact.changes().len(), 2);
    // Killed before the answer, nobody knows whether it was taken: a person decides.
    stage.impact.actions_script().next(Answer::Hang);
    assert_eq!(stage.track(part("r3")).await, 200);
    stage.impact.wait_for_changes(3).await;
    // A whole reversal is the same however often it comes.
    assert_eq!(stage.track(order("o2")).await, 200);
    stage.edge.judged(5, "accepted").await;
    stage.impact.actions_script().next(Answer::Hang);
    assert_eq!(stage.track(event("Order Cancelled", "c2", &json!({"order_id": "o2"}))).await, 200);
    stage.impact.wait_for_changes(4).await;
    stage.edge.kill_and_run_again().await;
    stage.edge.judged(6, "accepted").await;
    let shown: Value = serde_json::from_slice(&stage.edge.admin("/api/deliveries/4").await.body).unwrap();
    assert_eq!((&shown["state"], &shown["reason"]), (&json!("dead"), &json!("ambiguous")));
    assert_eq!(stage.impact.changes().len(), 5);
}

#[tokio::test]
async fn a_revoked_token_loses_no_refund_and_by_default_there_are_none() {
    let stage = Stage::set_with(refunding).await;
    assert_eq!(stage.track(order("o1")).await, 200);
    stage.edge.judged(1, "accepted").await;
    stage.impact.actions_script().always(Answer::status(401));
    assert_eq!(stage.track(event("Order Refunded", "r1", &json!({"order_id": "o1"}))).await, 200);
    let held_up = r#"selvedge_held_up{program="us",endpoint="actions",why="credentials"}"#;
    eventually("the metric", async || (stage.edge.count(held_up).await == 1).then_some(())).await;
    // The lane is held up before its delivery is put back.
    eventually("the delivery to wait", async || {
        let shown: Value = serde_json::from_slice(&stage.edge.admin("/api/deliveries/2").await.body).unwrap();
        let waits = (&shown["state"], shown["last_error"].as_str()) == (&json!("waiting"), Some("401: "));
        waits.then_some(())
    })
    .await;
    assert!(stage.edge.admin("/readyz").await.text().contains("actions has refused"));

    let stage = Stage::set_with(prompt).await;
    assert_eq!(stage.track(event("Order Refunded", "r1", &json!({"order_id": "o1"}))).await, 200);
    assert_eq!(stage.track(order("o2")).await, 200);
    stage.edge.judged(1, "accepted").await;
    assert_eq!(stage.impact.changes().len(), 0);
}
