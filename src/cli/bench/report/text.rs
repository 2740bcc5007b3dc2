//! The report as tables for a terminal.

use super::super::compare::{QUANTILES, is_solid};
use super::{Measured, Report, Section, cell, put, time};
use crate::cli::bench::schedule::Pace;
use crate::cli::cells::{printable, table};
use serde_json::{Value, json};
use std::fmt::Write;

pub(super) fn of(report: &Report) -> String {
    let mut out = String::new();
    let pairs = report.pairs();
    if pairs.is_empty() {
        report.sections.iter().for_each(|section| out.push_str(&whole(section)));
    } else {
        out.push_str(&summary(&pairs));
    }
    let of_sections = report
        .sections
        .iter()
        .flat_map(|section| section.warnings().into_iter().map(|warning| format!("{}: {warning}", section.name)));
    for warning in report.warnings().into_iter().chain(of_sections) {
        // Writing to a String cannot fail.
        writeln!(out, "warning: {}", printable(&warning)).ok();
    }
    writeln!(out, "\non {}", printable(&report.machine.line())).ok();
    out
}

fn whole(section: &Section) -> String {
    let mut out = format!("{}: {}, {}\n\n", section.name, printable(&section.workload), section.load());
    let columns = [
        ("TARGET", "target"),
        ("REQUESTS", "requests"),
        ("PER SECOND", "rate"),
        ("FAILED", "failed"),
        ("LATE", "late"),
        ("P50", "p50"),
        ("P90", "p90"),
        ("P99", "p99"),
        ("P99.9", "p99.9"),
        ("MAX", "max"),
    ];
    out.push_str(&table(&columns, &section.targets.iter().map(row).collect::<Vec<_>>()));
    let first = section.targets.first().map(|first| first.name.as_str()).unwrap_or_default();
    if section.pace == Pace::Max {
        for (other, share) in section.served() {
            let (other, share) = (printable(&other.name), share * 100.0);
            writeln!(out, "\n{other} serves {share:.0} % of the requests per second of {}", printable(first)).ok();
        }
        return out;
    }
    for (other, added) in section.added() {
        writeln!(
            out,
            "\nAdded by {} to {}, and in brackets its 95 % interval:",
            printable(&other.name),
            printable(first)
        )
        .ok();
        for ((name, _), added) in QUANTILES.iter().zip(&added) {
            writeln!(out, "  {name:5}  {}", cell(added)).ok();
        }
    }
    out
}

fn row(target: &Measured) -> Value {
    let mut row = json!({
        "target": target.name,
        "requests": target.requests(),
        "rate": format!("{:.0}", target.rate()),
        "failed": target.failed(),
        "late": target.sum(|tally| tally.late),
    });
    let latency = target.latency();
    for (name, quantile) in QUANTILES {
        let solid = latency.as_ref().filter(|latency| is_solid(latency.len(), quantile));
        put(&mut row, name, solid.map_or_else(|| "–".to_owned(), |latency| time(latency.value_at_quantile(quantile))));
    }
    let max = latency.filter(|latency| !latency.is_empty()).map(|latency| time(latency.max()));
    put(&mut row, "max", max.unwrap_or_else(|| "–".to_owned()));
    row
}

/// What this build costs, a line for each workload.
fn summary(pairs: &[(&Section, &Section)]) -> String {
    let rate = |section: &Section, place: usize| section.targets.get(place).map_or(0.0, Measured::rate);
    let rows = pairs.iter().map(|(open, closed)| {
        let pace = if let Pace::Rate(rate) = open.pace { rate } else { 0 };
        let mut row = json!({
            "workload": open.name,
            "pace": format!("{pace}/s"),
            "direct": format!("{:.0}", rate(closed, 0)),
            "through": format!("{:.0}", rate(closed, 1)),
            "cpu": closed.targets.get(1).and_then(Measured::cpu).map_or_else(|| "unknown".to_owned(), |cpu| time(super::super::tally::nanos(cpu))),
        });
        let added = open.added().into_iter().next().map(|(_, added)| added).unwrap_or_default();
        for ((name, _), added) in QUANTILES.iter().zip(&added) {
            put(&mut row, name, cell(added));
        }
        row
    });
    let rows: Vec<Value> = rows.collect();
    let mut out =
        "What this build adds to each request, on loopback, and in brackets its 95 % interval:\n\n".to_owned();
    let added = [
        ("WORKLOAD", "workload"),
        ("AT", "pace"),
        ("ADDED P50", "p50"),
        ("ADDED P90", "p90"),
        ("ADDED P99", "p99"),
        ("ADDED P99.9", "p99.9"),
    ];
    out.push_str(&table(&added, &rows));
    out.push_str("\nAt full load, in requests per second, and the CPU time of Selvedge for each:\n\n");
    let full =
        [("WORKLOAD", "workload"), ("DIRECT", "direct"), ("THROUGH SELVEDGE", "through"), ("CPU PER REQUEST", "cpu")];
    out.push_str(&table(&full, &rows));
    out
}
