//! The report as a page that brings everything with it.

use super::super::compare::{Added, QUANTILES, is_solid};
use super::super::schedule::Pace;
use super::super::tally::nanos;
use super::chart::{self, Line, Marks};
use super::{Measured, Report, Section, signed, time};
use maud::{DOCTYPE, Markup, PreEscaped, html};

pub(super) fn of(report: &Report) -> String {
    let page = html! {
        (DOCTYPE)
        html lang="en" {
            head {
                meta charset="utf-8";
                meta name="viewport" content="width=device-width, initial-scale=1";
                title { "selvedge bench" }
                style { (PreEscaped(include_str!("page.css"))) }
            }
            body {
                h1 { "What it costs in latency" }
                @for warning in report.warnings() { p.warning { (warning) } }
                (summary(report))
                @for one in &report.sections { (section(one)) }
                h2 { "How it was measured" }
                p { "On " (report.machine.line()) ", with Selvedge " (env!("CARGO_PKG_VERSION")) ", from " (report.began) " on. The command:" }
                pre { (report.command) }
                p.small {
                    "At a constant rate, a latency counts from when its request was due, not from when it could be sent: a server that stalls "
                    "makes all requests slow that were due meanwhile. The targets had their turns round by round, so that whatever drifted hit "
                    "all alike. What is added is the difference of the percentiles over all rounds; its interval holds the middle 95 % of 1,000 "
                    "drawings of the rounds. Requests without a good answer are counted, and are no latency."
                }
            }
        }
    };
    page.into_string()
}

/// Of several workloads, what each of them says first.
fn summary(report: &Report) -> Markup {
    let open: Vec<_> = report.sections.iter().filter(|section| section.pace != Pace::Max).collect();
    let pairs = report.pairs();
    html! {
        @if open.len() > 1 {
            @for section in open {
                @for (other, added) in section.added() { p.verdict { (section.name) ": " (verdict(section, other, &added)) } }
            }
        }
        @for (_, closed) in pairs {
            @for (other, share) in closed.served() { p { (closed.name) ", at full load: " (served(closed, other, share)) } }
        }
    }
}

fn section(section: &Section) -> Markup {
    html! {
        h2 { (section.name) ": " (section.workload) ", " (section.pace()) }
        p.small { (section.load()) }
        @if section.pace == Pace::Max {
            @for (other, share) in section.served() { p.verdict { (served(section, other, share)) } }
        } @else {
            @for (other, added) in section.added() { p.verdict { (verdict(section, other, &added)) } }
        }
        @for warning in section.warnings() { p.warning { (warning) } }
        div.wide { (figures(section)) }
        p.legend {
            @for (place, target) in section.targets.iter().enumerate() {
                span { i.key style=(format!("background: var(--t{place})")) {} (target.name) }
            }
        }
        h3 { "Latency by percentile" }
        (percentiles(section))
        h3 { "Latency over time" }
        p.small { "Solid: p50, dashed: p99; in seconds since the begin." }
        (over_time(section))
        h3 { "How latencies are spread" }
        (histogram(section))
    }
}

/// What a person who decides wants to know, in two sentences, and no more than the run can tell.
fn verdict(section: &Section, other: &Measured, added: &[Added]) -> Markup {
    let first = first_of(section);
    let Some(p50) = added.first().filter(|added| added.is_solid) else {
        return html! { "Too few requests to tell what " b { (other.name) } " adds to those of " b { (first) } "." };
    };
    let far = added.iter().zip(QUANTILES).skip(1).rfind(|(added, _)| added.is_sure());
    html! {
        b { (other.name) } " adds " b { (signed(p50.nanos)) } " to the median request of " b { (first) }
        @if let Some((low, high)) = p50.interval { " (95 % interval: " span.one { (signed(low)) } " to " span.one { (signed(high)) } ")" }
        @if let Some((far, (name, _))) = far { ", and " b { (signed(far.nanos)) } " at its " (name) }
        ". "
        @if !p50.is_sure() { "That is no difference which this run can tell from chance." }
    }
}

/// What a target serves beside the first: at full load latencies are of requests that wait for one another.
fn served(section: &Section, other: &Measured, share: f64) -> Markup {
    html! {
        b { (other.name) } " serves " b { (format!("{:.0}", other.rate())) } " requests per second, "
        b { (format!("{:.0} %", share * 100.0)) } " of those of " b { (first_of(section)) }
        @if let Some(cpu) = other.cpu() { ", with " b { (time(nanos(cpu))) } " of CPU time for each" }
        "."
    }
}

fn first_of(section: &Section) -> &str {
    section.targets.first().map(|first| first.name.as_str()).unwrap_or_default()
}

