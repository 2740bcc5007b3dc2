//! A person: an id, and the ids that joins tell to be the same person's.

use super::{Links, OTHERS_MAX, PersonKey};
use crate::click::{Click, ClickId};
use crate::clock::Time;
use crate::store::{Change, CommitError, Hash, ReadError};

/// The ids of a person, and their clicks.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Person {
    /// The id that was asked about.
    pub asked: PersonKey,
    /// The ids joined to it.
    pub joined: Vec<PersonKey>,
    /// Ids joined to it that are not one person's, and if it is shared itself: all that are joined to it.
    pub shared: Vec<PersonKey>,
    /// The clicks of the asked id and of the joined ones, and until when they are linked.
    pub links: Vec<(PersonKey, Click, Time)>,
}

/// When a click was first seen.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Seen {
    /// The click.
    pub click: ClickId,
    /// When.
    pub at: Time,
    /// Whether it is linked to somebody else, too.
    pub is_others: bool,
}

impl Person {
    /// The asked id and those joined to it.
    pub fn ids(&self) -> Vec<PersonKey> {
        std::iter::once(self.asked).chain(self.joined.iter().copied()).collect()
    }

    /// Whether what carries these ids is this person's. On a device that two use, what names the other's userId is the
    /// other's; but what carries the asked id itself is meant whoever it names.
    pub fn owns(&self, user: Option<Hash>, others: &[Option<Hash>]) -> bool {
        let is = |key: &PersonKey| user == Some(key.0) || others.contains(&Some(key.0));
        let of_another = user.is_some_and(|user| !self.joined.iter().any(|joined| joined.0 == user));
        is(&self.asked) || (!of_another && self.joined.iter().any(is))
    }
}

impl Links {
    /// The person of an id, one join away at the most.
    ///
    /// # Errors
    /// When the store cannot be read.
    pub async fn person(&self, asked: PersonKey) -> Result<Person, ReadError> {
        let now = self.clock.now();
        let own = self.store.people(vec![asked.0], OTHERS_MAX + 1, now).await?.pop().unwrap_or_default();
        let others: Vec<PersonKey> = own.others.iter().map(|(other, _)| PersonKey(*other)).collect();
        let mut person = Person { asked, joined: Vec::new(), shared: Vec::new(), links: Vec::new() };
        person.links.extend(own.link.map(|link| (asked, link.click, link.until)));
        if others.len() > OTHERS_MAX as usize {
            person.shared = others;
            return Ok(person);
        }
        let rows = self.store.people(others.iter().map(|other| other.0).collect(), OTHERS_MAX + 1, now).await?;
        for (other, row) in others.into_iter().zip(rows) {
            if row.others.len() > OTHERS_MAX as usize {
                person.shared.push(other);
                continue;
            }
            person.joined.push(other);
            person.links.extend(row.link.map(|link| (other, link.click, link.until)));
        }
        Ok(person)
    }

    /// When these clicks of a person's were first seen; those that were not are left out.
    ///
    /// # Errors
    /// When the store cannot be read.
    pub async fn sightings(&self, person: &Person, clicks: &[ClickId]) -> Result<Vec<Seen>, ReadError> {
        let ids: Vec<Hash> = person.ids().iter().map(|id| id.0).collect();
        let others = self.store.clicks_of_others(clicks, &ids).await?;
        let mut seen = Vec::new();
        for click in clicks {
            if let Some(at) = self.store.sighting(click, self.clock.now()).await? {
                let is_others = others.iter().any(|other| other == click.as_str());
                seen.push(Seen { click: click.clone(), at, is_others });
            }
        }
        Ok(seen)
    }

    /// Forgets that these clicks were seen.
    ///
    /// # Errors
    /// When the store cannot write; then memory has forgotten, and the store has not.
    pub async fn unsee(&self, clicks: &[ClickId]) -> Result<(), CommitError> {
        let outcome =
            self.store.commit(clicks.iter().map(|click| Change::Unsee { click: click.clone() }).collect()).await;
        clicks.iter().for_each(|click| self.memory.unsee(click));
        outcome.map(drop)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn whose_it_is() {
        let key = |byte: u8| PersonKey([byte; 32]);
        let [asked, joined, stranger] = [1, 2, 3].map(|byte| Some(key(byte).0));
        let person = Person { asked: key(1), joined: vec![key(2)], shared: vec![key(4)], links: Vec::new() };
        for (user, other, owns) in [
            (asked, None, true),
            (None, asked, true),
            (stranger, asked, true),
            (joined, None, true),
            (None, joined, true),
            (joined, stranger, true),
            (stranger, joined, false),
            (stranger, None, false),
            (None, stranger, false),
            (None, Some([4; 32]), false),
            (None, None, false),
        ] {
            assert_eq!(person.owns(user, &[other]), owns, "{user:?} {other:?}");
        }
        assert_eq!(person.ids(), [key(1), key(2)]);
    }
}
