//! `selvedge bench` against servers of known delays, and beside other generators: it counts what it sent, and hides no stall.

use crate::harness::{Edge, Origin, Running, answers, eventually};
use serde_json::Value;
use std::path::Path;
use std::process::{Command, Output};
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;
use tokio::sync::Mutex;

/// Runs it, and reads its report.
async fn bench(arguments: &[&str]) -> (Output, Option<Value>) {
    let folder = tempfile::tempdir().unwrap();
    let report = folder.path().join("report.json");
    let mut command = Command::new(env!("CARGO_BIN_EXE_selvedge"));
    command.arg("bench").args(arguments).arg("--out").arg(&report).env("TMPDIR", folder.path());
    let output = tokio::task::spawn_blocking(move || command.output().unwrap()).await.unwrap();
    let told = std::fs::read(&report).ok().and_then(|told| serde_json::from_slice(&told).ok());
    (output, told)
}

/// The only target of a report.
fn target(report: &Value) -> &Value {
    &report["sections"][0]["targets"][0]
}

fn number(target: &Value, name: &str) -> u64 {
    target[name].as_u64().unwrap_or_else(|| panic!("{name} in {target}"))
}

/// How many requests took at least as long.
fn slower_than(target: &Value, wait: Duration) -> u64 {
    let bars = target["histogram"].as_array().unwrap().iter();
    let slow = bars.filter(|bar| u128::from(bar[0].as_u64().unwrap()) >= wait.as_nanos());
    slow.map(|bar| bar[1].as_u64().unwrap()).sum()
}

/// A server that waits before each answer as `wait` says for the request's number, and counts them.
async fn waiting(wait: impl Fn(u64) -> Duration + Send + Sync + 'static) -> (Origin, Arc<AtomicU64>) {
    let (count, wait) = (Arc::new(AtomicU64::new(0)), Arc::new(wait));
    let counted = count.clone();
    let origin = Origin::scripted(move |connection, _| {
        let wait = wait(counted.fetch_add(1, Ordering::SeqCst));
        Box::pin(async move {
            tokio::time::sleep(wait).await;
            connection.write(answers("200 OK", &[], "hello").as_slice()).await;
            true
        })
    });
    (origin.await, count)
}

fn url(origin: &Origin) -> String {
    format!("http://{}/", origin.address())
}

#[tokio::test]
async fn no_latency_is_below_the_known_delay() {
    const DELAY: Duration = Duration::from_millis(20);
    let (origin, count) = waiting(|_| DELAY).await;
    let url = url(&origin);
    let (output, report) = bench(&[&url, "--rate", "200", "--duration", "600ms", "--rounds", "2"]).await;
    assert!(output.status.success(), "{output:?}");
    let report = report.unwrap();
    let target = target(&report);
    // A histogram has three digits.
    assert!(u128::from(number(target, "min")) >= DELAY.as_nanos() * 999 / 1_000, "{target}");
    assert!(number(target, "p50") >= number(target, "min"));
    assert_eq!(number(target, "sent"), 120, "200 per second for 600 ms: {target}");
    assert_eq!(number(target, "requests") + number(target, "warm_up"), 120);
    assert_eq!(count.load(Ordering::SeqCst), 120, "the server counts the same");
    assert_eq!(slower_than(target, Duration::ZERO), number(target, "requests"));
}

#[tokio::test]
async fn a_stall_is_in_the_latency_of_all_that_were_due_meanwhile() {
    // The 80th request, of 200 per second, is due after 400 ms; the server answers nobody for 200 ms.
    const STALL: Duration = Duration::from_millis(200);
    let gate = Arc::new(Mutex::new(()));
    let count = Arc::new(AtomicU64::new(0));
    let counted = count.clone();
    let origin = Origin::scripted(move |connection, _| {
        let (gate, number) = (gate.clone(), counted.fetch_add(1, Ordering::SeqCst));
        Box::pin(async move {
            let open = gate.lock().await;
            if number == 80 {
                tokio::time::sleep(STALL).await;
            }
            drop(open);
            connection.write(answers("200 OK", &[], "hello").as_slice()).await;
            true
        })
    });
    let url = url(&origin.await);
    for connections in ["1", "4"] {
        count.store(0, Ordering::SeqCst);
        let load = ["--rate", "200", "--duration", "1s", "--rounds", "1", "--connections", connections];
        let (output, report) = bench(&[&[url.as_str()], &load[..]].concat()).await;
        assert!(output.status.success(), "{output:?}");
        let report = report.unwrap();
        let target = target(&report);
        assert_eq!((number(target, "sent"), number(target, "unsent")), (200, 0));
        // Due in its first half: 20 requests, however few of them could be sent.
        assert!(slower_than(target, STALL / 2) >= 20, "{connections} connections: {target}");
        assert!(number(target, "late") >= 20, "most of them had no connection: {target}");
    }
}

