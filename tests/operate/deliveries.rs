//! Many deliveries at once, deliveries that are mapped again, and exports.

use crate::node::{Node, both, delivery, printed, tell};
use selvedge::clock::Clock;
use selvedge::destination::kept::{self, Mapping};
use selvedge::destination::{Endpoint, Subject};
use selvedge::links::{IdKind, PersonKey};
use selvedge::outbox::{Appended, DeliveryId, NewDelivery};
use selvedge::segment::CallKind;
use serde_json::json;
use std::path::Path;
use std::time::Duration;

/// The call of an order, as it is kept.
fn call(order: &str, event: &str, mapping: &Mapping) -> String {
    let call = json!({
        "type": "track", "event": event, "userId": "u1",
        "properties": { "order_id": order, "revenue": 59.0, "currency": "EUR" },
    });
    let subject = Subject {
        call: &call,
        kind: CallKind::Track,
        arrival: Clock::System.now(),
        sent_at: None,
        visitor: None,
        click: None,
        write_key: None,
        sources: &mapping.sources,
    };
    kept::write(&subject, &mapping.impact)
}

async fn append(node: &Node, delivery: NewDelivery) -> DeliveryId {
    match node.outbox.append(vec![delivery], vec![]).await.unwrap()[..] {
        [Appended::New(id)] => id,
        ref other => panic!("{other:?}"),
    }
}

/// 1: a dead letter without its call. 2: tried before, as another order than its call is by today's mapping. 3: never
/// tried. 4: by today's configuration nobody wants its event.
async fn four(node: &Node) {
    let (mapping, at) = (node.mapping(), Clock::System.now().plus(Duration::from_secs(3600)));
    node.outbox.lease(9, at, vec![]).await.unwrap();
    node.outbox.dead(DeliveryId(1), "refused", "400: OrderId".into()).await.unwrap();
    let second =
        append(node, NewDelivery { call: Some(call("o2", "Order Completed", &mapping)), ..delivery("p2") }).await;
    node.outbox.lease(9, at, vec![]).await.unwrap();
    node.outbox.again(second, at, "503".into()).await.unwrap();
    append(node, NewDelivery { call: Some(call("o3", "Order Completed", &mapping)), ..delivery("p3") }).await;
    let event = "=Signed, \"Up\"";
    append(node, NewDelivery { call: Some(call("o4", event, &mapping)), event: event.into(), ..delivery("o4") }).await;
}

#[tokio::test]
async fn deliveries_are_mapped_again_by_the_configuration_of_today() {
    both(four, |config| {
        tell(
            config,
            &[
                ("deliveries show 3", 0, "call_kept     true"),
                ("deliveries show 3", 0, "OrderId = p3"),
                ("deliveries retry 3 --remap", 0, "it is due now"),
                ("deliveries show 3", 0, "OrderId = o3"),
                ("deliveries list --order p3", 0, "CREATED\n"),
                ("deliveries retry 1 --remap", 1, "nothing that could be mapped again is kept"),
                ("deliveries show 1", 0, "state         dead"),
                ("deliveries retry 2 --remap --format json", 0, "\"moved\":{\"from\":\"p2\",\"id\":2,\"to\":\"o2\"}"),
                ("deliveries show 2", 0, "OrderSubTotalPostDiscount = 59.0"),
                ("deliveries retry 4 --remap", 1, "takes nothing from this call: event_not_listed"),
                ("deliveries retry 5 --remap", 1, "no such delivery"),
            ],
        );
    })
    .await;
}

