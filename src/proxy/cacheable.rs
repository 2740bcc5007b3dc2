//! What caches may do with an answer that carries a visitor's cookie.

use http::header::CACHE_CONTROL;
use http::{HeaderMap, HeaderName, HeaderValue};

const SURROGATE_CONTROL: HeaderName = HeaderName::from_static("surrogate-control");

/// Keeps an answer that carries a visitor's cookie out of shared caches: `public` and `s-maxage` go, and so do the
/// fields that speak to content delivery networks alone; `private` comes. What the visitor's own browser may keep stays.
pub fn make_private(headers: &mut HeaderMap) {
    while let Some(name) = headers.keys().find(|name| speaks_to_shared_caches(name)).cloned() {
        headers.remove(name);
    }
    let mut kept: Vec<u8> = Vec::new();
    for value in headers.get_all(CACHE_CONTROL) {
        for directive in Directives(value.as_bytes()) {
            if is_kept(directive) {
                kept.extend_from_slice(directive);
                kept.extend_from_slice(b", ");
            }
        }
    }
    kept.extend_from_slice(b"private");
    // Pieces of valid field values, joined by a comma, are a valid field value.
    let value = HeaderValue::from_bytes(&kept).unwrap_or(HeaderValue::from_static("private"));
    headers.insert(CACHE_CONTROL, value);
}

/// `CDN-Cache-Control` and its vendors' own, such as `Cloudflare-CDN-Cache-Control` (RFC 9213), and `Surrogate-Control`.
fn speaks_to_shared_caches(name: &HeaderName) -> bool {
    *name == SURROGATE_CONTROL || name.as_str().ends_with("cdn-cache-control")
}

fn is_kept(directive: &[u8]) -> bool {
    let name = directive.split(|byte| *byte == b'=').next().unwrap_or_default().trim_ascii();
    // `private` comes anew, without the list of fields that it may have had.
    ![&b"public"[..], b"s-maxage", b"private", b""].iter().any(|goes| name.eq_ignore_ascii_case(goes))
}

/// The directives of a `Cache-Control` value; commas within quotes do not part them.
struct Directives<'a>(&'a [u8]);

impl<'a> Iterator for Directives<'a> {
    type Item = &'a [u8];

    fn next(&mut self) -> Option<&'a [u8]> {
        if self.0.is_empty() {
            return None;
        }
        let mut quoted = false;
        let end = self.0.iter().position(|byte| {
            quoted ^= *byte == b'"';
            *byte == b',' && !quoted
        });
        let (directive, rest) = self.0.split_at(end.unwrap_or(self.0.len()));
        self.0 = rest.split_first().map_or(&[], |(_comma, rest)| rest);
        Some(directive.trim_ascii())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn edited(values: &[&'static str]) -> String {
        let mut headers = HeaderMap::new();
        for value in values {
            headers.append(CACHE_CONTROL, HeaderValue::from_static(value));
        }
        make_private(&mut headers);
        assert_eq!(headers.get_all(CACHE_CONTROL).iter().count(), 1);
        headers[CACHE_CONTROL].to_str().unwrap().to_owned()
    }

    #[test]
    fn shared_caches_are_kept_out_and_the_browser_is_not() {
        for (values, wants) in [
            (&[][..], "private"),
            (&["public, max-age=60, s-maxage=600"], "max-age=60, private"),
            (&["Public", "S-MaxAge=600", "max-age=60"], "max-age=60, private"),
            (&["no-store"], "no-store, private"),
            (&["private"], "private"),
            (
                &["private=\"x-a, public\", no-cache=\"set-cookie, x\" ,, max-age=1"],
                "no-cache=\"set-cookie, x\", max-age=1, private",
            ),
            (&["no-cache=\"broken, public"], "no-cache=\"broken, public, private"),
        ] {
            assert_eq!(edited(values), wants, "{values:?}");
        }
    }

    #[test]
    fn what_speaks_to_shared_caches_alone_goes() {
        let mut headers = HeaderMap::new();
        for name in ["cdn-cache-control", "cloudflare-cdn-cache-control", "surrogate-control", "expires", "etag"] {
            headers.insert(HeaderName::from_static(name), HeaderValue::from_static("x"));
        }
        make_private(&mut headers);
        let left: Vec<_> = headers.keys().map(HeaderName::as_str).collect();
        assert_eq!(left.len(), 3, "{left:?}");
        assert!(headers.contains_key("expires") && headers.contains_key("etag"));
    }
}
