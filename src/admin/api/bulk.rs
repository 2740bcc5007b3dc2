//! What is done to many deliveries: in slices, so that no commit of traffic waits long for one of them.

use super::{Answer, Desk, Listing, no_such_delivery, store_failed, why_not};
use crate::destination::kept::{CannotRemap, remap};
use crate::outbox::{Act, Delivery, DeliveryId, State, Touched};
use crate::store::CommitError;
use http::StatusCode;
use serde_json::{Value, json};

/// The most deliveries in one commit, as in a sweep: a few milliseconds.
const SLICE: u32 = 500;

/// What stands in a line until somebody takes it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Queue {
    /// Deliveries to a destination.
    Deliveries,
    /// Envelopes that Segment missed.
    Envelopes,
}

impl Queue {
    /// Its name in a path.
    pub fn name(self) -> &'static str {
        match self {
            Self::Deliveries => "deliveries",
            Self::Envelopes => "envelopes",
        }
    }
}

/// Something to do to many of a queue, and to which.
#[derive(Clone, Debug)]
pub struct Bulk {
    /// Of what.
    pub queue: Queue,
    /// What.
    pub deed: Deed,
    /// To which; the answer's `next` is the `before` of the next slice.
    pub listing: Listing,
}

/// What can be done to a delivery, or but for the mapping to an envelope.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Deed {
    /// Try it now.
    Retry,
    /// Map its call by the configuration of today, and try it now.
    Remap,
    /// Give it up, or remove a dead letter.
    Drop,
}

/// What became of one delivery.
#[derive(Default)]
struct Fate {
    /// Why nothing was done.
    why_not: Option<(StatusCode, String)>,
    /// The order that it was tried as, and the one that it is now.
    moved: Option<[Option<String>; 2]>,
}

impl Deed {
    /// Its name in a path.
    pub fn name(self) -> &'static str {
        match self {
            Self::Retry => "retry",
            Self::Remap => "remap",
            Self::Drop => "drop",
        }
    }
}

impl Desk {
    /// A slice of a bulk.
    pub(super) async fn bulk(&self, bulk: Bulk) -> Answer {
        if bulk.queue == Queue::Envelopes {
            return self.bulk_envelopes(bulk.deed, bulk.listing).await;
        }
        let mut filter = match bulk.listing.filter(self.outbox.now()) {
            Ok(filter) => filter,
            Err(answer) => return answer,
        };
        filter.limit = filter.limit.min(SLICE);
        let deliveries = match self.outbox.list(filter).await {
            Ok(deliveries) => deliveries,
            Err(error) => return store_failed(&error),
        };
        let fates = match self.carry_out(bulk.deed, &deliveries).await {
            Ok(fates) => fates,
            Err(error) => return store_failed(&error),
        };
        let done = fates.iter().filter(|fate| fate.why_not.is_none()).count();
        let told = || deliveries.iter().map(|delivery| delivery.id.0).zip(&fates);
        let not_done =
            told().filter_map(|(id, fate)| fate.why_not.as_ref().map(|(_, why)| json!({ "id": id, "why": why })));
        let moved = told().filter_map(|(id, fate)| fate.moved.as_ref().map(|moved| order_change(id, moved)));
        Answer::fine(json!({
            "done": done,
            "not_done": Value::from_iter(not_done),
            "moved": Value::from_iter(moved),
            "next": deliveries.last().map(|delivery| delivery.id.0),
        }))
    }

    /// Maps one delivery anew.
    pub(super) async fn remap(&self, id: DeliveryId) -> Answer {
        let delivery = match self.outbox.show(id).await {
            Ok(Some(delivery)) => delivery,
            Ok(None) => return no_such_delivery(),
            Err(error) => return store_failed(&error),
        };
        let fates = match self.carry_out(Deed::Remap, std::slice::from_ref(&delivery)).await {
            Ok(fates) => fates,
            Err(error) => return store_failed(&error),
        };
        match fates.into_iter().next() {
            Some(Fate { why_not: Some((status, why)), .. }) => Answer::error(status, why),
            fate => {
                let moved = fate.and_then(|fate| fate.moved).map(|moved| order_change(id.0, &moved));
                Answer::fine(json!({ "id": id.0, "done": true, "moved": moved }))
            }
        }
    }

    async fn carry_out(&self, deed: Deed, deliveries: &[Delivery]) -> Result<Vec<Fate>, CommitError> {
        let (mut acts, mut fates) = (Vec::new(), Vec::new());
        for delivery in deliveries {
            match self.act(deed, delivery) {
                Ok(act) => {
                    fates.push(Fate { why_not: None, moved: moved(delivery, &act) });
                    acts.push((delivery, act));
                }
                Err(why_not) => fates.push(Fate { why_not: Some(why_not), moved: None }),
            }
        }
        let touched = self.outbox.act(acts).await?;
        let tried = fates.iter_mut().filter(|fate| fate.why_not.is_none());
        for (fate, touched) in tried.zip(touched) {
            if let Some(why_not) = why_not(touched) {
                *fate = Fate { why_not: Some(why_not), moved: None };
            }
        }
        Ok(fates)
    }

    fn act(&self, deed: Deed, delivery: &Delivery) -> Result<Act, (StatusCode, String)> {
        match deed {
            Deed::Retry => Ok(Act::Retry),
            Deed::Drop => Ok(Act::Drop),
            // Said before the mapping: nobody needs to know how a delivery that was made would be mapped.
            Deed::Remap => match why_not(Touched::WrongState(delivery.state)) {
                Some(why_not) if !matches!(delivery.state, State::Waiting | State::Dead) => Err(why_not),
                _ => self.mapped(delivery).map_err(|why| (StatusCode::CONFLICT, why.to_string())),
            },
        }
    }

    fn mapped(&self, delivery: &Delivery) -> Result<Act, CannotRemap> {
        let request = &delivery.request;
        let call = request.call.as_deref().ok_or(CannotRemap::NotKept)?;
        remap(call, &request.program, &self.mapping.impact, &self.mapping.sources).map(Act::Remap)
    }
}

/// Whether a delivery that may have been taken as one order becomes another.
fn moved(delivery: &Delivery, act: &Act) -> Option<[Option<String>; 2]> {
    let Act::Remap(mapped) = act else { return None };
    // A dead letter that is tried again starts to count anew; its last error stays.
    let was_tried = delivery.attempts > 0 || delivery.last_error.is_some();
    let (from, to) = (delivery.request.order_id.clone(), mapped.request.order.as_ref().map(|order| order.id.clone()));
    (was_tried && from != to).then_some([from, to])
}

fn order_change(id: i64, [from, to]: &[Option<String>; 2]) -> Value {
    json!({ "id": id, "from": from, "to": to })
}
