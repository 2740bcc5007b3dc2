//! What the outbox promises, one rule at a time; [`model`] tries all of it at once.

mod model;

use super::*;
use crate::destination::kept::Mapped;
use crate::destination::{Order, Param, Request};
use crate::store;
use std::path::Path;
use std::time::Duration;

const START: Time = Time::from_seconds(1_800_000_000);
const MINUTE: Duration = Duration::from_secs(60);

fn open(folder: &Path, clock: &Clock) -> Outbox {
    let store = Store::open(&store::Config::at(folder), clock.clone()).unwrap();
    Outbox::new(store, clock.clone())
}

fn delivery(order: &str, endpoint: Endpoint) -> NewDelivery {
    NewDelivery {
        program: "us".to_owned(),
        endpoint,
        params: vec![("OrderId".to_owned(), order.to_owned()), ("Text1".to_owned(), "\"ü\"\n\0".to_owned())],
        event: "Order Completed".to_owned(),
        message_id: Some(format!("m-{order}")),
        order_id: Some(order.to_owned()),
        basis: "carried".to_owned(),
        click_id: Some("c1".to_owned()),
        unrepeatable: false,
        once: vec![OnceKey::order("us", "ACT", order, START)],
        anonymous: None,
        user: None,
        arrival: START,
        call: None,
    }
}

async fn append(outbox: &Outbox, delivery: NewDelivery) -> Appended {
    outbox.append(vec![delivery], vec![]).await.unwrap()[0]
}

fn number(appended: Appended) -> DeliveryId {
    let Appended::New(id) = appended else { panic!("a duplicate") };
    id
}

async fn orders(outbox: &Outbox, filter: Filter) -> Vec<String> {
    outbox.list(filter).await.unwrap().into_iter().filter_map(|d| d.request.order_id).collect()
}

#[tokio::test]
async fn what_is_appended_is_what_is_leased() {
    let folder = tempfile::tempdir().unwrap();
    let clock = Clock::manual(START);
    let outbox = open(folder.path(), &clock);
    let page = NewDelivery { endpoint: Endpoint::PageLoad, call: Some("{}".to_owned()), ..of("o1", Some(2), Some(1)) };
    let id = number(append(&outbox, page.clone()).await);
    outbox.news().await;
    let leased = outbox.lease(5, START.plus(MINUTE), vec![]).await.unwrap();
    let expected = NewDelivery { once: vec![], ..page };
    assert_eq!((leased.len(), leased[0].id, &leased[0].request, leased[0].attempts), (1, id, &expected, 1));
    assert_eq!(outbox.show(id).await.unwrap().unwrap(), leased[0]);
    assert!(outbox.lease(5, START.plus(MINUTE), vec![]).await.unwrap().is_empty());
    assert_eq!(outbox.done(id, Some("ü".repeat(3000)), None).await.unwrap(), Touched::Done);
    let done = outbox.show(id).await.unwrap().unwrap();
    assert_eq!((done.state, done.ended, done.receipt.unwrap().len()), (State::Delivered, Some(START), 2000));
}

#[tokio::test]
async fn conversions_go_first_and_paused_lanes_stay() {
    let folder = tempfile::tempdir().unwrap();
    let clock = Clock::manual(START);
    let outbox = open(folder.path(), &clock);
    for (order, endpoint, program) in
        [("page", Endpoint::PageLoad, "us"), ("ca", Endpoint::Conversions, "ca"), ("us", Endpoint::Conversions, "us")]
    {
        append(&outbox, NewDelivery { program: program.to_owned(), ..delivery(order, endpoint) }).await;
        clock.set(clock.now().plus(MINUTE));
    }
    let paused = [lane("ca", Endpoint::Conversions), lane("us", Endpoint::PageLoad)];
    let paused: Vec<Cap> = paused.into_iter().map(|lane| Cap { lane, most: 0 }).collect();
    let end = clock.now().plus(MINUTE);
    assert_eq!(outbox.next_due(paused.clone()).await.unwrap(), Some(START.plus(2 * MINUTE)));
    let lease = async |limit, paused| {
        let leased = outbox.lease(limit, end, paused).await.unwrap();
        leased.into_iter().map(|d| d.request.order_id.unwrap()).collect::<Vec<_>>()
    };
    assert_eq!(lease(9, paused).await, ["us"]);
    assert_eq!(lease(1, vec![]).await, ["ca"]);
    assert_eq!(lease(9, vec![]).await, ["page"]);
    assert_eq!(outbox.next_due(vec![]).await.unwrap(), Some(end));
    clock.set(end);
    assert_eq!(lease(9, vec![]).await.len(), 3, "the leases have ended");
}

