//! The report for machines. Times are nanoseconds.

use super::super::compare::{Added, QUANTILES};
use super::super::schedule::Pace;
use super::super::tally::{Tally, nanos};
use super::{Measured, Report, Section, put};
use serde_json::{Value, json};

pub(super) fn of(report: &Report) -> Value {
    json!({
        "command": report.command,
        "version": env!("CARGO_PKG_VERSION"),
        "began": report.began,
        "machine": report.machine.to_json(),
        "stolen_percent": report.stolen,
        "ended_early": report.is_cut,
        "warnings": report.warnings(),
        "sections": report.sections.iter().map(section).collect::<Vec<_>>(),
    })
}

fn section(section: &Section) -> Value {
    let first = section.targets.first().map(|first| first.name.as_str());
    let added = section.added().into_iter().map(|(other, all)| {
        let mut told = json!({ "target": other.name, "to": first });
        for ((name, _), one) in QUANTILES.iter().zip(&all) {
            put(&mut told, name, added(one));
        }
        told
    });
    json!({
        "name": section.name,
        "workload": section.workload,
        "rate": if let Pace::Rate(rate) = section.pace { Some(rate) } else { None },
        "connections": section.connections,
        "http2": section.http2,
        "generator_busy": section.busy,
        "targets": section.targets.iter().map(target).collect::<Vec<_>>(),
        "added": added.collect::<Vec<_>>(),
        "warnings": section.warnings(),
    })
}

fn added(added: &Added) -> Value {
    let (low, high) = added.interval.unzip();
    json!({ "nanos": added.nanos, "low": low, "high": high, "enough_requests": added.is_solid })
}

fn target(target: &Measured) -> Value {
    let mut told = json!({
        "name": target.name,
        "url": target.url,
        "requests": target.requests(),
        "failed": target.failed(),
        "errors": target.errors(),
        "late": target.sum(|tally| tally.late),
        "unsent": target.sum(|tally| tally.unsent),
        "warm_up": target.sum(|tally| tally.warm_up),
        "sent": target.sum(Tally::sent),
        "per_second": target.rate(),
        "cpu_per_request": target.cpu().map(nanos),
        "generator_late_p99": target.lag().map(|lag| lag.value_at_quantile(0.99)),
    });
    if let Some(latency) = target.latency() {
        let bars = latency.iter_recorded().map(|bar| json!([bar.value_iterated_to(), bar.count_at_value()]));
        put(&mut told, "histogram", bars.collect::<Value>());
        put(&mut told, "min", latency.min());
        put(&mut told, "max", latency.max());
        for (name, quantile) in QUANTILES {
            put(&mut told, name, latency.value_at_quantile(quantile));
        }
    }
    let over_time = target.over_time().into_iter().map(|(seconds, latency)| {
        json!({ "seconds": seconds, "p50": latency.value_at_quantile(0.5), "p99": latency.value_at_quantile(0.99), "max": latency.max() })
    });
    put(&mut told, "over_time", over_time.collect::<Value>());
    told
}
