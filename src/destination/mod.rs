//! Destinations: what a network's integration must answer, and the registry of those there are.
//!
//! Adding a network is a folder here, an arm in [`Program`], and its fixtures.

pub mod impact;
pub mod kept;
mod rule;
mod sources;
mod verdict;

pub use rule::Rule;
pub use sources::Sources;
pub use verdict::{Conversion, Inquiry, Said, Unfit};

use crate::click::Click;
use crate::clock::{Clock, Time};
use crate::metrics::Label;
use crate::segment::{CallKind, Visitor};
use serde_json::Value;
use std::borrow::Cow;
use std::time::Duration;

/// One program of one network, with the settings that it shares with its siblings.
#[derive(Clone, Copy, Debug)]
pub enum Program<'a> {
    /// A campaign of impact.com's.
    Impact(&'a impact::Config, &'a impact::Program),
}

impl<'a> Program<'a> {
    /// All programs, in the order of the configuration.
    pub fn all(impact: &'a impact::Config) -> impl Iterator<Item = Self> {
        impact.programs.iter().map(move |program| Self::Impact(impact, program))
    }

    /// The program of that name; a stored delivery may outlive its program.
    pub fn named(name: &str, impact: &'a impact::Config) -> Option<Self> {
        Self::all(impact).find(|program| program.name() == name)
    }

    /// Its name in the configuration; unique.
    pub fn name(self) -> &'a str {
        match self {
            Self::Impact(_, program) => &program.name,
        }
    }

    /// Maps a call to this program's request.
    ///
    /// # Errors
    /// A [`Skip`]: nothing is wrong, there is nothing to deliver.
    pub fn map(self, subject: &Subject<'_>) -> Result<Request, Skip> {
        match self {
            Self::Impact(shared, program) => program.map(shared, subject),
        }
    }

    /// Maps a call that this program has taken before, and need not choose again.
    ///
    /// # Errors
    /// As [`Program::map`].
    pub fn map_again(self, subject: &Subject<'_>) -> Result<Request, Skip> {
        match self {
            Self::Impact(shared, program) => program.map_again(shared, subject),
        }
    }

    /// Why rows of the mapping gave `request` nothing, in the order of the table: for people.
    pub fn gaps(self, subject: &Subject<'_>, request: &Request) -> Vec<Gap> {
        match self {
            Self::Impact(shared, program) => program.gaps(shared, subject, request),
        }
    }

    /// What keeps a request from ever going out: such a delivery ends as a dead letter.
    pub fn unfit(self, request: &Request) -> Option<Unfit> {
        let Self::Impact(..) = self;
        if request.endpoint != Endpoint::Actions {
            return None;
        }
        let params = request.params.iter().map(|param| (param.name.to_string(), param.value.clone()));
        impact::refund::flaw(&params.collect::<Vec<_>>())
    }

    /// What the row of a parameter reads, in the words of the network's guide; `None` where no row names it.
    pub fn row(self, endpoint: Endpoint, param: &str) -> Option<String> {
        match self {
            Self::Impact(..) => impact::row(endpoint, param),
        }
    }

    /// The method and URL that a request goes to.
    pub fn target(self, request: &Request) -> (String, String) {
        let params = request.params.iter().map(|param| (param.name.to_string(), param.value.clone()));
        let params: Vec<_> = params.collect();
        match self {
            Self::Impact(shared, program) => {
                let (method, url) = impact::client::target(shared, program, request.endpoint, &params);
                (method.to_string(), url)
            }
        }
    }
}

/// Delivers requests, to whichever network a program belongs.
#[derive(Clone, Debug)]
pub struct Client {
    impact: impact::Client,
}

impl Client {
    /// Prepares the networks' clients; connections are made when they are needed.
    ///
    /// # Errors
    /// TLS could not be set up on this machine.
    pub fn new(clock: Clock) -> Result<Self, impact::client::CannotStart> {
        Ok(Self { impact: impact::Client::new(clock)? })
    }

    /// Makes one attempt to deliver `params`, as they were mapped and stored. A refund is `about` the conversion of its
    /// order.
    pub async fn deliver(
        &self,
        program: Program<'_>,
        endpoint: Endpoint,
        params: &[(String, String)],
        about: Option<Conversion<'_>>,
    ) -> Attempt {
        let Program::Impact(shared, program) = program;
        if endpoint != Endpoint::Actions {
            return self.impact.deliver(shared, program, endpoint, params).await;
        }
        match impact::refund::addressed(params, about) {
            Ok(form) => self.impact.deliver(shared, program, endpoint, &form).await,
            Err(unfit) => Attempt::from(Outcome::Unfit(unfit)),
        }
    }