#[tokio::test]
async fn the_same_call_or_order_is_delivered_once() {
    let folder = tempfile::tempdir().unwrap();
    let clock = Clock::manual(START);
    let outbox = open(folder.path(), &clock);
    let twice = vec![delivery("o1", Endpoint::Conversions), delivery("o1", Endpoint::Conversions)];
    let [first, second] = outbox.append(twice, vec![]).await.unwrap()[..] else { panic!() };
    assert_eq!(second, Appended::Duplicate);
    let again = || delivery("o1", Endpoint::Conversions);
    let message = |key: &str| NewDelivery { once: vec![OnceKey::message(key, "us", "m1", clock.now())], ..again() };
    assert!(matches!(append(&outbox, message("w1")).await, Appended::New(_)));
    assert_eq!(append(&outbox, message("w1")).await, Appended::Duplicate);
    assert!(matches!(append(&outbox, message("w2")).await, Appended::New(_)), "another source");
    // A dead letter frees its key, and cannot come back once another has it.
    outbox.lease(1, START.plus(MINUTE), vec![]).await.unwrap();
    assert_eq!(append(&outbox, again()).await, Appended::Duplicate);
    assert_eq!(outbox.dead(number(first), "refused", "no".to_owned()).await.unwrap(), Touched::Done);
    let other = number(append(&outbox, again()).await);
    assert_eq!(outbox.retry(number(first)).await.unwrap(), Touched::Superseded);
    assert_eq!(outbox.drop(other).await.unwrap(), Touched::Done);
    assert_eq!(outbox.show(other).await.unwrap().unwrap().reason.as_deref(), Some("dropped"));
    assert_eq!(outbox.retry(number(first)).await.unwrap(), Touched::Done);
    assert_eq!(append(&outbox, again()).await, Appended::Duplicate);
    assert_eq!(outbox.drop(other).await.unwrap(), Touched::Done);
    assert_eq!(outbox.show(other).await.unwrap(), None);
    // An order is done with after 30 days.
    clock.set(START.plus(MINUTE * 60 * 24 * 30));
    assert!(matches!(append(&outbox, again()).await, Appended::New(_)));
}

#[tokio::test]
async fn a_dead_process_leaves_its_leases_free_but_nothing_is_sent_twice_that_must_not() {
    let folder = tempfile::tempdir().unwrap();
    let clock = Clock::manual(START);
    let mut outbox = open(folder.path(), &clock);
    let fine = number(append(&outbox, delivery("o1", Endpoint::Conversions)).await);
    let macros = NewDelivery { unrepeatable: true, once: vec![], ..delivery("o2", Endpoint::Conversions) };
    let (first, second) = (number(append(&outbox, macros.clone()).await), number(append(&outbox, macros).await));
    assert_eq!(outbox.lease(2, START.plus(MINUTE), vec![]).await.unwrap().len(), 2);
    outbox.store.close().await;
    outbox = open(folder.path(), &clock);
    let reason = async |outbox: &Outbox, id| outbox.show(id).await.unwrap().unwrap().reason;
    assert_eq!(reason(&outbox, first).await.as_deref(), Some("ambiguous"));
    let mut free: Vec<_> =
        outbox.lease(9, START.plus(MINUTE), vec![]).await.unwrap().into_iter().map(|d| d.id).collect();
    free.sort();
    assert_eq!(free, [fine, second]);
    // The same where the process lives and the lease ends.
    clock.set(START.plus(MINUTE));
    assert_eq!(outbox.lease(9, START.plus(2 * MINUTE), vec![]).await.unwrap()[0].id, fine);
    assert_eq!(reason(&outbox, second).await.as_deref(), Some("ambiguous"));
}

/// An order of a person who is known by these ids.
fn of(order: &str, user: Option<u8>, anonymous: Option<u8>) -> NewDelivery {
    let key = |id: Option<u8>| id.map(|id| PersonKey([id; 32]));
    NewDelivery { user: key(user), anonymous: key(anonymous), ..delivery(order, Endpoint::Conversions) }
}

