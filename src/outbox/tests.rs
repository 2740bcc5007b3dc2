//! What the outbox promises, one rule at a time; [`model`] tries all of it at once.

mod model;

use super::*;
use crate::store;
use std::path::Path;
use std::time::Duration;

const START: Time = Time::from_seconds(1_800_000_000);
const MINUTE: Duration = Duration::from_secs(60);

fn open(folder: &Path, clock: &Clock) -> Outbox {
    let store = Store::open(&store::Config { path: folder.to_owned() }, clock.clone()).unwrap();
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
        anonymous: Some(PersonKey([1; 32])),
        user: Some(PersonKey([2; 32])),
        arrival: START,
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
    let id = number(append(&outbox, delivery("o1", Endpoint::PageLoad)).await);
    outbox.news().await;
    let leased = outbox.lease(5, START.plus(MINUTE), vec![]).await.unwrap();
    let expected = NewDelivery { once: vec![], ..delivery("o1", Endpoint::PageLoad) };
    assert_eq!((leased.len(), leased[0].id, &leased[0].request, leased[0].attempts), (1, id, &expected, 1));
    assert_eq!(outbox.show(id).await.unwrap().unwrap(), leased[0]);
    assert!(outbox.lease(5, START.plus(MINUTE), vec![]).await.unwrap().is_empty());
    assert_eq!(outbox.done(id, Some("ü".repeat(3000))).await.unwrap(), Touched::Done);
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
    let paused = vec![lane("ca", Endpoint::Conversions), lane("us", Endpoint::PageLoad)];
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

#[tokio::test]
async fn people_find_deliveries() {
    let folder = tempfile::tempdir().unwrap();
    let clock = Clock::manual(START);
    let outbox = open(folder.path(), &clock);
    for (order, endpoint) in [("o1", Endpoint::Conversions), ("o2", Endpoint::PageLoad), ("o3", Endpoint::Conversions)]
    {
        append(&outbox, delivery(order, endpoint)).await;
        clock.set(clock.now().plus(MINUTE));
    }
    let leased = outbox.lease(1, clock.now().plus(MINUTE), vec![]).await.unwrap();
    outbox.dead(leased[0].id, "refused", "400: OrderId".to_owned()).await.unwrap();
    let all = Filter::default;
    for (filter, expected) in [
        (all(), vec!["o3", "o2", "o1"]),
        (Filter { limit: 2, ..all() }, vec!["o3", "o2"]),
        (Filter { before: Some(DeliveryId(3)), ..all() }, vec!["o2", "o1"]),
        (Filter { state: Some(State::Dead), ..all() }, vec!["o1"]),
        (Filter { state: Some(State::Waiting), endpoint: Some("conversions".to_owned()), ..all() }, vec!["o3"]),
        (Filter { order_id: Some("o2".to_owned()), ..all() }, vec!["o2"]),
        (Filter { message_id: Some("m-o1".to_owned()), ..all() }, vec!["o1"]),
        (Filter { person: Some([2; 32]), ..all() }, vec!["o3", "o2", "o1"]),
        (Filter { person: Some([3; 32]), ..all() }, vec![]),
        (Filter { program: Some("ca".to_owned()), ..all() }, vec![]),
    ] {
        assert_eq!(orders(&outbox, filter.clone()).await, expected, "{filter:?}");
    }
    let depth = outbox.depth().await.unwrap();
    let shown: Vec<_> = depth.iter().map(|d| (d.endpoint.as_str(), d.state, d.count, d.oldest.since(START))).collect();
    assert_eq!(
        shown,
        [
            ("conversions", State::Dead, 1, Duration::ZERO),
            ("conversions", State::Waiting, 1, 2 * MINUTE),
            ("page_load", State::Waiting, 1, MINUTE),
        ]
    );
}
