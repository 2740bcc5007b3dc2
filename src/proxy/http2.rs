//! What HTTP/2 says in its own way, said as HTTP/1.1 says it, and back: the rest of the house knows one way only.

use super::host::Host;
use http::header::{CONNECTION, CONTENT_LENGTH, COOKIE, HOST, TRANSFER_ENCODING, UPGRADE};
use http::uri::Authority;
use http::{HeaderValue, Request, Uri, Version};
use http_body::Body;

/// Rewrites a request that came by HTTP/2; another is left alone.
///
/// Cookies that came in crumbs are joined (RFC 9113 §8.2.3), the authority is the Host (§8.3.1), and a body whose length
/// nobody said is chunked.
pub(super) fn as_http1<B: Body>(request: &mut Request<B>, host: &Host) {
    if request.version() != Version::HTTP_2 {
        return;
    }
    let is_open_ended = !request.body().is_end_stream() && !request.headers().contains_key(CONTENT_LENGTH);
    let headers = request.headers_mut();
    if !headers.contains_key(HOST) {
        headers.insert(HOST, host.value().clone());
    }
    if headers.get_all(COOKIE).iter().nth(1).is_some() {
        let crumbs: Vec<&[u8]> = headers.get_all(COOKIE).iter().map(HeaderValue::as_bytes).collect();
        if let Ok(joined) = HeaderValue::from_bytes(&crumbs.join(&b"; "[..])) {
            headers.insert(COOKIE, joined);
        }
    }
    if is_open_ended {
        headers.insert(TRANSFER_ENCODING, HeaderValue::from_static("chunked"));
    }
}

/// Rewrites a request that goes on by HTTP/2: the Host is its authority, and nothing is said of the connection.
pub(super) fn as_http2<B>(request: &mut Request<B>) {
    let headers = request.headers_mut();
    for name in [CONNECTION, TRANSFER_ENCODING, UPGRADE] {
        headers.remove(name);
    }
    let Some(host) = headers.remove(HOST) else { return };
    let mut parts = request.uri().clone().into_parts();
    parts.authority = Authority::try_from(host.as_bytes()).ok().or(parts.authority);
    if let Ok(uri) = Uri::from_parts(parts) {
        *request.uri_mut() = uri;
    }
}

#[cfg(test)]
mod tests {
    use super::super::body::Body;
    use super::*;

    fn rewritten(version: Version, lines: &[(&'static str, &'static str)], body: Body) -> Vec<(String, String)> {
        let mut request = Request::builder().version(version).uri("https://shop.example/a");
        for (name, value) in lines {
            request = request.header(*name, *value);
        }
        let mut request = request.body(body).unwrap();
        as_http1(&mut request, &Host::parse(&HeaderValue::from_static("shop.example")).unwrap());
        let fields = request.headers().iter();
        fields.map(|(name, value)| (name.to_string(), value.to_str().unwrap().to_owned())).collect()
    }

    #[test]
    fn crumbs_host_and_open_ends_are_as_in_http1() {
        let crumbs = [("cookie", "a=1"), ("cookie", "b=2"), ("content-length", "3")];
        let said = rewritten(Version::HTTP_2, &crumbs, Body::full("abc"));
        let expected = [("cookie", "a=1; b=2"), ("content-length", "3"), ("host", "shop.example")];
        assert_eq!(said, expected.map(|(name, value)| (name.to_owned(), value.to_owned())));
        let said = rewritten(Version::HTTP_2, &[("host", "shop.example")], Body::full("abc"));
        assert_eq!(said[1], ("transfer-encoding".to_owned(), "chunked".to_owned()));
        assert_eq!(rewritten(Version::HTTP_2, &[], Body::empty()).len(), 1);
        assert_eq!(rewritten(Version::HTTP_11, &crumbs, Body::empty()).len(), 3);
    }
    #[test]
    fn the_host_is_the_authority_and_the_connection_is_not_spoken_of() {
        for (host, url) in [
            ("shop.example:8080", "http://shop.example:8080/a?b"),
            ("shop.example:", "http://shop.example:/a?b"),
            ("[::1]", "http://[::1]/a?b"),
            ("a_b", "http://a_b/a?b"),
        ] {
            let request = Request::post("http://127.0.0.1:3000/a?b").header("host", host);
            let request = request.header("connection", "te").header("te", "trailers");
            let mut request = request.header("transfer-encoding", "chunked").body(()).unwrap();
            as_http2(&mut request);
            assert_eq!(request.uri().to_string(), url);
            assert_eq!(request.headers().len(), 1);
            assert_eq!(request.headers()["te"], "trailers");
        }
    }
}
