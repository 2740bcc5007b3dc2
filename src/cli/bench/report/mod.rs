//! What was measured, for people and machines. Everything here is computed of what the rounds left; nothing is measured.

mod chart;
mod html;
mod json;
mod text;

use super::compare::{self, Added};
use super::machine::Machine;
use super::schedule::Pace;
use super::tally::{Latencies, Tally, merged};
use serde_json::Value;
use std::collections::BTreeMap;
use std::time::Duration;

/// A whole run.
#[derive(Debug)]
pub(super) struct Report {
    /// The command as it was given.
    pub(super) command: String,
    pub(super) machine: Machine,
    /// When it began.
    pub(super) began: String,
    /// The share of CPU time, in percent, that a hypervisor gave to others meanwhile.
    pub(super) stolen: Option<u64>,
    /// Whether somebody ended it early.
    pub(super) is_cut: bool,
    pub(super) sections: Vec<Section>,
}

/// One workload at one pace.
#[derive(Debug)]
pub(super) struct Section {
    pub(super) name: String,
    /// Method and path.
    pub(super) workload: String,
    pub(super) pace: Pace,
    pub(super) connections: usize,
    pub(super) http2: bool,
    /// The share of the time in which the generator's own thread was busy.
    pub(super) busy: f64,
    pub(super) targets: Vec<Measured>,
}

/// One target's rounds, each with its begin since that of the run.
#[derive(Debug)]
pub(super) struct Measured {
    pub(super) name: String,
    pub(super) url: String,
    pub(super) rounds: Vec<(Duration, Tally)>,
}

/// The generator's own lateness that is worth a warning: the p99 of the time from when a request was due until it was sent,
/// though it had a connection.
const LAG_MAX: Duration = Duration::from_millis(1);
/// A thread that is as busy is the bottleneck.
const BUSY_MAX: f64 = 0.9;
/// So much stolen time, in percent, makes figures of one machine another's.
const STOLEN_MAX: u64 = 5;

impl Measured {
    fn sum(&self, count: impl Fn(&Tally) -> u64) -> u64 {
        self.rounds.iter().map(|(_, tally)| count(tally)).sum()
    }

    pub(super) fn requests(&self) -> u64 {
        self.sum(Tally::requests)
    }

    pub(super) fn failed(&self) -> u64 {
        self.sum(Tally::failed)
    }

    fn rounds_latencies(&self) -> Vec<&Latencies> {
        self.rounds.iter().map(|(_, tally)| &tally.latency).collect()
    }

    /// The latencies of all rounds.
    fn latency(&self) -> Option<Latencies> {
        merged(self.rounds_latencies(), 3).ok()
    }

    fn lag(&self) -> Option<Latencies> {
        merged(self.rounds.iter().map(|(_, tally)| &tally.lag), 3).ok()
    }

    fn errors(&self) -> BTreeMap<&str, u64> {
        let mut all = BTreeMap::new();
        for (kind, count) in self.rounds.iter().flat_map(|(_, tally)| &tally.errors) {
            *all.entry(kind.as_str()).or_default() += count;
        }
        all
    }

    /// Good answers per second.
    fn rate(&self) -> f64 {
        let time: Duration = self.rounds.iter().map(|(_, tally)| tally.measured()).sum();
        #[allow(clippy::cast_precision_loss, reason = "nobody sends 2^52 requests")]
        let good = (self.requests() - self.failed()) as f64;
        good / time.as_secs_f64().max(1e-9)
    }

    /// The CPU time of the target's process for each request.
    fn cpu(&self) -> Option<Duration> {
        let spent: Duration = self.rounds.iter().filter_map(|(_, tally)| tally.cpu).sum();
        let requests = u32::try_from(self.sum(Tally::sent)).ok().filter(|sent| *sent > 0)?;
        (spent > Duration::ZERO).then(|| spent / requests)
    }

