//! What makes a delivery happen once.

use crate::clock::Time;
use crate::destination::Order;
use crate::store::{Hash, OnceRow};
use sha2::{Digest, Sha256};
use std::time::Duration;

/// How long the same call is not delivered again: SDKs keep what they could not send for days.
const MESSAGE_KEPT: Duration = Duration::from_secs(7 * 86_400);
/// How long the same order is not delivered again: a shop's back office sends its orders weeks later, too.
const ORDER_KEPT: Duration = Duration::from_secs(30 * 86_400);

/// A key that one delivery at a time may hold.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct OnceKey {
    /// SHA-256 of what makes it once.
    pub key: Hash,
    /// When it is free again.
    pub until: Time,
}

impl OnceKey {
    /// The same call (messageId) of the same source (write key) for the same program: 7 days from its arrival.
    pub fn message(write_key: &str, program: &str, message_id: &str, arrival: Time) -> Self {
        Self { key: hash("message", [write_key, program, message_id]), until: arrival.plus(MESSAGE_KEPT) }
    }

    /// The same order (OrderId) for the same program and event type: 30 days from the call's arrival.
    pub fn order(program: &str, event_type: &str, order_id: &str, arrival: Time) -> Self {
        Self { key: hash("order", [program, event_type, order_id]), until: arrival.plus(ORDER_KEPT) }
    }

    /// The keys of a call and of its order, where they have any.
    pub fn all(
        write_key: &str,
        program: &str,
        message_id: Option<&str>,
        order: Option<&Order>,
        arrival: Time,
    ) -> Vec<Self> {
        let message = message_id.map(|id| Self::message(write_key, program, id, arrival));
        let order =
            order.and_then(|order| Some(Self::order(program, order.event_type.as_deref()?, &order.id, arrival)));
        message.into_iter().chain(order).collect()
    }

    pub(super) fn row(self) -> OnceRow {
        OnceRow { key: self.key, until: self.until }
    }
}

/// Each text goes in behind its length, so that no two lists of texts give one key.
fn hash(what: &str, texts: [&str; 3]) -> Hash {
    let all = std::iter::once(what).chain(texts);
    all.fold(Sha256::new(), |hash, text| hash.chain_update((text.len() as u64).to_le_bytes()).chain_update(text))
        .finalize()
        .into()
}
