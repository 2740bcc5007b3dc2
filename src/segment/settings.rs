//! The settings that SDKs fetch from Segment's CDN: they name the hosts that calls go to, and can name another.

use super::call::Object;
use super::scan::{Cursor, Node, ScanError, Shape};
use super::splice::{Edit, apply, whole};
use crate::metrics::Label;
use http::Uri;
use http::uri::{Authority, Scheme};

/// The domains whose hosts are Segment's.
const DOMAINS: [&str; 3] = [".segment.io", ".segmentapis.com", ".segment.com"];

/// The key of Segment itself among a source's integrations.
const SEGMENT: &[u8] = b"Segment.io";

/// Settings in which every host is another now.
#[derive(Debug, PartialEq, Eq)]
pub struct Rewritten {
    /// The settings: but for the hosts, byte for byte as they came.
    pub text: Vec<u8>,
    /// The API that they named for calls; `None`: none, so that it is Segment's default.
    pub api: Option<Uri>,
}

/// Why settings stay as they came.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Unchanged {
    /// They are no JSON, or nest too deep.
    NotJson,
    /// They have no section of Segment's own: nothing in them sends a call anywhere.
    NotSettings,
    /// They send calls to a host that is not known to be Segment's.
    OtherHost,
}

impl Label for Unchanged {
    fn label(self) -> &'static str {
        match self {
            Self::NotJson => "not_json",
            Self::NotSettings => "not_settings",
            Self::OtherHost => "other_host",
        }
    }
}

/// The write key whose settings are at `path`, seen from Segment's own root.
pub fn write_key(path: &str) -> Option<&str> {
    let key = path.strip_prefix("/v1/projects/")?;
    let key = key.strip_suffix("/settings").or_else(|| key.strip_suffix("/settings/"))?;
    (!key.is_empty() && !key.contains('/')).then_some(key)
}

/// Puts `own` (`www.example.com/cdp/v1`) in the place of the hosts that settings name for calls and for the libraries' metrics.
/// Hosts are taken for Segment's by their domain, or when they are among `named`.
///
/// # Errors
/// See [`Unchanged`].
pub fn rewrite(text: &[u8], own: &str, named: &[Uri]) -> Result<Rewritten, Unchanged> {
    let places = Places::find(text).map_err(|_| Unchanged::NotJson)?;
    let segment = places.segment.ok_or(Unchanged::NotSettings)?;
    let own = serde_json::Value::from(own).to_string();
    let api = match places.api_host {
        None => None,
        Some(node) if node.is_blank() => None,
        Some(node) => Some(node.string(text).and_then(|host| api_of(&host, named)).ok_or(Unchanged::OtherHost)?),
    };
    let mut edits = vec![place(segment, places.api_host, "apiHost", &own)];
    let metrics_are_segments =
        |node: Node| node.is_blank() || node.string(text).is_some_and(|host| api_of(&host, named).is_some());
    if let Some(metrics) = places.metrics
        && places.metrics_host.is_none_or(metrics_are_segments)
    {
        edits.push(place(metrics, places.metrics_host, "host", &own));
    }
    Ok(Rewritten { text: apply(text, whole(text), &edits), api })
}

/// Whether a host belongs to Segment, by its domain.
pub fn is_segments(host: &str) -> bool {
    let host = host.to_ascii_lowercase();
    DOMAINS.iter().any(|domain| host.strip_suffix(domain).is_some_and(|name| !name.is_empty()))
}

/// The API at an `apiHost`, which has no scheme: `events.eu1.segmentapis.com/v1`. Only `/v1` can be kept up: it is the path under
/// which calls go on.
fn api_of(api_host: &str, named: &[Uri]) -> Option<Uri> {
    let authority = api_host.strip_suffix('/').unwrap_or(api_host).strip_suffix("/v1")?;
    let authority: Authority = authority.parse().ok()?;
    if let Some(known) = named.iter().find(|known| known.authority() == Some(&authority)) {
        return Some(known.clone());
    }
    // A port or a user would make it another server than the one that the domain stands for.
    if authority.as_str() != authority.host() || !is_segments(authority.host()) {
        return None;
    }
    Uri::builder().scheme(Scheme::HTTPS).authority(authority).path_and_query("/").build().ok()
}

fn place(object: Object, there: Option<Node>, key: &str, value: &str) -> Edit {
    match there {
        Some(node) => Edit::replace(node, value),
        None => Edit::member(object, format!("\"{key}\":{value}")),
    }
}

/// Where the hosts stand. Of duplicate keys the last counts.
#[derive(Default)]
struct Places {
    segment: Option<Object>,
    api_host: Option<Node>,
    metrics: Option<Object>,
    metrics_host: Option<Node>,
}

impl Places {
    fn find(text: &[u8]) -> Result<Self, ScanError> {
        let mut places = Self::default();
        if std::str::from_utf8(text).is_err() {
            return Err(ScanError::NotJson { at: 0 });
        }
        let mut cursor = Cursor::new(text);
        if cursor.shape()? == Shape::Object {
            cursor.object(|cursor, key| match key {
                b"integrations" => {
                    (places.segment, places.api_host) = (None, None);
                    if cursor.shape()? != Shape::Object {
                        return cursor.value().map(drop);
                    }
                    cursor.object(|cursor, key| {
                        if key == SEGMENT {
                            (places.segment, places.api_host) = member(cursor, b"apiHost")?;
                            return Ok(());
                        }
                        cursor.value().map(drop)
                    })?;
                    Ok(())
                }
                b"metrics" => {
                    (places.metrics, places.metrics_host) = member(cursor, b"host")?;
                    Ok(())
                }
                _ => cursor.value().map(drop),
            })?;
        } else {
            cursor.value()?;
        }
        cursor.finish()?;
        Ok(places)
    }
}

