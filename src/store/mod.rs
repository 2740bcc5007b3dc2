//! The embedded database: one file, one writer, group commits.
pub mod config;
pub use config::Config;
