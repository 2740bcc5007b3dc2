//! What works on the disk until the power fails: appends, leases and results, each acknowledged in a file beside the
//! store, so that acknowledgements stand in the record of the disk in their order.

use selvedge::clock::{Clock, Time};
use selvedge::destination::Endpoint;
use selvedge::outbox::{Appended, Delivery, NewDelivery, OnceKey, Outbox, Touched};
use selvedge::store::{Config, PersonKey, Store};
use std::fs::File;
use std::io::Write;
use std::path::Path;
use std::time::Duration;

/// Where acknowledgements go, below the store's folder.
pub(crate) const ACKNOWLEDGED: &str = "acknowledged";
/// Enough for several checkpoints of the write-ahead log.
const ROUNDS: usize = 60;
/// Deliveries of 50 kB that are erased again: 2 MB.
const LARGE: usize = 40;
/// Batches that wait for one commit.
const TOGETHER: usize = 6;

/// Works on the store in `folder` twice, closing it in between. The second time it is left open: whoever ends with it in
/// hand ends as a killed process does.
pub(crate) async fn work(folder: &Path, run: &str) -> Store {
    let said = File::options().create(true).append(true).open(folder.join(ACKNOWLEDGED)).unwrap();
    let first = open(folder);
    Work { outbox: Outbox::new(first.clone(), Clock::System), said: &said }.rounds(&format!("{run}a")).await;
    shrink(&first, folder).await;
    Work { outbox: Outbox::new(first.clone(), Clock::System), said: &said }.round(&format!("{run}s")).await;
    first.scrub(u64::MAX).await.unwrap();
    first.close().await;
    let second = open(folder);
    Work { outbox: Outbox::new(second.clone(), Clock::System), said: &said }.rounds(&format!("{run}b")).await;
    second
}

/// Erases most of the store, and waits until its file has become smaller; nothing of this is acknowledged.
async fn shrink(store: &Store, folder: &Path) {
    let outbox = Outbox::new(store.clone(), Clock::System);
    let large = |i| NewDelivery { call: Some("y".repeat(50_000)), once: vec![], ..delivery(&format!("large-{i}")) };
    let appended = outbox.append((0..LARGE).map(large).collect(), vec![]).await.unwrap();
    let is_new = |appended| if let Appended::New(id) = appended { Some(id) } else { None };
    outbox.erase(&appended.into_iter().filter_map(is_new).collect::<Vec<_>>()).await.unwrap();
    let bytes = || std::fs::metadata(folder.join("selvedge.db")).unwrap().len();
    let (most, patience) = (bytes(), std::time::Instant::now() + Duration::from_secs(20));
    while bytes() >= most {
        assert!(std::time::Instant::now() < patience, "the file does not shrink");
        tokio::time::sleep(Duration::from_millis(5)).await;
    }
}

fn open(folder: &Path) -> Store {
    Store::open(&Config::at(folder), Clock::System).unwrap()
}

struct Work<'a> {
    outbox: Outbox,
    said: &'a File,
}

impl Work<'_> {
    async fn rounds(&self, name: &str) {
        for round in 0..ROUNDS {
            self.round(&format!("{name}{round}")).await;
        }
    }

    async fn round(&self, name: &str) {
        let appends = (0..TOGETHER).map(|i| self.append(format!("{name}-{i}"), 1 + i % 3));
        futures_util::future::join_all(appends).await;
        let deadline = self.outbox.now().plus(Duration::from_secs(300));
        let leased = self.outbox.lease(9, deadline, vec![]).await.unwrap();
        leased.iter().for_each(|delivery| self.say("leased", delivery.id.0, ""));
        futures_util::future::join_all(leased.iter().map(|delivery| self.end(delivery))).await;
    }

    async fn append(&self, name: String, count: usize) {
        let orders: Vec<String> = (0..count).map(|i| format!("{name}-{i}")).collect();
        let appended = self.outbox.append(orders.iter().map(|order| delivery(order)).collect(), vec![]).await.unwrap();
        for (appended, order) in appended.into_iter().zip(orders) {
            let Appended::New(id) = appended else { panic!("{order}: {appended:?}") };
            self.say("appended", id.0, &order);
        }
    }

    async fn end(&self, delivery: &Delivery) {
        let (id, now) = (delivery.id, self.outbox.now());
        let (touched, word) = match id.0 % 7 {
            0..4 => (self.outbox.done(id, Some("receipt".to_owned()), None).await, "delivered"),
            4 => (self.outbox.again(id, now.plus(Duration::from_secs(1)), "503".to_owned()).await, "again"),
            5 => (self.outbox.dead(id, "refused", "400".to_owned()).await, "dead"),
            // Its process dies before it is done.
            _ => return,
        };
        assert_eq!(touched, Ok(Touched::Done), "{id}");
        self.say(word, id.0, "");
    }

    fn say(&self, word: &str, id: i64, order: &str) {
        let mut said = self.said;
        said.write_all(format!("{word} {id} {order}\n").as_bytes()).unwrap();
    }
}

/// What is appended for an order, whose name decides all of it.
pub(crate) fn delivery(order: &str) -> NewDelivery {
    let bytes = order.bytes().map(usize::from).sum::<usize>();
    let person = |salt| Some(PersonKey([u8::try_from(bytes % 40 + salt).unwrap_or(0); 32]));
    NewDelivery {
        program: "us".to_owned(),
        endpoint: if bytes.is_multiple_of(4) { Endpoint::PageLoad } else { Endpoint::Conversions },
        params: vec![("OrderId".to_owned(), order.to_owned()), ("Text1".to_owned(), "x".repeat(bytes))],
        event: "Order Completed".to_owned(),
        message_id: Some(format!("m-{order}")),
        order_id: Some(order.to_owned()),
        basis: "carried".to_owned(),
        click_id: Some("click".to_owned()),
        unrepeatable: bytes.is_multiple_of(5),
        once: vec![OnceKey::order("us", "ACT", order, Time::from_seconds(2_000_000_000))],
        anonymous: bytes.is_multiple_of(3).then(|| person(0)).flatten(),
        user: bytes.is_multiple_of(2).then(|| person(100)).flatten(),
        arrival: Time::from_seconds(1_800_000_000),
        call: Some(format!("{{\"c\":\"{}\"}}", order.repeat(bytes % 60))),
    }
}