    /// Latency over time, round by round: the time since the run began, and the latencies of that moment.
    fn over_time_by_round(&self) -> Vec<Vec<(f64, &Latencies)>> {
        let round = |(began, tally): &'_ (Duration, Tally)| {
            let (began, step) = (*began, tally.step);
            (0_u32..).map(move |index| (began + step * index).as_secs_f64())
        };
        let rounds = self.rounds.iter().map(|one| round(one).zip(&one.1.points));
        rounds.map(|points| points.filter(|(_, latencies)| !latencies.is_empty()).collect()).collect()
    }

    /// The same without the gaps between rounds.
    fn over_time(&self) -> Vec<(f64, &Latencies)> {
        self.over_time_by_round().into_iter().flatten().collect()
    }
}

impl Section {
    /// What each further target adds to the first.
    fn added(&self) -> Vec<(&Measured, Vec<Added>)> {
        let Some((first, others)) = self.targets.split_first() else { return Vec::new() };
        let first = first.rounds_latencies();
        others.iter().map(|other| (other, compare::added(&first, &other.rounds_latencies()))).collect()
    }

    /// How fast it went, for a headline.
    fn pace(&self) -> String {
        match self.pace {
            Pace::Rate(rate) => format!("at {rate} requests per second"),
            Pace::Max => "at full load".to_owned(),
        }
    }

    /// What each further target serves of the first's requests per second, as a share.
    fn served(&self) -> Vec<(&Measured, f64)> {
        let Some((first, others)) = self.targets.split_first() else { return Vec::new() };
        others.iter().map(|other| (other, other.rate() / first.rate().max(1e-9))).collect()
    }

    /// What is to be said of the load, in words.
    fn load(&self) -> String {
        let pace = match self.pace {
            Pace::Rate(rate) => format!("{rate} requests/s (open loop)"),
            Pace::Max => "as fast as it goes (closed loop)".to_owned(),
        };
        let protocol = if self.http2 { "HTTP/2" } else { "HTTP/1.1" };
        let rounds = self.targets.iter().map(|target| target.rounds.len()).max().unwrap_or(0);
        let plural = |count: usize, one: &str| format!("{count} {one}{}", if count == 1 { "" } else { "s" });
        format!("{pace}, {protocol}, {}, {}", plural(self.connections, "connection"), plural(rounds, "round"))
    }

    /// What makes the figures say less than they seem to.
    fn warnings(&self) -> Vec<String> {
        let mut all = Vec::new();
        if self.busy >= BUSY_MAX {
            let busy = self.busy * 100.0;
            all.push(format!("the generator was the bottleneck: its thread was busy for {busy:.0} % of the time"));
        }
        for target in &self.targets {
            let name = &target.name;
            let lag = target.lag().map_or(0, |lag| lag.value_at_quantile(0.99));
            if self.pace != Pace::Max && Duration::from_nanos(lag) > LAG_MAX {
                let lag = time(lag);
                all.push(format!(
                    "{name}: the generator itself was late, by {lag} at its p99: the machine had no time for it"
                ));
            }
            let (unsent, late) = (target.sum(|tally| tally.unsent), target.sum(|tally| tally.late));
            if unsent > 0 {
                all.push(format!(
                    "{name}: {unsent} requests were due and never sent, since every connection was busy: it takes less than this rate, and its latencies are higher than told"
                ));
            } else if late * 100 > target.requests() {
                all.push(format!(
                    "{name}: {late} requests waited for a free connection; their wait is in their latency"
                ));
            }
            let errors: Vec<String> = target.errors().iter().map(|(kind, count)| format!("{kind}: {count}")).collect();
            if !errors.is_empty() {
                all.push(format!(
                    "{name}: {} of {} requests failed ({})",
                    target.failed(),
                    target.requests(),
                    errors.join(", ")
                ));
            }
        }
        all
    }
}

impl Report {
    /// Whether any request had a good answer.
    pub(super) fn has_answers(&self) -> bool {
        self.targets().any(|target| target.requests() > target.failed())
    }

    fn targets(&self) -> impl Iterator<Item = &Measured> {
        self.sections.iter().flat_map(|section| &section.targets)
    }

