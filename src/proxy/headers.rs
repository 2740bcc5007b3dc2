//! Fields that belong to one connection only, framing that two parsers could read differently, and loops.

use super::forwarded;
use super::rescue::Refusal;
use http::header::{
    CONNECTION, CONTENT_LENGTH, EXPECT, HOST, PROXY_AUTHENTICATE, PROXY_AUTHORIZATION, TE, TRANSFER_ENCODING, UPGRADE,
};
use http::{HeaderMap, HeaderName, HeaderValue, Version};

/// Counts the hops of content delivery networks, so that loops are noticed (RFC 8586).
const CDN_LOOP: HeaderName = HeaderName::from_static("cdn-loop");
/// Our name in `CDN-Loop`.
const OUR_TOKEN: &str = "selvedge";
const KEEP_ALIVE: HeaderName = HeaderName::from_static("keep-alive");
const PROXY_CONNECTION: HeaderName = HeaderName::from_static("proxy-connection");

/// What a request asks of the connection beyond HTTP/1.1.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Upgrade(HeaderValue);

impl Upgrade {
    /// Whether a `101` with these fields switches to what was asked for, and to nothing else (RFC 9110 §7.8).
    pub fn is_granted(&self, answer: &HeaderMap) -> bool {
        let mut granted = answer.get_all(UPGRADE).iter().flat_map(tokens).peekable();
        granted.peek().is_some()
            && granted.all(|protocol| tokens(&self.0).any(|asked| asked.eq_ignore_ascii_case(protocol)))
    }
}

/// Refuses a request that has passed here before.
pub fn check_loop(headers: &HeaderMap) -> Result<(), Refusal> {
    let is_ours = |token: &[u8]| {
        let name = token.split(|byte| *byte == b';').next().unwrap_or_default();
        name.trim_ascii().eq_ignore_ascii_case(OUR_TOKEN.as_bytes())
    };
    let mut tokens = headers.get_all(CDN_LOOP).iter().flat_map(|value| value.as_bytes().split(|byte| *byte == b','));
    if tokens.any(is_ours) { Err(Refusal::Loop) } else { Ok(()) }
}

/// Refuses framing that hyper lets pass but another parser may read differently: `Transfer-Encoding` other than exactly
/// one `chunked` (RFC 9112 §6.1, §11.2), and look-alikes of the framing fields.
pub fn check_framing(headers: &HeaderMap) -> Result<(), Refusal> {
    for name in headers.keys() {
        let fits = match name.as_str() {
            "transfer-encoding" => is_plainly_chunked(headers) && !headers.contains_key(CONTENT_LENGTH),
            "transfer_encoding" | "content_length" => false,
            _ => true,
        };
        if !fits {
            return Err(Refusal::BadFraming);
        }
    }
    Ok(())
}

/// Whether an answer's body is encoded in no way that would be lost with its `Transfer-Encoding`: by chunks, or not at all.
pub fn is_readable(answer: &HeaderMap) -> bool {
    !answer.contains_key(TRANSFER_ENCODING) || is_plainly_chunked(answer)
}

fn is_plainly_chunked(headers: &HeaderMap) -> bool {
    let mut values = headers.get_all(TRANSFER_ENCODING).iter();
    let first = values.next().is_some_and(|value| value.as_bytes().eq_ignore_ascii_case(b"chunked"));
    first && values.next().is_none()
}

/// Readies a request's fields for the next hop and returns the upgrade it asks for.
///
/// Hop-by-hop fields go, also those that `Connection` names; `TE: trailers` and a real upgrade (never to HTTP/2, which
/// would open a way around us) are set anew. `Transfer-Encoding` stays: it is exactly one `chunked`, and hyper would
/// drop the body of a chunked GET without it. `Expect` goes, because hyper answers it here.
pub fn ready_request(headers: &mut HeaderMap, version: Version) -> Option<Upgrade> {
    let upgrade = if version == Version::HTTP_11 { asked_upgrade(headers) } else { None };
    let trailers = headers.get(TE).is_some_and(|te| has_token(te, "trailers"));
    strip(headers, |name| *name != TRANSFER_ENCODING && (is_hop_by_hop(name) || *name == EXPECT));
    if let Some(Upgrade(protocol)) = &upgrade {
        headers.insert(CONNECTION, HeaderValue::from_static("upgrade"));
        headers.insert(UPGRADE, protocol.clone());
    }
    if trailers {
        headers.append(CONNECTION, HeaderValue::from_static("te"));
        headers.insert(TE, HeaderValue::from_static("trailers"));
    }
    headers.append(CDN_LOOP, HeaderValue::from_static(OUR_TOKEN));
    upgrade
}

