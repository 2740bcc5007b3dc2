//! Segment's Public API as far as `connect` reads it: the workspace, its sources, destinations and their filters.
//!
//! What is asked is a path; what is answered is read here, and fetched elsewhere.

use percent_encoding::{NON_ALPHANUMERIC, utf8_percent_encode};
use serde::Deserialize;
use serde_json::{Map, Value};

/// Where a workspace lives.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Region {
    /// The United States: where a workspace is unless somebody chose otherwise.
    Us,
    /// The European Union (Dublin).
    Eu,
}

impl Region {
    /// The Public API's base.
    pub fn public_api(self) -> &'static str {
        match self {
            Self::Us => "https://api.segmentapis.com",
            Self::Eu => "https://eu1.api.segmentapis.com",
        }
    }

    /// The tracking API's base: Segment takes a region's calls only there.
    pub fn tracking_api(self) -> &'static str {
        match self {
            Self::Us => "https://api.segment.io",
            Self::Eu => "https://events.eu1.segmentapis.com",
        }
    }
}

/// What an answer is asked to be: the version that is read here.
pub const MEDIA_TYPE: &str = "application/vnd.segment.v1+json";

/// Elements of one page: most workspaces fit one (the API allows up to 1,000).
const PAGE_ELEMENTS: u32 = 200;

/// The workspace of the token; each token belongs to one.
pub const WORKSPACE: &str = "/";

/// All sources.
pub const SOURCES: &str = "/sources";

/// All destinations.
pub const DESTINATIONS: &str = "/destinations";

/// The filters of a destination.
pub fn filters_of(destination: &str) -> String {
    format!("/destination/{}/filters", utf8_percent_encode(destination, NON_ALPHANUMERIC))
}

/// One page of a list: the first, or the one that the page before named.
pub fn page(list: &str, cursor: Option<&str>) -> String {
    // The brackets as Segment's own clients send them.
    let mut path = format!("{list}?pagination%5Bcount%5D={PAGE_ELEMENTS}");
    if let Some(cursor) = cursor {
        path.push_str("&pagination%5Bcursor%5D=");
        path.extend(utf8_percent_encode(cursor, NON_ALPHANUMERIC));
    }
    path
}

/// The next page's cursor; `None`: this was the last.
pub fn next(answer: &Value) -> Option<String> {
    let next = answer.pointer("/data/pagination/next")?.as_str()?;
    (!next.is_empty()).then(|| next.to_owned())
}

/// A workspace.
#[derive(Clone, Debug, Deserialize, PartialEq, Eq)]
pub struct Workspace {
    /// Its name for people.
    pub name: String,
    /// Its name in Segment's URLs.
    pub slug: String,
}

/// A source.
#[derive(Clone, Debug, Deserialize, PartialEq, Eq)]
#[serde(rename_all = "camelCase")]
pub struct Source {
    /// Segment's id of it.
    pub id: String,
    /// Its name in Segment's URLs; unique in the workspace.
    pub slug: String,
    /// Its name for people.
    pub name: Option<String>,
    /// Whether it takes calls.
    #[serde(default)]
    pub enabled: bool,
    /// Its write keys; none: the token may not see them.
    #[serde(default)]
    pub write_keys: Vec<String>,
}

/// A destination of one source.
#[derive(Clone, Debug, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Destination {
    /// Segment's id of it.
    pub id: String,
    /// The source whose calls it gets.
    pub source_id: String,
    /// Whether it gets them.
    #[serde(default)]
    pub enabled: bool,
    /// What it is in Segment's catalog.
    pub metadata: Kind,
    /// Its settings; their secrets are not to be relied on.
    #[serde(default)]
    pub settings: Map<String, Value>,
}

/// An entry of Segment's catalog.
#[derive(Clone, Debug, Deserialize, PartialEq, Eq)]
pub struct Kind {
    /// Its id.
    pub id: String,
    /// Its name, which is also the key in a call's `integrations`.
    #[serde(default)]
    pub name: String,
}

