//! The `[listen]` section.

use super::networks::NETWORKS;
use super::tls;
use crate::clock::Clock;
use crate::fault::{Section, form};
use crate::secret::Secrets;
use ipnet::IpNet;
use rustls::sign::CertifiedKey;
use std::net::{IpAddr, Ipv4Addr, SocketAddr};
use std::ops::Range;
use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

/// What listens, and whom it trusts.
#[derive(Clone, Debug)]
pub struct Config {
    /// The plain site listeners. `http` is one address or a list.
    pub http: Vec<SocketAddr>,
    /// The site listeners that speak TLS. Default: none.
    pub https: Option<Https>,
    /// Whether visits to the plain listeners are sent to https. Default: no.
    pub redirect_to_https: bool,
    /// How long browsers shall come by https only (RFC 6797). Default: nothing is said.
    pub hsts: Option<Duration>,
    /// Whether the plain listeners take HTTP/2 by prior knowledge (RFC 9113 §3.3). Default: no.
    pub http2_prior_knowledge: bool,
    /// Whether WebSockets may come as streams of HTTP/2 (RFC 8441). Default: no; browsers open a connection of HTTP/1.1 for them
    /// then.
    pub http2_websocket: bool,
    /// The admin listener. Default: `127.0.0.1:9901`.
    pub admin: SocketAddr,
    /// Peers whose forwarding headers are believed. Default: none.
    pub trusted_proxies: Vec<IpNet>,
    /// Peers that say by the PROXY protocol whose each connection is; where there are any, nobody else may connect. Default:
    /// none.
    pub proxy_protocol: Vec<IpNet>,
    /// How long requests in flight may take at a stop. Default: 30 s.
    pub grace: Duration,
    /// Worker threads. Default: the machine's cores.
    pub workers: Option<usize>,
}

/// `[listen.https]`
#[derive(Clone, Debug)]
pub struct Https {
    /// `address` is one or a list.
    pub addresses: Vec<SocketAddr>,
    /// The certificates with their keys, the default one first. A file that is not there leaves a gap only where its absence is
    /// a warning (`check`, `explain`).
    pub certificates: Vec<Arc<CertifiedKey>>,
}

/// Where the admin listener is by default: on this machine only.
const ADMIN: SocketAddr = SocketAddr::new(IpAddr::V4(Ipv4Addr::LOCALHOST), 9901);

/// How long a stop waits by default: as long as Kubernetes gives before it kills.
const GRACE: Duration = Duration::from_secs(30);

/// More threads than any machine has cores for are a typing error.
const WORKERS_MAX: u32 = 1024;

impl Config {
    /// Reads the section.
    pub fn read(section: &mut Section<'_>, folder: &Path) -> Self {
        let https = section.has("https").then(|| {
            let mut section = section.section("https");
            let https = Https::read(&mut section, folder);
            let taken = section.places("address");
            section.finish();
            (https, taken)
        });
        let (https, taken) = https.unzip();
        if https.is_none() {
            section.require(&["http"]);
        }
        let listed = section.one_or_more("http", &form::ADDRESS);
        if https.is_none() && listed.as_ref().is_some_and(Vec::is_empty) && section.places("http").is_empty() {
            section.complain("`http` of [listen] lists no address", form::ADDRESS.help);
        }
        let config = Self {
            http: listed.unwrap_or_default(),
            https,
            redirect_to_https: section.bool("redirect_to_https").unwrap_or(false),
            hsts: section.optional("hsts", &form::DURATION),
            http2_prior_knowledge: section.bool("http2_prior_knowledge").unwrap_or(false),
            http2_websocket: section.bool("http2_websocket").unwrap_or(false),
            admin: section.value("admin", &form::ADDRESS).unwrap_or(ADMIN),
            trusted_proxies: section.list("trusted_proxies", &NETWORKS).unwrap_or_default().concat(),
            proxy_protocol: section.list("proxy_protocol", &NETWORKS).unwrap_or_default().concat(),
            grace: section.value("grace", &form::DURATION).unwrap_or(GRACE),
            workers: section.count("workers", 1..=WORKERS_MAX).and_then(|count| usize::try_from(count).ok()),
        };
        config.refuse_shared_addresses(section, taken.unwrap_or_default());
        for key in ["redirect_to_https", "hsts"] {
            if config.https.is_none() && section.has(key) && config.trusted_proxies.is_empty() {
                section.warn(
                    format!("`{key}` without `https`: nobody comes by https"),
                    "add [listen.https], or name the balancer that ends TLS in `trusted_proxies`",
                );
            }
        }
        config
    }

    /// No two listeners can have one address; on port 0 each gets a port of its own.
    fn refuse_shared_addresses(&self, section: &Section<'_>, https: Vec<(&str, Range<usize>)>) {
        let mut taken = Vec::new();
        for (text, span) in section.places("http").into_iter().chain(https).chain(section.places("admin")) {
            let Ok(address) = text.parse::<SocketAddr>() else { continue };
            if address.port() != 0 && taken.contains(&address) {
                section.refuse_at(
                    span,
                    format!("{address} is listed twice"),
                    "each listener needs an address of its own",
                );
            }
            taken.push(address);
        }
        if self.admin == ADMIN && section.places("admin").is_empty() && taken.contains(&ADMIN) {
            section.complain(
                format!("{ADMIN} is the admin listener's by default"),
                "name another address, or set `admin`",
            );
        }
    }
}

impl Https {
    fn read(section: &mut Section<'_>, folder: &Path) -> Self {
        section.require(&["address", "certificates"]);
        let addresses = section.one_or_more("address", &form::ADDRESS).unwrap_or_default();
        let (listed, mut certificates) = (section.sections("certificates"), Vec::new());
        if listed.is_empty() && section.has("certificates") {
            section
                .complain("no certificate is listed", "certificates = [{ cert = \"site.pem\", key = \"site.key\" }]");
        }
        for mut one in listed {
            certificates.extend(certificate(&mut one, folder).map(Arc::new));
            one.finish();
        }
        Self { addresses, certificates }
    }
}

fn certificate(section: &mut Section<'_>, folder: &Path) -> Option<CertifiedKey> {
    section.require(&["cert", "key"]);
    let [cert, key] = ["cert", "key"].map(|key| section.value(key, &form::TEXT));
    let unusable = match tls::load(&folder.join(cert?), &folder.join(key?), Clock::System.now()) {
        Ok(certified) => return Some(certified),
        Err(unusable) => unusable,
    };
    let (_, span) = section.places(if unusable.is_key { "key" } else { "cert" }).pop()?;
    if unusable.is_absent && section.secrets() == Secrets::Optional {
        section.warn_at(span, unusable.message, unusable.help);
    } else {
        section.refuse_at(span, unusable.message, unusable.help);
    }
    None
}
