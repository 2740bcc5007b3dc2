//! A large backlog: how soon a node with it answers, what it holds in memory, what it costs while impact.com is away, and
//! how fast it drains when impact.com is back.
//!
//! `cargo bench --bench backlog [-- DELIVERIES]` (1,000,000 by default: a minute to fill, and about 2 GB of disk).
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::print_stdout,
    clippy::panic,
    reason = "a benchmark may stop where it fails, and prints what it measures"
)]

use selvedge::clock::Clock;
use selvedge::demo::Impact;
use selvedge::demo::impact::{ACCOUNT_SID, AUTH_TOKEN};
use selvedge::destination::Endpoint;
use selvedge::outbox::{NewDelivery, OnceKey, Outbox};
use selvedge::store::{Config, PersonKey, Store};
use std::io::{BufRead, BufReader};
use std::net::SocketAddr;
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

const BATCH: u64 = 5000;
const IDLE: Duration = Duration::from_secs(10);
const DRAIN: Duration = Duration::from_secs(20);
/// Longer than the longest pause between two probes.
const PATIENCE: Duration = Duration::from_secs(90);

#[tokio::main]
async fn main() {
    let count = std::env::args().skip(1).find_map(|argument| argument.parse().ok()).unwrap_or(1_000_000);
    let folder = tempfile::tempdir_in(".").unwrap();
    fill(folder.path(), count).await;

    // The port is impact.com's; for now nobody listens there.
    let impact = Impact::start().await.unwrap();
    let port = impact.address().port();
    drop(impact);
    configure(folder.path(), port);

    let started = Instant::now();
    let node = Node::start(folder.path());
    println!("cold start to the first answer   {:>8} ms", node.answered(started).as_millis());
    tokio::time::sleep(Duration::from_secs(5)).await;
    println!("resident after 5 s               {:>8} KiB (peak {} KiB)", node.memory("VmRSS"), node.memory("VmHWM"));
    let before = node.cpu();
    tokio::time::sleep(IDLE).await;
    let share = (node.cpu() - before).as_secs_f64() / IDLE.as_secs_f64();
    println!("CPU while impact.com is away     {:>8.2} % of a core", 100.0 * share);

    let impact = loop {
        match Impact::start_at(port).await {
            Ok(impact) => break impact,
            Err(_) => tokio::time::sleep(Duration::from_millis(50)).await,
        }
    };
    let back = Instant::now();
    while node.delivered() == 0 {
        assert!(back.elapsed() < PATIENCE, "nothing is delivered");
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
    println!("first delivery after it is back  {:>8.1?}", back.elapsed());
    let (from, before, cpu) = (Instant::now(), node.delivered(), node.cpu());
    while from.elapsed() < DRAIN {
        // The stand-in remembers what it saw.
        impact.forget();
        tokio::time::sleep(Duration::from_millis(200)).await;
    }
    let made = (node.delivered() - before) as f64;
    let (rate, cost) = (made / from.elapsed().as_secs_f64(), (node.cpu() - cpu).as_secs_f64() * 1e6 / made);
    println!("drain                            {rate:>8.0} deliveries/s, {cost:.0} µs of CPU each");
    println!("resident at the end              {:>8} KiB (peak {} KiB)", node.memory("VmRSS"), node.memory("VmHWM"));
}

async fn fill(folder: &Path, count: u64) {
    let store = Store::open(&Config::at(folder.join("data")), Clock::System).unwrap();
    let outbox = Outbox::new(store.clone(), Clock::System);
    let begun = Instant::now();
    for first in (0..count).step_by(BATCH as usize) {
        let batch = (first..(first + BATCH).min(count)).map(delivery).collect();
        outbox.append(batch, vec![]).await.unwrap();
    }
    store.close().await;
    let size: u64 =
        std::fs::read_dir(folder.join("data")).unwrap().map(|file| file.unwrap().metadata().unwrap().len()).sum();
    println!("{count} deliveries, {} MiB, filled in {:.0?}", size >> 20, begun.elapsed());
}

fn delivery(number: u64) -> NewDelivery {
    let order = format!("order-{number}");
    let mut person = [0; 32];
    person
        .iter_mut()
        .zip(number.wrapping_mul(0x9E37_79B9_7F4A_7C15).to_be_bytes())
        .for_each(|(byte, random)| *byte = random);
    let at = Clock::System.now();
    let params = [
        ("CampaignId", "1000"),
        ("EventTypeCode", "Order Completed"),
        ("EventDate", "2026-11-24T12:00:00Z"),
        ("CustomerId", "customer-1001"),
        ("OrderId", &order),
        ("Text1", &"x".repeat(500)),
    ];
    NewDelivery {
        program: "us".into(),
        endpoint: Endpoint::Conversions,
        params: params.iter().map(|(name, value)| ((*name).to_owned(), (*value).to_owned())).collect(),
        event: "Order Completed".into(),
        message_id: Some(order.clone()),
        order_id: Some(order.clone()),
        basis: "linked".into(),
        click_id: None,
        unrepeatable: false,
        once: vec![OnceKey::message("k", "us", &order, at), OnceKey::order("us", "Order Completed", &order, at)],
        anonymous: None,
        user: Some(PersonKey(person)),
        arrival: at,
        call: Some("x".repeat(700)),
    }
}

fn configure(folder: &Path, impact: u16) {
    let text = format!(
        "[listen]\nhttp = \"127.0.0.1:0\"\nadmin = \"127.0.0.1:0\"\n[[site]]\norigin = \"http://127.0.0.1:9\"\n\
         [store]\npath = \"data\"\n[impact]\napi = \"http://127.0.0.1:{impact}\"\ntracking = \"http://127.0.0.1:{impact}\"\n\
         [[impact.program]]\nname = \"us\"\naccount_sid = \"{ACCOUNT_SID}\"\napi_key = \"{AUTH_TOKEN}\"\ncampaign_id = \"1000\"\n"
    );
    std::fs::write(folder.join("selvedge.toml"), text).unwrap();
}

struct Node {
    child: Child,
    site: SocketAddr,
    admin: SocketAddr,
}

impl Drop for Node {
    fn drop(&mut self) {
        self.child.kill().unwrap();
        self.child.wait().unwrap();
    }
}

impl Node {
    fn start(folder: &Path) -> Self {
        let mut child = Command::new(env!("CARGO_BIN_EXE_selvedge"))
            .args(["run", "--config"])
            .arg(folder.join("selvedge.toml"))
            .stdout(Stdio::piped())
            .stderr(Stdio::null())
            .spawn()
            .unwrap();
        let mut lines = BufReader::new(child.stdout.take().unwrap()).lines().map_while(Result::ok);
        let mut address = |what: &str| -> SocketAddr {
            let line = lines.next().unwrap();
            line.strip_prefix(&format!("selvedge: {what} listening on http://")).expect(&line).parse().unwrap()
        };
        let (site, admin) = (address("site"), address("admin"));
        Self { child, site, admin }
    }

    /// How long after `started` the site listener has answered (502: there is no origin).
    fn answered(&self, started: Instant) -> Duration {
        assert!(get(self.site, "/").starts_with("HTTP/1.1 502"));
        started.elapsed()
    }

    fn delivered(&self) -> u64 {
        let page = get(self.admin, "/metrics");
        let line = page.lines().find_map(|line| line.strip_prefix("selvedge_queue_depth{state=\"delivered\"} "));
        line.map_or(0, |count| count.parse().unwrap())
    }

    fn memory(&self, field: &str) -> u64 {
        let status = std::fs::read_to_string(format!("/proc/{}/status", self.child.id())).unwrap();
        let line = status.lines().find_map(|line| line.strip_prefix(&format!("{field}:"))).unwrap();
        line.trim().trim_end_matches(" kB").parse().unwrap()
    }

    /// User and system time, in ticks of 10 ms.
    fn cpu(&self) -> Duration {
        let stat = std::fs::read_to_string(format!("/proc/{}/stat", self.child.id())).unwrap();
        let fields: Vec<&str> = stat.rsplit(')').next().unwrap().split_whitespace().collect();
        let ticks: u64 = fields.iter().skip(11).take(2).map(|ticks| ticks.parse::<u64>().unwrap()).sum();
        Duration::from_millis(ticks * 10)
    }
}

fn get(address: SocketAddr, path: &str) -> String {
    use std::io::{Read, Write};
    let mut stream = std::net::TcpStream::connect(address).unwrap();
    stream.set_read_timeout(Some(Duration::from_secs(30))).unwrap();
    write!(stream, "GET {path} HTTP/1.1\r\nHost: {address}\r\nConnection: close\r\n\r\n").unwrap();
    let mut answer = String::new();
    stream.read_to_string(&mut answer).unwrap();
    answer
}
