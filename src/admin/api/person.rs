//! All that is known of a person, and erasing it.
//!
//! Links, joins, sightings, deliveries and kept envelopes; of an envelope with several people's calls, this person's.

use super::envelopes::{Found, found};
use super::told::{click, whole};
use super::{Answer, Desk, no_such_kind, store_failed};
use crate::click::ClickId;
use crate::links::{IdKind, Person as Ids, PersonKey, Seen};
use crate::outbox::{DeliveryId, Touched};
use crate::segment::without::Rest;
use crate::store::{CommitError, ReadError};
use http::StatusCode;
use serde::Deserialize;
use serde_json::{Value, json};
use url::form_urlencoded::Serializer;

/// The most deliveries erased in one commit.
const SLICE: usize = 500;

/// Who: one of their ids.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Person {
    /// The space of the id; `None`: `default`.
    pub space: Option<String>,
    /// `anonymous` or `user`.
    pub kind: String,
    /// The id itself.
    pub id: String,
}

/// What is known of a person.
struct Known {
    ids: Ids,
    deliveries: Vec<DeliveryId>,
    sightings: Vec<Seen>,
    envelopes: Vec<Found>,
}

impl Person {
    pub(super) fn space(&self) -> &str {
        self.space.as_deref().unwrap_or("default")
    }

    pub(super) fn kind(&self) -> Option<IdKind> {
        match self.kind.as_str() {
            "anonymous" => Some(IdKind::Anonymous),
            "user" => Some(IdKind::User),
            _ => None,
        }
    }

    pub(super) fn query(&self) -> String {
        let pairs = [("space", self.space()), ("kind", &self.kind), ("id", &self.id)];
        Serializer::new(String::new()).extend_pairs(pairs).finish()
    }

    fn key(&self) -> Result<PersonKey, Answer> {
        let kind = self.kind().ok_or_else(no_such_kind)?;
        let never = || Answer::error(StatusCode::BAD_REQUEST, "this is no id of a person: nothing is kept by it");
        PersonKey::of(self.space(), kind, &self.id).ok_or_else(never)
    }
}

impl Known {
    fn is_nothing(&self) -> bool {
        let Self { ids, deliveries, sightings, envelopes } = self;
        let joins = ids.joined.len() + ids.shared.len();
        joins == 0 && ids.links.is_empty() && deliveries.is_empty() && sightings.is_empty() && envelopes.is_empty()
    }

    /// The ids as they are kept: hashed.
    fn ids(&self) -> Value {
        let hashes = |keys: &[PersonKey]| keys.iter().map(|key| hex::encode(key.0)).collect::<Vec<_>>();
        json!({
            "asked": hex::encode(self.ids.asked.0),
            "joined": hashes(&self.ids.joined),
            "shared": hashes(&self.ids.shared),
        })
    }
}

impl Desk {
    pub(super) async fn show_person(&self, person: &Person) -> Answer {
        match self.known(person).await {
            Ok(known) if known.is_nothing() => Answer::not_found("nothing is known of this person"),
            Ok(known) => match self.told(&known).await {
                Ok(told) => Answer::fine(told),
                Err(error) => store_failed(&error),
            },
            Err(answer) => answer,
        }
    }

    async fn known(&self, person: &Person) -> Result<Known, Answer> {
        let key = person.key()?;
        self.gather(key, person.space()).await.map_err(|error| store_failed(&error))
    }

    async fn gather(&self, key: PersonKey, space: &str) -> Result<Known, ReadError> {
        let ids = self.links.person(key).await?;
        let mut deliveries = self.outbox.of(&ids.ids()).await?;
        deliveries.retain(|row| ids.owns(row.user, &[row.anonymous]));
        let linked = ids.links.iter().map(|(_, click, _)| click.id.clone());
        let delivered = deliveries.iter().filter_map(|row| ClickId::parse(row.click_id.as_ref()?.as_bytes()).ok());
        let mut clicks: Vec<ClickId> = linked.chain(delivered).collect();
        clicks.sort_by(|one, other| one.as_str().cmp(other.as_str()));
        clicks.dedup();
        let sightings = self.links.sightings(&ids, &clicks).await?;
        let kept = self.forwards.of(&ids.ids()).await?;
        let envelopes = kept.into_iter().filter_map(|record| found(record, space, &ids)).collect();
        Ok(Known { deliveries: deliveries.into_iter().map(|row| row.id).collect(), ids, sightings, envelopes })
    }