/// What another generator tells; nothing where it is not on this machine.
async fn told_by(program: &'static str, arguments: &[&str]) -> Option<String> {
    let mut command = Command::new(program);
    command.args(arguments);
    let output = tokio::task::spawn_blocking(move || command.output()).await.unwrap();
    if output.is_err() {
        eprintln!("!! SKIPPED: no {program} on this machine");
    }
    Some(String::from_utf8(output.ok()?.stdout).unwrap())
}

/// The number before a word of a generator's report.
fn before(word: &str, text: &str) -> f64 {
    let (before, _) = text.split_once(word).unwrap_or_else(|| panic!("no {word} in {text}"));
    before.rsplit([' ', '\n']).next().unwrap().parse().unwrap_or_else(|_| panic!("no number before {word}: {text}"))
}

#[tokio::test]
async fn others_count_as_it_does() {
    const DELAY: Duration = Duration::from_millis(10);
    let (origin, count) = waiting(|_| DELAY).await;
    let url = url(&origin);
    // Four connections that wait for their answers: no more than 400 in a second, whoever counts.
    let (output, report) = bench(&[&url, "--max", "--connections", "4", "--duration", "1s", "--rounds", "1"]).await;
    assert!(output.status.success(), "{output:?}");
    let report = report.unwrap();
    assert_eq!(count.swap(0, Ordering::SeqCst), number(target(&report), "sent"));
    let ours = target(&report)["per_second"].as_f64().unwrap();
    // The rest is the machine's mood.
    let agrees = |theirs: f64| ours <= 420.0 && theirs <= 420.0 && ours * 5.0 > theirs && theirs * 5.0 > ours;
    if let Some(text) = told_by("wrk", &["-t1", "-c4", "-d1s", &url]).await {
        let (theirs, seen) = (before(" requests in ", &text), count.swap(0, Ordering::SeqCst) as f64);
        assert!(theirs <= seen && seen <= theirs + 4.0, "wrk {theirs}, the server {seen}");
        assert!(agrees(theirs), "ours {ours}, wrk's {theirs}");
    }
    if let Some(text) = told_by("h2load", &["--h1", "-n200", "-c4", &url]).await {
        assert_eq!((before(" succeeded", &text), count.load(Ordering::SeqCst)), (200.0, 200), "{text}");
        let theirs = before(" req/s", &text);
        assert!(agrees(theirs), "ours {ours}, h2load's {theirs}");
    }
}

#[tokio::test]
async fn another_counts_requests_by_http2_as_it_does() {
    let (origin, count) = waiting(|_| Duration::ZERO).await;
    let (edge, _) = Edge::start().site(&[], origin.address()).secured(&[&["localhost"]]);
    let edge = edge.run().await;
    let url = format!("https://{}/", edge.secure_address());
    let (output, report) = bench(&[&url, "--h2", "--insecure", "--rate", "200", "--duration", "500ms"]).await;
    assert!(output.status.success(), "{output:?}");
    assert_eq!(count.swap(0, Ordering::SeqCst), number(target(report.as_ref().unwrap()), "sent"));
    if let Some(text) = told_by("h2load", &["-n200", "-c4", "-m8", &url]).await {
        assert!(text.contains("Application protocol: h2"), "{text}");
        assert_eq!((before(" succeeded", &text), count.load(Ordering::SeqCst)), (200.0, 200), "{text}");
    }
}

#[tokio::test]
async fn failures_are_counted_by_kind_and_are_no_latency() {
    let (origin, count) = (Origin::start(answers("503 Busy", &[], "")).await, "50");
    let url = url(&origin);
    let (output, report) = bench(&[&url, "--rate", count, "--duration", "1s", "--rounds", "1"]).await;
    assert_eq!(output.status.code(), Some(1), "{output:?}");
    let report = report.unwrap();
    let target = target(&report);
    assert_eq!(target["errors"], serde_json::json!({"status 503": number(target, "requests")}));
    assert_eq!(slower_than(target, Duration::ZERO), 0);

    let free = std::net::TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap();
    let (output, _) = bench(&[&format!("http://{free}/")]).await;
    let text = String::from_utf8(output.stderr).unwrap();
    assert!(output.status.code() == Some(1) && text.contains("cannot be reached: Connection refused"), "{text}");
}

