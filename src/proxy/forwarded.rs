//! Who the visitor is, when proxies stand between: forwarding fields are believed from trusted peers only.

use super::hops::{FORWARDED, Hop, X_FORWARDED_FOR, nearest_first};
use super::host::Host;
use http::{HeaderMap, HeaderName, HeaderValue};
use ipnet::IpNet;
use std::net::{IpAddr, SocketAddr};

const X_FORWARDED_PROTO: HeaderName = HeaderName::from_static("x-forwarded-proto");
const X_FORWARDED_HOST: HeaderName = HeaderName::from_static("x-forwarded-host");
/// What proxies say of a visitor, and of the address that he asked for, beside `X-Forwarded-…` and `Forwarded`.
const SAID_BY_PROXIES: [&str; 11] = [
    "x-real-ip",
    "x-client-ip",
    "x-cluster-client-ip",
    "client-ip",
    "true-client-ip",
    "cf-connecting-ip",
    "fastly-client-ip",
    "front-end-https",
    "x-original-host",
    "x-original-url",
    "x-rewrite-url",
];

/// The other end of a connection; made once for all its requests.
#[derive(Clone, Debug)]
pub struct Peer {
    ip: IpAddr,
    ip_text: HeaderValue,
    /// The name that it asked for in the TLS handshake, in small letters; empty: none. `None`: no TLS.
    tls_name: Option<Box<str>>,
}

/// The visitor behind a request, as far as the peers in between are trusted.
#[derive(Clone, Debug)]
pub struct VisitorFacts {
    /// The visitor's address.
    pub ip: IpAddr,
    /// Whether the visitor's own connection is encrypted.
    pub https: bool,
    /// The host that the visitor asked for.
    pub host: Host,
}

impl Peer {
    /// The peer at `address`, with the name that it asked for if its connection to us is TLS (empty: it asked for none).
    pub fn new(address: SocketAddr, tls_name: Option<Box<str>>) -> Self {
        let ip = address.ip().to_canonical();
        // An address's text is always a valid field value.
        let ip_text = HeaderValue::try_from(ip.to_string()).unwrap_or(HeaderValue::from_static("unknown"));
        Self { ip, ip_text, tls_name }
    }

    /// Itself as the next hop in `Forwarded`.
    fn node(&self) -> HeaderValue {
        let node = match self.ip {
            IpAddr::V4(ip) => format!("for={ip}"),
            IpAddr::V6(ip) => format!("for=\"[{ip}]\""),
        };
        HeaderValue::try_from(node).unwrap_or(HeaderValue::from_static("for=unknown"))
    }

    /// Whether its connection to us is TLS.
    pub fn is_https(&self) -> bool {
        self.tls_name.is_some()
    }

    /// The name that it asked for in the TLS handshake, in small letters.
    pub fn tls_name(&self) -> Option<&str> {
        self.tls_name.as_deref().filter(|name| !name.is_empty())
    }
}

/// Finds the visitor behind `peer`, and rewrites the forwarding fields for the origin: overwritten for a stranger,
/// appended to for a trusted proxy.
pub fn introduce(headers: &mut HeaderMap, peer: &Peer, host: Host, trusted: &[IpNet]) -> VisitorFacts {
    if is_trusted(peer.ip, trusted) {
        introduce_behind_proxy(headers, peer, host, trusted)
    } else {
        introduce_stranger(headers, peer, host)
    }
}

/// Whether a field is one by which proxies tell who the visitor is, also as a server reads it that takes `_` for `-`.
pub(super) fn is_about_visitor(name: &HeaderName) -> bool {
    let name = name.as_str();
    // Their first letters: most other fields have another.
    if !name.starts_with(['c', 'f', 't', 'x']) {
        return false;
    }
    if !name.contains('_') {
        return is_said_by_proxies(name);
    }
    is_said_by_proxies(&name.replace('_', "-"))
}

fn is_said_by_proxies(name: &str) -> bool {
    name.starts_with("x-forwarded-") || name == FORWARDED.as_str() || SAID_BY_PROXIES.contains(&name)
}

