use super::*;
use crate::clock::Time;
use crate::destination::Endpoint;
use crate::outbox::{Appended, NewDelivery, State};
use crate::store::{self, Store};
use std::sync::atomic::{AtomicUsize, Ordering::SeqCst};
use tokio::sync::Semaphore;
use tokio::sync::mpsc::{UnboundedReceiver, unbounded_channel};
use tokio::task::JoinHandle;

const START: Time = Time::from_seconds(1_800_000_000);
/// More than any test needs.
const GRACE: Duration = Duration::from_secs(60);

struct Bench {
    folder: tempfile::TempDir,
    clock: Clock,
    store: Store,
    outbox: Outbox,
    stop: CancellationToken,
}

/// What the observer saw: order, attempt, step.
type Seen = (String, u32, Step);

impl Bench {
    fn new() -> Self {
        let folder = tempfile::tempdir().unwrap();
        let clock = Clock::manual(START);
        let store = Store::open(&store::Config::at(folder.path()), clock.clone()).unwrap();
        let outbox = Outbox::new(store.clone(), clock.clone());
        Self { folder, clock, store, outbox, stop: CancellationToken::new() }
    }

    async fn append(&self, deliveries: Vec<NewDelivery>) -> Vec<DeliveryId> {
        let appended = self.outbox.append(deliveries, vec![]).await.unwrap();
        appended.into_iter().map(|a| if let Appended::New(id) = a { id } else { panic!("{a:?}") }).collect()
    }

    /// Starts a worker whose destination answers `answer(order, attempt)`.
    fn start<F>(
        &self,
        answer: impl Fn(String, u32) -> F + Send + Sync + 'static,
        grace: Duration,
    ) -> (JoinHandle<()>, UnboundedReceiver<Seen>)
    where
        F: Future<Output = Outcome> + Send + 'static,
    {
        let (tell, seen) = unbounded_channel();
        let send = move |delivery: Delivery, _| {
            let outcome = answer(delivery.request.order_id.unwrap(), delivery.attempts);
            async move { Attempt::from(outcome.await) }
        };
        let observe = move |report: &Report<'_>| {
            let order = report.delivery.request.order_id.clone().unwrap();
            tell.send((order, report.delivery.attempts, report.step.clone())).unwrap();
        };
        let worker =
            Worker::new(self.outbox.clone(), Config::default(), Arc::default(), send, observe, self.clock.clone());
        (tokio::spawn(worker.run(self.stop.clone(), grace)), seen)
    }

    /// What is seen next, while time goes on.
    async fn next(&self, seen: &mut UnboundedReceiver<Seen>) -> Seen {
        loop {
            tokio::select! {
                next = seen.recv() => return next.unwrap(),
                () = tokio::time::sleep(Duration::from_millis(5)) => {
                    self.clock.set(self.clock.now().plus(Duration::from_secs(1)));
                    self.outbox.wake();
                }
            }
        }
    }

    async fn stop(&self, worker: JoinHandle<()>) {
        self.stop.cancel();
        worker.await.unwrap();
    }
}

fn delivery(order: &str, program: &str, unrepeatable: bool) -> NewDelivery {
    NewDelivery {
        program: program.to_owned(),
        endpoint: Endpoint::Conversions,
        params: vec![("OrderId".to_owned(), order.to_owned())],
        event: "Order Completed".to_owned(),
        message_id: None,
        order_id: Some(order.to_owned()),
        basis: "said".to_owned(),
        click_id: None,
        unrepeatable,
        once: vec![],
        anonymous: None,
        user: None,
        arrival: START,
        call: None,
    }
}

fn accepted() -> Outcome {
    Outcome::Accepted { receipt: Some("/submission/1".to_owned()) }
}

fn trouble(why: Trouble, after: Option<Duration>) -> Outcome {
    Outcome::Retry { why, detail: "bad weather".to_owned(), after }
}

#[tokio::test]
async fn each_delivery_ends_as_its_destination_says() {
    let bench = Bench::new();
    let answer = |order: String, attempt| async move {
        match (order.as_str(), attempt) {
            ("refused", _) => Outcome::Refused { status: 400, detail: "OrderId: too long".to_owned() },
            ("later", 1) => trouble(Trouble::ServerError, None),
            ("macro", _) => trouble(Trouble::MaybeSent, None),
            _ => accepted(),
        }
    };
    let (worker, mut seen) = bench.start(answer, GRACE);
    let orders = ["fine", "refused", "later", "macro"];
    let ids = bench.append(orders.iter().map(|order| delivery(order, "us", *order == "macro")).collect()).await;
    let mut steps = Vec::new();
    while steps.len() < 5 {
        steps.push(bench.next(&mut seen).await);
    }
    assert!(steps.contains(&("later".to_owned(), 2, Step::Done)), "{steps:?}");
    bench.stop(worker).await;
    let mut ends = Vec::new();
    for id in ids {
        let d = bench.outbox.show(id).await.unwrap().unwrap();
        ends.push((
            d.state,
            d.reason.unwrap_or_default(),
            d.last_error.unwrap_or_default(),
            d.receipt.unwrap_or_default(),
        ));
    }
    let expected = [
        (State::Delivered, "", "", "/submission/1"),
        (State::Dead, "refused", "400: OrderId: too long", ""),
        (State::Delivered, "", "bad weather", "/submission/1"),
        (State::Dead, "ambiguous", "bad weather", ""),
    ];
    assert_eq!(ends, expected.map(|(state, a, b, c)| (state, a.to_owned(), b.to_owned(), c.to_owned())));
}

