//! Listeners: accepting connections, speaking HTTP, draining.
pub mod config;
pub use config::Config;
