//! `kill -9` at any moment, under load, with an impact.com that fails in every way: each conversion that Segment was
//! told is delivered is delivered, and none twice but where an attempt was cut short.
//!
//! `SELVEDGE_KILLS` says how often, `SELVEDGE_BIN` which program, `SELVEDGE_KILL_SEED` when.

use crate::harness::{Connection, Edge, Origin, answers, soon};
use selvedge::demo::{Seen, Segment};
use serde_json::json;
use std::collections::{BTreeMap, BTreeSet};
use std::net::SocketAddr;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};
use std::time::Duration;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::watch;

/// How often it is killed when nobody says.
const KILLS: u64 = 4;
/// Who posts at once.
const POSTERS: usize = 6;
/// How many orders each posts between two kills, at most.
const ORDERS: usize = 40;

/// What a request for an order met with.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Met {
    /// The order is taken, and the answer says so.
    Taken,
    /// The order is taken, but nobody is told.
    TakenUnsaid,
    /// It is not taken.
    Refused,
}

/// An impact.com that keeps book.
#[derive(Clone)]
struct Book {
    /// Every request: the order, how often the node had been killed by then, and what it met with.
    requests: Arc<Mutex<Vec<(String, u64, Met)>>>,
    address: SocketAddr,
    open: Arc<AtomicUsize>,
    kills: watch::Sender<u64>,
    is_moody: Arc<AtomicBool>,
}

impl Book {
    async fn open() -> (Self, SocketAddr) {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = listener.local_addr().unwrap();
        let book = Self {
            requests: Arc::default(),
            address,
            open: Arc::default(),
            kills: watch::Sender::new(0),
            is_moody: Arc::new(AtomicBool::new(true)),
        };
        let keeper = book.clone();
        tokio::spawn(async move {
            loop {
                let (stream, _) = listener.accept().await.unwrap();
                keeper.open.fetch_add(1, Ordering::SeqCst);
                tokio::spawn({
                    let keeper = keeper.clone();
                    async move {
                        keeper.serve(Connection::over(stream)).await;
                        keeper.open.fetch_sub(1, Ordering::SeqCst);
                    }
                });
            }
        });
        (book, address)
    }