fn figures(section: &Section) -> Markup {
    let added = if section.pace == Pace::Max { Vec::new() } else { section.added() };
    let cell_of = |target: &Measured, quantile: f64| {
        let latency = target.latency().filter(|latency| is_solid(latency.len(), quantile));
        latency.map_or_else(|| "–".to_owned(), |latency| time(latency.value_at_quantile(quantile)))
    };
    html! {
        table {
            tr { th { "" } th { "requests" } th { "per second" } th { "failed" } @for (name, _) in QUANTILES { th { (name) } } th { "CPU per request" } }
            @for target in &section.targets {
                tr {
                    td { (target.name) br; span.small { (target.url) } }
                    td { (target.requests()) } td { (format!("{:.0}", target.rate())) } td { (target.failed()) }
                    @for (_, quantile) in QUANTILES { td { (cell_of(target, quantile)) } }
                    td { (target.cpu().map_or_else(|| "–".to_owned(), |cpu| time(nanos(cpu)))) }
                }
            }
            @for (other, added) in &added {
                tr {
                    td { b { "added by " (other.name) } } td {} td {} td {}
                    @for one in added { td { (added_cell(one)) } }
                    td {}
                }
            }
        }
    }
}

fn added_cell(added: &Added) -> Markup {
    html! {
        @if added.is_solid { b { (signed(added.nanos)) } } @else { span.small { "too few requests" } }
        @if let Some((low, high)) = added.interval.filter(|_| added.is_solid) {
            br; span.small { (signed(low)) br; "to " (signed(high)) }
        }
    }
}

/// Where the charts' percentiles stand: each nine as far from the next.
const NINES: [(f64, &str); 6] =
    [(0.0, "fastest"), (0.5, "p50"), (0.9, "p90"), (0.99, "p99"), (0.999, "p99.9"), (0.9999, "p99.99")];

fn across(quantile: f64) -> f64 {
    -(1.0 - quantile).max(1e-5).log10() / 4.0
}

fn percentiles(section: &Section) -> Markup {
    let marks: Marks = NINES.iter().map(|(quantile, name)| (across(*quantile), (*name).to_owned())).collect();
    let lines = section.targets.iter().enumerate().filter_map(|(place, target)| {
        let latency = target.latency()?;
        let quantiles = (0..=160).map(|step| 1.0 - 10_f64.powf(-f64::from(step) / 40.0));
        let solid = quantiles.filter(|quantile| is_solid(latency.len() * 5, *quantile));
        let points = solid.map(|quantile| (across(quantile), value(latency.value_at_quantile(quantile))));
        Some(Line { place, is_dashed: false, title: target.name.clone(), points: points.collect() })
    });
    chart::latencies("Latency by percentile", &marks, &lines.collect::<Vec<_>>())
}

#[allow(clippy::cast_precision_loss, reason = "a pixel is wider")]
fn value(nanos: u64) -> f64 {
    nanos as f64
}

fn over_time(section: &Section) -> Markup {
    let all = || section.targets.iter().flat_map(Measured::over_time).map(|(seconds, _)| seconds);
    let end = all().fold(1e-3, f64::max);
    let digits = if end < 10.0 { 2 } else { 0 };
    let mark = |part: f64| (part, format!("{:.digits$} s", end * part));
    let marks: Marks = (0..=4).map(|part| mark(f64::from(part) / 4.0)).collect();
    let mut lines = Vec::new();
    for (place, target) in section.targets.iter().enumerate() {
        for (is_dashed, quantile, name) in [(false, 0.5, "p50"), (true, 0.99, "p99")] {
            // Between two of its rounds a target was not asked: no line crosses the gap.
            for round in target.over_time_by_round() {
                let points = round.iter().map(|(at, latency)| (at / end, value(latency.value_at_quantile(quantile))));
                let title = format!("{}, {name}", target.name);
                lines.push(Line { place, is_dashed, title, points: points.collect() });
            }
        }
    }
    chart::latencies("Latency over time", &marks, &lines)
}

/// Bars of the histogram from end to end.
const BARS: u32 = 80;

fn histogram(section: &Section) -> Markup {
    let latencies: Vec<_> = section.targets.iter().filter_map(Measured::latency).collect();
    // What is slower than almost all others is in the other charts; here it would only press the rest together.
    let ends = latencies.iter().filter(|latency| !latency.is_empty());
    let (low, high) = ends.fold((u64::MAX, 2_000), |(low, high), latency| {
        (low.min(latency.min()), high.max(latency.value_at_quantile(0.995)))
    });
    let (low, high) = (value(low.min(high - 1).max(1)), value(high));
    let at = |share: f64| low * (high / low).powf(share);
    #[allow(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "latencies are positive")]
    let whole = |nanos: f64| nanos as u64;
    let marks: Marks = (0..=4).map(|part| f64::from(part) / 4.0).map(|share| (share, time(whole(at(share))))).collect();
    let mut highest: f64 = 0.0;
    let mut lines = Vec::new();
    for (place, (latency, target)) in latencies.iter().zip(&section.targets).enumerate() {
        let mut points = Vec::new();
        for bar in 0..BARS {
            let (from, to) = (f64::from(bar) / f64::from(BARS), f64::from(bar + 1) / f64::from(BARS));
            let count = latency.count_between(whole(at(from)), whole(at(to)).saturating_sub(1));
            let share = value(count) / value(latency.len().max(1));
            highest = highest.max(share);
            points.extend([(from, share), (to, share)]);
        }
        lines.push(Line { place, is_dashed: false, title: target.name.clone(), points });
    }
    chart::shares("How latencies are spread", &marks, highest, &lines)
}
