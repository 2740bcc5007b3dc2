//! Listeners: accepting connections, speaking HTTP, draining.

mod bounds;
pub mod config;
mod crowd;
pub mod descriptors;
pub mod drain;
mod frames;
pub mod limits;
pub mod listener;
mod networks;
pub mod proxy_protocol;
mod streams;
pub mod tls;
mod watch;

pub use bounds::Bounds;
pub use config::Config;
pub use drain::{Drain, Drained};
pub use limits::Limits;
pub use listener::{BindError, Hall, Listener};
