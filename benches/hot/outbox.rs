//! What it costs until a delivery is on the disk, alone and in company: writers who wait together share one fsync.

use divan::counter::ItemsCount;
use divan::{Bencher, black_box};
use selvedge::clock::{Clock, Time};
use selvedge::destination::{Endpoint, Order};
use selvedge::outbox::{Appended, NewDelivery, OnceKey, Outbox};
use selvedge::store::{Config, PersonKey, Store};
use std::cell::Cell;
use tokio::runtime::Runtime;
use tokio::task::JoinSet;

const ARRIVAL: Time = Time::from_seconds(1_795_508_131);

const WRITE_KEY: &str = "WRITEKEY0123456789abcdefghijklmn";

/// What keeps a call and its order from a second delivery.
#[divan::bench(sample_size = 1000)]
fn once_keys(bencher: Bencher) {
    let order = Order { id: "A-1".to_owned(), event_type: Some("Order Completed".to_owned()) };
    bencher.bench_local(|| {
        OnceKey::all(black_box(WRITE_KEY), "us", Some(black_box("ajs-next-1795508130120")), Some(&order), ARRIVAL)
    });
}

/// One iteration is a round: every writer appends one delivery, and all wait until theirs is on the disk.
#[divan::bench(args = [1, 64, 512], sample_size = 1, sample_count = 60)]
fn append(bencher: Bencher, writers: u64) {
    let runtime = Runtime::new().unwrap();
    let folder = tempfile::tempdir().unwrap();
    let store = Store::open(&Config::at(folder.path()), Clock::System).unwrap();
    let outbox = Outbox::new(store.clone(), Clock::System);
    let next = Cell::new(0);
    bencher
        .counter(ItemsCount::new(writers))
        .with_inputs(|| {
            let first = next.replace(next.get() + writers);
            (first..first + writers).map(delivery).collect::<Vec<_>>()
        })
        .bench_local_values(|round| {
            let appended = runtime.block_on(async {
                let append = |delivery| {
                    let outbox = outbox.clone();
                    async move { outbox.append(vec![delivery], Vec::new()).await }
                };
                round.into_iter().map(append).collect::<JoinSet<_>>().join_all().await
            });
            for one in appended {
                assert!(matches!(one.unwrap().as_slice(), [Appended::New(_)]));
            }
        });
    runtime.block_on(store.close());
}

/// An order of the usual size: 20 parameters.
fn delivery(number: u64) -> NewDelivery {
    let order = format!("A-{number}");
    let message = format!("ajs-next-1795508130120-7b0f6d5e-52a8-4c38-9a57-{number:012}");
    let params = [
        ("CampaignId", "1000"),
        ("ClickId", "2uz3sQWFlxyJRcqwUx0Mo38bUkHzZTRxqSjAVQ0"),
        ("CurrencyCode", "EUR"),
        ("CustomerEmail", "0c57fe03e81357df3acc1340bc9e353688e8f69e"),
        ("CustomerId", "customer-1001"),
        ("CustomProfileId", "7b0f6d5e-52a8-4c38-9a57-2f0f1f6f8f10"),
        ("EventDate", "2026-11-24T08:15:30.760Z"),
        ("EventTypeCode", "Order Completed"),
        ("IpAddress", "192.0.2.7"),
        ("ItemBrand1", "Warp & Weft"),
        ("ItemCategory1", "Scarves"),
        ("ItemName1", "Scarf no. 1"),
        ("ItemPrice1", "20.50"),
        ("ItemQuantity1", "2"),
        ("ItemSku1", "SKU-001"),
        ("OrderDiscount", "4.10"),
        ("OrderId", &order),
        ("OrderPromoCode", "AUTUMN"),
        ("PageUrl", "https://shop.example/checkout/thanks?utm_source=blog&utm_medium=affiliate"),
        (
            "UserAgent",
            "Mozilla/5.0 (Macintosh; Intel Mac OS X 10_15_7) AppleWebKit/605.1.15 (KHTML, like Gecko) Version/18.1 Safari/605.1.15",
        ),
    ];
    NewDelivery {
        program: "us".to_owned(),
        endpoint: Endpoint::Conversions,
        params: params.map(|(name, value)| (name.to_owned(), value.to_owned())).to_vec(),
        event: "Order Completed".to_owned(),
        once: vec![
            OnceKey::message(WRITE_KEY, "us", &message, ARRIVAL),
            OnceKey::order("us", "Order Completed", &order, ARRIVAL),
        ],
        message_id: Some(message),
        order_id: Some(order),
        basis: "carried".to_owned(),
        click_id: Some("2uz3sQWFlxyJRcqwUx0Mo38bUkHzZTRxqSjAVQ0".to_owned()),
        unrepeatable: false,
        anonymous: Some(PersonKey([1; 32])),
        user: Some(PersonKey([2; 32])),
        arrival: ARRIVAL,
        call: None,
    }
}
