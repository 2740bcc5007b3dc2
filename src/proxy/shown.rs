//! How much of a visitor's address the log shows.

use ipnet::IpNet;
use std::net::IpAddr;

/// What of a visitor's address is shown.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum ShownIp {
    /// Its network only (IPv4: /24, IPv6: /48, one organisation or household among many): it tells attacks apart, and nobody
    /// from his neighbours.
    #[default]
    Network,
    /// All of it.
    Full,
}

impl ShownIp {
    /// The address as it is shown.
    pub fn of(self, ip: IpAddr) -> String {
        let ip = ip.to_canonical();
        let bits = if ip.is_ipv4() { 24 } else { 48 };
        match (self, IpNet::new(ip, bits)) {
            (Self::Network, Ok(network)) => network.trunc().to_string(),
            (Self::Network, Err(_)) => "unknown".to_owned(),
            (Self::Full, _) => ip.to_string(),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_network_says_less_than_an_address() {
        for (ip, network, full) in [
            ("192.0.2.77", "192.0.2.0/24", "192.0.2.77"),
            ("::ffff:192.0.2.77", "192.0.2.0/24", "192.0.2.77"),
            ("2001:db8:1:2:3:4:5:6", "2001:db8:1::/48", "2001:db8:1:2:3:4:5:6"),
        ] {
            let ip = ip.parse().unwrap();
            assert_eq!((ShownIp::Network.of(ip).as_str(), ShownIp::Full.of(ip).as_str()), (network, full));
        }
    }
}
