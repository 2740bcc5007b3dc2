//! Segment's Public API: one workspace behind one token, lists with cursors, errors as `{errors: [{type, message}]}`.

use crate::api::{Answer, Api, Ask, page};
use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use serde_json::{Value, json};
use std::sync::{Arc, Mutex};

pub(crate) const TOKEN: &str = "sgp_workspace-token";

/// Elements of a page, however many are asked for: the lists here take several.
const PAGE: usize = 2;

pub(crate) struct Workspace {
    pub(crate) api: Api,
    state: Arc<Mutex<State>>,
}

#[derive(Default)]
struct State {
    sources: Vec<Value>,
    destinations: Vec<Value>,
    filters: Vec<Value>,
    /// Paths that the token may not read.
    closed: Vec<String>,
}

impl Workspace {
    /// A workspace with the sources `web`, `server` and `app`.
    pub(crate) async fn start() -> Self {
        let state = Arc::new(Mutex::new(State::default()));
        let shared = Arc::clone(&state);
        let api = Api::start(move |ask| shared.lock().unwrap().answer(ask)).await;
        let workspace = Self { api, state };
        workspace.source("web", json!(["WEBKEY"]));
        workspace.source("server", json!(["SERVERKEY", "SERVERKEY2"]));
        workspace.source("app", json!(["APPKEY"]));
        workspace
    }

    pub(crate) fn url(&self) -> String {
        self.api.url()
    }

    pub(crate) fn source(&self, slug: &str, write_keys: Value) {
        let metadata = json!({"id": "meta", "slug": "javascript", "name": "Javascript", "categories": ["Website"]});
        let mut source = json!({
            "id": format!("id-{slug}"), "slug": slug, "name": format!("The {slug}"), "workspaceId": "w1", "enabled": true,
            "settings": {}, "labels": [], "metadata": metadata,
        });
        source["writeKeys"] = write_keys;
        self.state.lock().unwrap().sources.push(source);
    }

    /// Shows no write key of any source, as to a token without the permission of a source's admin.
    pub(crate) fn hide_write_keys(&self) {
        self.state.lock().unwrap().sources.iter_mut().for_each(|source| source["writeKeys"] = json!([]));
    }

    /// Segment's own impact.com destination on a source.
    pub(crate) fn destination(&self, source: &str, settings: Value) {
        let metadata = json!({"id": "5ed96e0b97e7ba0c0346cc04", "slug": "impact-partnership-cloud", "name": "Impact Partnership Cloud"});
        self.any_destination(source, metadata, settings);
    }

    pub(crate) fn any_destination(&self, source: &str, metadata: Value, settings: Value) {
        let mut destination = json!({
            "id": format!("dest-{source}"), "name": "d", "enabled": true, "sourceId": format!("id-{source}"),});
        destination["metadata"] = metadata;
        destination["settings"] = settings;
        self.state.lock().unwrap().destinations.push(destination);
    }

    /// A filter of the destination of a source.
    pub(crate) fn filter(&self, source: &str, condition: &str, action: Value) {
        let mut filter = json!({
            "id": "f", "sourceId": format!("id-{source}"), "destinationId": format!("dest-{source}"), "if": condition,
            "title": format!("the {source} rule"), "enabled": true, "createdAt": "x", "updatedAt": "x",
        });
        filter["actions"] = Value::Array(vec![action]);
        self.state.lock().unwrap().filters.push(filter);
    }

    /// Answers 403 to this path.
    pub(crate) fn close(&self, path: &str) {
        self.state.lock().unwrap().closed.push(path.to_owned());
    }
}

impl State {
    fn answer(&self, ask: &Ask) -> Answer {
        let error = |status, kind: &str| (status, json!({"errors": [{"type": kind, "message": kind}]}));
        if ask.authorization != format!("Bearer {TOKEN}") {
            return error(401, "unauthorized");
        }
        if self.closed.contains(&ask.path) {
            return error(403, "forbidden");
        }
        assert!(ask.head.contains("accept: application/vnd.segment.v1+json"), "{}", ask.head);
        if ask.path == "/" {
            return (200, json!({"data": {"workspace": {"id": "w1", "slug": "acme", "name": "Acme"}}}));
        }
        let of_destination = |id: &str| -> Vec<Value> {
            self.filters.iter().filter(|one| one["destinationId"] == id).cloned().collect()
        };
        match ask.path.split('/').collect::<Vec<_>>()[..] {
            ["", "sources"] => list("sources", &self.sources, ask),
            ["", "destinations"] => list("destinations", &self.destinations, ask),
            ["", "destination", id, "filters"] => list("filters", &of_destination(&id.replace("%2D", "-")), ask),
            _ => error(404, "not-found"),
        }
    }
}

/// One page; its cursor is opaque.
fn list(name: &str, all: &[Value], ask: &Ask) -> Answer {
    let count: usize = ask.parameter("pagination[count]").unwrap().parse().unwrap();
    assert!((1..=1000).contains(&count), "{count}");
    let start = ask
        .parameter("pagination[cursor]")
        .map_or(0, |cursor| String::from_utf8(STANDARD.decode(cursor).unwrap()).unwrap().parse().unwrap());
    let next = (start + PAGE < all.len()).then(|| STANDARD.encode((start + PAGE).to_string()));
    let pagination = json!({"current": STANDARD.encode(start.to_string()), "next": next, "totalEntries": all.len()});
    (200, json!({"data": {name: page(all, start, PAGE), "pagination": pagination}}))
}