#[tokio::test]
async fn tls_and_http2_need_trust_or_a_word() {
    let mut edge = Edge::start();
    let origin = Origin::start(answers("200 OK", &[], "hello")).await;
    edge = edge.site(&[], origin.address());
    let (edge, authority) = edge.secured(&[&["localhost"]]);
    let edge = edge.run().await;
    let url = format!("https://localhost:{}/", edge.secure_address().port());
    let (output, _) = bench(&[&url]).await;
    let text = String::from_utf8(output.stderr).unwrap();
    assert!(output.status.code() == Some(1) && text.contains("cannot be reached: invalid peer certificate"), "{text}");
    let folder = tempfile::tempdir().unwrap();
    let roots = authority.file(folder.path());
    let roots = ["--roots", roots.to_str().unwrap()];
    for trust in [&roots[..], &["--insecure"]] {
        for protocol in [&[][..], &["--h2"]] {
            let load = ["--rate", "100", "--duration", "300ms", "--rounds", "1", "--connections", "2"];
            let (output, report) = bench(&[&[url.as_str()], &load[..], trust, protocol].concat()).await;
            let report = report.unwrap();
            assert!(output.status.success(), "{output:?}");
            assert_eq!((number(target(&report), "sent"), number(target(&report), "failed")), (30, 0));
        }
    }
    let elsewhere = format!("https://{}/", edge.secure_address());
    let (output, _) = bench(&[&[elsewhere.as_str()], &roots[..]].concat()).await;
    let text = String::from_utf8(output.stderr).unwrap();
    assert!(text.contains("invalid peer certificate"), "the authority, but not its name: {text}");
}

#[tokio::test]
async fn ctrl_c_shows_what_there_is() {
    let (origin, _) = waiting(|_| Duration::ZERO).await;
    let url = url(&origin);
    let arguments = ["bench", &url, "--duration", "20s", "--rounds", "100", "--vs", &format!("again={url}")];
    let mut running = Running::start(&arguments, Path::new("/tmp"));
    running.line("a round", |line| line.starts_with("site, round 2 of 100: ")).await;
    assert_eq!(running.end_by("-INT").await.code(), Some(0));
    running.line("what it adds", |line| line.starts_with("Added by again to ")).await;
    running.line("that it is cut", |line| line.contains("ended early")).await;
}

#[tokio::test]
async fn it_measures_itself() {
    let (output, report) = bench(&["--self", "--duration", "1500ms", "--workload", "event"]).await;
    let text = String::from_utf8(output.stdout).unwrap();
    assert!(output.status.success() && text.contains("ADDED P50") && text.contains("CPU PER REQUEST"), "{text}");
    let report = report.unwrap();
    for section in report["sections"].as_array().unwrap() {
        assert_eq!(section["workload"], "POST /cdp/v1/track");
        for target in section["targets"].as_array().unwrap() {
            assert!(number(target, "requests") > 0 && number(target, "failed") == 0, "{target}");
        }
    }
    assert_eq!(report["sections"].as_array().unwrap().len(), 2);
}

#[tokio::test]
async fn the_build_that_it_measures_ends_with_it_even_if_it_is_killed() {
    let folder = tempfile::tempdir().unwrap();
    let mut running = Running::start(&["bench", "--self", "--duration", "20s"], folder.path());
    running.line("a round", |line| line.starts_with("site, round 1 of ")).await;
    let [node] = running.children()[..] else { panic!("it has started {:?}", running.children()) };
    running.end_by("-KILL").await;
    // One that has ended and that nobody waits for is gone, too, or has no memory any more.
    let memory = || std::fs::read_to_string(format!("/proc/{node}/statm")).unwrap_or_default();
    eventually("the end of the node", async || (memory().is_empty() || memory().starts_with("0 ")).then_some(())).await;
}

#[tokio::test]
async fn what_cannot_be_meant_is_told() {
    for (arguments, said) in [
        (&[][..], "required"),
        (&["ftp://a/"], "`ftp://a/` is no target"),
        (&["http://a/", "--vs", "http://a/b"], "two targets are called `a`"),
        (&["http://a/", "--rate", "0"], "invalid value '0'"),
        (&["http://a/", "--rate", "5", "--max"], "cannot be used with"),
        (&["http://a/", "--connections", "0"], "--connections 1 or more"),
        (&["http://a/", "--connections", "801"], "801 connections are more than 800"),
        (&["http://a/", "--duration", "2h"], "between 100ms and 1h"),
        (&["http://a/", "--request", "/nowhere"], "/nowhere: No such file"),
        (&["http://a/", "--out", "/nowhere/a.html"], "/nowhere/a.html: No such file"),
        (&["http://a/", "--out", "a.txt"], "a report ends with .html or .json"),
        (&["--self", "--h2"], "cannot be used with"),
        (&["https://a/", "--roots", "a.pem", "--insecure"], "cannot be used with"),
        (&["https://a/", "--roots", "/nowhere/a.pem"], "/nowhere/a.pem cannot be read: No such file"),
        (&["https://a/", "--roots", "/dev/null"], "/dev/null holds no certificate of an authority"),
    ] {
        let (output, _) = bench(arguments).await;
        let text = String::from_utf8(output.stderr).unwrap();
        assert!(output.status.code() == Some(2) && text.contains(said), "{arguments:?}: {text}");
    }
}
