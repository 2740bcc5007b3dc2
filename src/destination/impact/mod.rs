//! impact.com: the mapping of its Segment guide, and its endpoints.
//!
//! `mapping` reads `table` top to bottom: the table is the guide, the rest is how each kind of row is read. [`guide`] has both
//! side by side, with the cases that show them.
//! Everything but [`client`] and its `inquiry` is pure.

pub mod account;
pub mod answer;
pub mod client;
pub mod config;
mod date;
pub(super) mod email;
mod gaps;
#[doc = include_str!("mapping.md")]
pub mod guide {}
mod inquiry;
mod items;
mod mapping;
mod names;
mod path;
pub mod refund;
mod table;
mod value;
pub mod verdict;

pub use client::Client;
pub use config::{Config, Program};
pub use table::reads as row;

/// `context.referrer.type` of a click of impact.com's (the guide, "Using Click ID").
pub const REFERRER_TYPE: &str = "impactRadius";

/// The key of Segment's own impact.com destination in a call's `integrations`.
pub const INTEGRATION: &str = "Impact Partnership Cloud";

/// The cookie in which impact.com's own tag keeps the click ID.
pub const CLICK_COOKIE: &str = "irclickid";

/// The cookie of impact.com's own tag for a campaign; its fourth `|`-separated field is the click ID.
pub fn session_cookie(campaign_id: &str) -> String {
    format!("IR_{campaign_id}")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_campaign_has_a_cookie_of_its_own() {
        assert_eq!(session_cookie("1000"), "IR_1000");
        assert_ne!(session_cookie("1000"), CLICK_COOKIE);
    }
}
