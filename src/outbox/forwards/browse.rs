//! What people see of missed requests, and do to them.

use super::{Forwards, Missed};
use crate::clock::Time;
use crate::store::{Change, CommitError, DeliveryFilter, Effect, ForwardRow, PersonKey, ReadError, State, Touched};

/// A missed request as people see it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Record {
    /// Its number.
    pub id: i64,
    /// Waiting or dead.
    pub state: State,
    /// When it arrived.
    pub arrival: Time,
    /// How often it was sent in vain.
    pub attempts: u32,
    /// When it was given up.
    pub ended: Option<Time>,
    /// Why it was given up, or that it was tried again by hand.
    pub reason: Option<String>,
    /// The request; `None`: it cannot be read.
    pub missed: Option<Missed>,
}

impl Forwards {
    /// What `look` makes of those that a filter lets through, the youngest first.
    ///
    /// # Errors
    /// When the store cannot be read.
    pub async fn list<T: Send + 'static>(
        &self,
        filter: DeliveryFilter,
        look: fn(&Record) -> T,
    ) -> Result<Vec<T>, ReadError> {
        let forwards = self.clone();
        self.store.forwards(filter, move |row| look(&forwards.shown(row))).await
    }

    /// How many a filter lets through, and the youngest of them.
    ///
    /// # Errors
    /// When the store cannot be read.
    pub async fn count(&self, filter: DeliveryFilter) -> Result<(u64, Option<i64>), ReadError> {
        self.store.count_forwards(filter).await
    }

    /// One of them.
    ///
    /// # Errors
    /// When the store cannot be read.
    pub async fn show(&self, id: i64) -> Result<Option<Record>, ReadError> {
        Ok(self.store.forward(id).await?.map(|row| self.shown(row)))
    }

    /// Those that hold a call of one of these people, given up or not.
    ///
    /// # Errors
    /// When the store cannot be read.
    pub async fn of(&self, people: &[PersonKey]) -> Result<Vec<Record>, ReadError> {
        let rows = self.store.forwards_of(people.iter().map(|person| person.0).collect()).await?;
        Ok(rows.into_iter().map(|row| self.shown(row)).collect())
    }

    /// A person wants those that were given up to be sent, however old they are; answers in the same order.
    ///
    /// # Errors
    /// See [`CommitError`]; all are as before.
    pub async fn retry(&self, ids: &[i64]) -> Result<Vec<Touched>, CommitError> {
        let effects = self.store.commit(ids.iter().map(|id| Change::Revive { id: *id }).collect()).await?;
        self.news.notify_one();
        Ok(effects.iter().map(touched).collect())
    }

    /// A person gives those that wait up, or removes those that were given up; answers in the same order.
    ///
    /// # Errors
    /// See [`CommitError`]; all are as before.
    pub async fn give_up(&self, ids: &[i64]) -> Result<Vec<Touched>, CommitError> {
        let effects = self.store.commit(ids.iter().map(|id| Change::Discard { id: *id }).collect()).await?;
        let mut locked = self.locked();
        ids.iter().for_each(|id| _ = locked.remove(id));
        Ok(effects.iter().map(touched).collect())
    }

    fn shown(&self, row: ForwardRow) -> Record {
        let missed = self.opened(&row).ok().map(|waiting| waiting.missed);
        let ForwardRow { id, request, attempts, ended, reason, place: _ } = row;
        let state = if ended.is_some() { State::Dead } else { State::Waiting };
        Record { id, state, arrival: request.arrival, attempts, ended, reason, missed }
    }
}

fn touched(effect: &Effect) -> Touched {
    match effect {
        Effect::Touched(touched) => *touched,
        _ => Touched::NotFound,
    }
}
