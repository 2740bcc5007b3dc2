//! What a person may do to deliveries, one or many.

use super::{Delivery, DeliveryId, OnceKey, Outbox, endpoint_name, is_ordered, params_text, urgency};
use crate::destination::kept::Mapped;
use crate::store::{Change, CommitError, Effect, MappedRow, OwnedRow, PersonKey, ReadError, Touched};

/// What a person wants done with a delivery.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Act {
    /// Try it now: a waiting delivery, or a dead letter whose keys no other has taken.
    Retry,
    /// The same, by what its call is mapped to now.
    Remap(Mapped),
    /// Give it up: a waiting delivery becomes a dead letter, a dead letter goes for good.
    Drop,
}

impl Outbox {
    /// Does all of this in one commit; answers in the same order.
    ///
    /// # Errors
    /// See [`CommitError`]; all are as before.
    pub async fn act(&self, acts: Vec<(&Delivery, Act)>) -> Result<Vec<Touched>, CommitError> {
        let changes = acts.into_iter().map(|(delivery, act)| match act {
            Act::Retry => Change::Retry { id: delivery.id },
            Act::Remap(mapped) => Change::Remap { id: delivery.id, mapped: Box::new(row(delivery, mapped)) },
            Act::Drop => Change::Drop { id: delivery.id },
        });
        let effects = self.store.commit(changes.collect()).await?;
        self.wake();
        Ok(effects.iter().map(touched).collect())
    }

    /// The deliveries that carry one of these people's ids.
    ///
    /// # Errors
    /// When the store cannot be read.
    pub async fn of(&self, people: &[PersonKey]) -> Result<Vec<OwnedRow>, ReadError> {
        self.store.deliveries_of(people.iter().map(|person| person.0).collect()).await
    }

    /// Leaves nothing of these deliveries but what keeps their orders from being paid twice; answers in the same order.
    /// One that is being sent stays.
    ///
    /// # Errors
    /// See [`CommitError`]; all are as before.
    pub async fn erase(&self, ids: &[DeliveryId]) -> Result<Vec<Touched>, CommitError> {
        let effects = self.store.commit(ids.iter().map(|id| Change::Erase { id: *id }).collect()).await?;
        Ok(effects.iter().map(touched).collect())
    }

    /// A person wants it to be tried now: a waiting delivery, or a dead letter whose keys no other has taken.
    ///
    /// # Errors
    /// See [`CommitError`]; its state is as before.
    pub async fn retry(&self, id: DeliveryId) -> Result<Touched, CommitError> {
        let touched = self.touch(Change::Retry { id }).await;
        self.wake();
        touched
    }

    /// A person gives it up: a waiting delivery becomes a dead letter, a dead letter goes for good.
    ///
    /// # Errors
    /// See [`CommitError`]; its state is as before.
    pub async fn drop(&self, id: DeliveryId) -> Result<Touched, CommitError> {
        self.touch(Change::Drop { id }).await
    }
}

pub(super) fn touched(effect: &Effect) -> Touched {
    match effect {
        Effect::Touched(touched) => *touched,
        _ => Touched::NotFound,
    }
}

/// The keys of what is mapped anew count from the call's arrival, as the old ones did.
fn row(delivery: &Delivery, mapped: Mapped) -> MappedRow {
    let Mapped { request, write_key } = mapped;
    let old = &delivery.request;
    let key = write_key.unwrap_or_default();
    let once = OnceKey::all(&key, &old.program, old.message_id.as_deref(), request.order.as_ref(), old.arrival);
    MappedRow {
        endpoint: endpoint_name(request.endpoint).to_owned(),
        urgency: urgency(request.endpoint),
        ordered: is_ordered(request.endpoint),
        params: params_text(request.params.into_iter().map(|param| (param.name.into_owned(), param.value))),
        order_id: request.order.map(|order| order.id),
        unrepeatable: request.unrepeatable,
        once: once.into_iter().map(OnceKey::row).collect(),
    }
}