#[tokio::test]
async fn a_429_pauses_its_program_and_no_other() {
    let bench = Bench::new();
    let limited = trouble(Trouble::RateLimited, Some(Duration::from_secs(60)));
    let answer = move |order: String, attempt| {
        let outcome = if order == "us1" && attempt == 1 { limited.clone() } else { accepted() };
        async move { outcome }
    };
    let (worker, mut seen) = bench.start(answer, GRACE);
    bench.append(vec![delivery("us1", "us", false)]).await;
    assert_eq!(seen.recv().await.unwrap().0, "us1");
    // Were the program not paused, one lease would take both.
    let ids = bench.append(vec![delivery("us2", "us", false), delivery("ca", "ca", false)]).await;
    assert_eq!(seen.recv().await.unwrap().0, "ca");
    assert_eq!(bench.outbox.show(ids[0]).await.unwrap().unwrap().attempts, 0);
    let mut later = [bench.next(&mut seen).await, bench.next(&mut seen).await].map(|(order, _, step)| (order, step));
    later.sort_by(|a, b| a.0.cmp(&b.0));
    assert_eq!(later, [("us1".to_owned(), Step::Done), ("us2".to_owned(), Step::Done)]);
    assert!(bench.clock.now() >= START.plus(Duration::from_secs(60)));
    bench.stop(worker).await;
}

#[tokio::test]
async fn after_a_429_conversions_go_before_page_loads() {
    let bench = Bench::new();
    let limited = trouble(Trouble::RateLimited, Some(Duration::from_secs(60)));
    let answer = move |_, attempt| {
        let outcome = if attempt <= 2 { limited.clone() } else { accepted() };
        async move { outcome }
    };
    let page = |name: &str| NewDelivery { endpoint: Endpoint::PageLoad, ..delivery(name, "us", false) };
    let (worker, mut seen) = bench.start(answer, GRACE);
    // The conversion is refused again and again; the page load waits beside it.
    bench.append(vec![delivery("order", "us", false)]).await;
    assert_eq!(seen.recv().await.unwrap().0, "order");
    bench.append(vec![page("page")]).await;
    let mut order = Vec::new();
    while order.len() < 2 {
        let (name, _, step) = bench.next(&mut seen).await;
        if step == Step::Done {
            order.push(name);
        }
    }
    assert_eq!(order, ["order", "page"]);
    bench.stop(worker).await;
}

#[tokio::test]
async fn only_so_many_are_under_way() {
    let bench = Bench::new();
    let all = 3 * UNDER_WAY_MAX;
    bench.append((0..all).map(|i| delivery(&i.to_string(), "us", false)).collect()).await;
    let (gate, now, most) = (Arc::new(Semaphore::new(0)), Arc::new(AtomicUsize::new(0)), Arc::new(AtomicUsize::new(0)));
    let answer = {
        let (gate, now, most) = (gate.clone(), now.clone(), most.clone());
        move |_, _| {
            let (gate, now, most) = (gate.clone(), now.clone(), most.clone());
            async move {
                most.fetch_max(now.fetch_add(1, SeqCst) + 1, SeqCst);
                gate.acquire().await.unwrap().forget();
                now.fetch_sub(1, SeqCst);
                accepted()
            }
        }
    };
    let (worker, mut seen) = bench.start(answer, GRACE);
    while now.load(SeqCst) < UNDER_WAY_MAX {
        tokio::task::yield_now().await;
    }
    gate.add_permits(all);
    for _ in 0..all {
        seen.recv().await.unwrap();
    }
    assert_eq!(most.load(SeqCst), UNDER_WAY_MAX);
    bench.stop(worker).await;
    let depth = bench.outbox.depth().await.unwrap();
    assert_eq!((depth.len(), depth[0].state, depth[0].count), (1, State::Delivered, all as u64));
}

#[tokio::test]
async fn a_stop_waits_for_answers_but_not_for_ever() {
    let bench = Bench::new();
    let ids = bench.append(vec![delivery("prompt", "us", false), delivery("silent", "us", false)]).await;
    let (gate, begun) = (Arc::new(Semaphore::new(0)), Arc::new(Semaphore::new(0)));
    let answer = {
        let (gate, begun) = (gate.clone(), begun.clone());
        move |order: String, _| {
            let (gate, begun) = (gate.clone(), begun.clone());
            async move {
                begun.add_permits(1);
                if order == "silent" {
                    std::future::pending::<()>().await;
                }
                gate.acquire().await.unwrap().forget();
                accepted()
            }
        }
    };
    let (worker, _seen) = bench.start(answer, Duration::from_secs(1));
    begun.acquire_many(2).await.unwrap().forget();
    bench.stop.cancel();
    // The stop has come; only now the answer does.
    gate.add_permits(1);
    worker.await.unwrap();
    let state = async |outbox: &Outbox, id| outbox.show(id).await.unwrap().unwrap().state;
    assert_eq!(state(&bench.outbox, ids[0]).await, State::Delivered);
    assert_eq!(state(&bench.outbox, ids[1]).await, State::Leased);
    bench.store.close().await;
    let store = Store::open(&store::Config::at(bench.folder.path()), bench.clock.clone()).unwrap();
    assert_eq!(state(&Outbox::new(store, bench.clock.clone()), ids[1]).await, State::Waiting);
}

#[tokio::test]
async fn without_a_store_the_worker_waits_and_still_stops() {
    let clock = Clock::manual(START);
    let outbox = Outbox::new(Store::unavailable("no disk", clock.clone()), clock.clone());
    let stop = CancellationToken::new();
    let worker = Worker::new(
        outbox,
        Config::default(),
        Arc::default(),
        |_, _| async { accepted().into() },
        |_: &Report<'_>| {},
        clock,
    );
    let running = tokio::spawn(worker.run(stop.clone(), GRACE));
    tokio::task::yield_now().await;
    stop.cancel();
    running.await.unwrap();
}