fn introduce_stranger(headers: &mut HeaderMap, peer: &Peer, host: Host) -> VisitorFacts {
    while let Some(name) = headers.keys().find(|name| is_about_visitor(name)).cloned() {
        headers.remove(name);
    }
    headers.insert(X_FORWARDED_FOR, peer.ip_text.clone());
    headers.insert(X_FORWARDED_PROTO, scheme(peer.is_https()));
    headers.insert(X_FORWARDED_HOST, host.value().clone());
    VisitorFacts { ip: peer.ip, https: peer.is_https(), host }
}

fn introduce_behind_proxy(headers: &mut HeaderMap, peer: &Peer, host: Host, trusted: &[IpNet]) -> VisitorFacts {
    let (ip, outermost) = walk(headers, peer.ip, trusted);
    let said = headers.get(X_FORWARDED_PROTO).and_then(first_token).or(outermost.proto.as_deref().map(str::as_bytes));
    let https = said.map_or(peer.is_https(), |proto| proto.eq_ignore_ascii_case(b"https"));
    if !headers.contains_key(X_FORWARDED_PROTO) {
        headers.insert(X_FORWARDED_PROTO, scheme(https));
    }
    let said = outermost.host.and_then(|host| HeaderValue::try_from(host).ok());
    let host = match headers.get(X_FORWARDED_HOST).or(said.as_ref()).and_then(Host::parse) {
        Some(forwarded) => forwarded,
        None => host,
    };
    if headers.get(X_FORWARDED_HOST).and_then(Host::parse).is_none() {
        headers.insert(X_FORWARDED_HOST, host.value().clone());
    }
    headers.append(X_FORWARDED_FOR, peer.ip_text.clone());
    if headers.contains_key(FORWARDED) {
        headers.append(FORWARDED, peer.node());
    }
    VisitorFacts { ip, https, host }
}

/// The right-most address that is not a trusted proxy's, and what the proxy says that names it: all left of it may be made
/// up.
fn walk(headers: &HeaderMap, peer: IpAddr, trusted: &[IpNet]) -> (IpAddr, Hop) {
    let (mut visitor, mut outermost) = (peer, Hop::default());
    for hop in nearest_first(headers) {
        let Some(ip) = hop.ip.filter(|_| is_trusted(visitor, trusted)) else { break };
        (visitor, outermost) = (ip, hop);
    }
    (visitor, outermost)
}

fn is_trusted(ip: IpAddr, trusted: &[IpNet]) -> bool {
    trusted.iter().any(|net| net.contains(&ip))
}

fn first_token(value: &HeaderValue) -> Option<&[u8]> {
    value.as_bytes().split(|byte| *byte == b',').next().map(<[u8]>::trim_ascii)
}