    fn warnings(&self) -> Vec<String> {
        let mut all = Vec::new();
        if self.is_cut {
            all.push("the run was ended early: these are the rounds until then".to_owned());
        }
        if let Some(stolen) = self.stolen.filter(|stolen| *stolen >= STOLEN_MAX) {
            all.push(format!("a hypervisor gave {stolen} % of this machine's time to others: run it again"));
        }
        all
    }

    /// The sections in pairs of one name: at a constant rate, and as fast as it goes.
    fn pairs(&self) -> Vec<(&Section, &Section)> {
        let open = self.sections.iter().filter(|section| section.pace != Pace::Max);
        let closed = |open: &Section| self.sections.iter().find(|one| one.pace == Pace::Max && one.name == open.name);
        open.filter_map(|open| Some((open, closed(open)?))).collect()
    }

    pub(super) fn to_text(&self) -> String {
        text::of(self)
    }

    pub(super) fn to_html(&self) -> String {
        html::of(self)
    }

    pub(super) fn to_json(&self) -> String {
        format!("{:#}\n", json::of(self))
    }
}

/// Puts a member into an object.
fn put(object: &mut Value, name: &str, value: impl Into<Value>) {
    if let Some(members) = object.as_object_mut() {
        members.insert(name.to_owned(), value.into());
    }
}

/// A time in nanoseconds, with three digits and the unit that fits.
pub(super) fn time(nanos: u64) -> String {
    #[allow(clippy::cast_precision_loss, reason = "three digits are told")]
    let value = nanos as f64;
    let (value, unit) = match nanos {
        0..999_500 => (value / 1e3, "µs"),
        999_500..999_500_000 => (value / 1e6, "ms"),
        _ => (value / 1e9, "s"),
    };
    match value {
        value if value >= 99.95 => format!("{value:.0} {unit}"),
        value if value >= 9.995 => format!("{value:.1} {unit}"),
        value => format!("{value:.2} {unit}"),
    }
}

/// A difference, with its sign.
fn signed(nanos: i64) -> String {
    let sign = if nanos < 0 { "−" } else { "+" };
    format!("{sign}{}", time(nanos.unsigned_abs()))
}

/// What is added at one percentile, for a cell.
fn cell(added: &Added) -> String {
    match added.interval {
        _ if !added.is_solid => "too few requests".to_owned(),
        Some((low, high)) => format!("{} ({} to {})", signed(added.nanos), signed(low), signed(high)),
        None => signed(added.nanos),
    }
}

#[cfg(test)]
mod tests {
    use super::super::connection::Trouble;
    use super::super::schedule::Schedule;
    use super::super::tally::Exchange;
    use super::*;

    /// A report of two targets, the second of which is slower by `added` µs.
    pub(super) fn report(added: u64, pace: Pace) -> Report {
        let schedule = Schedule::new(pace, Duration::from_secs(1));
        let rounds = |slower: u64| {
            let tally = |round: u64| {
                let mut tally = Tally::new(schedule, 6).unwrap();
                for n in 0..1_000 {
                    let due = Duration::from_millis(n);
                    let ended = due + Duration::from_micros(100 + slower + n % 40 + round);
                    let outcome = if n == 500 { Err(Trouble::Reset) } else { Ok(()) };
                    tally.record(&Exchange { due, free: Duration::ZERO, sent: due, ended, outcome });
                }
                tally
            };
            (0..6).map(|round| (Duration::from_secs(2 * round), tally(round))).collect()
        };
        let measured =
            |name: &str, slower| Measured { name: name.into(), url: format!("http://{name}/"), rounds: rounds(slower) };
        let targets = vec![measured("direct", 0), measured("<edge>", added)];
        let (name, workload) = ("site".to_owned(), "GET /".to_owned());
        let section = Section { name, workload, pace, connections: 32, http2: false, busy: 0.1, targets };
        Report {
            command: "selvedge bench http://direct/ --vs '<edge>=http://edge/'".to_owned(),
            machine: Machine::this(),
            began: "2026-11-24T08:15:30.120Z".to_owned(),
            stolen: Some(0),
            is_cut: false,
            sections: vec![section],
        }
    }

