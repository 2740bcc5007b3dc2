//! `selvedge bench`: how fast is a server, and what does another in front of it add.

mod compare;
mod connection;
mod file;
mod machine;
mod origin;
mod own;
mod progress;
mod report;
mod run;
mod schedule;
mod slice;
mod tally;
mod target;
mod timer;
mod trust;
mod workload;

use super::{FAILED, cells::printable};
use crate::clock::Clock;
use crate::proxy::Trust;
use crate::units;
use clap::Args;
use machine::{Machine, Spent};
use progress::Progress;
use report::{Report, Section};
use run::{Failure, Plan};
use schedule::{Pace, RATE_MAX};
use std::fs::File;
use std::io::{self, Write};
use std::path::PathBuf;
use std::process::ExitCode;
use std::time::Duration;
use target::Target;
use tokio::signal::unix::{SignalKind, signal};
use tokio_util::sync::CancellationToken;
use trust::Belief;
use workload::{Kind, Template};

/// Measure a server's latency, or what another server in front of it adds
///
/// Requests are sent at a constant rate, and their latency counts from when they were due: one that waits behind a slow answer
/// is slow, too. Several targets are measured in turn, round by round, so that whatever drifts hits all alike. The calls of
/// `event` and `batch` carry a write key that belongs to nobody. Measure what is yours: this is load.
///
/// Exit codes: 0 measured (Ctrl-C ends it early, and shows what it has), 1 no request had a good answer, 2 usage.
#[derive(Args)]
pub(super) struct Arguments {
    /// What is measured, and compared to: http://HOST:PORT/PATH (port and path may be missing), with NAME= before it or not
    #[arg(value_name = "URL", required_unless_present = "own")]
    url: Option<String>,
    /// Another target, compared to the first
    #[arg(long, value_name = "NAME=URL")]
    vs: Vec<String>,
    /// Measure this very build on this machine: what it adds to an origin of its own, for each workload
    #[arg(long = "self", conflicts_with_all = ["url", "vs", "max", "h2", "roots", "insecure", "request", "rounds"])]
    own: bool,
    /// Requests per second, to each target in its turn [default: 100; with --self: 1000, or 20 batches]
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(u32).range(1..=i64::from(RATE_MAX)))]
    rate: Option<u32>,
    /// As fast as it goes: each connection sends when it has its answer
    #[arg(long, conflicts_with = "rate")]
    max: bool,
    /// Connections to each target; with --h2 each has up to 8 requests in flight
    #[arg(long, value_name = "N", default_value_t = 32)]
    connections: usize,
    /// How long it takes, all targets together [default: 30s; with --self: 60s]
    #[arg(long, value_name = "DURATION", value_parser = duration)]
    duration: Option<Duration>,
    /// How often each target has its turn [default: as often as fits, 6 to 20 times]
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(u32).range(1..=ROUNDS_MAX))]
    rounds: Option<u32>,
    /// Speak HTTP/2: by ALPN, or by prior knowledge where the URL is plain
    #[arg(long)]
    h2: bool,
    /// Believe the certificates of these authorities, too: a PEM file; may be repeated
    #[arg(long, value_name = "FILE")]
    roots: Vec<PathBuf>,
    /// Take any certificate
    #[arg(long, conflicts_with = "roots")]
    insecure: bool,
    /// What is sent [default: site; with --self: each of them]
    #[arg(long, value_enum)]
    workload: Option<Kind>,
    /// What is sent: a file with one request as it stands on the wire
    #[arg(long, value_name = "FILE", conflicts_with = "workload")]
    request: Option<PathBuf>,
    /// Write a report: a page for people (.html) or an object for machines (.json); may be repeated
    #[arg(long, value_name = "FILE")]
    out: Vec<PathBuf>,
}

/// What all targets together may have: with what the program itself has open, below the usual limit of 1,024 files.
const CONNECTIONS_MAX: usize = 800;
/// With `--self`, where both ends of each connection are ours.
const OWN_CONNECTIONS_MAX: usize = 200;
const TARGETS_MAX: usize = 8;
const ROUNDS_MAX: i64 = 100;
const DURATION_MAX: Duration = Duration::from_secs(60 * 60);
const DURATION_MIN: Duration = Duration::from_millis(100);

fn duration(text: &str) -> Result<Duration, String> {
    let duration = units::duration(text)?;
    match (DURATION_MIN..=DURATION_MAX).contains(&duration) {
        true => Ok(duration),
        false => Err("a run takes between 100ms and 1h".to_owned()),
    }
}

