//! Requests that Segment missed: kept until it takes them, in the order in which they came.
//!
//! # Invariants
//!
//! * What [`Forwards::keep`] answered with [`Kept::Stored`] is sent on, or stays on record with the reason why not.
//! * What cannot be opened with the key of today waits for its own key, and holds nobody up.
//! * No Authorization but a write key's is ever in a record.

mod browse;
mod seal;

pub use browse::Record;

use crate::clock::Time;
use crate::secret::Secret;
use crate::store::{Change, CommitError, Effect, ForwardRow, NewForward, PersonKey, ReadError, Store};
use bytes::Bytes;
use seal::{Key, Unopened};
use serde::{Deserialize, Serialize};
use std::collections::HashSet;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use tokio::sync::Notify;

/// A request that Segment missed.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Missed {
    /// The method.
    pub method: String,
    /// Path and query, as Segment sees them.
    pub path: String,
    /// The fields that go with it.
    pub fields: Vec<(String, String)>,
    /// The body.
    pub body: Bytes,
    /// When it arrived.
    pub arrival: Time,
    /// Whose calls it holds.
    pub people: Vec<PersonKey>,
    /// The write key of its source, which decides where it goes.
    pub write_key: Option<String>,
}

/// A missed request on record.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Waiting {
    /// Its number.
    pub id: i64,
    /// Its place in the queue: from 1.
    pub place: i64,
    /// The request; its people are not read back.
    pub missed: Missed,
    /// How often it was sent in vain.
    pub attempts: u32,
    /// Whether a person wants it to be sent, however old it is.
    pub is_wanted: bool,
}

/// What became of a request that was to be kept.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Kept {
    /// It is on the disk.
    Stored,
    /// It is not: the store holds as much as it may.
    Full,
}

/// How many missed requests there are.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Backlog {
    /// Those that wait.
    pub waiting: u64,
    /// Those of them that were met so far and cannot be opened with the key of today.
    pub locked: u64,
    /// Those that were given up.
    pub dead: u64,
    /// When the first of those that wait arrived.
    pub oldest: Option<Time>,
}

/// Why one that waited for too long is given up.
pub const EXPIRED: &str = "expired";

/// The head of a record; the body follows it.
#[derive(Serialize, Deserialize)]
struct Head {
    method: String,
    path: String,
    fields: Vec<(String, String)>,
    #[serde(default)]
    write_key: Option<String>,
}

/// The missed requests; clones share them.
#[derive(Clone)]
pub struct Forwards {
    store: Store,
    key: Option<Arc<Key>>,
    news: Arc<Notify>,
    /// The numbers of those that wait and cannot be opened with this key.
    locked: Arc<Mutex<HashSet<i64>>>,
}

impl Forwards {
    /// Those of a store. `key` (64 hexadecimal digits) seals them on the disk.
    pub fn new(store: Store, key: Option<&Secret>) -> Self {
        let key = key.and_then(|key| Key::from_hex(key.reveal())).map(Arc::new);
        Self { store, key, news: Arc::default(), locked: Arc::default() }
    }

    /// Puts a request on the disk, and wakes whoever sends them on.
    ///
    /// # Errors
    /// See [`CommitError`]; then nothing was kept.
    pub async fn keep(&self, missed: Missed) -> Result<Kept, CommitError> {
        let people = missed.people.iter().map(|person| person.0).collect();
        let arrival = missed.arrival;
        let new = NewForward { record: self.record(missed)?, arrival, people };
        let effects = self.store.commit(vec![Change::Keep(Box::new(new))]).await?;
        if effects != [Effect::Shed] {
            self.news.notify_one();
            return Ok(Kept::Stored);
        }
        Ok(Kept::Full)
    }

    /// The request whose turn it is, of those behind the place `after`. One that is damaged is given up; one that only another
    /// key opens is passed over, unless it arrived at `too_old` or before.
    ///
    /// # Errors
    /// When the store cannot be read.
    pub async fn next(&self, after: i64, too_old: Time) -> Result<Option<Waiting>, ReadError> {
        while let Some(row) = self.next_row(after).await? {
            let id = row.id;
            let reason = match self.opened(&row) {
                Ok(waiting) => return Ok(Some(waiting)),
                Err(Unopened::Damaged) => "damaged",
                Err(Unopened::Locked) if row.reason.is_none() && row.request.arrival <= too_old => EXPIRED,
                Err(Unopened::Locked) => {
                    if self.locked().is_empty() {
                        tracing::error!(
                            id,
                            "a kept envelope cannot be read with this [store] key; it waits for its own"
                        );
                    }
                    self.locked().insert(id);
                    continue;
                }
            };
            tracing::error!(id, reason, "a kept envelope that cannot be read is given up");
            self.refuse(id, reason).await.map_err(|error| ReadError(error.to_string()))?;
        }
        Ok(None)
    }

