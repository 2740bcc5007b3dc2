//! Delivering: takes what is due from the outbox, hands it to its destination, and decides what comes next.
//!
//! The decisions are pure ([`retry::next`], [`verdict::next`], [`Pacing`]); the [`Worker`] and the [`Asker`] carry them out.

mod allowance;
mod asker;
mod breaker;
pub mod config;
mod pacing;
pub mod retry;
pub mod verdict;
mod worker;

pub use asker::Asker;
pub use breaker::Why;
pub use config::Config;
pub use pacing::Pacing;
pub use retry::{Reason, Step};
pub use worker::{Report, Worker};