/// Readies an answer's fields for the visitor: hop-by-hop fields go, also those that `Connection` names, and a length that
/// chunks have overruled (RFC 9112 §6.3).
pub fn ready_response(headers: &mut HeaderMap) {
    if headers.contains_key(TRANSFER_ENCODING) {
        headers.remove(CONTENT_LENGTH);
    }
    strip(headers, is_hop_by_hop);
}

/// Readies the fields of a `101`: as [`ready_response`], but the upgrade itself stays.
pub fn ready_switch(headers: &mut HeaderMap) {
    let protocol = headers.get(UPGRADE).cloned();
    ready_response(headers);
    headers.insert(CONNECTION, HeaderValue::from_static("upgrade"));
    if let Some(protocol) = protocol {
        headers.insert(UPGRADE, protocol);
    }
}

fn asked_upgrade(headers: &HeaderMap) -> Option<Upgrade> {
    let protocol = headers.get(UPGRADE)?;
    let connection_says = headers.get_all(CONNECTION).iter().any(|value| has_token(value, "upgrade"));
    let to_http2 = headers.get_all(UPGRADE).iter().any(|value| has_token(value, "h2c") || has_token(value, "h2"));
    (connection_says && !to_http2).then(|| Upgrade(protocol.clone()))
}

/// Removes the fields that `Connection` names, and then those that `goes` picks. Most messages have none or one of
/// them, so names are looked at once more for each that goes, rather than hashed one by one.
fn strip(headers: &mut HeaderMap, goes: impl Fn(&HeaderName) -> bool) {
    if headers.contains_key(CONNECTION) {
        strip_nominated(headers);
    }
    while let Some(name) = headers.keys().find(|name| goes(name)).cloned() {
        headers.remove(name);
    }
}

fn strip_nominated(headers: &mut HeaderMap) {
    let nominated: Vec<HeaderName> = headers
        .get_all(CONNECTION)
        .iter()
        .flat_map(tokens)
        .filter(|token| !token.eq_ignore_ascii_case(b"close") && !token.eq_ignore_ascii_case(b"keep-alive"))
        .filter_map(|token| HeaderName::from_bytes(token).ok())
        .filter(|name| !is_end_to_end(name))
        .collect();
    for name in nominated {
        headers.remove(name);
    }
}

/// Fields that give a message its meaning, or tell where it came from; a sender must not nominate them (RFC 9110 §7.6.1), and
/// one that does is not obeyed.
fn is_end_to_end(name: &HeaderName) -> bool {
    *name == HOST
        || *name == CONTENT_LENGTH
        || *name == TRANSFER_ENCODING
        || *name == CDN_LOOP
        || forwarded::is_about_visitor(name)
}

fn is_hop_by_hop(name: &HeaderName) -> bool {
    *name == CONNECTION
        || *name == TRANSFER_ENCODING
        || *name == UPGRADE
        || *name == TE
        || *name == PROXY_AUTHENTICATE
        || *name == PROXY_AUTHORIZATION
        || *name == KEEP_ALIVE
        || *name == PROXY_CONNECTION
}

fn has_token(value: &HeaderValue, wanted: &str) -> bool {
    tokens(value).any(|token| token.eq_ignore_ascii_case(wanted.as_bytes()))
}

