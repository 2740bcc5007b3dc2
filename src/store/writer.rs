//! The one writer: takes all batches that wait, writes them in one transaction, answers each.

use super::deliveries::{Kept, Room};
use super::health::Watch;
use super::open::{BUSY_WAIT, Opened};
use super::statements::Statements;
use super::{Change, CommitError, Config, Effect, compact, damage, deliveries, forwards, people};
use crate::clock::{Clock, Time};
use rusqlite::{Connection, ErrorCode};
use std::sync::Arc;
use std::sync::mpsc::{Receiver, RecvTimeoutError};
use std::time::{Duration, Instant};
use tokio::sync::oneshot;

/// The most batches in one transaction: enough to share an fsync among all who wait under load, and few enough that
/// the first of them waits milliseconds.
const BATCHES_PER_COMMIT_MAX: usize = 512;
/// The most changes in one transaction, for the same reason: a call of 2,500 events is one batch.
const CHANGES_PER_COMMIT_MAX: usize = 10_000;
/// How often it is looked for what has had its time, and for room to give back.
const TIDY_EVERY: Duration = Duration::from_secs(1);
/// How many rows of a table one sweep removes at most: a few milliseconds, that commits have to wait. A full slice is
/// followed by another after the next commit, or at once when nobody waits.
const SWEEP_ROWS: u32 = 500;
/// How often a store that fails is tried, so that it becomes ready again without traffic.
const PROBE_EVERY: Duration = Duration::from_secs(1);

/// What a waiter hears.
type Answer = Result<Vec<Effect>, CommitError>;

/// Changes that are written together.
pub(super) struct Batch {
    pub(super) changes: Vec<Change>,
    /// Who waits; `None`: nobody.
    pub(super) reply: Option<oneshot::Sender<Answer>>,
}

/// What the writer is told.
pub(super) enum Message {
    Batch(Batch),
    Scrub(Scrub),
    Stop,
}

/// See [`super::Store::scrub`].
pub(super) struct Scrub {
    pub(super) rewrite_max: u64,
    pub(super) reply: oneshot::Sender<Result<Scrubbed, CommitError>>,
}

/// What became of it.
pub(super) struct Scrubbed {
    pub(super) rewritten: bool,
    /// `false` when a read stood in the way.
    pub(super) log_is_empty: bool,
}

/// What ends a gathering.
enum Behind {
    Scrub(Scrub),
    Stop,
}

/// Writes until it is told to stop, or nobody is left who could tell it anything; then the store is closed.
pub(super) fn run(opened: Opened, inbox: Receiver<Message>, watch: Arc<Watch>, clock: Clock, rules: Rules) {
    // Dropped last.
    let Opened { lock: _lock, connection, database: _ } = opened;
    Writer { statements: Statements::new(&connection), inbox, watch, clock, rules, compacts: false }.run();
}

struct Writer<'c> {
    statements: Statements<'c>,
    inbox: Receiver<Message>,
    watch: Arc<Watch>,
    clock: Clock,
    rules: Rules,
    /// Whether the file is being made smaller.
    compacts: bool,
}

/// What the writer goes by.
#[derive(Clone, Copy, Debug)]
pub(super) struct Rules {
    room: Room,
    kept: Kept,
}

impl Rules {
    pub(super) fn of(config: &Config) -> Self {
        Self {
            room: Room { waiting_max: config.waiting_max, size_max: config.size_max },
            kept: Kept { delivered: config.keep_delivered, dead: config.keep_dead },
        }
    }
}

