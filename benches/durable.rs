//! Durable appends: the outbox beside the bare file (one fdatasync a commit) and Redis (`appendfsync always`), on one disk,
//! in one run.
//!
//! `cargo bench --bench durable [-- SECONDS]`; each figure is taken over that long (2 s by default), three rounds in turn,
//! and the median is shown. Redis is left out, and said so, where there is no `redis-server`.
#![allow(
    clippy::unwrap_used,
    clippy::indexing_slicing,
    clippy::print_stdout,
    clippy::panic,
    reason = "a benchmark may stop where it fails, and prints what it measures"
)]

use selvedge::clock::Clock;
use selvedge::destination::Endpoint;
use selvedge::outbox::{Appended, NewDelivery, OnceKey, Outbox};
use selvedge::store::{Config, PersonKey, Store};
use std::future::Future;
use std::io::Write;
use std::process::{Child, Command, Stdio};
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering::Relaxed};
use std::time::{Duration, Instant};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;
use tokio::sync::{mpsc, oneshot};

const WRITERS: [usize; 3] = [1, 64, 512];
const ROUNDS: usize = 3;
/// What an order with a few products takes as a form, and what is kept of its call.
const PAYLOAD_BYTES: usize = 1000;
/// As many as the outbox takes into one commit.
const BATCH_MAX: usize = 512;

/// What one run saw.
#[derive(Clone, Copy, Default)]
struct Figure {
    appends: f64,
    commits: f64,
    p50: Duration,
    p99: Duration,
}

fn main() {
    let seconds = std::env::args().skip(1).find_map(|argument| argument.parse().ok()).unwrap_or(2.0);
    let span = Duration::from_secs_f64(seconds);
    let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(2).enable_all().build().unwrap();
    println!("{:22} {:>7} {:>12} {:>12} {:>10} {:>10}", "", "writers", "appends/s", "commits/s", "p50", "p99");
    for writers in WRITERS {
        let mut figures: Vec<(&str, Vec<Figure>)> =
            vec![("bare file", vec![]), ("outbox (SQLite)", vec![]), ("redis always", vec![])];
        for _ in 0..ROUNDS {
            figures[0].1.push(runtime.block_on(bare_file(writers, span)));
            figures[1].1.push(runtime.block_on(outbox(writers, span)));
            figures[2].1.extend(runtime.block_on(redis(writers, span)));
        }
        for (name, rounds) in figures {
            match median(rounds) {
                Some(f) => println!(
                    "{name:22} {writers:>7} {:>12.0} {:>12.0} {:>10.1?} {:>10.1?}",
                    f.appends, f.commits, f.p50, f.p99
                ),
                None => println!("{name:22} {writers:>7} left out: no redis-server"),
            }
        }
    }
}

fn median(mut rounds: Vec<Figure>) -> Option<Figure> {
    rounds.sort_by(|a, b| a.appends.total_cmp(&b.appends));
    rounds.get(rounds.len() / 2).copied()
}

/// Lets `writers` append one after the other for as long as `span`; `append` answers when it is durable.
async fn drive<A, F>(writers: usize, span: Duration, append: A) -> (usize, Duration, Vec<Duration>)
where
    A: Fn(usize, u64) -> F + Send + Sync + 'static,
    F: Future<Output = ()> + Send,
{
    let append = Arc::new(append);
    let begun = Instant::now();
    let tasks = (0..writers).map(|writer| {
        let append = Arc::clone(&append);
        tokio::spawn(async move {
            let mut waits = Vec::new();
            for number in 0.. {
                if begun.elapsed() >= span {
                    break;
                }
                let asked = Instant::now();
                append(writer, number).await;
                waits.push(asked.elapsed());
            }
            waits
        })
    });
    let mut waits = Vec::new();
    for task in tasks.collect::<Vec<_>>() {
        waits.extend(task.await.unwrap());
    }
    waits.sort_unstable();
    (waits.len(), begun.elapsed(), waits)
}

fn figure((count, took, waits): (usize, Duration, Vec<Duration>), commits: u64) -> Figure {
    let at = |share: f64| waits[((waits.len() - 1) as f64 * share) as usize];
    let per_second = |count: f64| count / took.as_secs_f64();
    Figure { appends: per_second(count as f64), commits: per_second(commits as f64), p50: at(0.5), p99: at(0.99) }
}

fn delivery(writer: usize, number: u64) -> NewDelivery {
    let order = format!("{writer}-{number}");
    let mut person = [0; 32];
    person[..8].copy_from_slice(&(writer as u64 * 1_000_000 + number).to_le_bytes());
    let at = Clock::System.now();
    NewDelivery {
        program: "us".into(),
        endpoint: Endpoint::Conversions,
        params: vec![("OrderId".into(), order.clone()), ("Text1".into(), "x".repeat(PAYLOAD_BYTES))],
        event: "Order Completed".into(),
        message_id: Some(order.clone()),
        order_id: Some(order.clone()),
        basis: "linked".into(),
        click_id: Some("2uz3sQWFlxyJRcqwUx0Mo38bUkH".into()),
        unrepeatable: false,
        once: vec![OnceKey::order("us", "2000", &order, at)],
        anonymous: None,
        user: Some(PersonKey(person)),
        arrival: at,
        call: None,
    }
}

