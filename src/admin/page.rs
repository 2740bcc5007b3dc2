//! The page for people: the state of the queue, and what happens as it happens. Nothing on it comes from the network.

use axum::response::{IntoResponse, Response};
use http::header::{CACHE_CONTROL, CONTENT_SECURITY_POLICY, CONTENT_TYPE};
use maud::{DOCTYPE, html};

/// Only our own script and style run; nobody frames the page.
const POLICY: &str = "default-src 'none'; script-src 'self'; style-src 'self'; connect-src 'self'; base-uri 'none'; frame-ancestors 'none'";

/// The counters of the page: the kinds of [`crate::live::Kind`] that tell the journey of an order.
const COUNTED: [(&str, &str); 6] = [
    ("click_captured", "clicks captured"),
    ("call_enriched", "calls enriched"),
    ("link_learned", "links learned"),
    ("call_stitched", "calls stitched"),
    ("delivered", "delivered"),
    ("dead", "given up"),
];

pub(super) async fn page() -> Response {
    let page = html! {
        (DOCTYPE)
        html lang="en" {
            head {
                meta charset="utf-8";
                meta name="viewport" content="width=device-width, initial-scale=1";
                title { "Selvedge" }
                link rel="stylesheet" href="/page.css";
                script src="/page.js" defer {}
            }
            body {
                h1 { "Selvedge" }
                p #ready { "…" }
                section {
                    h2 { "Deliveries" }
                    ul #deliveries {}
                }
                section {
                    h2 { "Since this page was opened" }
                    ul { @for (kind, name) in COUNTED { li { b data-kind=(kind) { "0" } " " (name) } } }
                }
                section {
                    h2 { "As it happens" }
                    button #pause { "Pause" }
                    ol #events {}
                }
            }
        }
    };
    let headers =
        [(CONTENT_TYPE, "text/html; charset=utf-8"), (CONTENT_SECURITY_POLICY, POLICY), (CACHE_CONTROL, "no-store")];
    (headers, page.into_string()).into_response()
}

pub(super) async fn script() -> Response {
    ([(CONTENT_TYPE, "text/javascript; charset=utf-8")], include_str!("page.js")).into_response()
}

pub(super) async fn style() -> Response {
    ([(CONTENT_TYPE, "text/css; charset=utf-8")], include_str!("page.css")).into_response()
}
