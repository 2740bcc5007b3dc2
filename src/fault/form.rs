//! Forms of values that several rooms' settings have in common.

use crate::units;
use http::Uri;
use std::net::SocketAddr;
use std::time::Duration;

/// What a string in the configuration must look like, and how it is read.
#[derive(Clone, Copy, Debug)]
pub struct Form<T> {
    /// What it is, after "must be": `a duration`.
    pub what: &'static str,
    /// How it is written.
    pub help: &'static str,
    /// Reads it, or says in one sentence what is wrong with it.
    pub read: fn(&str) -> Result<T, String>,
}

/// Any string.
pub const TEXT: Form<String> = Form { what: "a string", help: "write it in quotes", read: |text| Ok(text.to_owned()) };

/// A string that is not empty.
pub const NAME: Form<String> =
    Form { what: "a string", help: "write it in quotes; it cannot be empty", read: not_empty };

/// A duration, zero included.
pub const DURATION: Form<Duration> = Form { what: "a duration", help: DURATION_HELP, read: units::duration };

/// A time-out: a duration that is not zero.
pub const TIMEOUT: Form<Duration> = Form { what: "a duration", help: DURATION_HELP, read: timeout };

/// How a duration is written.
pub const DURATION_HELP: &str = "a whole number with a unit: \"250ms\", \"30s\", \"5m\", \"1h30m\", \"30d\", \"2w\"";

/// A size in bytes.
pub const SIZE: Form<u64> =
    Form { what: "a size", help: "a whole number with a unit: \"512 KiB\", \"64 MiB\", \"20 GiB\"", read: units::size };

/// A server: `http` or `https`, a host, perhaps a port, and no path.
pub const SERVER: Form<Uri> = Form {
    what: "a URL",
    help: "scheme and host, perhaps a port: \"https://www.example.com\", \"http://127.0.0.1:3000\"",
    read: server,
};

/// An address to listen on.
pub const ADDRESS: Form<SocketAddr> =
    Form { what: "an address", help: "an IP address and a port: \"0.0.0.0:8080\", \"[::]:8080\"", read: address };

/// A host name or IP address, lower-case, without port.
pub const HOST: Form<String> = Form { what: "a host name", help: "the name alone: \"www.example.com\"", read: host };

fn not_empty(text: &str) -> Result<String, String> {
    if text.trim().is_empty() { Err("it cannot be empty".to_owned()) } else { Ok(text.to_owned()) }
}

fn timeout(text: &str) -> Result<Duration, String> {
    units::duration(text).and_then(|duration| {
        if duration.is_zero() { Err("it must be more than zero".to_owned()) } else { Ok(duration) }
    })
}

fn server(text: &str) -> Result<Uri, String> {
    let uri: Uri = text.parse().map_err(|_| format!("`{text}` is not a URL"))?;
    let authority = match (uri.scheme_str(), uri.authority()) {
        (Some("http" | "https"), Some(authority)) if !authority.host().is_empty() => authority,
        _ => return Err(format!("`{text}` must start with http:// or https:// and name a host")),
    };
    if authority.as_str().contains('@') {
        return Err("a user name or password has no place in this URL".to_owned());
    }
    let port = authority.as_str().strip_prefix(authority.host()).unwrap_or_default();
    if !port.is_empty() && authority.port_u16().is_none_or(|port| port == 0) {
        return Err(format!("`{text}` has no valid port"));
    }
    // The parser drops a fragment in silence.
    if !matches!(uri.path(), "" | "/") || uri.query().is_some() || text.contains('#') {
        return Err(format!("`{text}` must not have a path, a query or a fragment"));
    }
    Ok(uri)
}

fn address(text: &str) -> Result<SocketAddr, String> {
    text.parse().map_err(|_| match text.rsplit_once(':') {
        Some(("", _)) => format!("`{text}` has no IP address: `0.0.0.0{text}` is every one of this machine"),
        Some(("localhost", port)) => format!("names are not looked up: `127.0.0.1:{port}` is this machine"),
        None => format!("`{text}` has no port"),
        Some(_) => format!("`{text}` is not an IP address with a port"),
    })
}