async fn lease(outbox: &Outbox, limit: u32) -> Vec<(String, DeliveryId)> {
    let leased = outbox.lease(limit, outbox.now().plus(60 * MINUTE), vec![]).await.unwrap();
    leased.into_iter().map(|d| (d.request.order_id.unwrap(), d.id)).collect()
}

#[tokio::test]
async fn conversions_of_one_person_go_in_order() {
    let folder = tempfile::tempdir().unwrap();
    let clock = Clock::manual(START);
    let outbox = open(folder.path(), &clock);
    let all = [
        of("a1", Some(1), None),
        of("a2", Some(1), Some(7)),
        of("a3", None, Some(7)),
        of("b1", Some(2), None),
        NewDelivery { program: "ca".to_owned(), ..of("c1", Some(1), None) },
        NewDelivery { endpoint: Endpoint::PageLoad, ..of("p1", Some(1), Some(7)) },
        of("n1", None, None),
        of("n2", None, None),
    ];
    outbox.append(all.to_vec(), vec![]).await.unwrap();
    let names = |leased: &[(String, DeliveryId)]| leased.iter().map(|(order, _)| order.clone()).collect::<Vec<_>>();
    let first = lease(&outbox, 9).await;
    assert_eq!(
        names(&first),
        ["a1", "b1", "c1", "n1", "n2", "p1"],
        "another person, program or endpoint waits for nobody"
    );
    assert!(lease(&outbox, 9).await.is_empty());
    outbox.again(first[0].1, clock.now(), String::new()).await.unwrap();
    assert_eq!(names(&lease(&outbox, 9).await), ["a1"], "one that is tried again stays in front");
    outbox.done(first[0].1, None, None).await.unwrap();
    let second = lease(&outbox, 9).await;
    assert_eq!(names(&second), ["a2"]);
    outbox.dead(second[0].1, "refused", String::new()).await.unwrap();
    assert_eq!(names(&lease(&outbox, 9).await), ["a3"], "a dead one lets the others pass");
}

#[tokio::test]
async fn a_head_that_nobody_takes_holds_the_others_up_for_a_while() {
    let folder = tempfile::tempdir().unwrap();
    let clock = Clock::manual(START);
    let mut outbox = open(folder.path(), &clock);
    append(&outbox, of("a1", Some(1), None)).await;
    clock.set(START.plus(5 * MINUTE));
    append(&outbox, of("a2", Some(1), None)).await;
    let head = lease(&outbox, 9).await;
    assert_eq!(head.len(), 1);
    outbox.again(head[0].1, START.plus(60 * MINUTE), String::new()).await.unwrap();
    // A restart changes nothing of it.
    outbox.store.close().await;
    outbox = open(folder.path(), &clock);
    for (minute, orders) in [(14, vec![]), (15, vec!["a2"]), (60, vec!["a1"])] {
        clock.set(START.plus(minute * MINUTE));
        let leased = lease(&outbox, 9).await;
        assert_eq!(leased.iter().map(|(order, _)| order.as_str()).collect::<Vec<_>>(), orders, "minute {minute}");
        for (_, id) in leased {
            outbox.done(id, None, None).await.unwrap();
        }
    }
}

#[tokio::test]
async fn a_persons_page_loads_rise_with_the_conversion() {
    let folder = tempfile::tempdir().unwrap();
    let clock = Clock::manual(START);
    let outbox = open(folder.path(), &clock);
    let page = |order: &str, id| NewDelivery { endpoint: Endpoint::PageLoad, ..of(order, None, Some(id)) };
    outbox.append(vec![page("p1", 1), page("p2", 2)], vec![]).await.unwrap();
    clock.set(START.plus(MINUTE));
    outbox.append(vec![of("o3", Some(3), None), of("o2", Some(3), Some(2))], vec![]).await.unwrap();
    let orders: Vec<String> = lease(&outbox, 9).await.into_iter().map(|(order, _)| order).collect();
    assert_eq!(orders, ["p2", "o3", "p1"], "the page of whoever bought, who bought, and the rest; o2 stands behind o3");
}