/// The next value, if it is an object, and its member of that name.
fn member(cursor: &mut Cursor<'_>, name: &[u8]) -> Result<(Option<Object>, Option<Node>), ScanError> {
    if cursor.shape()? != Shape::Object {
        cursor.value()?;
        return Ok((None, None));
    }
    let mut found = None;
    let (node, empty) = cursor.object(|cursor, key| {
        let value = cursor.value()?;
        if key == name {
            found = Some(value);
        }
        Ok(())
    })?;
    Ok((Some(Object { node, empty }), found))
}

#[cfg(test)]
mod tests {
    use super::*;

    const OWN: &str = "www.shop.example:8443/cdp/v1";

    fn rewritten(text: &str) -> Result<(String, Option<String>), Unchanged> {
        let named = [Uri::from_static("http://127.0.0.1:9")];
        let rewritten = rewrite(text.as_bytes(), OWN, &named)?;
        Ok((String::from_utf8(rewritten.text).unwrap(), rewritten.api.map(|api| api.to_string())))
    }

    #[test]
    fn only_the_hosts_become_others() {
        let eu = r#"{ "a":[1.10], "integrations": {"X":{"apiHost":"x"}, "Segment.io" :{"apiKey":"k" ,"apiHost": "events.eu1.segmentapis.com\/v1" }}, "metrics":{"sampleRate":0.1,"host":"api.segment.io/v1"},"b":{"host":"c"}}"#;
        let ours = eu
            .replace(r#"events.eu1.segmentapis.com\/v1"#, OWN)
            .replace("\"host\":\"api.segment.io/v1\"", &format!("\"host\":\"{OWN}\""));
        assert_eq!(rewritten(eu), Ok((ours, Some("https://events.eu1.segmentapis.com/".to_owned()))));
        for (before, after, api) in [
            (r#"{"integrations":{"Segment.io":{}}}"#, r#"{"integrations":{"Segment.io":{"apiHost":"OWN"}}}"#, None),
            (
                r#"{"integrations":{"Segment.io":{"k":1}},"metrics":{"sampleRate":0}}"#,
                r#"{"integrations":{"Segment.io":{"apiHost":"OWN","k":1}},"metrics":{"host":"OWN","sampleRate":0}}"#,
                None,
            ),
            (
                r#"{"integrations":{"Segment.io":{"apiHost":null}},"metrics":7}"#,
                r#"{"integrations":{"Segment.io":{"apiHost":"OWN"}},"metrics":7}"#,
                None,
            ),
            (
                r#"{"integrations":{"Segment.io":{"apiHost":"x/v1"}},"integrations":{"Segment.io":{"apiHost":"127.0.0.1:9/v1/"}}}"#,
                r#"{"integrations":{"Segment.io":{"apiHost":"x/v1"}},"integrations":{"Segment.io":{"apiHost":"OWN"}}}"#,
                Some("http://127.0.0.1:9/"),
            ),
            (
                r#"{"integrations":{"Segment.io":{"apiHost":"api.segment.io/v1"}},"metrics":{"host":"metrics.example/v1"}}"#,
                r#"{"integrations":{"Segment.io":{"apiHost":"OWN"}},"metrics":{"host":"metrics.example/v1"}}"#,
                Some("https://api.segment.io/"),
            ),
        ] {
            assert_eq!(rewritten(before), Ok((after.replace("OWN", OWN), api.map(str::to_owned))), "{before}");
        }
    }

    #[test]
    fn what_is_not_understood_stays() {
        for (text, why) in [
            ("", Unchanged::NotJson),
            (r#"{"integrations":{"Segment.io":{}}"#, Unchanged::NotJson),
            ("[1]", Unchanged::NotSettings),
            ("{}", Unchanged::NotSettings),
            (r#"{"integrations":[]}"#, Unchanged::NotSettings),
            (r#"{"integrations":{"Segment.io":true}}"#, Unchanged::NotSettings),
            (r#"{"integrations":{"Segment.io":{}},"integrations":{}}"#, Unchanged::NotSettings),
        ] {
            assert_eq!(rewritten(text), Err(why), "{text}");
        }
        for host in [
            "evil.example/v1",
            "evilsegment.io/v1",
            "api.segment.io.evil.example/v1",
            "evil.example/.segment.io/v1",
            "api.segment.io:8080/v1",
            "user@api.segment.io/v1",
            ".segment.io/v1",
            "segment.io/v1",
            "api.segment.io/v2",
            "api.segment.io",
            "127.0.0.1/v1",
            "127.0.0.1:10/v1",
            "www.shop.example/cdp/v1",
        ] {
            let text = format!(r#"{{"integrations":{{"Segment.io":{{"apiHost":"{host}"}}}}}}"#);
            assert_eq!(rewritten(&text), Err(Unchanged::OtherHost), "{host}");
        }
        assert_eq!(rewritten(r#"{"integrations":{"Segment.io":{"apiHost":7}}}"#), Err(Unchanged::OtherHost));
    }

    #[test]
    fn the_paths_of_settings() {
        for (path, key) in [
            ("/v1/projects/WRITE_KEY/settings", Some("WRITE_KEY")),
            ("/v1/projects/WRITE_KEY/settings/", Some("WRITE_KEY")),
            ("/v1/projects//settings", None),
            ("/v1/projects/a/b/settings", None),
            ("/v1/projects/WRITE_KEY/integrations", None),
            ("/v1/projects/WRITE_KEY/settings.json", None),
        ] {
            assert_eq!(write_key(path), key, "{path}");
        }
    }
}
