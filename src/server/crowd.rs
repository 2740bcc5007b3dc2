//! How many visitors are connected, in all and from each address.

use super::limits::Limits;
use ipnet::IpNet;
use std::collections::HashMap;
use std::net::{IpAddr, Ipv6Addr};
use std::sync::{Arc, Mutex, PoisonError};

/// Those who are connected.
#[derive(Debug)]
pub(super) struct Crowd {
    limits: Limits,
    /// They bring others' visitors: only all together are limited.
    trusted: Vec<IpNet>,
    present: Mutex<Present>,
}

#[derive(Debug, Default)]
struct Present {
    all: usize,
    by_client: HashMap<IpAddr, usize>,
}

/// One connection's place; it is free again when this is dropped.
#[derive(Debug)]
pub(super) struct Place {
    crowd: Arc<Crowd>,
    /// Whose it is, once that is known.
    client: Option<IpAddr>,
}

/// Why there is no place.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Full {
    /// There are as many connections as there may be.
    All,
    /// This client has as many as it may have.
    Client,
}

impl Full {
    pub(super) fn label(self) -> &'static str {
        match self {
            Self::All => "all",
            Self::Client => "client",
        }
    }
}

impl Crowd {
    pub(super) fn new(limits: Limits, trusted: Vec<IpNet>) -> Arc<Self> {
        Arc::new(Self { limits, trusted, present: Mutex::default() })
    }

    /// A place for a connection, whoever it is.
    pub(super) fn enter(self: &Arc<Self>) -> Result<Place, Full> {
        let mut present = self.present.lock().unwrap_or_else(PoisonError::into_inner);
        if present.all >= self.limits.connections {
            return Err(Full::All);
        }
        present.all += 1;
        Ok(Place { crowd: self.clone(), client: None })
    }
}

impl Place {
    /// It is for this address. Asked for once.
    pub(super) fn of(mut self, ip: IpAddr) -> Result<Self, Full> {
        let ip = ip.to_canonical();
        let client = network(ip);
        let Crowd { limits, trusted, present } = &*self.crowd;
        let most = if trusted.iter().any(|net| net.contains(&ip)) {
            limits.connections
        } else {
            limits.connections_per_client
        };
        let mut present = present.lock().unwrap_or_else(PoisonError::into_inner);
        let own = present.by_client.entry(client).or_default();
        if *own >= most {
            drop(present);
            return Err(Full::Client);
        }
        *own += 1;
        drop(present);
        self.client = Some(client);
        Ok(self)
    }
}

/// One household or machine: an IPv6 network has more addresses than anybody could count.
fn network(ip: IpAddr) -> IpAddr {
    match ip {
        IpAddr::V4(_) => ip,
        IpAddr::V6(ip) => Ipv6Addr::from_bits(ip.to_bits() >> 64 << 64).into(),
    }
}

impl Drop for Place {
    fn drop(&mut self) {
        let mut present = self.crowd.present.lock().unwrap_or_else(PoisonError::into_inner);
        present.all = present.all.saturating_sub(1);
        let Some(client) = self.client else { return };
        if let Some(own) = present.by_client.get_mut(&client) {
            *own -= 1;
            if *own == 0 {
                present.by_client.remove(&client);
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn all_and_each_have_their_limit() {
        let limits = Limits { connections: 4, connections_per_client: 2, ..Limits::default() };
        let crowd = Crowd::new(limits, vec!["10.0.0.0/8".parse().unwrap()]);
        let enter = |ip: &str| crowd.enter()?.of(ip.parse().unwrap());
        let one = enter("192.0.2.1").unwrap();
        let _two = enter("::ffff:192.0.2.1").unwrap();
        assert_eq!(enter("192.0.2.1").unwrap_err(), Full::Client);
        drop(one);
        let _one = enter("192.0.2.1").unwrap();
        let three = [enter("10.0.0.1"), enter("10.0.0.1")].map(Result::unwrap);
        assert_eq!(enter("10.0.0.1").unwrap_err(), Full::All);
        drop(three);
        let _net = [enter("2001:db8::1"), enter("2001:db8::2")].map(Result::unwrap);
        assert_eq!(enter("2001:db8:0:0:ffff::1").unwrap_err(), Full::All);
        drop(_two);
        assert_eq!(enter("2001:db8:0:0:ffff::1").unwrap_err(), Full::Client);
        drop((_one, _net));
        assert!(crowd.present.lock().unwrap().by_client.is_empty());
    }
}
