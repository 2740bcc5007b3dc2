//! The memory in front of the store.

use super::PersonKey;
use super::known::Known;
use crate::click::{ClickId, Policy};
use crate::clock::Time;
use moka::Expiry;
use moka::policy::EvictionPolicy;
use moka::sync::Cache;
use std::time::{Duration, Instant};

/// What all entries about people may weigh: some 300,000 ids, a busy day's visitors; the store has the rest.
const PEOPLE_BYTES_MAX: u64 = 128 << 20;
/// What an entry costs beside its own bytes (measured: about 430 in all for an id with a click).
const PERSON_BYTES: usize = 350;
/// What all sightings may weigh: some 60,000 clicks, each needed for the minutes in which its visit is busy.
const SIGHTINGS_BYTES_MAX: u64 = 16 << 20;
/// As for people.
const SIGHTING_BYTES: usize = 250;
/// An id that comes back within an hour is found in memory; after that one point read is cheap.
const KEPT: Duration = Duration::from_secs(3600);
/// That the store has nothing is remembered for less, since most such ids never come back.
const NOTHING_KEPT: Duration = Duration::from_secs(600);

/// When a click was first seen.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Seen {
    pub(super) at: Time,
    /// The store's losses when it was handed over or read.
    pub(super) losses: u64,
}

/// Both caches evict what was used least recently: a new entry is what the next call of that visitor needs.
pub(super) struct Memory {
    people: Cache<PersonKey, Known>,
    sightings: Cache<ClickId, Seen>,
}

impl Memory {
    pub(super) fn new() -> Self {
        let people = Cache::builder()
            .max_capacity(PEOPLE_BYTES_MAX)
            .weigher(|_: &PersonKey, known: &Known| weight(PERSON_BYTES + known.weight()))
            .eviction_policy(EvictionPolicy::lru())
            .expire_after(Lifetimes)
            .build();
        let sightings = Cache::builder()
            .max_capacity(SIGHTINGS_BYTES_MAX)
            .weigher(|id: &ClickId, _: &Seen| weight(SIGHTING_BYTES + id.as_str().len()))
            .eviction_policy(EvictionPolicy::lru())
            .time_to_live(KEPT)
            .build();
        Self { people, sightings }
    }

    /// What is known of an id; `None` when the store must be asked.
    pub(super) fn person(&self, person: &PersonKey) -> Option<Known> {
        self.people.get(person).filter(|known| known.complete)
    }

    /// What was taught of an id, complete or not.
    pub(super) fn taught(&self, person: &PersonKey) -> Known {
        self.people.get(person).unwrap_or_default()
    }

    /// Adds what the store said to what was taught meanwhile.
    pub(super) fn load(&self, person: &PersonKey, stored: Known, policy: Policy, now: Time) -> Known {
        let merge = |held: Option<moka::Entry<PersonKey, Known>>| match held {
            Some(held) => held.into_value().merge(stored, policy, now),
            None => stored,
        };
        self.people.entry(*person).and_upsert_with(merge).into_value()
    }

    /// Lets `lesson` change what is known of an id; its answer.
    pub(super) fn teach(&self, person: &PersonKey, lesson: impl FnOnce(&mut Known) -> bool) -> bool {
        let mut new = false;
        self.people.entry(*person).and_compute_with(|held| {
            let mut known = held.map(moka::Entry::into_value).unwrap_or_default();
            new = lesson(&mut known);
            if new { moka::ops::compute::Op::Put(known) } else { moka::ops::compute::Op::Nop }
        });
        new
    }

    /// When a click was first seen, if memory has it.
    pub(super) fn sighting(&self, id: &ClickId) -> Option<Seen> {
        self.sightings.get(id)
    }

    /// Takes a sighting in; the first time that is known.
    pub(super) fn saw(&self, id: &ClickId, at: Time, losses: u64) -> Time {
        let seen = |held: Option<moka::Entry<ClickId, Seen>>| Seen {
            at: held.map_or(at, |held| held.into_value().at),
            losses,
        };
        self.sightings.entry_by_ref(id).and_upsert_with(seen).into_value().at
    }

    /// Forgets when a click was seen.
    pub(super) fn unsee(&self, id: &ClickId) {
        self.sightings.invalidate(id);
    }

    /// Forgets all that it knows of people.
    pub(super) fn clear(&self) {
        self.people.invalidate_all();
    }
}

fn weight(bytes: usize) -> u32 {
    u32::try_from(bytes).unwrap_or(u32::MAX)
}

/// How long entries about people stay in memory. When a link ends is told by its own time, not by this.
struct Lifetimes;

impl Expiry<PersonKey, Known> for Lifetimes {
    fn expire_after_create(&self, _: &PersonKey, known: &Known, _: Instant) -> Option<Duration> {
        Some(lifetime(known))
    }

    fn expire_after_update(&self, _: &PersonKey, known: &Known, _: Instant, _: Option<Duration>) -> Option<Duration> {
        Some(lifetime(known))
    }
}

fn lifetime(known: &Known) -> Duration {
    if known.is_empty() { NOTHING_KEPT } else { KEPT }
}
