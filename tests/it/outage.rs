//! impact.com is away for long, while orders go on: they wait on the disk, not in memory, and all go out when it is back.
//!
//! `SELVEDGE_OUTAGE_ORDERS` says how many orders come meanwhile: 180,000 are half an hour of a hundred a second.

use crate::harness::{Connection, Edge, Origin, answers, soon};
use selvedge::demo::Segment;
use std::collections::HashMap;
use std::net::SocketAddr;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

const ORDERS: usize = 7000;
const POSTERS: usize = 8;
/// So many orders fill the caches, which have limits of their own.
const WARM: usize = 4000;
/// What 3,000 orders more may add in memory: they are 15 MB.
const GROWTH_BYTES_MAX: u64 = 4 << 20;

/// Who is known is remembered in memory, up to a limit: that is not what is asked here.
const PEOPLE: usize = 500;

type Taken = Arc<Mutex<HashMap<String, u32>>>;

/// An impact.com that is away until it is let back.
async fn impact(is_back: Arc<AtomicBool>, taken: Taken) -> Origin {
    Origin::scripted(move |connection, seen| {
        let is_back = is_back.load(Ordering::SeqCst);
        let form: HashMap<String, String> = url::form_urlencoded::parse(&seen.body).into_owned().collect();
        if is_back {
            *taken.lock().unwrap().entry(form["OrderId"].clone()).or_default() += 1;
        }
        Box::pin(async move {
            let answer = match is_back {
                true => answers("200 OK", &[], r#"{"Status":"QUEUED","QueuedUri":"/x"}"#),
                false => answers("503 Away", &[], ""),
            };
            connection.write(answer).await;
            true
        })
    })
    .await
}

async fn post(address: SocketAddr, orders: Vec<usize>) {
    let mut connection = Connection::open(address).await;
    for order in orders {
        let user = order % PEOPLE;
        let call = format!(
            r#"{{"type":"track","event":"Order Completed","userId":"u{user}","messageId":"m{order}","properties":{{"order_id":"o{order}","total":1,"note":"{}"}}}}"#,
            "x".repeat(2000)
        );
        let head = format!("POST /cdp/v1/track HTTP/1.1\r\nHost: a\r\nContent-Length: {}\r\n\r\n", call.len());
        connection.write(head + &call).await;
        assert_eq!(connection.answer().await.status(), 200);
    }
}

async fn post_all(edge: &Edge, orders: std::ops::Range<usize>) {
    let shares = (0..POSTERS).map(|poster| orders.clone().filter(move |order| order % POSTERS == poster).collect());
    let posters: Vec<_> = shares.map(|share| tokio::spawn(post(edge.address(), share))).collect();
    for poster in posters {
        poster.await.unwrap();
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_long_outage_is_waited_for_on_the_disk() {
    let orders = std::env::var("SELVEDGE_OUTAGE_ORDERS").map_or(ORDERS, |text| text.parse().unwrap());
    let (is_back, taken) = (Arc::new(AtomicBool::new(false)), Taken::default());
    let impact = impact(is_back.clone(), taken.clone()).await;
    let segment = Segment::start().await.unwrap();
    let site = Origin::start(answers("200 OK", &[], "")).await;
    let url = format!("http://{}", impact.address());
    let edge = Edge::between(&segment.url(), &url).site(&[], site.address()).run().await;

    post_all(&edge, 0..WARM).await;
    let warm = edge.resident_bytes();
    post_all(&edge, WARM..orders).await;
    let full = edge.resident_bytes();
    let waiting = edge.count(r#"selvedge_queue_depth{state="waiting"}"#).await;
    eprintln!("{waiting} waiting; {} KiB resident, {} KiB before them", full >> 10, warm >> 10);
    assert!(full < warm + GROWTH_BYTES_MAX, "{full} bytes, {warm} before");

    is_back.store(true, Ordering::SeqCst);
    let count = || taken.lock().unwrap().len();
    soon("the first", async {
        while count() == 0 {
            tokio::time::sleep(Duration::from_millis(5)).await
        }
    })
    .await;
    let (first, begun) = (count(), Instant::now());
    let mut before = 0;
    while count() < orders {
        // However many there are, some go out all the time.
        soon("some more", async {
            while count() == before {
                tokio::time::sleep(Duration::from_millis(5)).await
            }
        })
        .await;
        before = count();
    }
    let per_second = (orders - first) as f64 / begun.elapsed().as_secs_f64();
    eprintln!("{per_second:.0} a second went out; {} KiB resident", edge.resident_bytes() >> 10);
    assert!(taken.lock().unwrap().values().all(|times| *times == 1), "an order went out twice");
}
