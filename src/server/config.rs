//! The `[listen]` section.

use crate::fault::{Form, Section, form};
use ipnet::IpNet;
use std::net::{IpAddr, Ipv4Addr, SocketAddr};
use std::time::Duration;

/// What listens, and whom it trusts.
#[derive(Clone, Debug)]
pub struct Config {
    /// The site listeners (plain HTTP/1.1). `http` is one address or a list.
    pub http: Vec<SocketAddr>,
    /// The admin listener. Default: `127.0.0.1:9901`.
    pub admin: SocketAddr,
    /// Peers whose forwarding headers are believed. Default: none.
    pub trusted_proxies: Vec<IpNet>,
    /// How long requests in flight may take at a stop. Default: 30 s.
    pub grace: Duration,
    /// Worker threads. Default: the machine's cores.
    pub workers: Option<usize>,
}

/// Where the admin listener is by default: on this machine only.
const ADMIN: SocketAddr = SocketAddr::new(IpAddr::V4(Ipv4Addr::LOCALHOST), 9901);

/// How long a stop waits by default: as long as Kubernetes gives before it kills.
const GRACE: Duration = Duration::from_secs(30);

/// More threads than any machine has cores for are a typing error.
const WORKERS_MAX: u32 = 1024;

/// What `"private_ranges"` stands for: loopback (RFC 1122, RFC 4291), private (RFC 1918) and unique local (RFC 4193)
/// addresses.
const PRIVATE_RANGES: [&str; 6] =
    ["127.0.0.0/8", "10.0.0.0/8", "172.16.0.0/12", "192.168.0.0/16", "::1/128", "fc00::/7"];

/// One entry of `trusted_proxies`.
const PROXIES: Form<Vec<IpNet>> = Form {
    what: "an address or a network",
    help: "an IP address (\"10.1.2.3\"), a network (\"10.0.0.0/8\"), or \"private_ranges\"",
    read: proxies,
};

impl Config {
    /// Reads the section.
    pub fn read(section: &mut Section<'_>) -> Self {
        section.refuse(
            "https",
            "TLS is not available in this version",
            "leave `https` out; a TLS balancer can stand in front",
        );
        section.require(&["http"]);
        let listed = section.one_or_more("http", &form::ADDRESS);
        if listed.as_ref().is_some_and(Vec::is_empty) && section.places("http").is_empty() {
            section.complain("`http` of [listen] lists no address", form::ADDRESS.help);
        }
        let config = Self {
            http: listed.unwrap_or_default(),
            admin: section.value("admin", &form::ADDRESS).unwrap_or(ADMIN),
            trusted_proxies: section.list("trusted_proxies", &PROXIES).unwrap_or_default().concat(),
            grace: section.value("grace", &form::DURATION).unwrap_or(GRACE),
            workers: section.count("workers", 1..=WORKERS_MAX).and_then(|count| usize::try_from(count).ok()),
        };
        config.refuse_shared_addresses(section);
        config
    }

    /// No two listeners can have one address; on port 0 each gets a port of its own.
    fn refuse_shared_addresses(&self, section: &Section<'_>) {
        let mut taken = Vec::new();
        for (text, span) in section.places("http").into_iter().chain(section.places("admin")) {
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

fn proxies(text: &str) -> Result<Vec<IpNet>, String> {
    if text == "private_ranges" {
        return Ok(PRIVATE_RANGES.iter().filter_map(|range| range.parse().ok()).collect());
    }
    let network = match text.parse::<IpAddr>() {
        Ok(address) => Some(IpNet::from(address)),
        Err(_) => text.parse::<IpNet>().ok(),
    };
    network
        .map(|network| vec![network.trunc()])
        .ok_or_else(|| format!("`{text}` is neither an IP address nor a network"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn trusted_proxies_are_addresses_networks_and_the_private_ranges() {
        let read = |text| proxies(text).map(|nets| nets.iter().map(ToString::to_string).collect::<Vec<_>>());
        assert_eq!(read("10.1.2.3"), Ok(vec!["10.1.2.3/32".to_owned()]));
        assert_eq!(read("10.1.2.3/8"), Ok(vec!["10.0.0.0/8".to_owned()]));
        assert_eq!(read("2001:db8::/32"), Ok(vec!["2001:db8::/32".to_owned()]));
        assert_eq!(read("private_ranges"), Ok(PRIVATE_RANGES.map(str::to_owned).to_vec()));
        for bad in ["", "private", "10.0.0.0/33", "10.0.0", "balancer.example.com"] {
            assert!(proxies(bad).is_err(), "{bad}");
        }
    }
}