impl Writer<'_> {
    fn run(mut self) {
        let mut tidied = Instant::now();
        let mut more_to_tidy = true;
        loop {
            let wait = if self.watch.is_failing() { PROBE_EVERY } else { TIDY_EVERY };
            match self.inbox.recv_timeout(if more_to_tidy { Duration::ZERO } else { wait }) {
                Ok(Message::Batch(first)) => {
                    let (batches, behind) = self.gather(first);
                    self.write(batches);
                    match behind {
                        Some(Behind::Scrub(scrub)) => self.scrub(scrub),
                        Some(Behind::Stop) => return,
                        None => {}
                    }
                }
                Ok(Message::Scrub(scrub)) => self.scrub(scrub),
                Ok(Message::Stop) | Err(RecvTimeoutError::Disconnected) => return,
                Err(RecvTimeoutError::Timeout) if self.watch.is_failing() => self.probe(),
                Err(RecvTimeoutError::Timeout) => {}
            }
            if more_to_tidy || tidied.elapsed() >= TIDY_EVERY {
                more_to_tidy = self.tidy();
                tidied = Instant::now();
            }
        }
    }

    /// Everything that waits now, within the limits of one transaction; and what came behind it.
    fn gather(&self, first: Batch) -> (Vec<Batch>, Option<Behind>) {
        let mut changes = first.changes.len();
        let mut batches = vec![first];
        while batches.len() < BATCHES_PER_COMMIT_MAX && changes < CHANGES_PER_COMMIT_MAX {
            match self.inbox.try_recv() {
                Ok(Message::Batch(batch)) => {
                    changes += batch.changes.len();
                    batches.push(batch);
                }
                Ok(Message::Scrub(scrub)) => return (batches, Some(Behind::Scrub(scrub))),
                Ok(Message::Stop) => return (batches, Some(Behind::Stop)),
                Err(_) => break,
            }
        }
        (batches, None)
    }

    fn write(&mut self, mut batches: Vec<Batch>) {
        // Whoever no longer waits believes that nothing was stored, and acts on it.
        batches.retain(|batch| !batch.reply.as_ref().is_some_and(oneshot::Sender::is_closed));
        if batches.is_empty() {
            return;
        }
        let begun = Instant::now();
        let now = self.clock.now();
        let written = transact(&self.statements, &batches, self.rules.room, now);
        match written {
            Ok(answers) => {
                let good = answers.iter().filter(|answer| answer.is_ok()).count();
                let rows = answers.iter().flatten().map(Vec::len).sum();
                self.watch.committed(good, rows, begun.elapsed());
                match answers.iter().find_map(|answer| answer.as_ref().err().filter(|error| is_storage(error))) {
                    Some(error) => self.trouble(error),
                    None => self.watch.fine(),
                }
                for (batch, answer) in batches.into_iter().zip(answers) {
                    self.answer(batch, answer.map_err(|error| CommitError::Failed(error.to_string())));
                }
            }
            Err(error) => {
                let reason = error.to_string();
                self.trouble(&error);
                for batch in batches {
                    self.answer(batch, Err(CommitError::Failed(reason.clone())));
                }
            }
        }
    }

    fn answer(&self, batch: Batch, answer: Answer) {
        if answer.is_err() {
            self.watch.lost();
        }
        if let Some(reply) = batch.reply
            && reply.send(answer).is_err()
        {
            tracing::debug!("a batch was written although its waiter had just gone");
        }
    }

    fn scrub(&self, Scrub { rewrite_max, reply }: Scrub) {
        let scrubbed = scrub(&self.statements, rewrite_max).map_err(|error| CommitError::Failed(error.to_string()));
        if reply.send(scrubbed).is_err() {
            tracing::debug!("the store was scrubbed although nobody waits for it any more");
        }
    }

    /// One small row, to learn whether the disk takes it.
    fn probe(&self) {
        let at = self.clock.now().millis();
        match self.statements.execute("INSERT INTO probe VALUES (1, ?1) ON CONFLICT (one) DO UPDATE SET at = ?1", [at])
        {
            Ok(_) => self.watch.fine(),
            Err(error) => self.trouble(&error),
        }
    }

    /// The disk, not a change, is to blame.
    fn trouble(&self, error: &rusqlite::Error) {
        match damage::met(&self.statements, error) {
            Some(what) => self.watch.damaged(&what),
            None => self.watch.failing(&error.to_string()),
        }
    }

    /// Removes a slice of what has had its time, and gives back a slice of what is free; whether there is more to do.
    /// Nothing of it is urgent: a store that fails is let alone.
    fn tidy(&mut self) -> bool {
        if self.watch.is_failing() {
            return false;
        }
        let swept = sweep(&self.statements, self.rules.kept, self.clock.now());
        let tidied = swept.and_then(|more| {
            if !self.compacts && compact::is_due(&self.statements)? {
                tracing::info!("much of the store's file is free: it is made smaller");
                self.compacts = true;
            }
            self.compacts = self.compacts && compact::slice(&self.statements)?;
            Ok(more || self.compacts)
        });
        tidied.unwrap_or_else(|error| {
            tracing::warn!(%error, "the store could not be tidied up");
            if is_storage(&error) {
                self.trouble(&error);
            }
            roll_back(&self.statements);
            false
        })
    }
}

fn scrub(connection: &Connection, rewrite_max: u64) -> rusqlite::Result<Scrubbed> {
    // What is deleted is overwritten with zeros, but not the copies that are left where pages were rebalanced.
    let rewritten = deliveries::size(connection)? <= rewrite_max;
    if rewritten {
        compact::rewrite(connection)?;
    }
    // Commits wait behind this: who reads is not waited for.
    connection.busy_timeout(Duration::ZERO)?;
    let busy = connection.query_row("PRAGMA wal_checkpoint(TRUNCATE)", [], |row| row.get::<_, i64>(0));
    connection.busy_timeout(BUSY_WAIT)?;
    Ok(Scrubbed { rewritten, log_is_empty: busy? == 0 })
}

fn sweep(c: &Statements<'_>, kept: Kept, now: Time) -> rusqlite::Result<bool> {
    c.execute_batch("BEGIN IMMEDIATE")?;
    let people = people::sweep(c, now, SWEEP_ROWS)?;
    let deliveries = deliveries::sweep(c, kept, now, SWEEP_ROWS)?;
    let forwards = forwards::sweep(c, kept.dead, now, SWEEP_ROWS)?;
    c.execute_batch("COMMIT")?;
    Ok(people || deliveries || forwards)
}

