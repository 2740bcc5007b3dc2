//! Which deliveries are asked about.

use super::Answer;
use crate::clock::Time;
use crate::destination::Endpoint;
use crate::metrics::Label;
use crate::outbox::{DeliveryId, Filter, State, Verdict};
use crate::units;
use http::StatusCode;
use serde::Deserialize;
use url::form_urlencoded::Serializer;

/// Which deliveries: those that meet all that is set.
#[derive(Clone, Debug, Default, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Listing {
    /// `waiting`, `leased`, `delivered` or `dead`, or several of these with commas between them.
    pub state: Option<String>,
    /// The program's name.
    pub program: Option<String>,
    /// `conversions`, `page_load` or `actions`.
    pub endpoint: Option<String>,
    /// `pending`, `accepted`, `refused` or `unknown`.
    pub verdict: Option<String>,
    /// Why it was given up, or judged.
    pub reason: Option<String>,
    /// The order's id.
    pub order: Option<String>,
    /// The call's messageId.
    pub message: Option<String>,
    /// Only those recorded longer ago than this (`30d`, `1h30m`).
    pub older_than: Option<String>,
    /// Only those recorded since then.
    pub newer_than: Option<String>,
    /// Only those with a lower number: the next page.
    pub before: Option<i64>,
    /// How many at most.
    pub limit: Option<u32>,
}

impl Listing {
    /// Whether everything is let through, but for where to begin and how many.
    pub fn is_open(&self) -> bool {
        Self { before: None, limit: None, ..self.clone() } == Self::default()
    }

    pub(super) fn filter(self, now: Time) -> Result<Filter, Answer> {
        let names = self.state.iter().flat_map(|names| names.split(','));
        let ago = |name: &str, text: Option<String>| {
            let read = |text: String| units::duration(&text).map_err(|why| refused(format!("{name}: {why}")));
            text.map(|text| read(text).map(|age| now.minus(age))).transpose()
        };
        let is_known = |name: &String| Endpoint::ALL.iter().any(|endpoint| endpoint.label() == name);
        if !self.endpoint.as_ref().is_none_or(is_known) {
            let names = Endpoint::ALL.map(Label::label).join(", ");
            return Err(refused(format!("a delivery's endpoint is one of {names}")));
        }
        if self.limit == Some(0) {
            return Err(refused("limit: it is at least 1".to_owned()));
        }
        Ok(Filter {
            states: names.map(state).collect::<Result<_, _>>()?,
            program: self.program,
            endpoint: self.endpoint,
            order_id: self.order,
            message_id: self.message,
            verdict: self.verdict.as_deref().map(verdict).transpose()?,
            reason: self.reason,
            person: None,
            since: ago("newer_than", self.newer_than)?,
            until: ago("older_than", self.older_than)?,
            before: self.before.map(DeliveryId),
            limit: self.limit.unwrap_or(Filter::LIMIT_DEFAULT),
        })
    }

    pub(super) fn query(&self) -> String {
        let (before, limit) = (self.before.map(|id| id.to_string()), self.limit.map(|limit| limit.to_string()));
        let pairs = [
            ("state", &self.state),
            ("program", &self.program),
            ("endpoint", &self.endpoint),
            ("verdict", &self.verdict),
            ("reason", &self.reason),
            ("order", &self.order),
            ("message", &self.message),
            ("older_than", &self.older_than),
            ("newer_than", &self.newer_than),
            ("before", &before),
            ("limit", &limit),
        ];
        let set = pairs.into_iter().filter_map(|(name, value)| Some((name, value.as_ref()?)));
        Serializer::new(String::new()).extend_pairs(set).finish()
    }
}

fn state(name: &str) -> Result<State, Answer> {
    State::ALL.into_iter().find(|state| state.name() == name.trim()).ok_or_else(|| {
        let names = State::ALL.map(State::name).join(", ");
        refused(format!("a delivery's state is one of {names}"))
    })
}

fn verdict(name: &str) -> Result<Verdict, Answer> {
    Verdict::ALL.into_iter().find(|verdict| verdict.name() == name).ok_or_else(|| {
        let names = Verdict::ALL.map(Verdict::name).join(", ");
        Answer::error(StatusCode::BAD_REQUEST, format!("a delivery's verdict is one of {names}"))
    })
}

fn refused(why: String) -> Answer {
    Answer::error(StatusCode::BAD_REQUEST, why)
}
