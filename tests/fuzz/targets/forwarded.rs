//! Forwarding fields, one to a line: believed from a trusted proxy only, and only as far as proxies are trusted.

use super::fields;
use http::{HeaderMap, HeaderValue};
use ipnet::IpNet;
use selvedge::proxy::forwarded::{Peer, VisitorFacts, introduce};
use selvedge::proxy::host::Host;
use std::net::{IpAddr, SocketAddr};

const CHAIN: &str = "x-forwarded-for";

pub fn target(bytes: &[u8]) {
    let came = fields(bytes);
    let (facts, sent) = introduced(&came, [192, 0, 2, 1].into());
    assert_eq!((facts.ip, facts.https, facts.host.name()), ([192, 0, 2, 1].into(), false, "shop.example"));
    let lines: Vec<_> = sent.get_all(CHAIN).iter().collect();
    assert_eq!(lines, ["192.0.2.1"]);
    assert!(!sent.contains_key("forwarded") && !sent.contains_key("x-real-ip"));
    assert_eq!(sent["x-forwarded-host"], "shop.example");

    let (facts, sent) = introduced(&came, [10, 0, 0, 1].into());
    let before = came.get_all(CHAIN).iter().count();
    assert_eq!(sent.get_all(CHAIN).iter().count(), before + 1);
    let nodes = came.get_all("forwarded").iter().count();
    assert_eq!(sent.get_all("forwarded").iter().count(), nodes + usize::from(nodes > 0));
    assert_eq!(sent.get_all(CHAIN).iter().next_back().unwrap(), "10.0.0.1");
    assert!(!facts.host.name().is_empty());
    if !trusted().contains(&facts.ip) {
        // What the visitor himself wrote in front of it moves nothing.
        let (name, more) = match came.contains_key(CHAIN) {
            true => (CHAIN, "6.6.6.6, 10.0.0.9, [::1]:4"),
            false => ("forwarded", "for=6.6.6.6, for=10.0.0.9;proto=https, for=\"[::1]:4\""),
        };
        let mut longer = HeaderMap::new();
        longer.append(name, HeaderValue::from_static(more));
        longer.extend(came);
        assert_eq!(introduced(&longer, [10, 0, 0, 1].into()).0.ip, facts.ip);
    }
}

fn introduced(came: &HeaderMap, peer: IpAddr) -> (VisitorFacts, HeaderMap) {
    let mut headers = came.clone();
    let peer = Peer::new(SocketAddr::new(peer, 1), None);
    let host = Host::parse(&HeaderValue::from_static("shop.example")).unwrap();
    let facts = introduce(&mut headers, &peer, host, &[trusted()]);
    (facts, headers)
}

fn trusted() -> IpNet {
    IpNet::new([10, 0, 0, 0].into(), 8).unwrap()
}
