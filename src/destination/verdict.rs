//! What a destination says later of what it took.

use super::{Quota, Trouble};
use crate::metrics::Label;
use std::time::Duration;

/// A destination was asked what became of a delivery that it took.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Inquiry {
    /// What it said.
    pub said: Said,
    /// What the account may still do, where the answer says so.
    pub quota: Option<Quota>,
    /// How many requests that took.
    pub requests: u32,
}

/// What a destination says of a delivery that it took.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Said {
    /// It has not decided.
    NotYet,
    /// It is credited.
    Accepted {
        /// What the destination calls it, where it can be learnt.
        action_id: Option<String>,
    },
    /// It is not, for this documented reason.
    Refused {
        /// The reason, in the destination's own words.
        reason: String,
    },
    /// Nobody can be asked, for this reason of ours.
    Never(&'static str),
    /// No answer.
    Retry {
        /// What happened.
        why: Trouble,
        /// How long the destination asked us to wait.
        after: Option<Duration>,
    },
    /// The account's credentials are wrong (401), or may not ask (403).
    Unauthorized {
        /// The HTTP status.
        status: u16,
    },
}

/// The conversion that a refund is about, as far as it is on record.
#[derive(Clone, Copy, Debug)]
pub struct Conversion<'a> {
    /// What its verdict says that it became.
    pub action_id: Option<&'a str>,
    /// What was sent.
    pub params: &'a [(String, String)],
}

/// Why a refund cannot be sent as it is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Unfit {
    /// Neither a verdict nor the event type and the order's id tell which action it is about.
    NoActionId,
    /// It does not say what changes: an amount, or products with a sku and a price.
    NothingToChange,
    /// It gives back less than the order, or who knows how much of it, and does not say which products.
    PartWithoutProducts,
}

impl Label for Unfit {
    fn label(self) -> &'static str {
        match self {
            Self::NoActionId => "no_action_id",
            Self::NothingToChange => "nothing_to_change",
            Self::PartWithoutProducts => "part_without_products",
        }
    }
}