    async fn serve(&self, mut connection: Connection) {
        let mut kills = self.kills.subscribe();
        while let Some(seen) = connection.request().await {
            let form: BTreeMap<String, String> = url::form_urlencoded::parse(&seen.body).into_owned().collect();
            // A killed node's last request may have come in half.
            let Some(order) = form.get("OrderId") else { return };
            let mood = if self.is_moody.load(Ordering::SeqCst) { fastrand::u8(0..100) } else { 100 };
            let met = match mood {
                0..6 | 14..20 => Met::Refused,
                6..14 => Met::TakenUnsaid,
                _ => Met::Taken,
            };
            self.requests.lock().unwrap().push((order.clone(), *self.kills.borrow(), met));
            let taken = answers("200 OK", &[], r#"{"Status":"QUEUED","QueuedUri":"/a/b/A-1"}"#);
            match mood {
                0..6 => connection.write(answers("500 Oops", &[], "")).await,
                // Cut without a word, in the head, and never.
                6..9 => return,
                9..12 => {
                    connection.write(&taken[..9]).await;
                    return;
                }
                12..14 => {
                    kills.changed().await.unwrap();
                    return;
                }
                14..20 => connection.write(answers("429 Slow", &["Retry-After: 1"], "")).await,
                20..24 => {
                    // The body breaks off; the status has said it.
                    connection.write(&taken[..taken.len() - 5]).await;
                    return;
                }
                _ => {
                    // A node killed meanwhile does not read it.
                    drop(connection.stream().write_all(&taken).await);
                }
            }
        }
    }

    /// The node is dead: whatever it had sent is in the book, and what comes now is another's.
    async fn turn_the_page(&self) {
        self.kills.send_modify(|kills| *kills += 1);
        // Connections are accepted in order: once this one has ended, all that the node had opened have been accepted.
        let mut last = Connection::open(self.address).await;
        last.stream().shutdown().await.unwrap();
        last.rest().await;
        soon("the killed node's connections", async {
            while self.open.load(Ordering::SeqCst) > 0 {
                tokio::time::sleep(Duration::from_millis(1)).await;
            }
        })
        .await;
        // Those that were read after the kill were sent before it.
        let kills = *self.kills.borrow();
        self.requests.lock().unwrap().iter_mut().filter(|(_, at, _)| *at == kills).for_each(|(_, at, _)| *at -= 1);
    }

    fn taken(&self) -> BTreeSet<String> {
        let requests = self.requests.lock().unwrap();
        requests.iter().filter(|(.., met)| *met != Met::Refused).map(|(order, ..)| order.clone()).collect()
    }

    /// How many orders were taken more than once; each but the last time must have been cut short.
    fn duplicates(&self) -> usize {
        let requests = self.requests.lock().unwrap();
        let mut taken = BTreeMap::<&str, Vec<(u64, Met)>>::new();
        for (order, kills, met) in requests.iter().filter(|(.., met)| *met != Met::Refused) {
            taken.entry(order).or_default().push((*kills, *met));
        }
        for (order, times) in &taken {
            for pair in times.windows(2) {
                let is_explained = pair[0].1 == Met::TakenUnsaid || pair[0].0 < pair[1].0;
                assert!(is_explained, "{order} was sent again for no reason: {times:?}");
            }
        }
        taken.values().filter(|times| times.len() > 1).count()
    }
}

/// Posts orders until nobody answers.
async fn post(address: SocketAddr, name: String) -> usize {
    // Large enough that their going leaves room worth giving back.
    let note = "x".repeat(8000);
    for i in 0..ORDERS {
        let order = format!("{name}-{i}");
        let call =
            json!({"type": "track", "event": "Order Completed", "messageId": order, "userId": format!("u-{}", i % 9),
            "properties": {"order_id": order, "revenue": 1, "note": note}})
            .to_string();
        let length = call.len();
        let request = format!(
            "POST /cdp/v1/track HTTP/1.1\r\nHost: a\r\nConnection: close\r\nContent-Length: {length}\r\n\r\n{call}"
        );
        let answered = async {
            let mut stream = TcpStream::connect(address).await.ok()?;
            stream.write_all(request.as_bytes()).await.ok()?;
            let mut answer = Vec::new();
            stream.read_to_end(&mut answer).await.ok()?;
            answer.starts_with(b"HTTP/1.1 200 ").then_some(())
        };
        if soon("an answer or none", answered).await.is_none() {
            return i;
        }
    }
    ORDERS
}

fn number(variable: &str, usual: u64) -> u64 {
    std::env::var(variable).map_or(usual, |text| text.parse().unwrap())
}

/// The orders of which Segment was told that they are delivered.
fn promised(segment: &Segment) -> BTreeSet<String> {
    let calls = segment.seen().into_iter().flat_map(|seen: Seen| seen.calls());
    let promised = calls.filter(|call| call["integrations"]["Impact Partnership Cloud"] == json!(false));
    promised.map(|call| call["messageId"].as_str().unwrap().to_owned()).collect()
}

#[tokio::test]
async fn what_segment_was_told_is_delivered_whenever_the_node_is_killed() {
    let seed = number("SELVEDGE_KILL_SEED", fastrand::u64(..));
    eprintln!("SELVEDGE_KILL_SEED={seed}");
    let mut random = fastrand::Rng::with_seed(seed);
    let origin = Origin::start(answers("200 OK", &[], "hello")).await;
    let segment = Segment::start().await.unwrap();
    let (book, impact) = Book::open().await;
    // What was delivered goes at once, so that the store's file is made smaller now and then.
    let edge = Edge::between(&segment.url(), &format!("http://{impact}")).site(&[], origin.address());
    let mut edge = edge.storing("keep_delivered = \"0s\"").run().await;
    let (mut promises, mut answered) = (BTreeSet::new(), 0);
    for kill in 0..number("SELVEDGE_KILLS", KILLS) {
        let posters: Vec<_> =
            (0..POSTERS).map(|poster| tokio::spawn(post(edge.address(), format!("{kill}-{poster}")))).collect();
        tokio::time::sleep(Duration::from_millis(random.u64(20..400))).await;
        edge.kill();
        for poster in posters {
            answered += poster.await.unwrap();
        }
        book.turn_the_page().await;
        if random.bool() {
            edge.kill_while_starting(Duration::from_millis(random.u64(0..60))).await;
            book.turn_the_page().await;
        }
        edge.run_again();
        promises.extend(promised(&segment));
        segment.forget();
    }
    book.is_moody.store(false, Ordering::SeqCst);
    promises.extend(promised(&segment));
    assert!(promises.len() > 20, "too little was done: {}", promises.len());
    let delivered = tokio::time::timeout(Duration::from_secs(60), async {
        while !promises.is_subset(&book.taken()) {
            tokio::time::sleep(Duration::from_millis(50)).await;
        }
    });
    if delivered.await.is_err() {
        panic!("not delivered: {:?}", promises.difference(&book.taken()).collect::<Vec<_>>());
    }
    let requests = book.requests.lock().unwrap().len();
    eprintln!(
        "{answered} orders answered, {} promised, {requests} requests, {} orders taken more than once, all explained",
        promises.len(),
        book.duplicates()
    );
}
