//! Clicks: reading them from URLs and cookies, deciding which one a visit leaves behind.
//!
//! **Invariant:** nothing in this room reads a clock, a socket or a file.

pub mod config;
pub mod cookie;
pub mod hygiene;
mod id;
pub mod parameter;
pub mod visit;

pub use config::{Config, Policy};
pub use cookie::{Carried, Fallbacks};
pub use id::{BadClickId, ClickId};
pub use parameter::Landed;
pub use visit::{Capture, Visit, decide};

use crate::clock::Time;
use std::time::Duration;

/// A click: its ID, when it was first seen, and where.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Click {
    /// impact.com's opaque ID.
    pub id: ClickId,
    /// When this click was first seen by anything of ours; it never moves.
    pub at: Time,
    /// Where it was seen.
    pub place: Place,
}

impl Click {
    /// Whether the click is older than the referral window: then it earns nothing.
    pub fn is_expired(&self, window: Duration, now: Time) -> bool {
        now.since(self.at) > window
    }
}

/// Where a click was seen.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Place {
    /// In the URL of a landing.
    Landing,
    /// In a URL or property of a Segment call.
    Call,
    /// In a call's own `context.referrer`.
    Said,
    /// In our master cookie, or in a cookie of impact.com's own tag.
    Cookie,
}