/// Runs the command.
pub(super) fn run(arguments: &Arguments) -> ExitCode {
    let plan = match arguments.own {
        true => arguments.check_own().map(|()| None),
        false => arguments.plan().map(Some),
    };
    let (plan, outs) = match plan.and_then(|plan| Ok((plan, outs(&arguments.out)?))) {
        Ok(both) => both,
        Err(why) => return super::refuse(&format!("{}\n", printable(&why))),
    };
    // One thread: no request waits for another's wake-up, and its own CPU time tells whether it was the bottleneck.
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build();
    let measured = runtime.map_err(Failure::Io).and_then(|runtime| runtime.block_on(measure(arguments, plan)));
    let report = match measured {
        Ok(report) => report,
        Err(Failure::Unreachable(why)) => return super::fail(&printable(&why)),
        Err(Failure::Io(error)) => return super::fail(&error.to_string()),
    };
    for (path, mut file, form) in outs {
        if let Err(error) = file.write_all(form(&report).as_bytes()) {
            return super::fail(&format!("{}: {error}", path.display()));
        }
    }
    if io::stdout().lock().write_all(report.to_text().as_bytes()).is_err() {
        return ExitCode::from(FAILED);
    }
    if report.has_answers() { ExitCode::SUCCESS } else { super::fail("no request had a good answer") }
}

async fn measure(arguments: &Arguments, plan: Option<Plan>) -> Result<Report, Failure> {
    let stop = CancellationToken::new();
    let interrupted = stop.clone();
    let mut interrupt = signal(SignalKind::interrupt())?;
    tokio::spawn(async move {
        interrupt.recv().await;
        interrupted.cancel();
    });
    let mut progress = Progress::new();
    let (began, spent) = (Clock::System.now(), Spent::until_now());
    let sections: Vec<Section> = match plan {
        Some(plan) => vec![run::run(&plan, &stop, &mut progress).await?],
        None => own::run(arguments, &stop, &mut progress).await?,
    };
    Ok(Report {
        command: command(),
        machine: Machine::this(),
        began: began.iso8601(),
        stolen: Spent::until_now().zip(spent).map(|(now, before)| now.stolen_since(before)),
        is_cut: stop.is_cancelled(),
        sections,
    })
}

impl Arguments {
    fn plan(&self) -> Result<Plan, String> {
        let given = self.url.iter().chain(&self.vs);
        let targets = given.map(|text| Target::read(text)).collect::<Result<Vec<_>, _>>()?;
        if targets.len() > TARGETS_MAX {
            return Err(format!("{} targets are more than {TARGETS_MAX}", targets.len()));
        }
        let mut names: Vec<&str> = targets.iter().map(|target| target.name.as_str()).collect();
        names.sort_unstable();
        if let Some([twice, _]) = names.windows(2).find(|pair| pair.first() == pair.last()) {
            return Err(format!("two targets are called `{twice}`: give them names, NAME=URL"));
        }
        self.check_connections(self.connections.saturating_mul(targets.len()), CONNECTIONS_MAX)?;
        let kind = self.workload.unwrap_or(Kind::Site);
        let template = match &self.request {
            Some(path) => file::read(path)?,
            None => Template::of(kind, Clock::System.now()),
        };
        let whole = self.duration.unwrap_or(Duration::from_secs(30));
        let fitting = schedule::rounds(whole, u32::try_from(targets.len()).unwrap_or(1));
        Ok(Plan {
            name: if self.request.is_some() { "request" } else { kind.name() }.to_owned(),
            targets,
            template,
            pace: if self.max { Pace::Max } else { Pace::Rate(self.rate.unwrap_or(100)) },
            connections: self.connections,
            whole,
            rounds: self.rounds.unwrap_or(fitting),
            http2: self.h2,
            belief: match self.insecure {
                true => Belief::Anyone,
                false => Belief::Authorities(Trust::with(&self.roots)?),
            },
        })
    }

    fn check_own(&self) -> Result<(), String> {
        self.check_connections(self.connections, OWN_CONNECTIONS_MAX)
    }

    fn check_connections(&self, all: usize, max: usize) -> Result<(), String> {
        match self.connections {
            0 => Err("without a connection nothing can be measured: --connections 1 or more".to_owned()),
            _ if all > max => Err(format!("{all} connections are more than {max}, all targets together")),
            _ => Ok(()),
        }
    }
}

type Out = (PathBuf, File, fn(&Report) -> String);

/// Opens the reports before anything is measured: that a folder is missing is told at once.
fn outs(paths: &[PathBuf]) -> Result<Vec<Out>, String> {
    let open = |path: &PathBuf| -> Result<Out, String> {
        let form: fn(&Report) -> String = match path.extension().and_then(|extension| extension.to_str()) {
            Some("html") => Report::to_html,
            Some("json") => Report::to_json,
            _ => return Err(format!("{}: a report ends with .html or .json", path.display())),
        };
        let file = File::create(path).map_err(|error| format!("{}: {error}", path.display()))?;
        Ok((path.clone(), file, form))
    };
    paths.iter().map(open).collect()
}

/// The command as it was given, so that it can be given again.
fn command() -> String {
    let quoted = |word: String| match word.chars().all(|c| c.is_ascii_alphanumeric() || "-_./:=[]".contains(c)) {
        true => word,
        false => format!("'{}'", word.replace('\'', "'\\''")),
    };
    let words = std::env::args_os().skip(1).map(|word| quoted(word.to_string_lossy().into_owned()));
    std::iter::once("selvedge".to_owned()).chain(words).collect::<Vec<_>>().join(" ")
}
