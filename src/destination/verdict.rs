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
    /// It does not say what changes: an amount, or products.
    NothingToChange,
    /// One of its products cannot be read: a sku, a price of zero or more, a quantity if there is one. The others alone would be
    /// less than was meant.
    UnreadableProduct,
    /// Its new amount is no plain number of zero or more.
    BadAmount,
    /// It says what an order has become by its products only: they can be taken back, but not be put in another's place.
    ProductsWithoutAmount,
    /// It gives back less than the order, or who knows how much of it, and does not say which products.
    PartWithoutProducts,
}

impl Unfit {
    /// What is missing, for people.
    pub fn words(self) -> &'static str {
        match self {
            Self::NoActionId => {
                "no verdict on its order names the action, and not both event_type_id and the order's id are known"
            }
            Self::NothingToChange => "it says neither an amount nor products",
            Self::UnreadableProduct => {
                "not each of its products has a sku, a price of zero or more and, if any, such a quantity: none is taken back"
            }
            Self::BadAmount => "its new amount is no plain number of zero or more",
            Self::ProductsWithoutAmount => {
                "it names products without the order's new revenue or subtotal: impact.com takes off what is returned, no new list"
            }
            Self::PartWithoutProducts => {
                "it gives back less than was sent of its order, or that is not known, and names no products: say which, or no amount"
            }
        }
    }
}

impl Label for Unfit {
    fn label(self) -> &'static str {
        match self {
            Self::NoActionId => "no_action_id",
            Self::NothingToChange => "nothing_to_change",
            Self::UnreadableProduct => "unreadable_product",
            Self::BadAmount => "bad_amount",
            Self::ProductsWithoutAmount => "products_without_amount",
            Self::PartWithoutProducts => "part_without_products",
        }
    }
}
