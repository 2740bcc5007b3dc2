//! The HTTP body that holds one call or a batch.

use super::CallKind;
use super::call::{Call, Context, Integrations, Names, Referrer};
use super::scan::{Cursor, Node, ScanError, Shape};
use crate::metrics::Label;
use std::borrow::Cow;

/// Segment's limit for one call, in bytes of plain JSON.
pub const CALL_BYTES_MAX: usize = 32_768;
/// Segment's limit for a batch, in bytes of plain JSON.
pub const BATCH_BYTES_MAX: usize = 512_000;
/// Segment's limit for the calls of a batch: it answers 200 to more, and drops them.
pub const BATCH_CALLS_MAX: usize = 2_500;

/// An envelope that was walked once: its calls, as places in its bytes.
pub struct Envelope<'a> {
    text: &'a [u8],
    top: Call,
    items: Vec<Item>,
}

/// One call of an envelope: its own places, and what kind of call it is.
struct Item {
    call: Call,
    kind: CallKind,
}

/// What an endpoint expects of a body.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Expect {
    /// One call of this kind.
    One(CallKind),
    /// A batch; its items name their kinds.
    Batch,
}

/// Why an envelope goes on untouched.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Untouched {
    /// It is no JSON.
    NotJson,
    /// It nests too deep.
    TooDeep,
    /// It is JSON, but neither a call nor a batch.
    UnknownShape,
    /// A batch of more than [`BATCH_CALLS_MAX`] calls.
    TooManyCalls,
    /// It is larger than what is read.
    TooLarge,
    /// A pixel whose query holds no call.
    NoCall,
}

impl Label for Untouched {
    fn label(self) -> &'static str {
        match self {
            Self::NotJson => "not_json",
            Self::TooDeep => "too_deep",
            Self::UnknownShape => "unknown_shape",
            Self::TooManyCalls => "too_many_calls",
            Self::TooLarge => "too_large",
            Self::NoCall => "no_call",
        }
    }
}

impl<'a> Envelope<'a> {
    /// Walks over `text` once. Items of a batch that are no call (no object, no known `type`) are left out: they go on
    /// as they came.
    pub fn read(text: &'a [u8], expect: Expect, names: &Names) -> Result<Self, Untouched> {
        if std::str::from_utf8(text).is_err() {
            return Err(Untouched::NotJson);
        }
        let mut cursor = Cursor::new(text);
        if cursor.shape().map_err(Untouched::from)? != Shape::Object {
            cursor.value().map_err(Untouched::from)?;
            return Err(Untouched::UnknownShape);
        }
        let mut batch = None;
        let top = Call::walk(&mut cursor, names, |cursor, key| {
            if key == b"batch" {
                batch = calls_of_batch(cursor, names)?;
            } else {
                cursor.value()?;
            }
            Ok(())
        })?;
        cursor.finish()?;
        let items = match (expect, batch) {
            (Expect::One(kind), _) => vec![Item { call: top.clone(), kind }],
            (Expect::Batch, None) => return Err(Untouched::UnknownShape),
            (Expect::Batch, Some(batch)) if batch.count > BATCH_CALLS_MAX => return Err(Untouched::TooManyCalls),
            (Expect::Batch, Some(batch)) => batch.calls.into_iter().filter_map(|call| Item::of(call, text)).collect(),
        };
        let top = if expect == Expect::Batch { top } else { Call::default() };
        Ok(Self { text, top, items })
    }

    /// The bytes that were walked.
    pub fn text(&self) -> &'a [u8] {
        self.text
    }

    /// The fields beside a batch's calls; none around a single call.
    pub(super) fn top(&self) -> &Call {
        &self.top
    }

    /// The calls, each seen through its batch.
    pub fn calls(&self) -> impl Iterator<Item = View<'_>> {
        self.items.iter().map(|item| View { text: self.text, own: &item.call, batch: &self.top, kind: item.kind })
    }

    /// The write key in the body: the batch's own, else the first that an item has. One envelope is one source's, as SDKs send
    /// them: what decides about sources goes by this key, whatever other items say.
    pub fn write_key(&self) -> Option<Cow<'_, str>> {
        let own = self.items.iter().filter_map(|item| item.call.write_key);
        self.top.write_key.into_iter().chain(own).filter(|key| !key.is_blank()).find_map(|key| key.string(self.text))
    }
}

struct Batch {
    calls: Vec<Call>,
    count: usize,
}

fn calls_of_batch(cursor: &mut Cursor<'_>, names: &Names) -> Result<Option<Batch>, ScanError> {
    if cursor.shape()? != Shape::Array {
        cursor.value()?;
        return Ok(None);
    }
    let mut batch = Batch { calls: Vec::new(), count: 0 };
    cursor.array(|cursor| {
        batch.count += 1;
        if cursor.shape()? == Shape::Object && batch.count <= BATCH_CALLS_MAX {
            batch.calls.push(Call::walk(cursor, names, |cursor, _| cursor.value().map(drop))?);
            Ok(())
        } else {
            cursor.value().map(drop)
        }
    })?;
    Ok(Some(batch))
}

