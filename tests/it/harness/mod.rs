//! The edge under test, its scripted origin, and clients that see every byte.

mod client;
mod edge;
mod origin;

pub(crate) use client::Connection;
pub(crate) use edge::Edge;
pub(crate) use origin::{Origin, Seen, answers};

use std::time::Duration;

/// No step of a test on loopback takes longer, even on a busy machine.
pub(crate) const PATIENCE: Duration = Duration::from_secs(20);

/// Waits for a future, but not for ever.
pub(crate) async fn soon<T>(what: &str, future: impl Future<Output = T>) -> T {
    match tokio::time::timeout(PATIENCE, future).await {
        Ok(value) => value,
        Err(_) => panic!("waited too long for {what}"),
    }
}
