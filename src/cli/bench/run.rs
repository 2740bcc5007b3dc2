//! One measurement: targets in turn, round after round, so that whatever drifts hits all of them alike.

use super::connection::{Connection, Trouble, Way};
use super::machine;
use super::progress::Progress;
use super::report::{Measured, Section};
use super::schedule::{self, Pace, Schedule};
use super::slice::{self, Load};
use super::target::Target;
use super::trust::Belief;
use super::workload::{Template, Workload};
use std::io;
use std::sync::Arc;
use std::sync::atomic::AtomicU64;
use std::time::{Duration, Instant};
use tokio_util::sync::CancellationToken;

/// What is measured, and how.
#[derive(Debug)]
pub(super) struct Plan {
    /// What the section is called.
    pub(super) name: String,
    pub(super) targets: Vec<Target>,
    pub(super) template: Template,
    pub(super) pace: Pace,
    pub(super) connections: usize,
    pub(super) whole: Duration,
    pub(super) rounds: u32,
    pub(super) http2: bool,
    pub(super) belief: Belief,
}

/// Somebody to put load on.
struct Side {
    target: Target,
    workload: Arc<Workload>,
    connections: Vec<Connection>,
    measured: Measured,
}

/// Why nothing was measured.
#[derive(Debug)]
pub(super) enum Failure {
    /// A target cannot be reached at all.
    Unreachable(String),
    /// The machine gives no timers.
    Io(io::Error),
}

impl From<io::Error> for Failure {
    fn from(error: io::Error) -> Self {
        Self::Io(error)
    }
}

/// Carries a plan out, until its end or until `stop`.
pub(super) async fn run(plan: &Plan, stop: &CancellationToken, progress: &mut Progress) -> Result<Section, Failure> {
    let mut sides = Vec::new();
    for target in &plan.targets {
        sides.push(side(target, plan).await?);
    }
    // What one run has sent is never sent again by another, either.
    let numbers = Arc::new(AtomicU64::new(fastrand::u64(..) & 0x0000_ffff_ffff_0000));
    let slices = plan.rounds * u32::try_from(sides.len()).unwrap_or(1).max(1);
    let schedule = Schedule::new(plan.pace, plan.whole / slices.max(1));
    let (began, cpu_before) = (Instant::now(), machine::own_cpu());
    for round in 0..plan.rounds {
        let turn: Vec<usize> = schedule::order(usize::try_from(round).unwrap_or(0), sides.len()).collect();
        for index in turn {
            let Some(side) = sides.get_mut(index).filter(|_| !stop.is_cancelled()) else { continue };
            let load = Load {
                schedule,
                workload: side.workload.clone(),
                numbers: numbers.clone(),
                rounds: plan.rounds,
                stop: stop.clone(),
            };
            let at = began.elapsed();
            let before = side.target.process.and_then(machine::cpu);
            let name = &side.target.name;
            let mut show = |tally: &_| progress.slice(&plan.name, round + 1, plan.rounds, name, tally);
            let mut tally = slice::run(&mut side.connections, load, &mut show).await?;
            let after = side.target.process.and_then(machine::cpu);
            tally.cpu = after.zip(before).map(|(after, before)| after.saturating_sub(before));
            side.measured.rounds.push((at, tally));
        }
        progress.round(&plan.name, round + 1, plan.rounds, sides.iter().map(|side| &side.measured));
    }
    let busy = (machine::own_cpu() - cpu_before).as_secs_f64() / began.elapsed().as_secs_f64().max(1e-9);
    let workload = sides.first().map(|side| side.workload.name()).unwrap_or_default();
    let mut targets: Vec<Measured> = sides.into_iter().map(|side| side.measured).collect();
    even(&mut targets);
    Ok(Section {
        name: plan.name.clone(),
        workload,
        pace: plan.pace,
        connections: plan.connections,
        http2: plan.http2,
        busy,
        targets,
    })
}

/// A round that somebody ended half-way compares nothing: all have the same rounds, unless there is only that one.
fn even(targets: &mut [Measured]) {
    let whole = targets.iter().map(|target| target.rounds.len()).min().unwrap_or(0).max(1);
    targets.iter_mut().for_each(|target| target.rounds.truncate(whole));
}

/// Reaches a target once, before anything is measured: a mistyped address is told at once.
async fn side(target: &Target, plan: &Plan) -> Result<Side, Failure> {
    let unreachable = |why: String| Failure::Unreachable(format!("{} cannot be reached: {why}", target.url));
    let way = Way::to(target, plan.http2, &plan.belief).await.map_err(unreachable)?;
    let mut connections = Arc::new(way).connections(plan.connections);
    if let Some(first) = connections.first_mut() {
        match tokio::time::timeout(slice::ANSWER_TIME_MAX, first.open()).await {
            Ok(Ok(())) => {}
            Ok(Err(Trouble::Connect(why))) => return Err(unreachable(why)),
            Ok(Err(_)) | Err(_) => return Err(unreachable("it does not answer".to_owned())),
        }
    }
    Ok(Side {
        workload: Arc::new(plan.template.for_target(target, plan.http2)),
        measured: Measured { name: target.name.clone(), url: target.url.clone(), rounds: Vec::new() },
        target: target.clone(),
        connections,
    })
}