    async fn next_row(&self, after: i64) -> Result<Option<ForwardRow>, ReadError> {
        let locked = self.locked.clone();
        self.store.next_forward(after, move |id| lock(&locked).contains(&id)).await
    }

    fn locked(&self) -> MutexGuard<'_, HashSet<i64>> {
        lock(&self.locked)
    }

    /// Segment took it: it goes.
    ///
    /// # Errors
    /// See [`CommitError`]; then it is sent once more.
    pub async fn taken(&self, id: i64) -> Result<(), CommitError> {
        self.store.commit(vec![Change::Taken { id }]).await?;
        self.locked().remove(&id);
        Ok(())
    }

    /// It is sent again; `behind` all others if need be.
    ///
    /// # Errors
    /// See [`CommitError`]; its place is as before.
    pub async fn again(&self, id: i64, behind: bool) -> Result<(), CommitError> {
        self.store.commit(vec![Change::Forward { id, behind }]).await.map(drop)
    }

    /// It is given up, and stays on record.
    ///
    /// # Errors
    /// See [`CommitError`]; it waits as before.
    pub async fn refuse(&self, id: i64, reason: &str) -> Result<(), CommitError> {
        self.store.commit(vec![Change::Refused { id, reason: reason.to_owned() }]).await.map(drop)
    }

    /// How many there are.
    ///
    /// # Errors
    /// When the store cannot be read.
    pub async fn backlog(&self) -> Result<Backlog, ReadError> {
        let (waiting, dead, oldest) = self.store.forwards_depth().await?;
        let locked = self.locked().len() as u64;
        Ok(Backlog { waiting, locked, dead, oldest })
    }

    /// Puts another request, from which these people are gone, in the place of one.
    ///
    /// # Errors
    /// See [`CommitError`]; it is as before.
    pub async fn rewrite(&self, id: i64, missed: Missed, gone: &[PersonKey]) -> Result<(), CommitError> {
        let gone = gone.iter().map(|person| person.0).collect();
        let record = self.record(missed)?;
        self.store.commit(vec![Change::Rewrite { id, record, gone }]).await.map(drop)
    }

    /// Until one is kept.
    pub async fn news(&self) {
        self.news.notified().await;
    }

    fn record(&self, missed: Missed) -> Result<Vec<u8>, CommitError> {
        let Missed { method, path, fields, write_key, body, .. } = missed;
        let head = Head { method, path, fields, write_key };
        let mut plain = serde_json::to_vec(&head).unwrap_or_default();
        plain.push(b'\n');
        plain.extend_from_slice(&body);
        seal::seal(plain, self.key.as_deref())
            .ok_or_else(|| CommitError::Failed("the system gives no random numbers to encrypt with".to_owned()))
    }

    fn opened(&self, row: &ForwardRow) -> Result<Waiting, Unopened> {
        let plain = seal::open(&row.request.record, self.key.as_deref())?;
        let missed = parsed(&plain, row.request.arrival).ok_or(Unopened::Damaged)?;
        Ok(Waiting { id: row.id, place: row.place, missed, attempts: row.attempts, is_wanted: row.reason.is_some() })
    }
}

fn parsed(plain: &[u8], arrival: Time) -> Option<Missed> {
    // JSON has no line breaks of its own.
    let end = memchr::memchr(b'\n', plain)?;
    let (head, body) = plain.split_at(end);
    let Head { method, path, fields, write_key } = serde_json::from_slice(head).ok()?;
    let body = Bytes::copy_from_slice(body.get(1..)?);
    Some(Missed { method, path, fields, body, arrival, people: Vec::new(), write_key })
}

fn lock(locked: &Mutex<HashSet<i64>>) -> MutexGuard<'_, HashSet<i64>> {
    locked.lock().unwrap_or_else(PoisonError::into_inner)
}

#[cfg(test)]
mod tests;
