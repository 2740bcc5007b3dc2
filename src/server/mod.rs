//! Listeners: accepting connections, speaking HTTP, draining.

pub mod config;
pub mod drain;
pub mod listener;
pub mod tls;

pub use config::Config;
pub use drain::{Drain, Drained};
pub use listener::{BindError, Listener};
