//! Envelopes that are kept for Segment: those that wait, and those that were given up.

use super::envelopes::{calls, text};
use super::{Answer, Deed, Desk, Listing, store_failed};
use crate::outbox::forwards::Record;
use crate::outbox::{Filter, State, Touched};
use crate::store::CommitError;
use http::StatusCode;
use serde_json::{Value, json};

/// The most envelopes in one commit.
const SLICE: u32 = 500;

impl Desk {
    pub(super) async fn list_envelopes(&self, listing: Listing) -> Answer {
        let filter = match self.envelope_filter(listing) {
            Ok(filter) => filter,
            Err(answer) => return answer,
        };
        match self.forwards.list(filter, summary).await {
            Ok(envelopes) => Answer::fine(json!({ "envelopes": envelopes })),
            Err(error) => store_failed(&error),
        }
    }

    pub(super) async fn count_envelopes(&self, listing: Listing) -> Answer {
        let filter = match self.envelope_filter(listing) {
            Ok(filter) => filter,
            Err(answer) => return answer,
        };
        match self.forwards.count(filter).await {
            Ok((count, youngest)) => Answer::fine(json!({ "count": count, "youngest": youngest })),
            Err(error) => store_failed(&error),
        }
    }

    pub(super) async fn show_envelope(&self, id: i64) -> Answer {
        match self.forwards.show(id).await {
            Ok(Some(record)) => {
                let mut told = summary(&record);
                if let Value::Object(members) = &mut told {
                    members.insert("calls".to_owned(), record.missed.as_ref().and_then(calls).into());
                }
                Answer::fine(told)
            }
            Ok(None) => no_such_envelope(),
            Err(error) => store_failed(&error),
        }
    }

    /// What [`Desk::show_envelope`] keeps back: what the calls say.
    pub(super) async fn envelope_body(&self, id: i64) -> Answer {
        match self.forwards.show(id).await {
            Ok(Some(Record { missed: Some(missed), .. })) => {
                let query = missed.path.split_once('?').map(|(_, query)| query);
                Answer::fine(json!({ "id": id, "query": query, "body": text(&missed) }))
            }
            Ok(Some(_)) => Answer::error(StatusCode::CONFLICT, "the envelope cannot be read with this [store] key"),
            Ok(None) => no_such_envelope(),
            Err(error) => store_failed(&error),
        }
    }

    pub(super) async fn act_on_envelope(&self, deed: Deed, id: i64) -> Answer {
        match self.touch_envelopes(deed, &[id]).await {
            Ok(touched) => match touched.first().copied().map_or(Some(NOT_DONE), why_not) {
                None => Answer::fine(json!({ "id": id, "done": true })),
                Some((status, why)) => Answer::error(status, why),
            },
            Err(error) => store_failed(&error),
        }
    }

    pub(super) async fn bulk_envelopes(&self, deed: Deed, listing: Listing) -> Answer {
        let mut filter = match self.envelope_filter(listing) {
            Ok(filter) => filter,
            Err(answer) => return answer,
        };
        filter.limit = filter.limit.min(SLICE);
        let ids = match self.forwards.list(filter, |record| record.id).await {
            Ok(ids) => ids,
            Err(error) => return store_failed(&error),
        };
        let touched = match self.touch_envelopes(deed, &ids).await {
            Ok(touched) => touched,
            Err(error) => return store_failed(&error),
        };
        let not_done = ids.iter().zip(touched).filter_map(|(id, touched)| Some((*id, why_not(touched)?.1)));
        let not_done: Vec<Value> = not_done.map(|(id, why)| json!({ "id": id, "why": why })).collect();
        Answer::fine(json!({ "done": ids.len() - not_done.len(), "not_done": not_done, "next": ids.last() }))
    }

    async fn touch_envelopes(&self, deed: Deed, ids: &[i64]) -> Result<Vec<Touched>, CommitError> {
        match deed {
            Deed::Retry => self.forwards.retry(ids).await,
            Deed::Drop => self.forwards.give_up(ids).await,
            // Nothing of an envelope is mapped.
            Deed::Remap => Ok(Vec::new()),
        }
    }

    fn envelope_filter(&self, listing: Listing) -> Result<Filter, Answer> {
        let refused = |why: &str| Err(Answer::error(StatusCode::BAD_REQUEST, why));
        let Listing { program, endpoint, order, message, .. } = &listing;
        if [program, endpoint, order, message].into_iter().any(Option::is_some) {
            return refused("an envelope has no program, endpoint, order or message: it holds calls");
        }
        let filter = listing.filter(self.outbox.now())?;
        match filter.states.iter().all(|state| matches!(state, State::Waiting | State::Dead)) {
            true => Ok(filter),
            false => refused("an envelope's state is one of waiting, dead"),
        }
    }
}

/// An envelope without what its calls say: no query, which holds a pixel's call, no fields, and no body.
fn summary(record: &Record) -> Value {
    let Record { id, state, arrival, attempts, ended, reason, missed } = record;
    json!({
        "id": id,
        "state": state.name(),
        "method": missed.as_ref().map(|missed| &missed.method),
        "path": missed.as_ref().map(|missed| missed.path.split('?').next()),
        "bytes": missed.as_ref().map(|missed| missed.body.len()),
        "arrival": arrival.iso8601(),
        "attempts": attempts,
        "ended": ended.map(|ended| ended.iso8601()),
        "reason": reason,
        "readable": missed.is_some(),
    })
}

const NO_SUCH_ENVELOPE: &str = "no such envelope";
const NOT_DONE: (StatusCode, &str) = (StatusCode::BAD_REQUEST, "this cannot be done to an envelope");

fn no_such_envelope() -> Answer {
    Answer::not_found(NO_SUCH_ENVELOPE)
}

/// Why an envelope was not touched, if it was not.
fn why_not(touched: Touched) -> Option<(StatusCode, &'static str)> {
    match touched {
        Touched::Done => None,
        Touched::NotFound => Some((StatusCode::NOT_FOUND, NO_SUCH_ENVELOPE)),
        Touched::WrongState(_) | Touched::Superseded => {
            Some((StatusCode::CONFLICT, "it waits, and goes out in its turn"))
        }
    }
}
