//! The proxies that a request came by, as they tell it themselves: `X-Forwarded-For`, or `Forwarded` (RFC 7239).

use http::{HeaderMap, HeaderName, HeaderValue};
use std::net::{IpAddr, SocketAddr};

pub(super) const X_FORWARDED_FOR: HeaderName = HeaderName::from_static("x-forwarded-for");
pub(super) const FORWARDED: HeaderName = http::header::FORWARDED;

/// What one proxy says of the request that came to it.
#[derive(Debug, Default, PartialEq, Eq)]
pub(super) struct Hop {
    /// Who sent it; `None`: nobody is named whom one could look for.
    pub(super) ip: Option<IpAddr>,
    /// Its scheme, as it stands there.
    pub(super) proto: Option<String>,
    /// Its host, as it stands there.
    pub(super) host: Option<String>,
}

/// All hops, the nearest first. `Forwarded` counts only where there is no `X-Forwarded-For`: more proxies write that one,
/// and these pass the other on as the visitor made it up.
pub(super) fn nearest_first(headers: &HeaderMap) -> Vec<Hop> {
    // Fields keep their order, and so do the addresses within each (RFC 9110 §5.3).
    let mut hops = Vec::new();
    if headers.contains_key(X_FORWARDED_FOR) {
        for line in headers.get_all(X_FORWARDED_FOR).iter().rev() {
            let listed = line.as_bytes().rsplit(|byte| *byte == b',');
            hops.extend(listed.map(|hop| Hop { ip: address(hop), ..Hop::default() }));
        }
        return hops;
    }
    for line in headers.get_all(FORWARDED).iter().rev() {
        match elements(line) {
            Some(elements) => hops.extend(elements.into_iter().rev()),
            // What stands in it, and where it ends, could be the visitor's doing.
            None => {
                hops.push(Hop::default());
                break;
            }
        }
    }
    hops
}

/// Reads `1.2.3.4`, `1.2.3.4:5`, `::1`, `[::1]` and `[::1]:5`.
fn address(hop: &[u8]) -> Option<IpAddr> {
    let text = std::str::from_utf8(hop).ok()?.trim();
    let bare = text.strip_prefix('[').and_then(|text| text.strip_suffix(']')).unwrap_or(text);
    let ip = bare.parse().ok().or_else(|| text.parse::<SocketAddr>().ok().map(|address| address.ip()))?;
    Some(ip.to_canonical())
}

/// The elements of a `Forwarded` line; `None`: it is malformed anywhere.
fn elements(line: &HeaderValue) -> Option<Vec<Hop>> {
    let (mut elements, mut hop) = (Vec::new(), Hop::default());
    let mut rest = line.as_bytes();
    loop {
        rest = rest.trim_ascii_start();
        // Lists may have empty places (RFC 9110 §5.6.1).
        if !rest.is_empty() && !rest.starts_with(b",") && !rest.starts_with(b";") {
            let equals = rest.iter().position(|byte| *byte == b'=')?;
            let (name, value) = rest.split_at_checked(equals)?;
            let (value, behind) = value_of(value.get(1..)?)?;
            let slot = match name.to_ascii_lowercase().as_slice() {
                b"for" => {
                    hop.ip = address(value.as_bytes());
                    None
                }
                b"proto" => Some(&mut hop.proto),
                b"host" => Some(&mut hop.host),
                name if !name.is_empty() && name.iter().copied().all(is_token) => None,
                _ => return None,
            };
            if let Some(slot) = slot {
                *slot = Some(value);
            }
            rest = behind.trim_ascii_start();
        }
        match rest.split_first() {
            None => {
                elements.push(hop);
                return Some(elements);
            }
            Some((b';', behind)) => rest = behind,
            Some((b',', behind)) => {
                elements.push(std::mem::take(&mut hop));
                rest = behind;
            }
            Some(_) => return None,
        }
    }
}

