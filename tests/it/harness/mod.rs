//! The edge under test, its scripted origin, and clients that see every byte.
#![allow(dead_code, unused_imports, reason = "several test programs use it, and none of them all of it")]

mod authority;
mod client;
mod command;
mod edge;
mod origin;
pub(crate) mod sdk;
#[path = "../../powerloss/shim.rs"]
pub(crate) mod shim;
mod stage;
mod streams;

pub(crate) use authority::{Authority, shake_hands};
pub(crate) use client::{Answer, Connection, find};
pub(crate) use command::Running;
pub(crate) use edge::{Edge, Starting};
pub(crate) use origin::{Origin, Seen, answers};
pub(crate) use stage::Stage;
pub(crate) use streams::{Asked, Streams, read as read_stream, visit, visit_with_settings};

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

/// Asks again and again until there is an answer.
pub(crate) async fn eventually<T>(what: &str, mut ask: impl AsyncFnMut() -> Option<T>) -> T {
    let asking = async {
        loop {
            if let Some(answer) = ask().await {
                return answer;
            }
            tokio::time::sleep(Duration::from_millis(10)).await;
        }
    };
    soon(what, asking).await
}
