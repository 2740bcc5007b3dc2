//! What is measured: a name and a URL.

use http::Uri;
use http::uri::{Authority, PathAndQuery, Scheme};

/// One server under load.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Target {
    /// What the report calls it: its own name, or its host and port.
    pub(super) name: String,
    /// Its URL as given.
    pub(super) url: String,
    /// Whether it is spoken to by TLS.
    pub(super) secure: bool,
    /// Host and port as the URL has them: the Host of each request.
    pub(super) authority: Authority,
    /// Path and query of the URL.
    pub(super) path: PathAndQuery,
    /// The process whose CPU time is counted, where it is known.
    pub(super) process: Option<u32>,
}

impl Target {
    /// Reads `URL` or `NAME=URL`.
    pub(super) fn read(text: &str) -> Result<Self, String> {
        let is_bare = text.starts_with("http://") || text.starts_with("https://");
        let (name, url) = match text.split_once('=') {
            Some((name, url)) if !is_bare => (Some(name.trim()), url.trim()),
            _ => (None, text.trim()),
        };
        let wrong = || format!("`{text}` is no target: write http://HOST[:PORT][/PATH], with NAME= before it or not");
        if name.is_some_and(str::is_empty) {
            return Err(wrong());
        }
        let parts = url.parse::<Uri>().map_err(|_| wrong())?.into_parts();
        let (Some(scheme), Some(authority)) = (parts.scheme, parts.authority) else { return Err(wrong()) };
        if (scheme != Scheme::HTTP && scheme != Scheme::HTTPS) || authority.as_str().contains('@') {
            return Err(wrong());
        }
        Ok(Self {
            name: name.unwrap_or(authority.as_str()).to_owned(),
            url: url.to_owned(),
            secure: scheme == Scheme::HTTPS,
            authority,
            path: parts.path_and_query.unwrap_or(PathAndQuery::from_static("/")),
            process: None,
        })
    }

    /// The host without brackets, and the port.
    pub(super) fn place(&self) -> (&str, u16) {
        let port = self.authority.port_u16().unwrap_or(if self.secure { 443 } else { 80 });
        (self.authority.host().trim_matches(['[', ']']), port)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_target_has_a_name_and_a_place() {
        for (text, name, host, port, path) in [
            ("http://127.0.0.1:3000", "127.0.0.1:3000", "127.0.0.1", 3000, "/"),
            ("direct=http://shop.example/a?b=c", "direct", "shop.example", 80, "/a?b=c"),
            ("https://shop.example/?a=http://x", "shop.example", "shop.example", 443, "/?a=http://x"),
            ("v6 = https://[::1]:8443/", "v6", "::1", 8443, "/"),
        ] {
            let target = Target::read(text).unwrap();
            assert_eq!((target.name.as_str(), target.place(), target.path.as_str()), (name, (host, port), path));
        }
        for text in ["", "shop.example", "ftp://x/", "=http://x/", "a=b", "http://", "http://me:pw@x/", "a=http://x y/"]
        {
            assert!(Target::read(text).unwrap_err().contains("is no target"), "{text}");
        }
    }
}