    /// Asks what became of a delivery that was answered with `receipt`.
    pub async fn ask(&self, program: Program<'_>, receipt: &str, params: &[(String, String)]) -> Inquiry {
        match program {
            Program::Impact(shared, program) => self.impact.ask(shared, program, receipt, params).await,
        }
    }
}

/// A call as a destination reads it: merged with its batch, enriched, with the facts of its request.
#[derive(Clone, Copy)]
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
    /// The write key that the call was sent with, where it has one.
    pub write_key: Option<&'a str>,
    /// The sources whose calls are delivered.
    pub sources: &'a Sources,
}

/// Which of a destination's endpoints a request goes to.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Endpoint {
    /// Conversions and installs: authenticated, worth money.
    Conversions,
    /// Page loads: unauthenticated.
    PageLoad,
    /// Refunds, cancellations and changes of conversions: authenticated.
    Actions,
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

/// A row of the mapping without a value, or a custom mapping that leads nowhere.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Gap {
    /// The destination's name for what is not sent.
    pub name: Cow<'static, str>,
    /// Why, for people.
    pub why: String,
}

/// The identity of an order at a destination.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Order {
    /// `OrderId` as sent.
    pub id: String,
    /// EventTypeId, else EventTypeCode (or EventCode of an install); `None`: much may happen to one order, and each time
    /// it is another delivery.
    pub event_type: Option<String>,
}

/// Why a program takes nothing from a call.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
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
    /// The program's filter does not take the call.
    Filter,
    /// The call is not in the program's sample.
    Sample,
    /// The call came through a Repeater from one of our own sources.
    Repeated,
    /// The program would take the call, but its mode is `segment`: Segment's own destination delivers it.
    SegmentDelivers,
    /// The call's own `integrations` keep it from the network's destination.
    SwitchedOff,
    /// The call cannot be read by the mapper.
    Unreadable,
    /// The browser behind the call is a bot.
    Bot,
}

impl Endpoint {
    /// All of them.
    pub const ALL: [Self; 3] = [Self::Conversions, Self::PageLoad, Self::Actions];

    /// Whether the destination only queues what it takes, and says later what became of it.
    pub fn has_verdict(self) -> bool {
        match self {
            Self::Conversions | Self::Actions => true,
            Self::PageLoad => false,
        }
    }
}

/// One attempt to deliver.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Attempt {
    /// What became of it.
    pub outcome: Outcome,
    /// What the account may still do, where the answer says so.
    pub quota: Option<Quota>,
}

/// What an account may still do.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Quota {
    /// How many requests it has in a period.
    pub limit: Option<u64>,
    /// How many of them are left.
    pub remaining: u64,
    /// When the next period begins, from now.
    pub resets_in: Duration,
}

impl From<Outcome> for Attempt {
    fn from(outcome: Outcome) -> Self {
        Self { outcome, quota: None }
    }
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
    /// The account's credentials were refused (401, 403), or there is no such account or campaign (404): about the program,
    /// not this delivery.
    NoAccess {
        /// The HTTP status.
        status: u16,
        /// Its own words, bounded.
        detail: String,
    },
    /// Nothing was sent: it is no request that the destination could take.
    Unfit(Unfit),
}

/// What kept a delivery from an answer.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
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

impl Label for Endpoint {
    fn label(self) -> &'static str {
        match self {
            Self::Conversions => "conversions",
            Self::PageLoad => "page_load",
            Self::Actions => "actions",
        }
    }
}

impl Label for Skip {
    fn label(self) -> &'static str {
        match self {
            Self::EventNotListed => "event_not_listed",
            Self::NoEventName => "no_event_name",
            Self::PageDisabled => "page_disabled",
            Self::ScreenDisabled => "screen_disabled",
            Self::IdentifyDisabled => "identify_disabled",
            Self::KindNotMapped => "kind_not_mapped",
            Self::SourceNotListed => "source_not_listed",
            Self::Filter => "filter",
            Self::Sample => "sample",
            Self::Repeated => "repeated",
            Self::SegmentDelivers => "segment_delivers",
            Self::SwitchedOff => "switched_off",
            Self::Unreadable => "unreadable",
            Self::Bot => "bot",
        }
    }
}

impl Label for Trouble {
    fn label(self) -> &'static str {
        match self {
            Self::RateLimited => "rate_limited",
            Self::ServerError => "server_error",
            Self::NotSent => "not_sent",
            Self::MaybeSent => "maybe_sent",
        }
    }
}
