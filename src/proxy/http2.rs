//! What HTTP/2 says in its own way, said as HTTP/1.1 says it: the rest of the house knows one way only.

use super::host::Host;
use http::header::{CONTENT_LENGTH, COOKIE, HOST, TRANSFER_ENCODING};
use http::{HeaderValue, Request, Version};
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
}