fn host(text: &str) -> Result<String, String> {
    let bare = text.strip_suffix('.').unwrap_or(text).to_ascii_lowercase();
    if bare.is_empty() {
        return Err("a host name cannot be empty".to_owned());
    }
    if bare.contains("://") || bare.contains('/') {
        return Err(format!("`{text}` is a URL, not a host name"));
    }
    if bare.contains('*') {
        return Err(format!("`{text}`: patterns are not known; a site without `hosts` takes every host"));
    }
    if let Some(address) = bare.strip_prefix('[').and_then(|rest| rest.strip_suffix(']')) {
        return address
            .parse::<std::net::Ipv6Addr>()
            .map(|_| bare.clone())
            .map_err(|_| format!("`{text}` is not an IPv6 address"));
    }
    if bare.contains(':') {
        return Err(format!("`{text}` has a port; a host is meant on every port"));
    }
    if !bare.is_ascii() {
        return Err(format!("`{text}` must be written in its ASCII form (`xn--…`)"));
    }
    let letters = bare.bytes().all(|byte| byte.is_ascii_alphanumeric() || matches!(byte, b'-' | b'.' | b'_'));
    if letters && !bare.starts_with('.') && !bare.contains("..") {
        Ok(bare)
    } else {
        Err(format!("`{text}` is not a host name"))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn servers() {
        for good in ["http://127.0.0.1:3000", "https://api.impact.com", "https://api.impact.com/", "http://[::1]:80"] {
            assert!(server(good).is_ok(), "{good}");
        }
        for (bad, why) in [
            ("", "not a URL"),
            ("127.0.0.1:3000", "must start with http://"),
            ("localhost", "must start with http://"),
            ("/", "must start with http://"),
            ("ftp://example.com", "must start with http://"),
            ("http://:80", "`http://:80`"),
            ("https://u:p@example.com", "user name"),
            ("https://example.com:99999", "port"),
            ("https://example.com:0", "port"),
            ("https://example.com/shop", "path"),
            ("https://example.com?a=b", "path"),
            ("https://example.com/#a", "path"),
            ("https://exa mple.com", "not a URL"),
        ] {
            let sentence = server(bad).expect_err(bad);
            assert!(sentence.contains(why), "{bad}: {sentence}");
        }
    }

    #[test]
    fn addresses() {
        assert_eq!(address("[::1]:80").unwrap(), "[::1]:80".parse().unwrap());
        for (bad, why) in [
            (":8080", "`0.0.0.0:8080` is every one"),
            ("localhost:80", "`127.0.0.1:80` is this machine"),
            ("127.0.0.1", "has no port"),
            ("127.0.0.1:99999", "is not an IP address with a port"),
            ("www.example.com:80", "is not an IP address with a port"),
        ] {
            let sentence = address(bad).expect_err(bad);
            assert!(sentence.contains(why), "{bad}: {sentence}");
        }
    }

    #[test]
    fn hosts() {
        for (text, read) in [
            ("WWW.Example.com.", "www.example.com"),
            ("localhost", "localhost"),
            ("10.0.0.1", "10.0.0.1"),
            ("[::1]", "[::1]"),
        ] {
            assert_eq!(host(text).as_deref(), Ok(read));
        }
        for (bad, why) in [
            ("", "empty"),
            (".", "empty"),
            ("www.example.com:8080", "has a port"),
            ("https://www.example.com", "is a URL"),
            ("www.example.com/shop", "is a URL"),
            ("*.example.com", "patterns"),
            ("bücher.example", "xn--"),
            ("a..b", "not a host name"),
            ("a b", "not a host name"),
            ("[::z]", "not an IPv6"),
        ] {
            let sentence = host(bad).expect_err(bad);
            assert!(sentence.contains(why), "{bad}: {sentence}");
        }
    }
}