async fn outbox(writers: usize, span: Duration) -> Figure {
    let folder = tempfile::tempdir_in(".").unwrap();
    let store = Store::open(&Config::at(folder.path()), Clock::System).unwrap();
    let outbox = Outbox::new(store.clone(), Clock::System);
    let append = move |writer, number| {
        let outbox = outbox.clone();
        async move {
            let appended = outbox.append(vec![delivery(writer, number)], vec![]).await.unwrap();
            assert!(matches!(appended[..], [Appended::New(_)]));
        }
    };
    let driven = drive(writers, span, append).await;
    let commits = store.stats().commits;
    store.close().await;
    figure(driven, commits)
}

async fn bare_file(writers: usize, span: Duration) -> Figure {
    let mut file = tempfile::tempfile_in(".").unwrap();
    let (send, mut inbox) = mpsc::channel::<(Vec<u8>, oneshot::Sender<()>)>(4096);
    let commits = Arc::new(AtomicU64::new(0));
    let counted = Arc::clone(&commits);
    let thread = std::thread::spawn(move || {
        while let Some(first) = inbox.blocking_recv() {
            let mut batch = vec![first];
            while batch.len() < BATCH_MAX
                && let Ok(more) = inbox.try_recv()
            {
                batch.push(more);
            }
            let bytes: Vec<u8> = batch.iter().flat_map(|(bytes, _)| bytes.iter().copied()).collect();
            file.write_all(&bytes).unwrap();
            file.sync_data().unwrap();
            counted.fetch_add(1, Relaxed);
            batch.into_iter().for_each(|(_, reply)| reply.send(()).unwrap());
        }
    });
    let append = move |_, _| {
        let send = send.clone();
        async move {
            let (reply, answer) = oneshot::channel();
            send.send((vec![b'x'; PAYLOAD_BYTES], reply)).await.unwrap();
            answer.await.unwrap();
        }
    };
    let driven = drive(writers, span, append).await;
    thread.join().unwrap();
    figure(driven, commits.load(Relaxed))
}

struct Redis(Child);

impl Drop for Redis {
    fn drop(&mut self) {
        self.0.kill().unwrap();
        self.0.wait().unwrap();
    }
}

/// Every append is a write and an fsync of Redis's own; it groups what has come in meanwhile.
async fn redis(writers: usize, span: Duration) -> Option<Figure> {
    let folder = tempfile::tempdir_in(".").unwrap();
    let port = std::net::TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap().port();
    let server = Command::new("redis-server")
        .args(["--port", &port.to_string(), "--save", "", "--appendonly", "yes", "--appendfsync", "always", "--dir"])
        .arg(folder.path())
        .stdout(Stdio::null())
        .spawn();
    let _server = Redis(server.ok()?);
    let connections: Vec<_> = futures_util::future::join_all((0..writers).map(|_| connect(port))).await;
    let connections: Arc<Vec<_>> = Arc::new(connections.into_iter().map(tokio::sync::Mutex::new).collect());
    let payload = "x".repeat(PAYLOAD_BYTES);
    let command = format!("*5\r\n$4\r\nXADD\r\n$1\r\ns\r\n$1\r\n*\r\n$1\r\nd\r\n${}\r\n{payload}\r\n", payload.len());
    let append = move |writer: usize, _| {
        let (connections, command) = (Arc::clone(&connections), command.clone());
        async move {
            let mut connection = connections[writer].lock().await;
            connection.write_all(command.as_bytes()).await.unwrap();
            // A bulk string: `$15`, and the number of the entry.
            let mut answer = [0; 256];
            let mut read = 0;
            while answer[..read].iter().filter(|byte| **byte == b'\n').count() < 2 {
                read += connection.read(&mut answer[read..]).await.unwrap();
            }
            assert_eq!(answer[0], b'$', "{}", String::from_utf8_lossy(&answer[..read]));
        }
    };
    Some(figure(drive(writers, span, append).await, 0))
}

async fn connect(port: u16) -> TcpStream {
    let deadline = Instant::now() + Duration::from_secs(10);
    loop {
        match TcpStream::connect(("127.0.0.1", port)).await {
            Ok(stream) => {
                stream.set_nodelay(true).unwrap();
                return stream;
            }
            Err(error) if Instant::now() > deadline => panic!("redis-server does not answer: {error}"),
            Err(_) => tokio::time::sleep(Duration::from_millis(20)).await,
        }
    }
}
