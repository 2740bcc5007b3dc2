//! The proxy's flows: a visit to the site, a call to Segment.
pub mod config;
pub use config::{HostMode, Site};
