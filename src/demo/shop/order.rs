//! The shop's own server: it takes an order and reports it to Segment, server to server.

use super::SERVER_WRITE_KEY;
use super::page;
use crate::clock::Clock;
use crate::demo::exchange::send;
use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use serde_json::{Value, json};
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Mutex, PoisonError};
use url::Url;

/// What the order form sends.
#[derive(Clone, Debug, Default)]
pub(super) struct Submitted {
    sku: String,
    customer: String,
    email: String,
}

impl Submitted {
    /// Reads the form; a field that was not sent is empty.
    pub(super) fn read(form: &[u8]) -> Self {
        let mut submitted = Self::default();
        for (name, value) in url::form_urlencoded::parse(form) {
            match &*name {
                "sku" => submitted.sku = value.into_owned(),
                "customer" => submitted.customer = value.into_owned(),
                "email" => submitted.email = value.into_owned(),
                _ => {}
            }
        }
        submitted
    }
}

/// What became of an order.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Placed {
    /// Taken, and Segment's endpoint answered.
    Reported {
        /// Its number.
        order: String,
        /// The endpoint's status.
        status: u16,
    },
    /// Taken; the report was not wanted, or not possible.
    Unreported {
        /// Its number.
        order: String,
    },
    /// Not taken.
    NoSuchProduct,
}

/// Where orders are taken.
#[derive(Debug)]
pub(super) struct Desk {
    clock: Clock,
    orders: AtomicU64,
    customers: AtomicU64,
    endpoint: Mutex<Option<Url>>,
}

impl Desk {
    pub(super) fn new(clock: Clock) -> Self {
        Self { clock, orders: AtomicU64::new(1), customers: AtomicU64::new(1001), endpoint: Mutex::default() }
    }

    pub(super) fn report_to(&self, endpoint: Url) {
        *self.endpoint.lock().unwrap_or_else(PoisonError::into_inner) = Some(endpoint);
    }

    /// A customer number that nobody has yet.
    pub(super) fn next_customer(&self) -> String {
        format!("customer-{}", self.customers.fetch_add(1, Ordering::Relaxed))
    }

    /// Takes the order and reports it.
    pub(super) async fn place(&self, submitted: &Submitted) -> Placed {
        let Some(product) = page::find(&submitted.sku) else {
            return Placed::NoSuchProduct;
        };
        let number = self.orders.fetch_add(1, Ordering::Relaxed);
        // The time keeps orders of two runs of the demo apart.
        let order = format!("{}-{number}", self.clock.now().seconds());
        let endpoint = self.endpoint.lock().unwrap_or_else(PoisonError::into_inner).clone();
        let Some(endpoint) = endpoint else {
            return Placed::Unreported { order };
        };
        match report(&endpoint, &self.call(&order, submitted, product)).await {
            Ok(status) => Placed::Reported { order, status },
            Err(error) => {
                tracing::warn!(%error, %endpoint, "the shop could not report an order");
                Placed::Unreported { order }
            }
        }
    }

    /// The call as server libraries send it: a userId, no anonymousId, no page, no visitor.
    fn call(&self, order: &str, submitted: &Submitted, product: &page::Product) -> Value {
        let now = self.clock.now().iso8601();
        json!({
            "type": "track",
            "event": "Order Completed",
            "userId": submitted.customer,
            "messageId": format!("shop-{order}"),
            "timestamp": now,
            "sentAt": now,
            "context": {
                "library": {"name": "shop-server", "version": "1.0"},
                "traits": {"email": submitted.email},
            },
            "properties": {
                "order_id": order,
                "currency": "EUR",
                "products": [{
                    "sku": product.sku,
                    "name": product.name,
                    "category": product.category,
                    "price": product.price,
                    "quantity": 1,
                }],
            },
        })
    }
}

async fn report(endpoint: &Url, call: &Value) -> std::io::Result<u16> {
    let authorization = format!("Basic {}", STANDARD.encode(format!("{SERVER_WRITE_KEY}:")));
    let headers = [
        ("Authorization", authorization.as_str()),
        ("Content-Type", "application/json"),
        ("User-Agent", "shop-server/1.0"),
    ];
    Ok(send("POST", endpoint, &headers, call.to_string().as_bytes()).await?.status)
}
