//! The three servers, each in front of an origin.

use crate::case::Case;
use crate::harness::{Edge, eventually};
use crate::origin::Origin;
use std::net::{SocketAddr, TcpListener};
use std::process::{Child, Command, Stdio};
use tempfile::TempDir;
use tokio::net::TcpStream;

/// Who is tried.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Server {
    Selvedge,
    Nginx,
    Haproxy,
}

/// A server, its origin, and where it listens.
pub(crate) struct Lane {
    pub(crate) origin: Origin,
    pub(crate) address: SocketAddr,
    _running: Box<dyn Send>,
}

/// A foreign server; it ends with the test.
struct Foreign {
    child: Child,
    _folder: TempDir,
}

impl Server {
    /// Its heading in the table, with the version that is installed; `None`: it is not.
    pub(crate) fn version(self) -> Option<String> {
        let (program, flag) = match self {
            Self::Selvedge => return Some("Selvedge".to_owned()),
            Self::Nginx => ("nginx", "-v"),
            Self::Haproxy => ("haproxy", "-v"),
        };
        let output = Command::new(program).arg(flag).output().ok()?;
        let text = String::from_utf8_lossy(&[output.stdout, output.stderr].concat()).into_owned();
        let version = text.split(['/', ' ']).find(|word| word.starts_with(|c: char| c.is_ascii_digit()))?;
        let number: String = version.chars().take_while(|c| c.is_ascii_digit() || *c == '.').collect();
        Some(format!("{} {number}", if self == Self::Nginx { "nginx" } else { "HAProxy" }))
    }

    /// Starts it in front of an origin of its own.
    pub(crate) async fn start(self, case: &Case) -> Lane {
        let origin = Origin::start(case).await;
        let (address, running): (_, Box<dyn Send>) = match self {
            Self::Selvedge => {
                let edge = Edge::start().site(&[], origin.address).run().await;
                (edge.address(), Box::new(edge))
            }
            Self::Nginx => foreign(NGINX, &["nginx", "-e", "stderr", "-p", ".", "-c"], origin.address).await,
            Self::Haproxy => foreign(HAPROXY, &["haproxy", "-db", "-f"], origin.address).await,
        };
        Lane { origin, address, _running: running }
    }
}

const NGINX: &str = include_str!("nginx.conf");
const HAPROXY: &str = include_str!("haproxy.cfg");

async fn foreign(configuration: &str, command: &[&str], origin: SocketAddr) -> (SocketAddr, Box<dyn Send>) {
    let folder = tempfile::tempdir().unwrap();
    let address = TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap();
    let told = configuration.replace("{listen}", &address.to_string()).replace("{origin}", &origin.to_string());
    let file = folder.path().join("configuration");
    std::fs::write(&file, told).unwrap();
    let mut process = Command::new(command[0]);
    process.args(&command[1..]).arg(file).current_dir(folder.path()).stdout(Stdio::null()).stderr(Stdio::null());
    let running = Foreign { child: process.spawn().unwrap(), _folder: folder };
    eventually("the server", async || TcpStream::connect(address).await.ok()).await;
    (address, Box::new(running))
}

impl Drop for Foreign {
    fn drop(&mut self) {
        // It may have ended already.
        drop(self.child.kill());
        drop(self.child.wait());
    }
}
