//! Who clicked what: memory in front, the store behind.
//!
//! Memory and store hold the same three facts: when a click was first seen, which click an id has, and which ids are
//! one person's. A lesson enters memory at once, so that the next call finds it before the disk has it.
//!
//! # Invariants
//!
//! * An id's click changes only for a better one (by policy, by the click's own time), whatever order lessons come in.
//! * What memory takes for stored is stored, or was handed to the store since its last loss.
//! * Nothing here reads the machine's clock, and no id is kept in the clear.

mod key;
mod known;
mod memory;
mod person;

pub use key::{IdKind, PersonKey};
pub use person::{Person, Seen};

use crate::click::{Click, ClickId, Policy};
use crate::clock::{Clock, Time};
use crate::store::{Change, CommitError, Keep, ReadError, Store};
use known::Known;
use memory::Memory;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering::Relaxed};
use std::time::Duration;

/// An id joined to more than this many others within the window is a shared device or a made-up id: whose click it
/// brings cannot be told. A family's tablet stays below it.
pub const OTHERS_MAX: u32 = 16;
/// How long beyond the referral window a click's first sighting is kept, so that an old link or cookie that shows up
/// late does not make the click young again.
const SIGHTING_KEPT_LONGER: Duration = Duration::from_secs(30 * 86_400);
/// A join that is seen again is written again only when this much of its time has gone.
const JOIN_RENEWED_AFTER: Duration = Duration::from_secs(86_400);

/// How links are kept.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Settings {
    /// The referral window: a link ends this long after its click.
    pub window: Duration,
    /// Which of two clicks an id keeps.
    pub policy: Policy,
}

/// What a call teaches.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Lesson {
    /// The call's click: its sighting, and the click of all of `people`.
    pub click: Option<Click>,
    /// The ids of the call.
    pub people: Vec<PersonKey>,
    /// Ids that are one person's.
    pub joins: Vec<(PersonKey, PersonKey)>,
}

/// What is known of an id.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Found {
    /// Its click, or that of an id it is joined to.
    Click(Click),
    /// It is joined to too many others.
    Shared,
    /// No click, or none that is within the window; also when the store cannot be read.
    Nothing,
}

/// An id's entry, for people.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Entry {
    /// The hash under which it is kept.
    pub key: PersonKey,
    /// Its own click.
    pub click: Option<Click>,
    /// When its link ends.
    pub until: Option<Time>,
    /// How many other ids it is joined to, up to [`OTHERS_MAX`] + 1.
    pub joined: usize,
    /// What a call with only this id gets.
    pub found: Found,
}

/// The links; clones share them.
#[derive(Clone)]
pub struct Links {
    store: Store,
    settings: Settings,
    clock: Clock,
    memory: Arc<Memory>,
    read_failures: Arc<AtomicU64>,
}

impl Links {
    /// Links over `store`, with an empty memory.
    pub fn new(store: Store, settings: Settings, clock: Clock) -> Self {
        Self { store, settings, clock, memory: Arc::new(Memory::new()), read_failures: Arc::default() }
    }

    /// When a click was first seen; `None`: never, or the store could not be read (counted in
    /// [`Links::read_failures`]).
    pub async fn first_seen(&self, id: &ClickId) -> Option<Time> {
        if let Some(seen) = self.memory.sighting(id) {
            return Some(seen.at);
        }
        let losses = self.store.losses();
        let at = self.counted(self.store.sighting(id, self.clock.now()).await)??;
        Some(self.memory.saw(id, at, losses))
    }

    /// The click of an id.
    pub async fn look_up(&self, key: &PersonKey) -> Found {
        let now = self.clock.now();
        let Some(own) = self.known(std::slice::from_ref(key), now).await.pop() else { return Found::Nothing };
        if own.is_shared(now) {
            return Found::Shared;
        }
        let others: Vec<PersonKey> = own.others(now).collect();
        // A click that comes by way of a shared id is nobody's.
        let theirs = self.known(&others, now).await.into_iter().filter(|known| !known.is_shared(now));
        let clicks = std::iter::once(own).chain(theirs).filter_map(|known| known.click(now));
        let best = match self.settings.policy {
            Policy::Last => clicks.max_by_key(|click| click.at),
            Policy::First => clicks.min_by_key(|click| click.at),
        };
        best.map_or(Found::Nothing, Found::Click)
    }

    /// Reads what is on record of these ids at once, so that their look-ups find it in memory instead of reading one by one.
    pub async fn recall(&self, people: &[PersonKey]) {
        self.known(people, self.clock.now()).await;
    }

    /// Learns, in memory at once, and returns what is new and must be committed: nothing when all of it was known.
    /// The changes are the caller's to commit, or to submit; when they get lost, the next lesson brings them again.
    pub fn teach(&self, lesson: &Lesson) -> Vec<Change> {
        let now = self.clock.now();
        let mut changes = Vec::new();
        if let Some(click) = &lesson.click {
            changes.extend(self.teach_sighting(click));
            let until = click.at.plus(self.settings.window);
            let people = lesson.people.iter().filter(|_| until > now);
            changes.extend(people.filter_map(|person| self.teach_link(person, click, until, now)));
        }
        let joins = lesson.joins.iter().filter(|(one, other)| one != other);
        changes.extend(joins.filter_map(|(one, other)| self.teach_join(one, other, now)));
        changes
    }