/// All batches in one transaction. The outer error is the transaction's, the inner ones are the batches' own.
///
/// Hardly ever does a batch fail, so they are first written as one; savepoints, which cost a copy of every page that is
/// touched, are only set where one has failed.
fn transact(
    c: &Statements<'_>,
    batches: &[Batch],
    room: Room,
    now: Time,
) -> rusqlite::Result<Vec<rusqlite::Result<Vec<Effect>>>> {
    c.execute("BEGIN IMMEDIATE", [])?;
    let together = batches.iter().map(|batch| write_all(c, &batch.changes, room, now));
    let answers = match together.collect::<rusqlite::Result<Vec<_>>>() {
        Ok(effects) => effects.into_iter().map(Ok).collect(),
        // SQLite took the whole transaction back.
        Err(error) if c.is_autocommit() => return Err(error),
        Err(_) => {
            roll_back(c);
            apart(c, batches, room, now)?
        }
    };
    c.execute("COMMIT", []).inspect_err(|_| roll_back(c))?;
    Ok(answers)
}

/// Each batch within a savepoint of its own, in a transaction that is left open.
fn apart(
    c: &Statements<'_>,
    batches: &[Batch],
    room: Room,
    now: Time,
) -> rusqlite::Result<Vec<rusqlite::Result<Vec<Effect>>>> {
    c.execute("BEGIN IMMEDIATE", [])?;
    let mut answers = Vec::with_capacity(batches.len());
    for batch in batches {
        c.execute("SAVEPOINT batch", [])?;
        let effects = write_all(c, &batch.changes, room, now);
        match &effects {
            // The companions' changes are gone, too.
            Err(_) if c.is_autocommit() => return effects.map(|_| answers),
            Err(_) => _ = c.execute("ROLLBACK TO batch", [])?,
            Ok(_) => {}
        }
        c.execute("RELEASE batch", [])?;
        answers.push(effects);
    }
    Ok(answers)
}

fn roll_back(connection: &Connection) {
    if !connection.is_autocommit()
        && let Err(error) = connection.execute_batch("ROLLBACK")
    {
        tracing::error!(%error, "a failed transaction could not be rolled back");
    }
}

fn write_all(c: &Statements<'_>, changes: &[Change], room: Room, now: Time) -> rusqlite::Result<Vec<Effect>> {
    changes.iter().map(|change| apply(c, change, room, now)).collect()
}

fn apply(c: &Statements<'_>, change: &Change, room: Room, now: Time) -> rusqlite::Result<Effect> {
    match change {
        Change::Sighting { click, at, until } => people::sighting(c, click, *at, *until, now),
        Change::Link { person, click, until, keep } => people::link(c, person, click, *until, *keep, now),
        Change::Join { one, other, until, limit } => people::join(c, one, other, *until, *limit, now),
        Change::Forget { person } => people::forget(c, person),
        Change::Append(draft) => deliveries::append(c, draft, room, now),
        Change::Lease { limit, deadline, caps } => deliveries::lease(c, *limit, *deadline, caps, now),
        Change::Done { id, receipt, verdict } => deliveries::done(c, *id, receipt.as_deref(), verdict.as_deref(), now),
        Change::Judge { id, verdict } => deliveries::judge(c, *id, verdict, now),
        Change::Again { id, at, why } => deliveries::again(c, *id, *at, why),
        Change::Dead { id, reason, detail } => deliveries::dead(c, *id, reason, detail, now),
        Change::Retry { id } => deliveries::retry(c, *id, now),
        Change::Remap { id, mapped } => deliveries::remap(c, *id, mapped, now),
        Change::Drop { id } => deliveries::give_up(c, *id, now),
        Change::Erase { id } => deliveries::erase(c, *id, now),
        Change::Unsee { click } => people::unsee(c, click),
        Change::Keep(new) => forwards::keep(c, new, room.is_large(c)?),
        Change::Taken { id } => forwards::taken(c, *id),
        Change::Forward { id, behind } => forwards::again(c, *id, *behind),
        Change::Refused { id, reason } => forwards::dead(c, *id, reason, now),
        Change::Revive { id } => forwards::revive(c, *id),
        Change::Discard { id } => forwards::discard(c, *id, now),
        Change::Rewrite { id, record, gone } => forwards::rewrite(c, *id, record, gone),
    }
}

/// Whether an error is about the disk and not about the change.
fn is_storage(error: &rusqlite::Error) -> bool {
    matches!(
        error.sqlite_error_code(),
        Some(
            ErrorCode::DiskFull
                | ErrorCode::SystemIoFailure
                | ErrorCode::ReadOnly
                | ErrorCode::DatabaseCorrupt
                | ErrorCode::NotADatabase
                | ErrorCode::CannotOpen
        )
    )
}