    #[test]
    fn times_have_three_digits_and_a_unit() {
        for (nanos, said) in [
            (0, "0.00 µs"),
            (1_234, "1.23 µs"),
            (12_345, "12.3 µs"),
            (999_400, "999 µs"),
            (999_600, "1.00 ms"),
            (99_960_000, "100 ms"),
            (1_500_000_000, "1.50 s"),
        ] {
            assert_eq!(time(nanos), said);
        }
        assert_eq!(signed(-62_000), "−62.0 µs");
    }

    #[test]
    fn all_forms_tell_the_same() {
        let report = report(60, Pace::Rate(1_000));
        let (text, html) = (report.to_text(), report.to_html());
        assert!(text.contains("Added by <edge> to direct") && text.contains("p50    +"), "{text}");
        assert!(text.contains("reset: 6") && text.contains("too few requests"), "{text}");
        assert!(html.contains("&lt;edge&gt;") && !html.contains("<edge>"));
        for outside in ["src=", "href=", "@import", "url(", "<script"] {
            assert!(!html.contains(outside), "the page brings everything with it: {outside}");
        }
        for inside in [" adds ", "&lt;edge&gt;=http://edge/", &report.machine.processor, "prefers-color-scheme", "<svg"]
        {
            assert!(html.contains(inside), "{inside}");
        }
        let json: Value = serde_json::from_str(&report.to_json()).unwrap();
        let added = &json["sections"][0]["added"][0];
        assert_eq!((&added["target"], &added["to"]), (&"<edge>".into(), &"direct".into()));
        let p50 = added["p50"]["nanos"].as_i64().unwrap();
        assert!((59_000..=61_000).contains(&p50), "{added}");
        let target = &json["sections"][0]["targets"][0];
        assert_eq!(
            (&target["requests"], &target["failed"], &target["sent"]),
            (&4_800.into(), &6.into(), &6_000.into())
        );
        let counted: u64 = target["histogram"].as_array().unwrap().iter().map(|bar| bar[1].as_u64().unwrap()).sum();
        assert_eq!(counted, 4_794);
    }

    #[test]
    fn at_full_load_the_rates_are_compared_and_no_latency() {
        let report = report(60, Pace::Max);
        let (text, html) = (report.to_text(), report.to_html());
        assert!(text.contains("<edge> serves 100 % of the requests per second of direct"), "{text}");
        assert!(html.contains("at full load") && html.contains("<b>100 %</b>"), "{html}");
        assert!(!text.contains("Added by") && !html.contains("added by"), "waiting for one another is nobody's cost");
    }

    #[test]
    fn a_verdict_says_no_more_than_the_run_can_tell() {
        let verdict = |added| {
            let html = report(added, Pace::Rate(1_000)).to_html();
            html.split_once("class=\"verdict\">").unwrap().1.split_once("</p>").unwrap().0.to_owned()
        };
        let sure = verdict(60);
        assert!(sure.contains("to the median request of") && sure.contains("at its p99"), "{sure}");
        let none = verdict(0);
        assert!(
            none.contains("no difference which this run can tell from chance") && !none.contains("at its"),
            "{none}"
        );
        let mut few = report(60, Pace::Rate(1_000));
        few.sections[0].targets.iter_mut().for_each(|target| target.rounds.clear());
        let few = few.to_html();
        assert!(few.contains("Too few requests to tell what") && !few.contains("from chance"), "{few}");
    }

    #[test]
    fn a_bottleneck_is_told() {
        let mut report = report(0, Pace::Max);
        report.sections[0].busy = 0.95;
        report.stolen = Some(12);
        report.is_cut = true;
        let text = report.to_text();
        for warning in ["the generator was the bottleneck", "gave 12 %", "ended early"] {
            assert!(text.contains(warning), "{text}");
        }
    }
}
