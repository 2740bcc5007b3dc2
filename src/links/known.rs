//! What memory knows of one id, and how two bits of knowledge become one.

use super::{OTHERS_MAX, PersonKey};
use crate::click::{Click, Policy};
use crate::clock::Time;
use crate::store::PersonRow;

/// What is known of an id. Merging is the same in any order, so that a lesson and a read that cross lose nothing.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(super) struct Known {
    /// Whether the store was asked; else only what was taught since.
    pub(super) complete: bool,
    /// Its click, until when, and the store's losses when it was handed over.
    click: Option<Held>,
    /// The ids it is joined to; never more than one above the limit.
    joined: Vec<Joined>,
}

#[derive(Clone, Debug, PartialEq, Eq)]
struct Held {
    click: Click,
    until: Time,
    losses: u64,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Joined {
    other: PersonKey,
    until: Time,
    losses: u64,
}

impl Known {
    /// What the store said while its losses stood at `losses`.
    pub(super) fn stored(row: PersonRow, losses: u64) -> Self {
        let click = row.link.map(|link| Held { click: link.click, until: link.until, losses });
        let joined = row.others.into_iter().map(|(other, until)| Joined { other: PersonKey(other), until, losses });
        Self { complete: true, click, joined: joined.collect() }
    }

    /// Its click, unless that has ended.
    pub(super) fn click(&self, now: Time) -> Option<Click> {
        self.click.as_ref().filter(|held| held.until > now).map(|held| held.click.clone())
    }

    /// The ids it is joined to.
    pub(super) fn others(&self, now: Time) -> impl Iterator<Item = PersonKey> {
        self.joined.iter().filter(move |joined| joined.until > now).map(|joined| joined.other)
    }

    /// Whether it is joined to too many.
    pub(super) fn is_shared(&self, now: Time) -> bool {
        self.others(now).count() > OTHERS_MAX as usize
    }

    /// Takes a click in; whether the store must hear of it.
    pub(super) fn learn(&mut self, click: &Click, until: Time, policy: Policy, losses: u64, now: Time) -> bool {
        let new = Held { click: click.clone(), until, losses };
        match &mut self.click {
            Some(held) if held.until > now && !beats(click, &held.click, policy) => {
                // The one that stays may have been lost on its way.
                let same = held.click.id == click.id;
                let lost = same && held.losses != losses;
                if lost {
                    held.losses = losses;
                }
                lost
            }
            held => {
                *held = Some(new);
                true
            }
        }
    }

    /// Takes a join in, or renews one that ends before `stale`; whether the store must hear of it.
    pub(super) fn join(&mut self, other: PersonKey, until: Time, stale: Time, losses: u64, now: Time) -> bool {
        self.joined.retain(|joined| joined.until > now);
        if let Some(joined) = self.joined.iter_mut().find(|joined| joined.other == other) {
            let known = joined.until > stale && joined.losses == losses;
            if !known {
                (joined.until, joined.losses) = (joined.until.max(until), losses);
            }
            return !known;
        }
        if self.is_shared(now) {
            return false;
        }
        self.joined.push(Joined { other, until, losses });
        true
    }

    /// Both pieces of knowledge in one.
    pub(super) fn merge(mut self, other: Self, policy: Policy, now: Time) -> Self {
        self.complete |= other.complete;
        if let Some(held) = other.click {
            self.learn(&held.click, held.until, policy, held.losses, now);
        }
        for joined in other.joined {
            self.join(joined.other, joined.until, joined.until, joined.losses, now);
        }
        self
    }

    /// About how many bytes it takes beside the entry itself.
    pub(super) fn weight(&self) -> usize {
        self.joined.capacity() * size_of::<Joined>()
            + self.click.as_ref().map_or(0, |held| held.click.id.as_str().len() + 16)
    }

    /// Whether there is nothing in it but that the store has nothing.
    pub(super) fn is_empty(&self) -> bool {
        self.click.is_none() && self.joined.is_empty()
    }
}

/// Whether a click takes another's place. One and the same click keeps its earlier time.
fn beats(new: &Click, old: &Click, policy: Policy) -> bool {
    match policy {
        _ if new.id == old.id => new.at < old.at,
        Policy::Last => new.at > old.at,
        Policy::First => new.at < old.at,
    }
}
