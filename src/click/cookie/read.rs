use http::HeaderMap;
use http::header::COOKIE;

/// Every cookie of a request, as name and raw value, in the order they were sent and over all its Cookie fields.
///
/// Nothing is decoded or unquoted; pairs without `=` and pairs that are not UTF-8 are passed over.
pub fn cookies(headers: &HeaderMap) -> impl Iterator<Item = (&str, &str)> {
    headers.get_all(COOKIE).iter().flat_map(|field| field.as_bytes().split(|b| *b == b';')).filter_map(pair)
}

fn pair(bytes: &[u8]) -> Option<(&str, &str)> {
    let (name, value) = std::str::from_utf8(bytes).ok()?.split_once('=')?;
    Some((name.trim(), value.trim()))
}

#[cfg(test)]
mod tests {
    use super::*;
    use http::HeaderValue;

    #[test]
    fn reads_every_pair_of_every_field() {
        let mut headers = HeaderMap::new();
        headers.append(COOKIE, HeaderValue::from_static("a=1; b = x=y ;c; ;=z"));
        headers.append(COOKIE, HeaderValue::from_bytes(b"d=\xff; e=\xc3\xa4;a=2").unwrap());
        let all: Vec<_> = cookies(&headers).collect();
        assert_eq!(all, [("a", "1"), ("b", "x=y"), ("", "z"), ("e", "ä"), ("a", "2")]);
    }
}