    /// What is on record of an id; `None` when there is nothing, or the id is one that is never linked.
    ///
    /// # Errors
    /// When the store cannot be read.
    pub async fn show(&self, space: &str, kind: IdKind, id: &str) -> Result<Option<Entry>, ReadError> {
        let Some(key) = PersonKey::of(space, kind, id) else { return Ok(None) };
        let rows = self.store.people(vec![key.0], OTHERS_MAX + 1, self.clock.now()).await?;
        let Some(row) = rows.into_iter().next().filter(|row| row.link.is_some() || !row.others.is_empty()) else {
            return Ok(None);
        };
        let found = self.look_up(&key).await;
        let (click, until) = row.link.map(|link| (link.click, link.until)).unzip();
        Ok(Some(Entry { key, click, until, joined: row.others.len(), found }))
    }

    /// Forgets an id's link and its joins; whether the id is one that can have any.
    ///
    /// # Errors
    /// When the store cannot write; then memory has forgotten, and the store has not.
    pub async fn forget(&self, space: &str, kind: IdKind, id: &str) -> Result<bool, CommitError> {
        let Some(key) = PersonKey::of(space, kind, id) else { return Ok(false) };
        self.forget_all(&[key]).await.map(|()| true)
    }

    /// Forgets these ids' links and joins.
    ///
    /// # Errors
    /// When the store cannot write; then memory has forgotten, and the store has not.
    pub async fn forget_all(&self, people: &[PersonKey]) -> Result<(), CommitError> {
        let changes = people.iter().map(|person| Change::Forget { person: person.0 }).collect();
        let outcome = self.store.commit(changes).await;
        // Whoever is joined to one of them says so in an entry of its own; to forget is rare enough to start afresh.
        self.memory.clear();
        outcome.map(|_| ())
    }

    /// How many reads the store refused so far.
    pub fn read_failures(&self) -> u64 {
        self.read_failures.load(Relaxed)
    }

    /// What is known of each of these ids, in their order, from memory or else from the store.
    async fn known(&self, people: &[PersonKey], now: Time) -> Vec<Known> {
        let cached: Vec<Option<Known>> = people.iter().map(|person| self.memory.person(person)).collect();
        let missing: Vec<PersonKey> =
            people.iter().zip(&cached).filter(|(_, known)| known.is_none()).map(|(person, _)| *person).collect();
        if missing.is_empty() {
            return cached.into_iter().flatten().collect();
        }
        let losses = self.store.losses();
        let hashes = missing.iter().map(|person| person.0).collect();
        let rows = self.counted(self.store.people(hashes, OTHERS_MAX + 1, now).await);
        let mut loaded = match rows {
            Some(rows) => missing
                .iter()
                .zip(rows)
                .map(|(person, row)| self.memory.load(person, Known::stored(row, losses), self.settings.policy, now))
                .collect(),
            // What was taught since the start is better than nothing.
            None => missing.iter().map(|person| self.memory.taught(person)).collect::<Vec<_>>(),
        }
        .into_iter();
        cached.into_iter().filter_map(|known| known.or_else(|| loaded.next())).collect()
    }

    fn teach_sighting(&self, click: &Click) -> Option<Change> {
        let losses = self.store.losses();
        if self.memory.sighting(&click.id).is_some_and(|seen| seen.losses == losses) {
            return None;
        }
        let at = self.memory.saw(&click.id, click.at, losses);
        let until = at.plus(self.settings.window).plus(SIGHTING_KEPT_LONGER);
        Some(Change::Sighting { click: click.id.clone(), at, until })
    }

    fn teach_link(&self, person: &PersonKey, click: &Click, until: Time, now: Time) -> Option<Change> {
        let losses = self.store.losses();
        let new = self.memory.teach(person, |known| known.learn(click, until, self.settings.policy, losses, now));
        let keep = match self.settings.policy {
            Policy::Last => Keep::Newest,
            Policy::First => Keep::Oldest,
        };
        new.then(|| Change::Link { person: person.0, click: click.clone(), until, keep })
    }

    fn teach_join(&self, one: &PersonKey, other: &PersonKey, now: Time) -> Option<Change> {
        let (losses, until) = (self.store.losses(), now.plus(self.settings.window));
        let stale = now.plus(self.settings.window).minus(JOIN_RENEWED_AFTER.min(self.settings.window / 2));
        let learn = |me: &PersonKey, them: &PersonKey| {
            self.memory.teach(me, |known| known.join(*them, until, stale, losses, now))
        };
        let (mine, theirs) = (learn(one, other), learn(other, one));
        (mine || theirs).then_some(Change::Join { one: one.0, other: other.0, until, limit: OTHERS_MAX + 1 })
    }

    fn counted<T>(&self, read: Result<T, ReadError>) -> Option<T> {
        read.inspect_err(|error| {
            self.read_failures.fetch_add(1, Relaxed);
            tracing::debug!(%error, "a link could not be looked up");
        })
        .ok()
    }
}

#[cfg(test)]
mod tests;
