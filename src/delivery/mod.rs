//! Delivering: takes what is due from the outbox, hands it to its destination, and decides what comes next.
//!
//! The decisions are pure ([`retry::next`], [`Pacing`]); the [`Worker`] carries them out.

mod breaker;
pub mod config;
mod pacing;
pub mod retry;
mod worker;

pub use breaker::Why;
pub use config::Config;
pub use pacing::Pacing;
pub use retry::{Reason, Step};
pub use worker::{Report, Worker};
