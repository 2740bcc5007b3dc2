use super::client::{Answer, Connection};
use super::origin::Origin;
use selvedge::clock::Clock;
use selvedge::proxy::{self, HostMode, Parts};
use selvedge::server::{Drain, Drained, Listener};
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

/// A running edge.
pub struct Edge {
    address: SocketAddr,
    edge: Arc<proxy::Edge>,
    drain: Drain,
}

/// An edge about to run.
pub struct Starting {
    parts: Parts,
}

impl Edge {
    /// Begins with an edge that has no site.
    pub fn start() -> Starting {
        let segment = selvedge::segment::Config {
            prefix: "/cdp".into(),
            hosts: vec![],
            root_paths: false,
            api: "http://127.0.0.1:9".parse().unwrap(),
            cdn: "http://127.0.0.1:9".parse().unwrap(),
            sources: vec![],
            overwrite_referrer: false,
            origins: vec![],
        };
        Starting { parts: Parts { sites: vec![], segment, trusted_proxies: vec![], clock: Clock::System } }
    }

    /// An edge in front of `origin`, under any host.
    pub async fn before(origin: &Origin) -> Self {
        Self::start().site(&[], origin.address()).run().await
    }

    /// Opens a connection to the edge.
    pub async fn connect(&self) -> Connection {
        Connection::open(self.address).await
    }

    /// Sends `request` to the letter on a connection of its own, and reads the answer.
    pub async fn send(&self, request: impl AsRef<[u8]>) -> Answer {
        let mut connection = self.connect().await;
        connection.write(request).await;
        connection.answer().await
    }

    /// `GET target` with these further lines.
    pub async fn get(&self, target: &str, lines: &[&str]) -> Answer {
        let mut request = format!("GET {target} HTTP/1.1\r\nHost: shop.example\r\n");
        for line in lines {
            request.push_str(line);
            request.push_str("\r\n");
        }
        request.push_str("\r\n");
        self.send(request).await
    }

    /// Stops as at SIGTERM.
    pub async fn stop(self, grace: Duration) -> Drained {
        self.drain.finish(&self.edge, grace).await
    }

    /// Where it listens.
    pub fn address(&self) -> SocketAddr {
        self.address
    }
}

impl Starting {
    /// A site under these hosts; none: under any.
    pub fn site(self, hosts: &[&str], origin: SocketAddr) -> Self {
        self.site_with(hosts, origin, |_| {})
    }

    /// A site with settings of its own.
    pub fn site_with(mut self, hosts: &[&str], origin: SocketAddr, adjust: impl FnOnce(&mut proxy::Site)) -> Self {
        let mut site = proxy::Site {
            hosts: hosts.iter().map(|&host| host.to_owned()).collect(),
            origin: format!("http://{origin}").parse().unwrap(),
            host: HostMode::Keep,
            space: "default".into(),
            connect_timeout: Duration::from_secs(5),
            response_timeout: Duration::from_secs(60),
        };
        adjust(&mut site);
        self.parts.sites.push(site);
        self
    }

    /// Believes the forwarding fields of these peers.
    pub fn trusting(mut self, net: &str) -> Self {
        self.parts.trusted_proxies.push(net.parse().unwrap());
        self
    }

    /// Runs it on a free port.
    pub async fn run(self) -> Edge {
        let listener = Listener::bind("127.0.0.1:0".parse().unwrap()).await.unwrap();
        let address = listener.address();
        let edge = Arc::new(proxy::Edge::new(self.parts).unwrap());
        let drain = Drain::new();
        listener.start(Arc::clone(&edge), &drain);
        Edge { address, edge, drain }
    }
}