#[tokio::test]
async fn a_full_store_takes_conversions_only() {
    let folder = tempfile::tempdir().unwrap();
    let clock = Clock::manual(START);
    let config = store::Config { waiting_max: 2, ..store::Config::at(folder.path()) };
    let outbox = Outbox::new(Store::open(&config, clock.clone()).unwrap(), clock.clone());
    let page = |order: &str| delivery(order, Endpoint::PageLoad);
    outbox.append(vec![page("p1"), page("p2")], vec![]).await.unwrap();
    assert_eq!(append(&outbox, page("p3")).await, Appended::Shed);
    assert!(matches!(append(&outbox, delivery("o1", Endpoint::Conversions)).await, Appended::New(_)));
    for (_, id) in lease(&outbox, 2).await {
        outbox.done(id, None, None).await.unwrap();
    }
    assert!(matches!(append(&outbox, page("p3")).await, Appended::New(_)), "there is room again");
}

#[tokio::test]
async fn what_the_disk_has_changed_is_set_aside_and_the_rest_goes_out() {
    let folder = tempfile::tempdir().unwrap();
    let clock = Clock::manual(START);
    let mut outbox = open(folder.path(), &clock);
    for order in ["o1", "o2", "o3", "o4", "o5"] {
        append(&outbox, delivery(order, Endpoint::Conversions)).await;
    }
    outbox.store.close().await;
    let raw = rusqlite::Connection::open(folder.path().join("selvedge.db")).unwrap();
    raw.execute_batch(
        "UPDATE delivery SET params = replace(params, 'o1', 'x1') WHERE order_id = 'o1';
        UPDATE delivery SET event = CAST(x'ff' AS TEXT) WHERE order_id = 'o2';
        UPDATE delivery SET anonymous = 7 WHERE order_id = 'o3';
        UPDATE delivery SET params = '[', sum = NULL WHERE order_id = 'o5'",
    )
    .unwrap();
    drop(raw);
    outbox = open(folder.path(), &clock);
    assert_eq!(lease(&outbox, 9).await.into_iter().map(|(order, _)| order).collect::<Vec<_>>(), ["o4"]);
    let dead: u64 = outbox.depth().await.unwrap().iter().filter(|d| d.state == State::Dead).map(|d| d.count).sum();
    assert_eq!(dead, 4);
    // What is left of them is shown, with the reason.
    let shown = outbox.list(Filter { states: vec![State::Dead], ..Filter::default() }).await.unwrap();
    let told = shown.iter().map(|d| (d.request.order_id.as_deref().unwrap(), d.reason.as_deref().unwrap()));
    assert_eq!(
        told.collect::<Vec<_>>(),
        [("o5", "unreadable"), ("o3", "damaged"), ("o2", "damaged"), ("o1", "damaged")]
    );
}

#[tokio::test]
async fn people_find_deliveries() {
    let folder = tempfile::tempdir().unwrap();
    let clock = Clock::manual(START);
    let outbox = open(folder.path(), &clock);
    for (order, endpoint) in [("o1", Endpoint::Conversions), ("o2", Endpoint::PageLoad), ("o3", Endpoint::Conversions)]
    {
        append(&outbox, NewDelivery { endpoint, ..of(order, Some(2), Some(1)) }).await;
        clock.set(clock.now().plus(MINUTE));
    }
    let leased = outbox.lease(1, clock.now().plus(MINUTE), vec![]).await.unwrap();
    outbox.dead(leased[0].id, "refused", "400: OrderId".to_owned()).await.unwrap();
    let all = Filter::default;
    for (filter, expected) in [
        (all(), vec!["o3", "o2", "o1"]),
        (Filter { limit: 2, ..all() }, vec!["o3", "o2"]),
        (Filter { before: Some(DeliveryId(3)), ..all() }, vec!["o2", "o1"]),
        (Filter { states: vec![State::Dead], ..all() }, vec!["o1"]),
        (Filter { states: vec![State::Waiting], endpoint: Some("conversions".to_owned()), ..all() }, vec!["o3"]),
        (Filter { states: vec![State::Waiting, State::Dead], ..all() }, vec!["o3", "o2", "o1"]),
        (Filter { states: vec![State::Delivered, State::Leased], ..all() }, vec![]),
        (Filter { reason: Some("refused".to_owned()), ..all() }, vec!["o1"]),
        (Filter { since: Some(START.plus(MINUTE)), ..all() }, vec!["o3", "o2"]),
        (Filter { until: Some(START.plus(MINUTE)), ..all() }, vec!["o2", "o1"]),
        (Filter { since: Some(START.plus(MINUTE)), until: Some(START.plus(MINUTE)), ..all() }, vec!["o2"]),
        (Filter { order_id: Some("o2".to_owned()), ..all() }, vec!["o2"]),
        (Filter { message_id: Some("m-o1".to_owned()), ..all() }, vec!["o1"]),
        (Filter { person: Some([2; 32]), ..all() }, vec!["o3", "o2", "o1"]),
        (Filter { person: Some([3; 32]), ..all() }, vec![]),
        (Filter { program: Some("ca".to_owned()), ..all() }, vec![]),
    ] {
        assert_eq!(orders(&outbox, filter.clone()).await, expected, "{filter:?}");
        let youngest = expected.first().map(|order| DeliveryId(order.trim_start_matches('o').parse().unwrap()));
        if filter.limit == 0 {
            let counted = (expected.len() as u64, youngest);
            assert_eq!(outbox.count(filter.clone()).await.unwrap(), counted, "{filter:?}");
        }
    }
    let depth = outbox.depth().await.unwrap();
    let mut shown: Vec<_> =
        depth.iter().map(|d| (d.endpoint.as_str(), d.state, d.count, d.oldest.since(START))).collect();
    shown.sort_by_key(|(endpoint, state, ..)| (*endpoint, state.name()));
    assert_eq!(
        shown,
        [
            ("conversions", State::Dead, 1, 3 * MINUTE),
            ("conversions", State::Waiting, 1, 2 * MINUTE),
            ("page_load", State::Waiting, 1, MINUTE),
        ]
    );
}