fn scheme(https: bool) -> HeaderValue {
    HeaderValue::from_static(if https { "https" } else { "http" })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn introduced(
        peer: &str,
        lines: &[(&'static str, &'static str)],
        trusted: &[&str],
    ) -> (VisitorFacts, Vec<(String, String)>) {
        let mut headers = HeaderMap::new();
        for (name, value) in lines {
            headers.append(HeaderName::from_static(name), HeaderValue::from_static(value));
        }
        let peer = Peer::new(SocketAddr::new(peer.parse().unwrap(), 1), None);
        let trusted: Vec<IpNet> = trusted.iter().map(|net| net.parse().unwrap()).collect();
        let host = Host::parse(&HeaderValue::from_static("shop.example")).unwrap();
        let facts = introduce(&mut headers, &peer, host, &trusted);
        let mut sent: Vec<_> = headers.iter().map(|(n, v)| (n.to_string(), v.to_str().unwrap().to_owned())).collect();
        sent.sort();
        (facts, sent)
    }

    fn sent(lines: &[(&str, &str)]) -> Vec<(String, String)> {
        lines.iter().map(|(n, v)| ((*n).to_owned(), (*v).to_owned())).collect()
    }

    #[test]
    fn what_a_stranger_says_of_himself_is_overwritten() {
        let lines = [
            ("x-forwarded-for", "6.6.6.6"),
            ("x-forwarded-for", "7.7.7.7"),
            ("x-forwarded-proto", "https"),
            ("x-forwarded-host", "evil.example"),
            ("x-real-ip", "6.6.6.6"),
            ("forwarded", "for=6.6.6.6"),
            ("x-forwarded-port", "4711"),
            ("x_forwarded_for", "6.6.6.6"),
            ("true-client-ip", "6.6.6.6"),
        ];
        let (facts, out) = introduced("192.0.2.1", &lines, &["10.0.0.0/8"]);
        assert_eq!(
            (facts.ip.to_string().as_str(), facts.https, facts.host.name()),
            ("192.0.2.1", false, "shop.example")
        );
        let wants =
            [("x-forwarded-for", "192.0.2.1"), ("x-forwarded-host", "shop.example"), ("x-forwarded-proto", "http")];
        assert_eq!(out, sent(&wants));
    }

    #[test]
    fn a_trusted_proxy_is_believed_and_added() {
        let lines = [
            ("x-forwarded-for", "192.0.2.7"),
            ("x-forwarded-proto", "https"),
            ("x-forwarded-host", "www.shop.example"),
            ("x-real-ip", "192.0.2.7"),
        ];
        let (facts, out) = introduced("10.0.0.1", &lines, &["10.0.0.0/8"]);
        assert_eq!(
            (facts.ip.to_string().as_str(), facts.https, facts.host.name()),
            ("192.0.2.7", true, "www.shop.example")
        );
        let wants = [
            ("x-forwarded-for", "10.0.0.1"),
            ("x-forwarded-for", "192.0.2.7"),
            ("x-forwarded-host", "www.shop.example"),
            ("x-forwarded-proto", "https"),
            ("x-real-ip", "192.0.2.7"),
        ];
        assert_eq!(out, sent(&wants));
    }

    #[test]
    fn the_visitor_is_the_right_most_address_that_is_no_proxy() {
        for (peer, chain, visitor) in [
            ("10.0.0.1", "6.6.6.6, 192.0.2.7", "192.0.2.7"),
            ("10.0.0.1", "6.6.6.6, 192.0.2.7, 10.0.0.2", "192.0.2.7"),
            ("10.0.0.1", "10.0.0.3,10.0.0.2", "10.0.0.3"),
            ("10.0.0.1", "192.0.2.7:4711", "192.0.2.7"),
            ("10.0.0.1", "[2001:db8::1]:443", "2001:db8::1"),
            ("10.0.0.1", "2001:db8::1", "2001:db8::1"),
            ("10.0.0.1", "nonsense", "10.0.0.1"),
            ("10.0.0.1", "192.0.2.7, unknown", "10.0.0.1"),
            ("::ffff:10.0.0.1", "192.0.2.7", "192.0.2.7"),
            ("192.0.2.1", "6.6.6.6", "192.0.2.1"),
        ] {
            let (facts, _) = introduced(peer, &[("x-forwarded-for", chain)], &["10.0.0.0/8"]);
            assert_eq!(facts.ip.to_string(), visitor, "{peer} {chain}");
        }
    }

    #[test]
    fn forwarded_is_believed_where_nothing_else_is_said() {
        let line =
            "for=6.6.6.6;proto=http;host=evil.example, for=192.0.2.7;proto=https;host=www.shop.example, for=10.0.0.2";
        let (facts, out) = introduced("10.0.0.1", &[("forwarded", line)], &["10.0.0.0/8"]);
        assert_eq!(
            (facts.ip.to_string().as_str(), facts.https, facts.host.name()),
            ("192.0.2.7", true, "www.shop.example")
        );
        let wants = [
            ("forwarded", "for=10.0.0.1"),
            ("forwarded", line),
            ("x-forwarded-for", "10.0.0.1"),
            ("x-forwarded-host", "www.shop.example"),
            ("x-forwarded-proto", "https"),
        ];
        assert_eq!(out, sent(&wants));
        // A proxy that writes the one may have passed the other on.
        let both = [("forwarded", "for=6.6.6.6;proto=https"), ("x-forwarded-for", "192.0.2.7")];
        let (facts, _) = introduced("10.0.0.1", &both, &["10.0.0.0/8"]);
        assert_eq!((facts.ip.to_string().as_str(), facts.https), ("192.0.2.7", false));
        for (line, visitor) in
            [("for=192.0.2.7, for=_hidden", "10.0.0.1"), ("for=\"[2001:db8::7]:443\"", "2001:db8::7")]
        {
            let (facts, _) = introduced("10.0.0.1", &[("forwarded", line)], &["10.0.0.0/8"]);
            assert_eq!(facts.ip.to_string(), visitor, "{line}");
        }
    }
}
