//! `selvedge bench` against servers of known delays, and beside other generators: it counts what it sent, and hides no stall.

use crate::harness::{Authority, Edge, Origin, Running, answers};
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

#[tokio::test]
async fn others_count_as_it_does() {
    let (origin, count) = waiting(|_| Duration::ZERO).await;
    let url = url(&origin);
    let (output, report) = bench(&[&url, "--max", "--connections", "4", "--duration", "500ms"]).await;
    assert!(output.status.success(), "{output:?}");
    let ours = number(target(report.as_ref().unwrap()), "sent");
    assert_eq!(count.swap(0, Ordering::SeqCst), ours);
    let wrk = ["-t1", "-c4", "-d1s", &url];
    let Ok(output) = tokio::task::spawn_blocking({
        let wrk = wrk.map(str::to_owned);
        move || Command::new("wrk").args(wrk).output()
    })
    .await
    .unwrap() else {
        eprintln!("!! SKIPPED: no wrk on this machine");
        return;
    };
    let text = String::from_utf8(output.stdout).unwrap();
    let line = text.lines().find(|line| line.contains(" requests in ")).expect(&text);
    let theirs: u64 = line.trim().split(' ').next().unwrap().parse().unwrap();
    let seen = count.load(Ordering::SeqCst);
    assert!(theirs <= seen && seen <= theirs + 4, "wrk {theirs}, the server {seen}");
    // Twice the time; the rest is the machine's mood.
    assert!(ours * 40 > theirs && theirs * 20 > ours, "ours {ours}, theirs {theirs}");
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
    let (edge, _): (_, Authority) = edge.secured(&[&["localhost"]]);
    let edge = edge.run().await;
    let url = format!("https://{}/", edge.secure_address());
    let (output, _) = bench(&[&url]).await;
    let text = String::from_utf8(output.stderr).unwrap();
    assert!(output.status.code() == Some(1) && text.contains("cannot be reached: invalid peer certificate"), "{text}");
    for protocol in [&["--insecure"][..], &["--insecure", "--h2"]] {
        let load = ["--rate", "100", "--duration", "300ms", "--rounds", "1", "--connections", "2"];
        let (output, report) = bench(&[&[url.as_str()], &load[..], protocol].concat()).await;
        let report = report.unwrap();
        assert!(output.status.success(), "{output:?}");
        assert_eq!((number(target(&report), "sent"), number(target(&report), "failed")), (30, 0));
    }
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
    ] {
        let (output, _) = bench(arguments).await;
        let text = String::from_utf8(output.stderr).unwrap();
        assert!(output.status.code() == Some(2) && text.contains(said), "{arguments:?}: {text}");
    }
}