/// What a call would be mapped to now.
fn mapped(endpoint: Endpoint, order: &str) -> Mapped {
    let order_id = Param { name: "OrderId".into(), value: order.to_owned(), source: "".into() };
    let request = Request {
        endpoint,
        params: vec![order_id],
        order: Some(Order { id: order.to_owned(), event_type: Some("ACT".to_owned()) }),
        unrepeatable: true,
    };
    Mapped { request, write_key: Some("key".to_owned()) }
}

#[tokio::test]
async fn a_delivery_that_is_mapped_anew_is_another_from_then_on() {
    let folder = tempfile::tempdir().unwrap();
    let clock = Clock::manual(START);
    let outbox = open(folder.path(), &clock);
    let id = number(append(&outbox, delivery("old", Endpoint::PageLoad)).await);
    let other = number(append(&outbox, delivery("other", Endpoint::Conversions)).await);
    let before = outbox.show(id).await.unwrap().unwrap();
    let remap = async |order: &str| {
        let act = Act::Remap(mapped(Endpoint::Conversions, order));
        outbox.act(vec![(&before, act)]).await.unwrap()[0]
    };
    assert_eq!(remap("other").await, Touched::Superseded);
    assert_eq!(outbox.show(id).await.unwrap().unwrap(), before);
    assert_eq!(remap("new").await, Touched::Done);
    assert_eq!(append(&outbox, delivery("new", Endpoint::Conversions)).await, Appended::Duplicate);
    assert!(matches!(append(&outbox, delivery("old", Endpoint::PageLoad)).await, Appended::New(_)));
    // Only the conversions' lane is open: that is where it goes out now.
    let closed = Cap { lane: lane("us", Endpoint::PageLoad), most: 0 };
    let leased = outbox.lease(5, START.plus(MINUTE), vec![closed]).await.unwrap();
    let now = leased.iter().find(|leased| leased.id == id).unwrap();
    assert_eq!((leased.len(), &now.request.order_id, now.request.unrepeatable), (2, &Some("new".to_owned()), true));
    assert_eq!(now.request.params, [("OrderId".to_owned(), "new".to_owned())]);
    assert_eq!(now.request.click_id, before.request.click_id);
    assert_eq!(remap("newer").await, Touched::WrongState(State::Leased));
    outbox.done(id, None, None).await.unwrap();
    outbox.done(other, None, None).await.unwrap();
    let depth = outbox.depth().await.unwrap();
    let counted: u64 = depth.iter().filter(|depth| depth.endpoint == "conversions").map(|depth| depth.count).sum();
    assert_eq!((depth.len(), counted), (2, 2), "the tally knows where it went: {depth:?}");
}