fn tokens(value: &HeaderValue) -> impl Iterator<Item = &[u8]> {
    value.as_bytes().split(|byte| *byte == b',').map(<[u8]>::trim_ascii)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn fields(lines: &[(&'static str, &'static str)]) -> HeaderMap {
        let mut headers = HeaderMap::new();
        for (name, value) in lines {
            headers.append(HeaderName::from_static(name), HeaderValue::from_static(value));
        }
        headers
    }

    #[test]
    fn hop_by_hop_fields_go_and_so_do_those_that_connection_names() {
        let mut headers = fields(&[
            ("host", "a.example"),
            ("connection", "close, X-Hop, host"),
            ("connection", "x-other"),
            ("x-hop", "1"),
            ("x-other", "1"),
            ("keep-alive", "timeout=5"),
            ("proxy-connection", "keep-alive"),
            ("proxy-authorization", "x"),
            ("te", "gzip"),
            ("upgrade", "websocket"),
            ("expect", "100-continue"),
            ("cookie", "a=1"),
            ("cookie", "b=2"),
        ]);
        assert_eq!(ready_request(&mut headers, Version::HTTP_11), None);
        assert_eq!(
            headers,
            fields(&[("host", "a.example"), ("cookie", "a=1"), ("cookie", "b=2"), ("cdn-loop", "selvedge")])
        );
    }

    #[test]
    fn trailers_may_be_asked_for() {
        let mut headers = fields(&[("te", "gzip, trailers")]);
        ready_request(&mut headers, Version::HTTP_11);
        assert_eq!(headers, fields(&[("connection", "te"), ("te", "trailers"), ("cdn-loop", "selvedge")]));
    }

    #[test]
    fn only_a_real_upgrade_is_kept() {
        let asked =
            |lines: &[(&'static str, &'static str)], version| ready_request(&mut fields(lines), version).is_some();
        let (websocket, connection) = (("upgrade", "websocket"), ("connection", "keep-alive, Upgrade"));
        assert!(asked(&[websocket, connection], Version::HTTP_11));
        assert!(!asked(&[websocket, connection], Version::HTTP_10));
        assert!(!asked(&[websocket], Version::HTTP_11));
        assert!(!asked(&[("upgrade", "h2c"), connection], Version::HTTP_11));
        assert!(!asked(&[("upgrade", "websocket, h2c"), connection], Version::HTTP_11));
        assert!(!asked(&[websocket, ("upgrade", "H2C"), connection], Version::HTTP_11));
    }

    #[test]
    fn framing_is_what_every_parser_reads_alike() {
        for good in [
            &[][..],
            &[("transfer-encoding", "chunked")],
            &[("transfer-encoding", "Chunked")],
            &[("content-length", "5")],
        ] {
            assert_eq!(check_framing(&fields(good)), Ok(()), "{good:?}");
        }
        for bad in [
            &[("transfer-encoding", "gzip, chunked")][..],
            &[("transfer-encoding", "chunked, chunked")],
            &[("transfer-encoding", "identity, chunked")],
            &[("transfer-encoding", "chunked,")],
            &[("transfer-encoding", "chunked"), ("transfer-encoding", "chunked")],
            &[("transfer-encoding", "chunked"), ("content-length", "5")],
            &[("transfer_encoding", "chunked")],
            &[("content_length", "5")],
        ] {
            assert_eq!(check_framing(&fields(bad)), Err(Refusal::BadFraming), "{bad:?}");
        }
    }

    #[test]
    fn our_own_token_means_a_loop() {
        for other in [&[][..], &[("cdn-loop", "cloudflare; subreqs=1")], &[("cdn-loop", "selvedge-two, a;b=selvedge")]]
        {
            assert_eq!(check_loop(&fields(other)), Ok(()), "{other:?}");
        }
        for ours in [
            &[("cdn-loop", "selvedge")][..],
            &[("cdn-loop", "cloudflare,Selvedge ;v=1")],
            &[("cdn-loop", "cloudflare"), ("cdn-loop", "selvedge")],
        ] {
            assert_eq!(check_loop(&fields(ours)), Err(Refusal::Loop), "{ours:?}");
        }
    }

    #[test]
    fn a_switch_of_protocols_keeps_its_upgrade() {
        let mut headers = fields(&[
            ("connection", "Upgrade, x-hop"),
            ("upgrade", "websocket"),
            ("x-hop", "1"),
            ("sec-websocket-accept", "y"),
        ]);
        ready_switch(&mut headers);
        assert_eq!(
            headers,
            fields(&[("sec-websocket-accept", "y"), ("connection", "upgrade"), ("upgrade", "websocket")])
        );
    }
}
