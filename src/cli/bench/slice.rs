//! One slice: load on one target for a while. Whoever has a connection free takes the next request that is due, and nobody else
//! decides when: when all are busy, requests wait, and their waiting is measured.

use super::connection::{Connection, Trouble};
use super::schedule::{Pace, Schedule};
use super::tally::{Exchange, Tally};
use super::timer::Timer;
use super::workload::Workload;
use std::io;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};
use tokio::task::JoinSet;
use tokio::time::timeout;
use tokio_util::sync::CancellationToken;

/// How long an answer may take: users have gone by then.
pub(super) const ANSWER_TIME_MAX: Duration = Duration::from_secs(10);

/// How long after its end a slice still sends what was due in it.
const CATCH_UP_MAX: Duration = Duration::from_secs(2);

/// How long what is in flight may take when somebody ends the run.
const INTERRUPTED_MAX: Duration = Duration::from_secs(1);

/// How long a closed loop waits after a connection that could not be had: without it, it would do nothing but try.
const CONNECT_PAUSE: Duration = Duration::from_millis(10);

/// Connections that are opened at once.
const OPENING_MAX: usize = 64;

/// What a slice does.
#[derive(Debug)]
pub(super) struct Load {
    pub(super) schedule: Schedule,
    pub(super) workload: Arc<Workload>,
    /// The number of the next request, through the whole run.
    pub(super) numbers: Arc<AtomicU64>,
    pub(super) rounds: u32,
    /// The run ends when this is cancelled.
    pub(super) stop: CancellationToken,
}

/// A slice under way.
#[derive(Debug)]
struct Slice {
    load: Load,
    began: Instant,
    turn: tokio::sync::Mutex<Turn>,
    tally: Arc<Mutex<Tally>>,
}

/// Whoever holds it is the next to send.
#[derive(Debug)]
struct Turn {
    timer: Timer,
    next: u64,
}

/// Puts the load on these connections, and shows the tally every now and then; they are there again afterwards.
pub(super) async fn run(
    connections: &mut Vec<Connection>,
    load: Load,
    show: &mut impl FnMut(&Tally),
) -> io::Result<Tally> {
    const SHOWN_EVERY: Duration = Duration::from_millis(500);
    open(connections).await;
    let tally = Arc::new(Mutex::new(Tally::new(load.schedule, load.rounds)?));
    let turn = tokio::sync::Mutex::new(Turn { timer: Timer::new()?, next: 0 });
    let stop = load.stop.clone();
    let slice = Arc::new(Slice { load, began: Instant::now(), turn, tally: tally.clone() });
    let mut workers = JoinSet::new();
    for connection in connections.drain(..) {
        workers.spawn(work(connection, slice.clone()));
    }
    let mut deadline: Option<tokio::time::Instant> = None;
    let mut tick = tokio::time::interval(SHOWN_EVERY);
    loop {
        tokio::select! {
            worker = workers.join_next() => match worker {
                Some(worker) => connections.extend(worker.ok()),
                None => break,
            },
            _ = tick.tick() => {
                show(&lock(&tally));
                if deadline.is_some_and(|deadline| deadline <= tokio::time::Instant::now()) {
                    workers.abort_all();
                }
            }
            () = stop.cancelled(), if deadline.is_none() => {
                deadline = Some(tokio::time::Instant::now() + INTERRUPTED_MAX);
            }
        }
    }
    let turn = slice.turn.lock().await;
    let mut tally = lock(&tally).clone();
    tally.unsent = slice.load.schedule.due_before(slice.began.elapsed()).saturating_sub(turn.next);
    // What was not sent because somebody ended the run is nobody's fault.
    if stop.is_cancelled() {
        tally.unsent = 0;
    }
    Ok(tally)
}

/// Connects what is not connected. What fails here is tried again with a request, and counted there.
async fn open(connections: &mut Vec<Connection>) {
    let mut opening = JoinSet::new();
    let mut opened = Vec::new();
    for mut connection in connections.drain(..) {
        if opening.len() >= OPENING_MAX {
            opened.extend(opening.join_next().await.and_then(Result::ok));
        }
        opening.spawn(async move {
            timeout(ANSWER_TIME_MAX, connection.open()).await.ok();
            connection
        });
    }
    opened.extend(opening.join_all().await);
    *connections = opened;
}

async fn work(mut connection: Connection, slice: Arc<Slice>) -> Connection {
    loop {
        // It is made before it is due: what that takes is not measured.
        let request = slice.load.workload.request(slice.load.numbers.fetch_add(1, Ordering::Relaxed));
        let free = slice.began.elapsed();
        let Some(due) = slice.take().await else { return connection };
        let sent = slice.began.elapsed();
        let outcome = timeout(ANSWER_TIME_MAX, connection.exchange(request)).await;
        let outcome = outcome.unwrap_or(Err(Trouble::TimeOut)).map(drop);
        let is_refused = matches!(outcome, Err(Trouble::Connect(_)));
        lock(&slice.tally).record(&Exchange { due, free, sent, ended: slice.began.elapsed(), outcome });
        if is_refused && slice.load.schedule.pace == Pace::Max {
            tokio::time::sleep(CONNECT_PAUSE).await;
        }
    }
}

impl Slice {
    /// Waits for the next request, and answers when it is due; `None`: nothing more is sent.
    async fn take(&self) -> Option<Duration> {
        let Load { schedule, stop, .. } = &self.load;
        if schedule.pace == Pace::Max {
            let now = self.began.elapsed();
            return (now < schedule.end && !stop.is_cancelled()).then_some(now);
        }
        tokio::select! {
            biased;
            () = stop.cancelled() => None,
            due = self.wait() => due,
        }
    }

    /// Waits for its turn, then for the request's time. Only one waits for a time: the others are later anyway.
    async fn wait(&self) -> Option<Duration> {
        let mut turn = self.turn.lock().await;
        let due = self.load.schedule.due(turn.next)?;
        if self.began.elapsed() > self.load.schedule.end + CATCH_UP_MAX {
            return None;
        }
        let instant = self.began + due;
        if turn.timer.until(instant).await.is_err() {
            tokio::time::sleep_until(instant.into()).await;
        }
        turn.next += 1;
        Some(due)
    }
}

fn lock(tally: &Mutex<Tally>) -> MutexGuard<'_, Tally> {
    tally.lock().unwrap_or_else(PoisonError::into_inner)
}
