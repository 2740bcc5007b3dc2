//! Which of Segment's endpoints a path names (Segment's HTTP tracking API and what its SDKs really call).

use super::envelope::Expect;
use super::{CallKind, settings};

/// One of Segment's endpoints.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Endpoint {
    /// A call or a batch in a body.
    Calls(Expect),
    /// A call in a query, answered with an image.
    Pixel(CallKind),
    /// The libraries' own metrics (`/m`): forwarded, never read.
    Metrics,
    /// A source's settings, from the CDN.
    Settings,
    /// Libraries and everything else of the CDN's.
    Cdn,
    /// Anything else on Segment's side: forwarded, never read.
    Other,
}

/// Paths that Segment's CDN serves rather than its API.
const CDN_PREFIXES: [&str; 4] =
    ["/v1/projects/", "/analytics.js/v1/", "/next-integrations/", "/analytics-next/bundles/"];

/// The endpoint that `path` names, seen from Segment's own root (`/v1/…`): long and short names, with and without a
/// trailing slash.
pub fn endpoint(path: &str) -> Endpoint {
    if settings::write_key(path).is_some() {
        return Endpoint::Settings;
    }
    if CDN_PREFIXES.iter().any(|prefix| path.starts_with(prefix)) {
        return Endpoint::Cdn;
    }
    let Some(name) = path.strip_prefix("/v1/") else { return Endpoint::Other };
    let name = name.strip_suffix('/').unwrap_or(name);
    match name {
        "b" | "batch" | "import" => Endpoint::Calls(Expect::Batch),
        "m" => Endpoint::Metrics,
        _ => match (name.strip_prefix("pixel/"), CallKind::parse_short(name)) {
            (Some(kind), _) => CallKind::parse(kind).map_or(Endpoint::Other, Endpoint::Pixel),
            (None, Some(kind)) => Endpoint::Calls(Expect::One(kind)),
            (None, None) => Endpoint::Other,
        },
    }
}

/// The rest of `path` after `prefix`, if the path is under it: `/cdp/v1/t` → `/v1/t`.
pub fn under<'a>(path: &'a str, prefix: &str) -> Option<&'a str> {
    let rest = path.strip_prefix(prefix)?;
    (!prefix.is_empty() && rest.starts_with('/')).then_some(rest)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_path_of_every_sdk() {
        let one = |kind| Endpoint::Calls(Expect::One(kind));
        let batch = Endpoint::Calls(Expect::Batch);
        for (path, expected) in [
            ("/v1/t", one(CallKind::Track)),
            ("/v1/p", one(CallKind::Page)),
            ("/v1/i", one(CallKind::Identify)),
            ("/v1/g", one(CallKind::Group)),
            ("/v1/a", one(CallKind::Alias)),
            ("/v1/s", one(CallKind::Screen)),
            ("/v1/track", one(CallKind::Track)),
            ("/v1/page/", one(CallKind::Page)),
            ("/v1/identify", one(CallKind::Identify)),
            ("/v1/group", one(CallKind::Group)),
            ("/v1/alias", one(CallKind::Alias)),
            ("/v1/screen/", one(CallKind::Screen)),
            ("/v1/b", batch),
            ("/v1/batch", batch),
            ("/v1/import", batch),
            ("/v1/import/", batch),
            ("/v1/m", Endpoint::Metrics),
            ("/v1/pixel/track", Endpoint::Pixel(CallKind::Track)),
            ("/v1/pixel/page/", Endpoint::Pixel(CallKind::Page)),
            ("/v1/pixel/nothing", Endpoint::Other),
            ("/v1/projects/abc/settings", Endpoint::Settings),
            ("/v1/projects/abc/other", Endpoint::Cdn),
            ("/analytics.js/v1/abc/analytics.min.js", Endpoint::Cdn),
            ("/v1/T", Endpoint::Other),
            ("/v2/t", Endpoint::Other),
            ("/", Endpoint::Other),
        ] {
            assert_eq!(endpoint(path), expected, "{path}");
        }
    }

    #[test]
    fn a_prefix_ends_at_a_slash() {
        assert_eq!(under("/cdp/v1/t", "/cdp"), Some("/v1/t"));
        assert_eq!(under("/cdpx/v1/t", "/cdp"), None);
        assert_eq!(under("/cdp", "/cdp"), None);
        assert_eq!(under("/v1/t", ""), None);
    }
}
