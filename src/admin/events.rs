//! The live events, as server-sent events.

use super::Node;
use super::api::Answer;
use crate::live::{Event, Watch};
use crate::metrics::Label;
use axum::extract::State;
use axum::response::sse::{self, KeepAlive, Sse};
use axum::response::{IntoResponse, Response};
use futures_util::{StreamExt, stream};
use http::StatusCode;
use serde_json::json;
use std::convert::Infallible;

/// Every event from now on, until the watcher goes or the node stops.
pub(super) async fn events(State(node): Node) -> Response {
    let Ok(seat) = node.watchers.clone().try_acquire_owned() else {
        return Answer::error(StatusCode::SERVICE_UNAVAILABLE, "too many are watching").into_response();
    };
    let watch = node.admin.live.watch();
    let happened = stream::unfold((watch, seat), |(mut watch, seat): (Watch, _)| async move {
        let event = watch.next().await?;
        Some((Ok::<_, Infallible>(told(&event)), (watch, seat)))
    });
    let until = node.admin.draining.clone().cancelled_owned();
    Sse::new(happened.take_until(until)).keep_alive(KeepAlive::default()).into_response()
}

fn told(event: &Event) -> sse::Event {
    let kind = event.kind.label();
    let data = json!({ "at": event.at.iso8601(), "kind": kind, "text": event.text });
    sse::Event::default().data(data.to_string())
}