/// A filter of a destination.
#[derive(Clone, Debug, Deserialize)]
pub struct Filter {
    /// Its title.
    #[serde(default)]
    pub title: String,
    /// For which calls it acts, in FQL.
    #[serde(rename = "if")]
    pub condition: String,
    /// What it does to them.
    #[serde(default)]
    pub actions: Vec<Action>,
    /// Whether it acts at all.
    #[serde(default)]
    pub enabled: bool,
}

/// What a filter does.
#[derive(Clone, Debug, Deserialize)]
pub struct Action {
    /// `DROP`, `SAMPLE`, `DROP_PROPERTIES`, `ALLOW_PROPERTIES`.
    #[serde(rename = "type")]
    pub kind: String,
    /// Of `…_PROPERTIES`: the names at each path; the path of the call itself is empty.
    #[serde(default)]
    pub fields: Option<Map<String, Value>>,
    /// Of `SAMPLE`: the share that passes.
    pub percent: Option<f64>,
    /// Of `SAMPLE`: what decides.
    pub path: Option<String>,
}

/// The answer to [`WORKSPACE`].
pub fn workspace(answer: &Value) -> Option<Workspace> {
    Workspace::deserialize(answer.pointer("/data/workspace")?).ok()
}

/// One page of [`SOURCES`]; `None`: it is none.
pub fn sources(answer: &Value) -> Option<Vec<Source>> {
    Vec::deserialize(answer.pointer("/data/sources")?).ok()
}

/// One page of [`DESTINATIONS`].
pub fn destinations(answer: &Value) -> Option<Vec<Destination>> {
    Vec::deserialize(answer.pointer("/data/destinations")?).ok()
}

/// One page of [`filters_of`] a destination.
pub fn filters(answer: &Value) -> Option<Vec<Filter>> {
    Vec::deserialize(answer.pointer("/data/filters")?).ok()
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn pages_are_asked_for_and_end() {
        assert_eq!(page(SOURCES, None), "/sources?pagination%5Bcount%5D=200");
        assert_eq!(page(SOURCES, Some("a=/+")), "/sources?pagination%5Bcount%5D=200&pagination%5Bcursor%5D=a%3D%2F%2B");
        let of = |next| json!({"data": {"pagination": {"current": "a", "next": next}}});
        assert_eq!(next(&of(json!("b"))), Some("b".into()));
        for last in [of(json!(null)), of(json!("")), json!({"data": {"pagination": {}}}), json!([])] {
            assert_eq!(next(&last), None, "{last}");
        }
    }

    #[test]
    fn answers_are_read_as_they_are_documented() {
        let source = json!({"id": "s1", "slug": "web", "name": "My site", "workspaceId": "w", "enabled": true,
            "writeKeys": ["k1", "k2"], "settings": {}, "labels": [], "metadata": {"id": "m", "name": "Javascript"}});
        let bare = json!({"id": "s2", "slug": "server", "enabled": false, "writeKeys": []});
        let read = sources(&json!({"data": {"sources": [source, bare]}})).unwrap();
        assert_eq!((&*read[0].slug, read[0].name.as_deref(), read[0].write_keys.len()), ("web", Some("My site"), 2));
        assert_eq!((read[1].enabled, read[1].name.as_deref(), read[1].write_keys.len()), (false, None, 0));
        let filter = json!({"id": "f", "sourceId": "s1", "destinationId": "d", "if": "all", "title": "t", "enabled": true,
            "actions": [{"type": "SAMPLE", "percent": 0.25, "path": "userId"}, {"type": "DROP_PROPERTIES", "fields": {"": ["a"]}}]});
        let read = filters(&json!({"data": {"filters": [filter]}})).unwrap();
        assert_eq!((read[0].actions[0].percent, read[0].actions[0].path.as_deref()), (Some(0.25), Some("userId")));
        assert_eq!(read[0].actions[1].fields.as_ref().unwrap().len(), 1);
        assert!(sources(&json!({"data": {"sources": [{"slug": "no id"}]}})).is_none());
        assert_eq!(filters_of("a/b"), "/destination/a%2Fb/filters");
    }
}
