//! What visits and calls share.

use super::calls::judge::Rules;
use crate::click::cookie::Fallbacks;
use crate::clock::Clock;
use crate::links::Links;
use crate::live::Live;
use crate::metrics::Metrics;
use crate::store::Store;
use std::sync::Arc;

/// The state that visits and calls share; one is made at the start.
pub struct Shared {
    /// By what they are judged.
    pub rules: Rules,
    /// Cookies of the vendor's own tag.
    pub fallbacks: Fallbacks,
    /// Where lessons go that nobody waits for.
    pub store: Store,
    /// Who clicked what.
    pub links: Links,
    /// What is counted.
    pub metrics: Arc<Metrics>,
    /// Who watches.
    pub live: Live,
    /// The time.
    pub clock: Clock,
}