#[tokio::test]
async fn many_are_asked_about_and_done_at_once() {
    both(four, |config| {
        tell(
            config,
            &[
                ("deliveries retry", 2, "at least one filter"),
                ("deliveries retry --limit 3", 2, "at least one filter"),
                ("deliveries retry 1 --state dead", 2, "not both"),
                ("deliveries retry --state lost --yes", 2, "one of waiting"),
                ("deliveries retry --order nobody", 0, "no delivery matches"),
                ("deliveries retry --reason refused", 2, "1 delivery matches: try them now? There is nobody to ask"),
                ("deliveries show 1", 0, "state         dead"),
                ("deliveries retry --program us --remap --yes", 1, "2 mapped again and due now, 2 not done"),
                ("deliveries retry --program us --remap --yes", 1, "1: nothing that could be mapped again is kept"),
                ("deliveries retry --reason refused --yes", 0, "1 due now, 0 not done"),
                ("deliveries show 1", 0, "state         waiting"),
                ("deliveries drop --program us --limit 2 --yes", 0, "2 dropped"),
                ("deliveries list --state dead", 0, "4   dead"),
                ("deliveries list --reason dropped --state waiting,dead", 0, "3   dead"),
                ("deliveries list --newer-than 1h --state waiting", 0, "2   waiting"),
                ("deliveries list --older-than 1h", 0, "CREATED\n"),
                ("deliveries list --older-than soon", 2, "'--older-than <DURATION>': `soon` is not a duration"),
                ("envelopes list --newer-than 5x", 2, "'--newer-than <DURATION>': `5x` has an unknown unit"),
                ("deliveries list --endpoint pages", 2, "[possible values: conversions, page_load, actions]"),
                ("deliveries list --limit 0", 2, "'--limit <LIMIT>': 0 is not in 1.."),
            ],
        );
    })
    .await;
    both(four, |config| {
        tell(
            config,
            &[(
                "deliveries retry --state waiting --remap --yes",
                1,
                "take care: number 2 was tried before as order p2, and is order o2 now",
            )],
        );
    })
    .await;
}

/// More than two slices and pages.
const MANY: usize = 1203;

async fn many(node: &Node) {
    let page =
        |i: usize| NewDelivery { program: "ca".into(), endpoint: Endpoint::PageLoad, ..delivery(&format!("m{i}")) };
    node.outbox.append((0..MANY).map(page).collect(), vec![]).await.unwrap();
}

#[tokio::test]
async fn what_passes_a_page_is_done_and_exported_to_the_end() {
    both(many, |config| {
        let orders = |arguments: &str| orders(config, arguments);
        assert_eq!(orders("deliveries export --program ca --format json").len(), MANY);
        assert_eq!(orders("deliveries export --program ca --format json --limit 600").len(), 600);
        tell(config, &[("deliveries drop --endpoint page_load --yes", 0, "1203 dropped, 0 not done")]);
        assert_eq!(orders("deliveries export --program ca --state waiting --format json").len(), 0);
        assert_eq!(orders("deliveries export --format json").len(), MANY + 1);
    })
    .await;
}

#[tokio::test]
async fn a_strangers_text_does_not_steer_the_terminal() {
    let fill = async |node: &Node| {
        let order = "bad\u{1b}[31mred\n9   dead";
        let user = PersonKey::of("default", IdKind::User, "u9");
        let params = vec![("OrderId".to_owned(), order.to_owned())];
        append(node, NewDelivery { user, params, event: "\u{9b}2J".to_owned(), ..delivery(order) }).await;
    };
    both(fill, |config| {
        tell(
            config,
            &[
                ("deliveries list", 0, "·2J              bad·[31mred·9   dead  carried"),
                ("deliveries show 2", 0, "  OrderId = bad·[31mred·9   dead\n"),
                ("deliveries show 2", 0, "order_id      bad·[31mred·9   dead\n"),
                ("person show --user-id u9", 0, "·2J  bad·[31mred·9   dead\n"),
                ("deliveries list --format json", 0, "bad\\u001b[31mred\\n9   dead"),
            ],
        );
    })
    .await;
}

fn orders(config: &Path, arguments: &str) -> std::collections::HashSet<String> {
    let lines = printed(config, arguments);
    let order = |line: &str| serde_json::from_str::<serde_json::Value>(line).unwrap()["order_id"].to_string();
    lines.lines().map(order).collect()
}

#[tokio::test]
async fn an_export_is_csv_that_a_spreadsheet_may_open() {
    both(four, |config| {
        let csv = printed(config, "deliveries export --order o4");
        let (header, rest) = csv.split_once("\r\n").unwrap();
        assert!(header.starts_with("id,state,program,") && header.ends_with(",call_kept,params"), "{csv}");
        let event = r#"4,waiting,us,conversions,"'=Signed, ""Up""",o4,"#;
        assert!(rest.starts_with(event) && rest.ends_with(",true,\"{\"\"OrderId\"\":\"\"o4\"\"}\"\r\n"), "{csv}");
        tell(
            config,
            &[
                ("deliveries export --format text", 2, "csv or json"),
                ("deliveries list --format csv", 2, "export` only"),
                ("deliveries export --format json --order o4", 0, "\"event\":\"=Signed, \\\"Up\\\"\""),
                ("deliveries export --format json --order o4", 0, "\"params\":{\"OrderId\":\"o4\"}"),
            ],
        );
    })
    .await;
}
