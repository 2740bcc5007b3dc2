//! impact.com.
pub mod config;
pub use config::{Config, Program};
