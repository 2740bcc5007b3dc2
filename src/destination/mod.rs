//! Destinations: what a network's integration must answer, and the registry of those there are.
//!
//! Adding a network is a folder here, an arm in [`Program`], and its fixtures.

pub mod impact;

use crate::click::Click;
use crate::clock::Time;
use crate::segment::{CallKind, Visitor};
use serde_json::Value;
use std::borrow::Cow;
use std::time::Duration;

/// A call as a destination reads it: merged with its batch, enriched, with the facts of its request.
pub struct Subject<'a> {
    /// The call's JSON object: the item overlaid on its batch, `context.referrer` as it goes on to Segment.
    pub call: &'a Value,
    /// What kind of call it is (from the endpoint, or from the item's `type`).
    pub kind: CallKind,
    /// When the call arrived here.
    pub arrival: Time,
    /// The envelope's (or else the call's) `sentAt`, where it can be read.
    pub sent_at: Option<Time>,
    /// The visitor, for browser calls.
    pub visitor: Option<&'a Visitor>,
    /// The click that the call earned; an expired one is none.
    pub click: Option<&'a Click>,
}

/// Which of a destination's endpoints a request goes to.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Endpoint {
    /// Conversions and installs: authenticated, worth money.
    Conversions,
    /// Page loads: unauthenticated.
    PageLoad,
}

/// One mapped request, ready to be stored and sent.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Request {
    /// Where it goes.
    pub endpoint: Endpoint,
    /// The form's fields, in the order of the mapping table.
    pub params: Vec<Param>,
    /// What makes two conversions one order: the OrderId and the event type (EventTypeId, else EventTypeCode).
    pub order: Option<Order>,
    /// Whether a second send could become a second action: nothing in it is stable across retries
    /// (the `IR_AN_64_TS` macro). Such a request is never retried once bytes were sent.
    pub unrepeatable: bool,
}

/// One form field.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Param {
    /// The destination's name for it.
    pub name: Cow<'static, str>,
    /// Its value, as sent (before form encoding).
    pub value: String,
    /// Where the value came from, for people: a path of the call (`properties.order_id`), a setting, a constant.
    pub source: Cow<'static, str>,
}

/// The identity of an order at a destination.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Order {
    /// `OrderId` as sent.
    pub id: String,
    /// EventTypeId, else EventTypeCode (or EventCode of an install).
    pub event_type: String,
}

/// Why a program takes nothing from a call.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Skip {
    /// A track event that is in none of the program's lists.
    EventNotListed,
    /// A track call without a usable event name.
    NoEventName,
    /// Page calls are not enabled.
    PageDisabled,
    /// Screen calls are not enabled.
    ScreenDisabled,
    /// Identify calls are not enabled.
    IdentifyDisabled,
    /// Group and alias calls have no counterpart.
    KindNotMapped,
    /// The call's source is not one of the program's.
    SourceNotListed,
    /// The call came through a Repeater from one of our own sources.
    Repeated,
    /// The program's mode is `segment`: Segment's own destination delivers.
    SegmentDelivers,
    /// The call cannot be read by the mapper.
    Unreadable,
}

/// What became of one attempt to deliver.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Outcome {
    /// The destination took it; `receipt` is what it answered with (a submission's URI, a click ID).
    Accepted {
        /// What to keep of its answer.
        receipt: Option<String>,
    },
    /// Not now: 429, 5xx, or the network.
    Retry {
        /// What happened.
        why: Trouble,
        /// The destination's own words or the error's, bounded.
        detail: String,
        /// How long the destination asked us to wait.
        after: Option<Duration>,
    },
    /// The destination refused it, in its own words; sending it again will not help.
    Refused {
        /// The HTTP status.
        status: u16,
        /// Its own words (field and message), bounded.
        detail: String,
    },
    /// The account's credentials were refused (401, 403): about the account, not this delivery.
    Unauthorized {
        /// The HTTP status.
        status: u16,
        /// Its own words, bounded.
        detail: String,
    },
}

/// What kept a delivery from an answer.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Trouble {
    /// 429.
    RateLimited,
    /// A 5xx.
    ServerError,
    /// No connection was made: nothing was sent.
    NotSent,
    /// No answer in time, or a cut connection, after bytes were sent: it may have been taken.
    MaybeSent,
}
