//! A small shop: the origin that the demo puts the proxy in front of.
//!
//! Its pages call Segment at `/cdp` of their own host, as a site behind the proxy does. Its own server reports the order, as most
//! shops do: a `track` call from the server, with a userId, without cookie and without anonymousId. That call is the one
//! whose click has to be found.

mod order;
mod page;

use super::door::Door;
use super::script::json;
use super::seen::{self, Log, Seen};
use crate::clock::Clock;
use axum::Router;
use axum::body::Bytes;
use axum::extract::{Path, Query, Request, State};
use axum::http::StatusCode;
use axum::middleware::{self, Next};
use axum::response::{IntoResponse, Response};
use axum::routing::{get, post};
use order::{Desk, Placed, Submitted};
use page::Chosen;
use std::io;
use std::net::SocketAddr;
use std::sync::Arc;
use url::Url;

/// What is read of a request to the shop; its only form has three fields.
const REQUEST_BYTES_MAX: usize = 64 * 1024;

/// The Segment source of the shop's pages.
pub const SITE_WRITE_KEY: &str = "demo-site";

/// The Segment source of the shop's own server.
pub const SERVER_WRITE_KEY: &str = "demo-server";

/// The shop, on a loopback port. Dropping it stops it.
#[derive(Debug)]
pub struct Shop {
    state: Arc<Shared>,
    door: Door,
}

#[derive(Debug)]
struct Shared {
    log: Log,
    desk: Desk,
}

impl Shop {
    /// Opens on a free port. Orders are dated by `clock`.
    ///
    /// # Errors
    ///
    /// When no port can be bound.
    pub async fn start(clock: Clock) -> io::Result<Self> {
        let state = Arc::new(Shared { log: Log::new(), desk: Desk::new(clock) });
        let router = Router::new()
            .route("/", get(async || page::home()))
            .route("/product/{sku}", get(product))
            .route("/checkout", get(checkout))
            .route("/order", post(take_order))
            .fallback(async || (StatusCode::NOT_FOUND, page::missing()))
            .layer(middleware::from_fn_with_state(state.clone(), remember))
            .with_state(state.clone());
        Ok(Self { state, door: Door::open(0, router).await? })
    }

    /// Where it listens.
    pub fn address(&self) -> SocketAddr {
        self.door.address()
    }

    /// Its base URL, without a slash at the end.
    pub fn url(&self) -> String {
        format!("http://{}", self.address())
    }

    /// Where the shop's server reports its orders: the full URL of a Segment `track` endpoint, such as
    /// `http://127.0.0.1:8080/cdp/v1/track`. Orders before that are taken and not reported.
    pub fn report_orders_to(&self, endpoint: Url) {
        self.state.desk.report_to(endpoint);
    }

    /// Every request so far, in order of arrival.
    pub fn seen(&self) -> Vec<Seen> {
        self.state.log.all()
    }
}

/// Remembers each request on its way in.
async fn remember(State(state): State<Arc<Shared>>, request: Request, next: Next) -> Response {
    let Some((parts, body)) = seen::read(request, REQUEST_BYTES_MAX).await else {
        return StatusCode::PAYLOAD_TOO_LARGE.into_response();
    };
    state.log.push(Seen::new(&parts, body.clone(), None));
    next.run(Request::from_parts(parts, body.into())).await
}

async fn product(Path(sku): Path<String>) -> Response {
    match page::product(&sku) {
        Some(page) => page.into_response(),
        None => (StatusCode::NOT_FOUND, page::missing()).into_response(),
    }
}

async fn checkout(State(state): State<Arc<Shared>>, Query(chosen): Query<Chosen>) -> Response {
    match page::checkout(&chosen, &state.desk.next_customer()) {
        Some(page) => page.into_response(),
        None => (StatusCode::NOT_FOUND, page::missing()).into_response(),
    }
}

