//! The README's configuration, run by the README's command, among neighbours on this machine.

use crate::Part;
use crate::commands::RUN;
use crate::harness::{Answer, Connection, Origin, Running, answers, soon};
use selvedge::config::{self, Config};
use selvedge::demo::impact::AUTH_TOKEN;
use selvedge::demo::{Impact, Segment};
use selvedge::secret::Secrets;
use std::net::SocketAddr;
use std::path::Path;
use std::sync::atomic::{AtomicU32, Ordering};

/// A node and everybody around it. It has a loopback address of its own, so that the README's ports are free.
pub(crate) struct Town {
    pub(crate) node: Running,
    pub(crate) segment: Segment,
    pub(crate) impact: Impact,
    pub(crate) folder: tempfile::TempDir,
    ip: String,
    _site: Origin,
}

/// The README's configuration as the program reads it.
pub(crate) fn configuration() -> Config {
    let text = Part::Settings.block();
    config::parse(&text, "README.md", Path::new(""), Secrets::Optional)
        .unwrap_or_else(|faults| panic!("{faults}"))
        .config
}

impl Town {
    pub(crate) async fn build() -> Self {
        let site = Origin::start(answers("200 OK", &["Content-Type: text/html"], "hello")).await;
        let (segment, impact) = (Segment::start().await.unwrap(), Impact::start().await.unwrap());
        impact.open_account(&configuration().impact.programs[0].account_sid, AUTH_TOKEN);
        let ip = own_address();
        let mut text = Part::Settings.block();
        for (shown, here) in [
            ("http = \"0.0.0.0:8080\"", format!("http = \"{ip}:8080\"\nadmin = \"{ip}:9901\"")),
            ("http://127.0.0.1:3000", format!("http://{}", site.address())),
        ] {
            assert!(text.contains(shown), "{shown} is not in {text}");
            text = text.replace(shown, &here);
        }
        let (api, other) = (segment.url(), impact.url());
        text.push_str(&format!("\n[segment]\napi = \"{api}\"\ncdn = \"{api}\"\n"));
        text.push_str(&format!("[impact]\napi = \"{other}\"\ntracking = \"{other}\"\n"));
        let folder = tempfile::tempdir().unwrap();
        std::fs::write(folder.path().join("selvedge.toml"), text).unwrap();
        let mut node = Running::start(&RUN.split(' ').skip(1).collect::<Vec<_>>(), folder.path());
        node.line("that it listens", |line| line == format!("selvedge: site listening on http://{ip}:8080")).await;
        Self { node, segment, impact, folder, ip, _site: site }
    }

    /// Where visitors come.
    pub(crate) fn front(&self) -> SocketAddr {
        format!("{}:8080", self.ip).parse().unwrap()
    }

    /// Sends a request's head and body to the front.
    pub(crate) async fn send(&self, head: &str, body: &str) -> Answer {
        exchange(self.front(), head, body).await
    }

    /// `GET path` of the admin listener.
    pub(crate) async fn admin(&self, path: &str) -> Answer {
        let address: SocketAddr = format!("{}:9901", self.ip).parse().unwrap();
        exchange(address, &format!("GET {path} HTTP/1.1\r\nHost: {address}"), "").await
    }

    /// Waits until the node knows that its one conversion was taken.
    pub(crate) async fn delivered(&self) {
        let line = "selvedge_deliveries_total{program=\"us\",endpoint=\"conversions\",outcome=\"delivered\"} 1";
        soon("the delivery", async {
            while !self.admin("/metrics").await.text().lines().any(|told| told == line) {
                tokio::time::sleep(std::time::Duration::from_millis(5)).await;
            }
        })
        .await;
    }

    /// Sends a call as a server does.
    pub(crate) async fn post(&self, path: &str, body: &str) {
        let head = format!("POST {path} HTTP/1.1\r\nHost: www.example.com\r\nContent-Type: application/json");
        let answer = self.send(&head, body).await;
        assert_eq!(answer.status(), 200, "{path}: {}", answer.text());
    }
}

async fn exchange(address: SocketAddr, head: &str, body: &str) -> Answer {
    let mut connection = Connection::open(address).await;
    connection.write(format!("{head}\r\nContent-Length: {}\r\n\r\n{body}", body.len())).await;
    connection.answer().await
}

/// All of 127.0.0.0/8 is this machine: one address for each town of each process.
fn own_address() -> String {
    static TOWNS: AtomicU32 = AtomicU32::new(16);
    let [_, _, high, low] = std::process::id().to_be_bytes();
    format!("127.{}.{high}.{low}", TOWNS.fetch_add(1, Ordering::Relaxed))
}