impl Item {
    fn of(call: Call, text: &[u8]) -> Option<Self> {
        let kind = CallKind::parse(&call.kind?.string(text)?)?;
        Some(Self { call, kind })
    }
}

impl From<ScanError> for Untouched {
    fn from(error: ScanError) -> Self {
        match error {
            ScanError::NotJson { .. } => Self::NotJson,
            ScanError::TooDeep => Self::TooDeep,
        }
    }
}

/// One call as Segment will see it: its own fields, overlaid key by key on those of its batch.
#[derive(Clone, Copy)]
pub struct View<'a> {
    pub(super) text: &'a [u8],
    pub(super) own: &'a Call,
    pub(super) batch: &'a Call,
    /// What kind of call it is.
    pub kind: CallKind,
}

impl<'a> View<'a> {
    /// The bytes of the call itself.
    pub fn raw(&self) -> &'a [u8] {
        self.own.object.map_or(&[], |object| object.node.raw(self.text))
    }

    /// `event`, of track calls.
    pub fn event(&self) -> Option<Cow<'a, str>> {
        self.string(self.own.event)
    }

    /// `messageId`
    pub fn message_id(&self) -> Option<Cow<'a, str>> {
        self.string(self.own.message_id)
    }

    /// `anonymousId`; numbers are taken as their digits.
    pub fn anonymous_id(&self) -> Option<Cow<'a, str>> {
        self.scalar(self.own.anonymous_id)
    }

    /// `userId`; numbers are taken as their digits.
    pub fn user_id(&self) -> Option<Cow<'a, str>> {
        self.scalar(self.own.user_id)
    }

    /// `previousId` of an alias.
    pub fn previous_id(&self) -> Option<Cow<'a, str>> {
        self.scalar(self.own.previous_id)
    }

    /// `timestamp`
    pub fn timestamp(&self) -> Option<Cow<'a, str>> {
        self.string(self.own.timestamp)
    }

    /// `sentAt`: the envelope's, else the call's own.
    pub fn sent_at(&self) -> Option<Cow<'a, str>> {
        self.string(self.batch.sent_at).or_else(|| self.string(self.own.sent_at))
    }

    /// `receivedAt`, of recordings.
    pub fn received_at(&self) -> Option<Cow<'a, str>> {
        self.string(self.own.received_at)
    }

    /// `context.userAgent`
    pub fn user_agent(&self) -> Option<Cow<'a, str>> {
        self.string(self.own.context.user_agent.or(self.batch.context.user_agent))
    }

    /// The first element of `context.repeatChain`
    pub fn repeat_origin(&self) -> Option<Cow<'a, str>> {
        self.string(self.own.context.repeat_chain.or(self.batch.context.repeat_chain))
    }

    /// The texts that may hold a click's URL parameter, strongest first: URLs and query strings.
    pub fn urls(&self) -> impl Iterator<Item = Cow<'a, str>> {
        let page = self.page();
        let places = [page.page_url, page.page_search, self.own.properties.url, self.own.properties.search];
        let text = self.text;
        places.into_iter().flatten().filter_map(move |node| node.string(text))
    }

    /// Properties named like click parameters: the parameter's index and the value.
    pub fn parameters(&self) -> impl Iterator<Item = (usize, Cow<'a, str>)> {
        let text = self.text;
        self.own.properties.parameters.iter().filter_map(move |(index, node)| Some((*index, node.string(text)?)))
    }

    /// `context.referrer`, the item's or else its batch's.
    pub(super) fn referrer(&self) -> Referrer {
        let own = self.own.context.referrer;
        if own.node.is_some() { own } else { self.batch.context.referrer }
    }

    pub(super) fn integrations(&self) -> (Integrations, Option<Node>) {
        let own = self.own.integrations;
        (own, own.own.or(self.batch.integrations.own))
    }

    pub(super) fn batch_context(&self) -> Option<&'a [u8]> {
        self.batch.context.node.map(|node| node.raw(self.text))
    }

    fn page(&self) -> &'a Context {
        if self.own.context.page.is_some() { &self.own.context } else { &self.batch.context }
    }

    fn string(&self, node: Option<Node>) -> Option<Cow<'a, str>> {
        node.filter(|node| !node.is_blank())?.string(self.text)
    }

    fn scalar(&self, node: Option<Node>) -> Option<Cow<'a, str>> {
        node.filter(|node| !node.is_blank())?.scalar(self.text)
    }
}