    async fn told(&self, known: &Known) -> Result<Value, ReadError> {
        let links = known.ids.links.iter().map(
            |(of, linked, until)| json!({ "of": hex::encode(of.0), "click": click(linked), "until": until.iso8601() }),
        );
        let sightings = known.sightings.iter().map(
            |seen| json!({ "click": seen.click.as_str(), "at": seen.at.iso8601(), "also_of_others": seen.is_others }),
        );
        let mut deliveries = Vec::new();
        for id in &known.deliveries {
            // One that the disk has changed is known by its number only.
            let Ok(Some(delivery)) = self.outbox.show(*id).await else {
                deliveries.push(json!({ "id": id.0, "state": "unreadable" }));
                continue;
            };
            let mut told = whole(&delivery);
            let call = delivery.request.call.as_deref().and_then(|call| serde_json::from_str::<Value>(call).ok());
            if let Value::Object(members) = &mut told {
                members.insert("call".to_owned(), call.unwrap_or_default());
            }
            deliveries.push(told);
        }
        Ok(json!({
            "ids": known.ids(),
            "links": Value::from_iter(links),
            "sightings": Value::from_iter(sightings),
            "deliveries": deliveries,
            "envelopes": Value::from_iter(known.envelopes.iter().map(Found::told)),
        }))
    }

    /// Erases all that [`Known`] names, if anything; what an earlier erasure left in unused places goes, too. Joins go
    /// last: by them everything is found again if this breaks off.
    pub(super) async fn erase(&self, person: &Person) -> Answer {
        let known = match self.known(person).await {
            Ok(known) => known,
            Err(answer) => return answer,
        };
        match self.erase_known(known).await {
            Ok(body) => Answer::fine(body),
            Err(CommitError::Busy) => {
                store_failed(&"the person is erased, but the store's log is read and still holds them; run it again")
            }
            Err(error) => store_failed(&error),
        }
    }

    async fn erase_known(&self, known: Known) -> Result<Value, CommitError> {
        let is_theirs = |user: Option<PersonKey>, anonymous: Option<PersonKey>| {
            known.ids.owns(user.map(|key| key.0), &[anonymous.map(|key| key.0)])
        };
        let mut erased = self.outbox.forget_late(|late| is_theirs(late.user, late.anonymous));
        let mut being_sent = Vec::new();
        for slice in known.deliveries.chunks(SLICE) {
            let touched = self.outbox.erase(slice).await?;
            erased += touched.iter().filter(|touched| **touched == Touched::Done).count();
            let leased = slice.iter().zip(&touched).filter(|(_, touched)| matches!(touched, Touched::WrongState(_)));
            being_sent.extend(leased.map(|(id, _)| id.0));
        }
        let told_ids = known.ids();
        let (mut envelopes, mut calls) = (0_usize, 0_usize);
        for found in known.envelopes {
            calls += found.calls.len();
            match found.rest {
                Rest::Some(_) => {
                    let (id, gone) = (found.record.id, found.gone.clone());
                    if let Some(missed) = found.rewritten() {
                        self.forwards.rewrite(id, missed, &gone).await?;
                    }
                }
                Rest::Nothing => {
                    self.forwards.taken(found.record.id).await?;
                    envelopes += 1;
                }
                Rest::All => {}
            }
        }
        let own: Vec<ClickId> =
            known.sightings.iter().filter(|seen| !seen.is_others).map(|seen| seen.click.clone()).collect();
        self.links.unsee(&own).await?;
        // What is being sent is found by its person's ids, also by the joined ones, when this is run again.
        if being_sent.is_empty() {
            self.links.forget_all(&known.ids.ids()).await?;
        }
        let rewritten = self.store.scrub(self.rewrite_max).await?;
        Ok(json!({
            "ids": told_ids,
            "links": if being_sent.is_empty() { known.ids.links.len() } else { 0 },
            "sightings": own.len(),
            "deliveries": erased,
            "being_sent": being_sent,
            "envelopes": envelopes,
            "calls": calls,
            "rewritten": rewritten,
            "set_aside": self.store.set_aside(),
        }))
    }
}
