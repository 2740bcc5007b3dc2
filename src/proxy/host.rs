//! The host that a visitor asks for.

use super::rescue::Refusal;
use http::header::HOST;
use http::uri::Authority;
use http::{HeaderMap, HeaderValue, Uri, Version};

/// A request's one and only Host, known to be well-formed.
#[derive(Clone, Debug)]
pub struct Host {
    value: HeaderValue,
    /// Bytes of the name, without port and without the root's dot.
    name_len: usize,
}

impl Host {
    /// Reads the host of a request. Exactly one well-formed Host must be there, and an absolute-form target, or the authority
    /// of HTTP/2, must agree with it (RFC 9112 §3.2, RFC 9113 §8.3.1): two hosts are two opinions on where a request belongs.
    /// In HTTP/2 the authority alone will do.
    pub fn read(version: Version, uri: &Uri, headers: &HeaderMap) -> Result<Self, Refusal> {
        let mut values = headers.get_all(HOST).iter();
        let host = match (values.next(), values.next(), uri.authority()) {
            (Some(value), None, _) => Self::parse(value),
            (None, None, Some(authority)) if version == Version::HTTP_2 => {
                HeaderValue::from_str(authority.as_str()).ok().and_then(|value| Self::parse(&value))
            }
            _ => None,
        };
        let host = host.ok_or(Refusal::BadHost)?;
        match uri.authority() {
            Some(authority) if !host.agrees_with(authority) => Err(Refusal::BadHost),
            _ => Ok(host),
        }
    }

    /// Reads a host with an optional port; `None` when it is neither a name, nor an address.
    pub fn parse(value: &HeaderValue) -> Option<Self> {
        let text = value.to_str().ok()?;
        let name = if text.starts_with('[') {
            let (address, rest) = text.split_once(']')?;
            address.strip_prefix('[')?.parse::<std::net::Ipv6Addr>().ok()?;
            is_port(rest).then(|| text.strip_suffix(rest))??
        } else {
            let name = text.split_once(':').map_or(text, |(name, _)| name);
            let name_fits = !name.is_empty() && name.bytes().all(is_of_a_name);
            (name_fits && is_port(text.strip_prefix(name)?)).then_some(name)?
        };
        let name_len = name.strip_suffix('.').unwrap_or(name).len();
        (name_len > 0).then(|| Self { value: value.clone(), name_len })
    }

    /// The host's name, without port, as the visitor spelled it.
    pub fn name(&self) -> &str {
        self.value.to_str().ok().and_then(|text| text.get(..self.name_len)).unwrap_or_default()
    }

    /// The host as the visitor spelled it, with its port.
    pub fn authority(&self) -> &str {
        self.value.to_str().unwrap_or_default()
    }

    /// The field's value as it came, with its port.
    pub fn value(&self) -> &HeaderValue {
        &self.value
    }

    fn agrees_with(&self, authority: &Authority) -> bool {
        self.value.as_bytes().eq_ignore_ascii_case(authority.as_str().as_bytes())
    }
}

fn is_of_a_name(byte: u8) -> bool {
    byte.is_ascii_alphanumeric() || matches!(byte, b'-' | b'.' | b'_')
}

fn is_port(text: &str) -> bool {
    text.is_empty() || text.strip_prefix(':').is_some_and(|port| port.is_empty() || port.parse::<u16>().is_ok())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_a_host() {
        for (text, name) in [
            ("www.example.com", "www.example.com"),
            ("WWW.example.com:8080", "WWW.example.com"),
            ("example.com.", "example.com"),
            ("localhost:", "localhost"),
            ("127.0.0.1:80", "127.0.0.1"),
            ("[::1]:8080", "[::1]"),
            ("[::1]", "[::1]"),
            ("a_b.example", "a_b.example"),
        ] {
            assert_eq!(Host::parse(&HeaderValue::from_static(text)).unwrap().name(), name);
        }
        for text in [
            "",
            ".",
            ":80",
            "user@host",
            "a,b",
            "a b",
            "a/b",
            "a#b",
            "a?b",
            "[::1",
            "[x]",
            "[::1]x",
            "a:b",
            "a:99999",
            "a:80:80",
            "::1",
        ] {
            assert!(Host::parse(&HeaderValue::from_static(text)).is_none(), "{text:?}");
        }
        assert!(Host::parse(&HeaderValue::from_bytes("bücher.example".as_bytes()).unwrap()).is_none());
    }

    #[test]
    fn there_is_exactly_one_and_the_target_agrees() {
        let read_by = |version, uri: &'static str, hosts: &[&'static str]| {
            let mut headers = HeaderMap::new();
            for host in hosts {
                headers.append(HOST, HeaderValue::from_static(host));
            }
            Host::read(version, &Uri::from_static(uri), &headers).map(|host| host.name().to_owned())
        };
        let read = |uri, hosts| read_by(Version::HTTP_11, uri, hosts);
        assert_eq!(read("/", &["a.example"]), Ok("a.example".into()));
        assert_eq!(read_by(Version::HTTP_2, "https://a.example/", &[]), Ok("a.example".into()));
        for (uri, hosts) in [("/", &[][..]), ("https://u@a.example/", &[]), ("https://b.example/", &["a.example"])] {
            assert_eq!(read_by(Version::HTTP_2, uri, hosts), Err(Refusal::BadHost), "{uri} {hosts:?}");
        }
        assert_eq!(read("http://A.example/", &["a.example"]), Ok("a.example".into()));
        for (uri, hosts) in [
            ("/", &[][..]),
            ("/", &["a.example", "a.example"]),
            ("http://b.example/", &["a.example"]),
            ("http://u@a.example/", &["a.example"]),
        ] {
            assert_eq!(read(uri, hosts), Err(Refusal::BadHost), "{uri} {hosts:?}");
        }
    }
}
