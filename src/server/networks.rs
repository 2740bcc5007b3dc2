//! Networks of peers as the configuration names them.

use crate::fault::{Form, nearest};
use ipnet::IpNet;
use std::net::IpAddr;

/// An address, a network, or a name that stands for several.
pub(super) const NETWORKS: Form<Vec<IpNet>> = Form {
    what: "an address or a network",
    help: "an IP address (\"10.1.2.3\"), a network (\"10.0.0.0/8\"), \"private_ranges\", or \"cloudflare\"",
    read: networks,
};

/// What has a name.
const NAMED: [(&str, &[&str]); 2] = [("private_ranges", &PRIVATE_RANGES), ("cloudflare", &CLOUDFLARE)];

/// Loopback (RFC 1122, RFC 4291), private (RFC 1918) and unique local (RFC 4193) addresses, as Caddy has them under this
/// name, with the whole of fc00::/7.
const PRIVATE_RANGES: [&str; 6] =
    ["127.0.0.0/8", "10.0.0.0/8", "172.16.0.0/12", "192.168.0.0/16", "::1/128", "fc00::/7"];

/// Where Cloudflare's edge connects from: <https://www.cloudflare.com/ips/>, changed last in September 2023.
const CLOUDFLARE: [&str; 22] = [
    "173.245.48.0/20",
    "103.21.244.0/22",
    "103.22.200.0/22",
    "103.31.4.0/22",
    "141.101.64.0/18",
    "108.162.192.0/18",
    "190.93.240.0/20",
    "188.114.96.0/20",
    "197.234.240.0/22",
    "198.41.128.0/17",
    "162.158.0.0/15",
    "104.16.0.0/13",
    "104.24.0.0/14",
    "172.64.0.0/13",
    "131.0.72.0/22",
    "2400:cb00::/32",
    "2606:4700::/32",
    "2803:f800::/32",
    "2405:b500::/32",
    "2405:8100::/32",
    "2a06:98c0::/29",
    "2c0f:f248::/32",
];

fn networks(text: &str) -> Result<Vec<IpNet>, String> {
    if let Some((_, ranges)) = NAMED.iter().find(|(name, _)| *name == text) {
        return Ok(ranges.iter().filter_map(|range| range.parse().ok()).collect());
    }
    let network = match text.parse::<IpAddr>() {
        Ok(address) => Some(IpNet::from(address)),
        Err(_) => text.parse::<IpNet>().ok(),
    };
    network.map(|network| vec![network.trunc()]).ok_or_else(|| {
        let wrong = format!("`{text}` is neither an IP address nor a network");
        match nearest(text, NAMED.iter().map(|(name, _)| *name)) {
            Some(name) => format!("{wrong}; did you mean \"{name}\"?"),
            None => wrong,
        }
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn networks_are_addresses_networks_and_names() {
        let read = |text| networks(text).map(|nets| nets.iter().map(ToString::to_string).collect::<Vec<_>>());
        assert_eq!(read("10.1.2.3"), Ok(vec!["10.1.2.3/32".to_owned()]));
        assert_eq!(read("10.1.2.3/8"), Ok(vec!["10.0.0.0/8".to_owned()]));
        assert_eq!(read("2001:db8::/32"), Ok(vec!["2001:db8::/32".to_owned()]));
        assert_eq!(read("private_ranges"), Ok(PRIVATE_RANGES.map(str::to_owned).to_vec()));
        assert_eq!(read("cloudflare"), Ok(CLOUDFLARE.map(str::to_owned).to_vec()));
        for bad in ["", "private", "10.0.0.0/33", "10.0.0", "balancer.example.com"] {
            assert!(!networks(bad).unwrap_err().contains("did you mean"), "{bad}");
        }
        for (bad, meant) in [("private_range", "private_ranges"), ("Cloudfare", "cloudflare")] {
            assert!(networks(bad).unwrap_err().ends_with(&format!("did you mean \"{meant}\"?")), "{bad}");
        }
    }
}
