//! One request in, one request out: odd, broken and deceitful bytes over raw sockets, through Selvedge, nginx and HAProxy.
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::indexing_slicing,
    clippy::string_slice,
    clippy::panic,
    clippy::print_stderr,
    reason = "a test's panic is its report, and what it skips it has to say"
)]

mod case;
#[path = "../it/harness/mod.rs"]
mod harness;
mod origin;
mod page;
mod servers;
mod verdict;
mod visitor;

use case::{Case, Wanted};
use futures_util::future::join_all;
use page::Column;
use servers::{Lane, Server};
use std::collections::HashSet;

/// So many of each server are tried at once; each plays its cases one after the other, so that what a case left behind meets
/// its own canary.
const LANES: usize = 6;

/// Plays all cases through a server, and makes its column.
async fn column(server: Server, cases: &[Case]) -> Column {
    let heading = server.version().unwrap_or_else(|| panic!("{server:?} is not installed"));
    let lanes = (0..LANES).map(|lane| async move {
        let mut cells = Vec::new();
        let setting = server.start(&cases[0]).await;
        for (i, case) in cases.iter().enumerate().skip(lane).step_by(LANES) {
            cells.push((i, cell(&setting, case).await));
        }
        cells
    });
    let mut cells: Vec<_> = join_all(lanes).await.into_iter().flatten().collect();
    cells.sort_unstable();
    Column { heading, cells: cells.into_iter().map(|(_, cell)| cell).collect() }
}

/// Plays a case: what the visitor saw, or what is wrong with it.
async fn cell(lane: &Lane, case: &Case) -> String {
    let record = lane.origin.play(case);
    let got = visitor::play(lane.address, case).await;
    let seen = record.seen();
    let faults = verdict::faults(case, &got, &seen);
    let outcome = verdict::outcome(&got);
    if faults.is_empty() {
        return if case.wanted == Wanted::Dropped { case.verdict.clone() } else { outcome };
    }
    let mut said = HashSet::from([outcome.clone()]);
    let faults: Vec<String> = faults.into_iter().filter(|fault| said.insert(fault.clone())).collect();
    let cell =
        if faults.is_empty() { format!("✗ {outcome}") } else { format!("✗ {outcome}: {}", faults.join("; ")) };
    cell.replace('|', "\\|")
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn every_case_is_as_it_must_be_and_the_page_says_so() {
    let cases = case::all("cases");
    assert!(cases.len() >= 200, "{} cases", cases.len());
    let names: HashSet<&str> = cases.iter().map(|case| case.name.as_str()).collect();
    assert_eq!(names.len(), cases.len(), "two cases have one name");
    let ours = column(Server::Selvedge, &cases).await;
    let wrong = cases.iter().zip(&ours.cells).filter(|(_, cell)| cell.starts_with('✗'));
    let wrong: Vec<String> = wrong.map(|(case, cell)| format!("{}: {cell}", case.name)).collect();
    assert!(wrong.is_empty(), "{} of {} cases:\n{}", wrong.len(), cases.len(), wrong.join("\n"));
    let columns = [ours, page::committed(&cases, 1), page::committed(&cases, 2)];
    let page = page::render(&cases, &columns);
    let committed = std::fs::read_to_string(page::path()).unwrap_or_default();
    assert!(page == committed, "src/proxy/conformance.md is not true any more: {WRITE} writes it anew");
}

const WRITE: &str = "cargo test --test conformance -- --ignored";

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
#[ignore = "needs nginx and haproxy, and writes src/proxy/conformance.md"]
async fn the_page_is_written_with_all_three() {
    let cases = case::all("cases");
    let mut columns = Vec::new();
    for server in [Server::Selvedge, Server::Nginx, Server::Haproxy] {
        columns.push(column(server, &cases).await);
    }
    std::fs::write(page::path(), page::render(&cases, &columns)).unwrap();
}
