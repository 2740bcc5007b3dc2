//! The `[[site]]` sections.

use super::upstream::Protocol;
use crate::fault::{Form, Section, form};
use http::Uri;
use rustls::pki_types::ServerName;
use std::time::Duration;

/// One `[[site]]`: hosts, and the origin behind them.
#[derive(Clone, Debug)]
pub struct Site {
    /// The hosts, lower-case, without port; empty: any host.
    pub hosts: Vec<String>,
    /// The site's own server: scheme and authority, no path.
    pub origin: Uri,
    /// Which HTTP the origin is spoken to with. Default: over TLS the one that it picks, else HTTP/1.1.
    pub origin_protocol: Protocol,
    /// Which Host the origin sees. Default: the visitor's.
    pub host: HostMode,
    /// The space of its visitors' ids. Default: `default`.
    pub space: String,
    /// How long a connection to the origin may take. Default: 5 s.
    pub connect_timeout: Duration,
    /// How long the origin may take to its response's head. Default: 60 s.
    pub response_timeout: Duration,
    /// How long it may pause within the body, event streams and gRPC apart. Default: 60 s.
    pub body_timeout: Duration,
    /// The name that its certificate must be for. Default: its host.
    pub tls_name: Option<ServerName<'static>>,
}

/// Which Host the origin sees.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum HostMode {
    /// The visitor's own (`host = "keep"`).
    #[default]
    Keep,
    /// The origin's authority (`host = "rewrite"`).
    Rewrite,
}

/// How long a connection to the origin may take by default: a lost SYN is sent again after one and three seconds.
const CONNECT_TIMEOUT: Duration = Duration::from_secs(5);

/// How long the origin may take to its response's head by default: what nginx allows.
const RESPONSE_TIMEOUT: Duration = Duration::from_secs(60);

/// How long the origin may pause within a body by default: what nginx allows.
const BODY_TIMEOUT: Duration = Duration::from_secs(60);

/// The name of a server in its certificate.
const TLS_NAME: Form<ServerName<'static>> =
    Form { what: "a host name", help: "the name in the origin's certificate: \"shop.internal\"", read: tls_name };

/// The space of ids by default: one for all sites and sources.
const SPACE: &str = "default";

impl Site {
    /// Reads one section.
    pub fn read(section: &mut Section<'_>) -> Self {
        section.require(&["origin"]);
        Self {
            hosts: section.list("hosts", &form::HOST).unwrap_or_default(),
            origin: section.value("origin", &form::SERVER).unwrap_or_default(),
            origin_protocol: section
                .choice(
                    "origin_protocol",
                    &[("auto", Protocol::Picked), ("http1", Protocol::Http1), ("http2", Protocol::Http2)],
                )
                .unwrap_or_default(),
            host: section
                .choice("host", &[("keep", HostMode::Keep), ("rewrite", HostMode::Rewrite)])
                .unwrap_or_default(),
            space: section.optional("space", &form::NAME).unwrap_or_else(|| SPACE.to_owned()),
            connect_timeout: section.value("connect_timeout", &form::TIMEOUT).unwrap_or(CONNECT_TIMEOUT),
            response_timeout: section.value("response_timeout", &form::TIMEOUT).unwrap_or(RESPONSE_TIMEOUT),
            body_timeout: section.value("body_timeout", &form::TIMEOUT).unwrap_or(BODY_TIMEOUT),
            tls_name: section.optional("tls_name", &TLS_NAME),
        }
    }
}

fn tls_name(text: &str) -> Result<ServerName<'static>, String> {
    ServerName::try_from(text.to_owned()).map_err(|_| format!("`{text}` is not a host name"))
}
