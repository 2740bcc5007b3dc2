//! The `[segment]` section.

use crate::fault::{Form, Section, form};
use http::Uri;

/// Where Segment is, and under which paths and hosts its endpoints are offered.
#[derive(Clone, Debug)]
pub struct Config {
    /// The path prefix under which Segment is offered on every host. Default: `/cdp`. Empty: none.
    pub prefix: String,
    /// Hosts that are Segment's alone: the API is at their `/v1`. Default: none.
    pub hosts: Vec<String>,
    /// Whether `/v1/…` of site hosts is Segment's too. Default: no.
    pub root_paths: bool,
    /// Segment's tracking API. Default: `https://api.segment.io`.
    pub api: Uri,
    /// Segment's CDN. Default: `https://cdn.segment.com`.
    pub cdn: Uri,
    /// The write keys that are delivered; none listed: all of them.
    pub sources: Vec<Source>,
    /// Whether other write keys are delivered beside the listed ones. Default: no, they only go on to Segment.
    pub deliver_unlisted: bool,
    /// Whether the settings that SDKs fetch keep them on this host. Default: yes.
    pub rewrite_settings: bool,
    /// Whether a `context.referrer` of another type is overwritten. Default: no.
    pub overwrite_referrer: bool,
    /// Origins, beside those of the same registrable domain, that may send calls with credentials (CORS).
    pub origins: Vec<String>,
}

/// One `[[segment.source]]`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Source {
    /// Segment's write key.
    pub write_key: String,
    /// A name for people, and for the programs' `sources`. Default: the write key.
    pub name: String,
    /// The space of its ids: equal ids in two spaces are two people. Default: `default`.
    pub space: String,
    /// Segment's tracking API in the region of this source. Default: what Segment's settings say, else [`Config::api`].
    pub api: Option<Uri>,
}

/// The path prefix by default.
const PREFIX: &str = "/cdp";

/// Segment's tracking API by default.
const API: &str = "https://api.segment.io";

/// Segment's CDN by default.
const CDN: &str = "https://cdn.segment.com";

/// The space of ids by default: one for all sites and sources.
const SPACE: &str = "default";

/// A path prefix; empty: none.
const PATH_PREFIX: Form<String> = Form {
    what: "a path",
    help: "it starts with `/` and does not end with one: \"/cdp\"; \"\" is none",
    read: path_prefix,
};

/// An origin as browsers write it in the `Origin` field (RFC 6454): scheme, host, and the port if it is not the scheme's own.
const ORIGIN: Form<String> = Form { what: "an origin", help: form::SERVER.help, read: origin };

impl Config {
    /// Reads the section.
    pub fn read(section: &mut Section<'_>) -> Self {
        let sources = section.sections("source").into_iter().map(|mut source| {
            let read = Source::read(&mut source);
            source.finish();
            read
        });
        let config = Self {
            sources: sources.collect(),
            deliver_unlisted: section.bool("deliver_unlisted").unwrap_or(false),
            rewrite_settings: section.bool("rewrite_settings").unwrap_or(true),
            prefix: section.value("prefix", &PATH_PREFIX).unwrap_or_else(|| PREFIX.to_owned()),
            hosts: section.list("hosts", &form::HOST).unwrap_or_default(),
            root_paths: section.bool("root_paths").unwrap_or(false),
            api: section.value("api", &form::SERVER).unwrap_or(Uri::from_static(API)),
            cdn: section.value("cdn", &form::SERVER).unwrap_or(Uri::from_static(CDN)),
            overwrite_referrer: section.bool("overwrite_referrer").unwrap_or(false),
            origins: section.list("origins", &ORIGIN).unwrap_or_default(),
        };
        if config.prefix.is_empty() && config.hosts.is_empty() && !config.root_paths {
            section.warn("Segment's endpoints are offered nowhere", "set `prefix`, `hosts` or `root_paths`");
        }
        config
    }
}

impl Source {
    fn read(section: &mut Section<'_>) -> Self {
        section.require(&["write_key"]);
        let write_key = section.value("write_key", &form::TEXT).unwrap_or_default();
        Self {
            name: section.optional("name", &form::NAME).unwrap_or_else(|| write_key.clone()),
            space: section.optional("space", &form::NAME).unwrap_or_else(|| SPACE.to_owned()),
            api: section.optional("api", &form::SERVER),
            write_key,
        }
    }
}

fn path_prefix(text: &str) -> Result<String, String> {
    let clean = text.bytes().all(|byte| byte.is_ascii_graphic() && !matches!(byte, b'?' | b'#' | b'%' | b'\\'));
    match text {
        "" => Ok(String::new()),
        _ if !text.starts_with('/') => Err(format!("`{text}` does not start with `/`")),
        _ if text.ends_with('/') => Err(format!("`{text}` ends with `/`")),
        _ if !clean || text.contains("//") => Err(format!("`{text}` is not a plain path")),
        _ => Ok(text.to_owned()),
    }
}

fn origin(text: &str) -> Result<String, String> {
    let uri = (form::SERVER.read)(text)?;
    let scheme = uri.scheme_str().unwrap_or_default();
    let host = uri.host().unwrap_or_default().to_ascii_lowercase();
    Ok(match (scheme, uri.port_u16()) {
        ("http", Some(80)) | ("https", Some(443)) | (_, None) => format!("{scheme}://{host}"),
        (_, Some(port)) => format!("{scheme}://{host}:{port}"),
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn origins_are_written_as_browsers_write_them() {
        for (text, written) in [
            ("https://Shop.Example", "https://shop.example"),
            ("https://shop.example:443/", "https://shop.example"),
            ("http://shop.example:80", "http://shop.example"),
            ("http://shop.example:443", "http://shop.example:443"),
            ("http://[::1]:3000", "http://[::1]:3000"),
        ] {
            assert_eq!(origin(text).as_deref(), Ok(written));
        }
    }

    #[test]
    fn a_prefix_is_a_plain_path() {
        for good in ["", "/cdp", "/a/b-c_d.e~1"] {
            assert_eq!(path_prefix(good).as_deref(), Ok(good));
        }
        for bad in ["cdp", "/", "/cdp/", "/a//b", "/a?b", "/a#b", "/a%20b", "/a b", "/ä"] {
            assert!(path_prefix(bad).is_err(), "{bad}");
        }
    }
}
