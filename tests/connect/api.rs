//! An API on loopback: it knows its paths, remembers what it was asked, and answers something else when it is told to.

use crate::harness::{Origin, answers};
use serde_json::Value;
use std::collections::VecDeque;
use std::sync::{Arc, Mutex};
use url::Url;

/// What an API answers: its status, and its body.
pub(crate) type Answer = (u16, Value);

/// A request as an API looks at it.
pub(crate) struct Ask {
    pub(crate) path: String,
    pub(crate) query: Vec<(String, String)>,
    pub(crate) authorization: String,
    pub(crate) head: String,
}

impl Ask {
    pub(crate) fn parameter(&self, name: &str) -> Option<&str> {
        self.query.iter().find(|(known, _)| known == name).map(|(_, value)| value.as_str())
    }
}

pub(crate) struct Api {
    origin: Origin,
    state: Arc<Mutex<State>>,
}

#[derive(Default)]
struct State {
    asked: Vec<String>,
    orders: VecDeque<Vec<u8>>,
    standing: Option<Vec<u8>>,
}

impl Api {
    pub(crate) async fn start(usual: impl Fn(&Ask) -> Answer + Send + Sync + 'static) -> Self {
        let state = Arc::new(Mutex::new(State::default()));
        let (shared, usual) = (Arc::clone(&state), Arc::new(usual));
        let origin = Origin::scripted(move |connection, seen| {
            let target = seen.line().split(' ').nth(1).unwrap().to_owned();
            let url = Url::parse(&format!("http://api{target}")).unwrap();
            let ask = Ask {
                path: url.path().to_owned(),
                query: url.query_pairs().into_owned().collect(),
                authorization: seen.fields("authorization").first().copied().unwrap_or_default().to_owned(),
                head: seen.head.clone(),
            };
            let ordered = {
                let mut state = shared.lock().unwrap();
                state.asked.push(target);
                state.orders.pop_front().or_else(|| state.standing.clone())
            };
            let answer = ordered.unwrap_or_else(|| {
                let (status, body) = usual(&ask);
                answers(&format!("{status} x"), &["Content-Type: application/json"], &body.to_string())
            });
            Box::pin(async move {
                connection.write(answer).await;
                true
            })
        })
        .await;
        Self { origin, state }
    }

    pub(crate) fn url(&self) -> String {
        format!("http://{}", self.origin.address())
    }

    /// What it was asked, in order: paths with their queries.
    pub(crate) fn asked(&self) -> Vec<String> {
        self.state.lock().unwrap().asked.clone()
    }

    /// Answers the next request with this.
    pub(crate) fn next(&self, status: &str, lines: &[&str], body: &str) {
        self.state.lock().unwrap().orders.push_back(answers(status, lines, body));
    }

    /// Answers every request with this.
    pub(crate) fn always(&self, status: &str, lines: &[&str], body: &str) {
        self.state.lock().unwrap().standing = Some(answers(status, lines, body));
    }
}

/// The elements of one page: `count` of them from `start`.
pub(crate) fn page(all: &[Value], start: usize, count: usize) -> Vec<Value> {
    all.iter().skip(start).take(count).cloned().collect()
}