/// A token or a quoted string, and what stands behind it.
fn value_of(text: &[u8]) -> Option<(String, &[u8])> {
    let Some(quoted) = text.strip_prefix(b"\"") else {
        // Addresses with a port are written without quotes by some, against the letter.
        let end = text.iter().position(|byte| !is_token(*byte) && *byte != b':').unwrap_or(text.len());
        let (value, behind) = text.split_at_checked(end)?;
        return Some((String::from_utf8(value.to_vec()).ok()?, behind));
    };
    let (mut value, mut rest) = (Vec::new(), quoted);
    loop {
        match rest {
            [b'"', behind @ ..] => return Some((String::from_utf8(value).ok()?, behind)),
            [b'\\', byte, behind @ ..] | [byte, behind @ ..] => {
                value.push(*byte);
                rest = behind;
            }
            [] => return None,
        }
    }
}

/// RFC 9110 §5.6.2.
fn is_token(byte: u8) -> bool {
    byte.is_ascii_alphanumeric() || b"!#$%&'*+-.^_`|~".contains(&byte)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn hops(lines: &[(HeaderName, &'static str)]) -> Vec<String> {
        let mut headers = HeaderMap::new();
        for (name, value) in lines {
            headers.append(name, HeaderValue::from_static(value));
        }
        let said = |hop: Hop| {
            let ip = hop.ip.map_or("?".to_owned(), |ip| ip.to_string());
            [Some(ip), hop.proto, hop.host].into_iter().flatten().collect::<Vec<_>>().join(" ")
        };
        nearest_first(&headers).into_iter().map(said).collect()
    }

    #[test]
    fn forwarded_is_read_from_the_right_with_all_its_forms() {
        for (line, nearest_first) in [
            ("for=192.0.2.60;proto=http;by=203.0.113.43", &["192.0.2.60 http"][..]),
            ("For=\"[2001:db8:cafe::17]:4711\"", &["2001:db8:cafe::17"]),
            ("for=192.0.2.43, for=198.51.100.17;host=a.example", &["198.51.100.17 a.example", "192.0.2.43"]),
            ("for=192.0.2.43 , For=\"198.51.100.17:80\" ; PROTO=https", &["198.51.100.17 https", "192.0.2.43"]),
            ("for=192.0.2.43:4711", &["192.0.2.43"]),
            ("for=_hidden, for=unknown, for=\"_a:_b\"", &["?", "?", "?"]),
            ("proto=https", &["? https"]),
            ("host=\"a\\\"b\"", &["? a\"b"]),
            ("for=192.0.2.1,, ;for=192.0.2.2;", &["192.0.2.2", "?", "192.0.2.1"]),
        ] {
            assert_eq!(hops(&[(FORWARDED, line)]), nearest_first, "{line}");
        }
        for broken in
            ["for", "for=\"192.0.2.1", "for=a b", "=a", "for=\"a\"b", "f(r=a", "for=6.6.6.6;x=\", for=\"[::1]\""]
        {
            assert_eq!(hops(&[(FORWARDED, "for=192.0.2.1"), (FORWARDED, broken)]), ["?"], "{broken}");
        }
    }

    #[test]
    fn lines_are_one_list_and_x_forwarded_for_goes_first() {
        let lines = [
            (X_FORWARDED_FOR, "192.0.2.1, 192.0.2.2:80"),
            (X_FORWARDED_FOR, "[2001:db8::1]:443"),
            (FORWARDED, "for=6.6.6.6"),
        ];
        assert_eq!(hops(&lines), ["2001:db8::1", "192.0.2.2", "192.0.2.1"]);
        assert_eq!(hops(&[(FORWARDED, "for=192.0.2.1"), (FORWARDED, "for=192.0.2.2")]), ["192.0.2.2", "192.0.2.1"]);
        assert_eq!(hops(&[(X_FORWARDED_FOR, "_x, unknown, 192.0.2.300, ::1%eth0,")]), ["?"; 5]);
    }
}
