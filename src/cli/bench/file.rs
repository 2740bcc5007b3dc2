//! A request from a file, as it would stand on the wire: request line, fields, an empty line, the body.

use super::workload::Template;
use http::header::{CONNECTION, CONTENT_LENGTH, HeaderMap, HeaderName, HeaderValue, TRANSFER_ENCODING};
use http::uri::PathAndQuery;
use http::{Method, Uri};
use std::path::Path;

/// The largest request that is read.
const BYTES_MAX: u64 = 16 * 1024 * 1024;

/// Reads the request of a file; a sentence for whoever wrote it, if it is none.
pub(super) fn read(path: &Path) -> Result<Template, String> {
    let named = |error: &dyn std::fmt::Display| format!("{}: {error}", path.display());
    let length = std::fs::metadata(path).map_err(|error| named(&error))?.len();
    if length > BYTES_MAX {
        return Err(named(&format!("a request has at most {BYTES_MAX} bytes; this one has {length}")));
    }
    parse(&std::fs::read(path).map_err(|error| named(&error))?).map_err(|error| named(&error))
}

/// Lines may end with or without a carriage return: editors write them so.
fn parse(bytes: &[u8]) -> Result<Template, String> {
    let mut rest = bytes;
    let mut lines = Vec::new();
    loop {
        let (line, after) = match memchr::memchr(b'\n', rest).and_then(|end| rest.split_at_checked(end)) {
            Some((line, after)) => (line, after.strip_prefix(b"\n").unwrap_or(after)),
            None => (rest, &[][..]),
        };
        rest = after;
        let line = line.strip_suffix(b"\r").unwrap_or(line);
        if line.is_empty() {
            break;
        }
        lines.push(std::str::from_utf8(line).map_err(|_| "the head is not UTF-8".to_owned())?);
    }
    let mut lines = lines.into_iter();
    let (method, path) = request_line(lines.next().unwrap_or_default())?;
    let mut headers = HeaderMap::new();
    for line in lines {
        let wrong = || format!("`{line}` is no header field");
        let (name, value) = line.split_once(':').ok_or_else(wrong)?;
        let name: HeaderName = name.parse().map_err(|_| wrong())?;
        headers.append(name, HeaderValue::from_str(value.trim()).map_err(|_| wrong())?);
    }
    if headers.contains_key(TRANSFER_ENCODING) {
        return Err("leave Transfer-Encoding out and write the body plain: its length is counted".to_owned());
    }
    headers.remove(CONNECTION);
    let body = body(rest, headers.remove(CONTENT_LENGTH).as_ref())?;
    Ok(Template::of_file(method, path, headers, body.to_vec()))
}

fn request_line(line: &str) -> Result<(Method, PathAndQuery), String> {
    let wrong = || format!("`{line}` is no request line, such as `POST /cdp/v1/track HTTP/1.1`");
    let mut words = line.split(' ');
    let (Some(method), Some(target)) = (words.next(), words.next()) else { return Err(wrong()) };
    if !matches!(words.next(), None | Some("HTTP/1.1" | "HTTP/1.0" | "HTTP/2")) || words.next().is_some() {
        return Err(wrong());
    }
    let method: Method = method.parse().map_err(|_| wrong())?;
    let uri: Uri = target.parse().map_err(|_| wrong())?;
    let path = uri.path_and_query().filter(|_| target.starts_with('/') && method != Method::CONNECT);
    Ok((method, path.ok_or_else(wrong)?.clone()))
}

/// What the length announces, without the line's end that an editor put behind it; without a length, all.
fn body<'a>(rest: &'a [u8], length: Option<&HeaderValue>) -> Result<&'a [u8], String> {
    let Some(length) = length else { return Ok(rest) };
    let announced: usize = length.to_str().ok().and_then(|text| text.parse().ok()).unwrap_or(usize::MAX);
    let body = rest.get(..announced).filter(|body| rest.len() - body.len() <= 2);
    body.ok_or_else(|| {
        format!(
            "Content-Length says {length:?}, but the body has {} bytes; leave it out, and it is counted",
            rest.len()
        )
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_request_is_read_as_it_stands() {
        let text = "POST /a?b=%20 HTTP/1.1\nHost: shop.example\r\nX-A: 1\nX-A:2\nContent-Length: 4\n\n{\n}\r\n";
        let read = parse(text.as_bytes()).unwrap();
        assert_eq!((read.method, read.path.unwrap().as_str()), (Method::POST, "/a?b=%20"));
        assert_eq!(read.headers.get_all("x-a").iter().collect::<Vec<_>>(), ["1", "2"]);
        assert_eq!(read.headers["host"], "shop.example");
        assert!(!read.headers.contains_key(CONTENT_LENGTH));
        assert_eq!(read.body, b"{\n}\r");
        assert_eq!(parse(b"GET / HTTP/1.1\n\n\n\x00").unwrap().body, b"\n\x00");
        assert_eq!(parse(b"GET /").unwrap().body, b"");
    }

    #[test]
    fn what_is_no_request_is_told() {
        for (text, fault) in [
            ("", "`` is no request line"),
            ("GET http://a/ HTTP/1.1\n\n", "is no request line"),
            ("GET / HTTP/1.1 x\n\n", "is no request line"),
            ("GET / HTTP/1.1\nHost\n\n", "`Host` is no header field"),
            ("GET / HTTP/1.1\na b: c\n\n", "is no header field"),
            ("POST / HTTP/1.1\nTransfer-Encoding: chunked\n\n", "leave Transfer-Encoding out"),
            ("POST / HTTP/1.1\nContent-Length: 4\n\nabc", "the body has 3 bytes"),
            ("POST / HTTP/1.1\nContent-Length: 4\n\nabcdefgh", "the body has 8 bytes"),
        ] {
            assert!(parse(text.as_bytes()).unwrap_err().contains(fault), "{text}");
        }
    }
}