async fn take_order(State(state): State<Arc<Shared>>, form: Bytes) -> Response {
    match state.desk.place(&Submitted::read(&form)).await {
        Placed::Reported { order, status } => page::thanks(&order, Some(status)).into_response(),
        Placed::Unreported { order } => page::thanks(&order, None).into_response(),
        Placed::NoSuchProduct => json(400, &serde_json::json!({"error": "no such product"})),
    }
}

#[cfg(test)]
mod tests {
    use super::super::Segment;
    use super::super::exchange::{Answered, send};
    use super::*;
    use crate::clock::Time;

    async fn ask(shop: &Shop, method: &str, target: &str, body: &str) -> Answered {
        let url = format!("{}{target}", shop.url()).parse().unwrap();
        let headers = [("content-type", "application/x-www-form-urlencoded")];
        send(method, &url, &headers, body.as_bytes()).await.unwrap()
    }

    #[tokio::test]
    async fn a_visitor_finds_the_way_from_landing_to_checkout() {
        let shop = Shop::start(Clock::System).await.unwrap();
        let steps = [
            ("/?im_ref=abc", 200, "href=\"/product/linen-throw\""),
            ("/product/linen-throw", 200, "href=\"/checkout?sku=linen-throw\""),
            ("/checkout?sku=linen-throw", 200, "name=\"customer\" value=\"customer-1001\""),
            ("/checkout?sku=linen-throw", 200, "name=\"customer\" value=\"customer-1002\""),
            ("/checkout?sku=%3Cscript%3E", 404, "Nothing woven here"),
            ("/product/none", 404, "Nothing woven here"),
            ("/none", 404, "Nothing woven here"),
        ];
        for (target, status, text) in steps {
            let answer = ask(&shop, "GET", target, "").await;
            let page = String::from_utf8(answer.body).unwrap();
            assert_eq!(answer.status, status, "{target}");
            assert!(page.contains(text), "{target}: {page}");
            assert!(page.contains("/cdp/v1/"), "{target} calls Segment");
        }
        assert_eq!(shop.seen()[0].query.as_deref(), Some("im_ref=abc"));
    }

    #[tokio::test]
    async fn an_order_is_reported_by_user_alone() {
        let (shop, segment) = (
            Shop::start(Clock::manual(Time::from_seconds(1_800_000_000))).await.unwrap(),
            Segment::start().await.unwrap(),
        );
        shop.report_orders_to(format!("{}/v1/track", segment.url()).parse().unwrap());
        let form = "sku=tea-towel&customer=customer-1001&email=ada%40example.com";
        let answer = ask(&shop, "POST", "/order", form).await;
        let page = String::from_utf8(answer.body).unwrap();
        assert!(answer.status == 200 && page.contains("1800000000-1") && page.contains("The answer was 200"), "{page}");
        let seen = segment.seen();
        let call = seen[0].json.as_ref().unwrap();
        assert_eq!(seen[0].header("authorization"), Some("Basic ZGVtby1zZXJ2ZXI6"));
        assert_eq!((&call["userId"], call.get("anonymousId")), (&"customer-1001".into(), None));
        assert_eq!(
            (&call["event"], &call["timestamp"]),
            (&"Order Completed".into(), &"2027-01-15T08:00:00.000Z".into())
        );
        assert_eq!(call["properties"]["products"][0]["price"].to_string(), "19.95");
    }

    #[tokio::test]
    async fn an_order_is_taken_even_when_it_cannot_be_reported() {
        let shop = Shop::start(Clock::System).await.unwrap();
        let form = "sku=tea-towel&customer=c&email=e";
        assert_eq!(ask(&shop, "POST", "/order", form).await.status, 200);
        let gone = Segment::start().await.unwrap();
        shop.report_orders_to(format!("{}/v1/track", gone.url()).parse().unwrap());
        drop(gone);
        let answer = ask(&shop, "POST", "/order", form).await;
        assert!(String::from_utf8(answer.body).unwrap().contains("could not report"));
        assert_eq!(ask(&shop, "POST", "/order", "sku=x&customer=c&email=e").await.status, 400);
    }
}
