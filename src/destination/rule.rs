//! Which calls a program takes, and what of them it sees: Segment's destination filters as settings of the program.
//!
//! A call passes the filter, then the sample; what is dropped is dropped before anything is mapped. The filter sees the call as
//! it goes on to Segment: merged with its batch, with `context.referrer`, with everything that is dropped later, and with its
//! `type` also where only the endpoint says it.
//!
//! A call that is mapped again was taken once: neither filter nor sample are asked again (the e-mail addresses that a filter
//! may ask for are hashed in what is kept), while today's `drop_properties` are dropped. What is kept is the whole call: programs
//! share it, and each drops its own.

use super::{Skip, Subject};
use crate::fault::{Form, Section};
use crate::filter::{Event, Filter, Path};
use crate::metrics::Label;
use md5::{Digest, Md5};
use serde_json::Value;
use std::borrow::Cow;

/// The settings of a program that choose its calls.
#[derive(Clone, Debug, Default)]
pub struct Rule {
    /// What a call must be; `None`: anything.
    pub filter: Option<Filter>,
    /// The share of the calls that is taken, from 0 to 1; `None`: all.
    pub sample: Option<f64>,
    /// What decides whether a call is in the sample; `None`: its anonymousId, else its userId, else its messageId.
    pub sample_by: Option<Path>,
    /// What the mapping does not get to see.
    pub drop_properties: Vec<Path>,
}

/// A path into a call.
const PATH: Form<Path> = Form {
    what: "a path",
    help: "names joined by dots: \"properties.region\"",
    read: |text| Path::parse(text).map_err(|fault| fault.message),
};

/// What people are told apart by, when `sample_by` does not say.
const IDS: [&str; 3] = ["anonymousId", "userId", "messageId"];

impl Rule {
    /// Reads the settings of a program.
    pub(super) fn read(section: &mut Section<'_>) -> Self {
        let rule = Self {
            filter: section.language("filter", "a filter", Filter::parse, Filter::doubts),
            sample: section.fraction("sample", 0.0..=1.0),
            sample_by: section.optional("sample_by", &PATH),
            drop_properties: section.list("drop_properties", &PATH).unwrap_or_default(),
        };
        if let (Some(_), None) = (&rule.sample_by, rule.sample)
            && let Some((_, span)) = section.places("sample_by").pop()
        {
            section.refuse_at(span, "`sample_by` without `sample` does nothing", "add a line `sample = 0.1`");
        }
        rule
    }

    /// Whether the program takes this call.
    ///
    /// # Errors
    /// [`Skip::Filter`] or [`Skip::Sample`].
    pub(super) fn admit(&self, subject: &Subject<'_>) -> Result<(), Skip> {
        let event = || Event::of_type(subject.call, subject.kind.label());
        if self.filter.as_ref().is_some_and(|filter| !filter.takes(&event())) {
            return Err(Skip::Filter);
        }
        if self.sample.is_some_and(|share| !is_sampled(share, self.sampled(subject.call))) {
            return Err(Skip::Sample);
        }
        Ok(())
    }

    /// The call as the mapping sees it.
    pub(super) fn seen<'c>(&self, call: &'c Value) -> Cow<'c, Value> {
        let mut seen = Cow::Borrowed(call);
        for path in &self.drop_properties {
            path.remove(seen.to_mut());
        }
        seen
    }

    fn sampled<'c>(&self, call: &'c Value) -> Option<&'c Value> {
        match &self.sample_by {
            Some(path) => path.find(call),
            None => IDS.iter().find_map(|id| call.get(id).filter(|id| !id.is_null())),
        }
    }
}

/// Segment's rule: the MD5 of the value's JSON is read as a number from 0 to 1, and the sample takes what is less than its share. The
/// same value has the same fate in every program, at every node and at Segment; where there is none, all calls have one fate.
fn is_sampled(share: f64, value: Option<&Value>) -> bool {
    if share <= 0.0 || share >= 1.0 {
        return share >= 1.0;
    }
    let json = value.map_or_else(|| "undefined".to_owned(), Value::to_string);
    let digest = u128::from_be_bytes(Md5::digest(json.as_bytes()).into());
    // Segment reads a few digits more when the first are zeros; no share is so small that it could tell.
    let first = u64::try_from(digest >> u64::BITS).unwrap_or(u64::MAX);
    #[expect(clippy::cast_precision_loss, reason = "the nearest number is meant, as Segment takes it")]
    let place = first as f64 / 2f64.powi(64);
    place < share
}
