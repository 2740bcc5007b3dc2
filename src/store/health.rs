//! How the store is doing.

use crate::clock::{Clock, Time};
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering::Relaxed};
use std::sync::{Mutex, PoisonError};
use std::time::Duration;

/// Whether commits succeed.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Health {
    /// The last commit succeeded, or there was none yet.
    Fine,
    /// Commits fail.
    Failing {
        /// Since when.
        since: Time,
        /// Why the latest failed.
        reason: String,
    },
}

/// What the writer has done since it started.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Stats {
    /// Transactions that reached the disk.
    pub commits: u64,
    /// Batches in them.
    pub batches: u64,
    /// Changes in them.
    pub rows: u64,
    /// Batches that were lost: refused, failed, or dropped.
    pub lost: u64,
    /// Batches that were submitted without waiting and dropped (also counted in `lost`).
    pub dropped: u64,
    /// The time that all the commits took together, from the first statement to the end of the fsync.
    pub total: Duration,
    /// The time that the last one took.
    pub last: Duration,
}

/// Shared between the writer and those who ask.
pub(super) struct Watch {
    clock: Clock,
    health: Mutex<Health>,
    is_damaged: AtomicBool,
    commits: AtomicU64,
    batches: AtomicU64,
    rows: AtomicU64,
    lost: AtomicU64,
    dropped: AtomicU64,
    total_micros: AtomicU64,
    last_micros: AtomicU64,
}

impl Watch {
    pub(super) fn new(clock: Clock) -> Self {
        Self {
            clock,
            health: Mutex::new(Health::Fine),
            is_damaged: AtomicBool::new(false),
            commits: AtomicU64::new(0),
            batches: AtomicU64::new(0),
            rows: AtomicU64::new(0),
            lost: AtomicU64::new(0),
            dropped: AtomicU64::new(0),
            total_micros: AtomicU64::new(0),
            last_micros: AtomicU64::new(0),
        }
    }

    pub(super) fn committed(&self, batches: usize, rows: usize, took: Duration) {
        let micros = u64::try_from(took.as_micros()).unwrap_or(u64::MAX);
        self.commits.fetch_add(1, Relaxed);
        self.batches.fetch_add(batches as u64, Relaxed);
        self.rows.fetch_add(rows as u64, Relaxed);
        self.total_micros.fetch_add(micros, Relaxed);
        self.last_micros.store(micros, Relaxed);
    }

    pub(super) fn lost(&self) {
        self.lost.fetch_add(1, Relaxed);
    }

    pub(super) fn dropped(&self) {
        self.dropped.fetch_add(1, Relaxed);
    }

    /// The database is damaged: whatever can still be written, it is not well until it is opened again.
    pub(super) fn damaged(&self, why: &str) {
        self.is_damaged.store(true, Relaxed);
        self.failing(why);
    }

    pub(super) fn fine(&self) {
        if self.is_damaged.load(Relaxed) {
            return;
        }
        let mut health = self.health.lock().unwrap_or_else(PoisonError::into_inner);
        if *health != Health::Fine {
            tracing::info!("the store can write again");
            *health = Health::Fine;
        }
    }

    pub(super) fn failing(&self, why: &str) {
        let mut health = self.health.lock().unwrap_or_else(PoisonError::into_inner);
        match &mut *health {
            Health::Failing { reason, .. } => why.clone_into(reason),
            Health::Fine => {
                tracing::error!(reason = why, "the store cannot write");
                *health = Health::Failing { since: self.clock.now(), reason: why.to_owned() };
            }
        }
    }

    pub(super) fn health(&self) -> Health {
        self.health.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }

    pub(super) fn is_failing(&self) -> bool {
        self.health() != Health::Fine
    }

    pub(super) fn reason(&self) -> String {
        match self.health() {
            Health::Fine => "closed".to_owned(),
            Health::Failing { reason, .. } => reason,
        }
    }

    pub(super) fn stats(&self) -> Stats {
        Stats {
            commits: self.commits.load(Relaxed),
            batches: self.batches.load(Relaxed),
            rows: self.rows.load(Relaxed),
            lost: self.lost.load(Relaxed),
            dropped: self.dropped.load(Relaxed),
            total: Duration::from_micros(self.total_micros.load(Relaxed)),
            last: Duration::from_micros(self.last_micros.load(Relaxed)),
        }
    }
}
