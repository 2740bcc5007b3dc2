use std::net::IpAddr;

/// The registrable domain of a host (public-suffix list): `shop.example.co.uk` → `example.co.uk`.
///
/// `host` comes without port. `None` for addresses, single labels, public suffixes themselves and what is no name
/// at all: such a host shares cookies with nobody.
pub fn registrable_domain(host: &str) -> Option<&str> {
    if !is_name(host) || host.parse::<IpAddr>().is_ok() {
        return None;
    }
    let lower = host.to_ascii_lowercase();
    let domain = psl::domain_str(&lower)?;
    host.get(host.len().checked_sub(domain.len())?..)
}

/// The `Domain` of the cookies set on `host`: the configured one where the host belongs to it, else the registrable
/// domain; `None` is a cookie of this host alone.
pub fn cookie_domain<'a>(host: &'a str, configured: Option<&'a str>) -> Option<&'a str> {
    let configured = configured.map(|domain| domain.trim_start_matches('.'));
    configured.filter(|domain| is_within(host, domain)).or_else(|| registrable_domain(host))
}

fn is_within(host: &str, domain: &str) -> bool {
    let Some((above, tail)) = host.len().checked_sub(domain.len()).and_then(|at| host.split_at_checked(at)) else {
        return false;
    };
    tail.eq_ignore_ascii_case(domain) && (above.is_empty() || above.ends_with('.'))
}

/// Letters, digits, `-`, `_` and dots between labels: what can stand in a Set-Cookie field without harm.
fn is_name(host: &str) -> bool {
    host.split('.')
        .all(|label| !label.is_empty() && label.bytes().all(|b| b.is_ascii_alphanumeric() || b == b'-' || b == b'_'))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_registrable_domain_of_a_host() {
        for (host, domain) in [
            ("www.example.com", Some("example.com")),
            ("example.com", Some("example.com")),
            ("a.b.c.example.co.uk", Some("example.co.uk")),
            ("WWW.Example.CO.UK", Some("Example.CO.UK")),
            ("co.uk", None),
            ("com", None),
            ("shop.github.io", Some("shop.github.io")),
            ("github.io", None),
            ("localhost", None),
            ("shop.localhost", Some("shop.localhost")),
            ("shop.intern.lan", Some("intern.lan")),
            ("127.0.0.1", None),
            ("[::1]", None),
            ("::1", None),
            ("www.example.com:8080", None),
            ("www.example.com.", None),
            ("evil;.example.com", None),
            ("..", None),
            ("", None),
        ] {
            assert_eq!(registrable_domain(host), domain, "{host}");
        }
    }

    #[test]
    fn a_configured_domain_wins_where_the_host_belongs_to_it() {
        for (host, configured, domain) in [
            ("www.shop.example.com", Some("shop.example.com"), Some("shop.example.com")),
            ("www.shop.example.com", Some(".shop.example.com"), Some("shop.example.com")),
            ("WWW.SHOP.example.com", Some("shop.example.com"), Some("shop.example.com")),
            ("shop.example.com", Some("shop.example.com"), Some("shop.example.com")),
            ("bishop.example.com", Some("shop.example.com"), Some("example.com")),
            ("www.example.net", Some("shop.example.com"), Some("example.net")),
            ("localhost", Some("example.com"), None),
            ("www.example.com", None, Some("example.com")),
        ] {
            assert_eq!(cookie_domain(host, configured), domain, "{host} {configured:?}");
        }
    }
}
