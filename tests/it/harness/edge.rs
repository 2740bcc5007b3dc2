use super::client::{Answer, Connection};
use super::origin::Origin;
use super::soon;
use selvedge::demo::impact::{ACCOUNT_SID, AUTH_TOKEN};
use std::fmt::Write as _;
use std::io::{BufRead, BufReader};
use std::net::SocketAddr;
use std::path::Path;
use std::process::{Child, ChildStdout, Command, ExitStatus, Stdio};
use tempfile::TempDir;

/// The real program, running on free ports with a folder of its own; it is killed when the test lets go of it.
pub(crate) struct Edge {
    address: SocketAddr,
    child: Child,
    folder: TempDir,
    _stdout: BufReader<ChildStdout>,
}

/// An edge about to run.
pub(crate) struct Starting {
    listen: String,
    rest: String,
}

impl Edge {
    /// Begins with an edge that has no site.
    pub(crate) fn start() -> Starting {
        let listen = "[listen]\nhttp = \"127.0.0.1:0\"\nadmin = \"127.0.0.1:0\"\n".to_owned();
        // Nothing listens on the discard port: no test here calls Segment.
        let rest = "[segment]\napi = \"http://127.0.0.1:9\"\ncdn = \"http://127.0.0.1:9\"\n".to_owned();
        Starting { listen, rest }
    }

    /// An edge between `origin`, these stand-ins for Segment and impact.com, and one program of theirs.
    pub(crate) fn between(origin: &Origin, segment: &str, impact: &str) -> Starting {
        let rest = format!(
            "[segment]\napi = \"{segment}\"\ncdn = \"{segment}\"\n[impact]\napi = \"{impact}\"\ntracking = \"{impact}\"\n\
             [[impact.program]]\nname = \"us\"\naccount_sid = \"{ACCOUNT_SID}\"\napi_key = \"{AUTH_TOKEN}\"\ncampaign_id = \"1000\"\n"
        );
        Starting { rest, ..Self::start() }.site(&[], origin.address())
    }

    /// Kills it without a word, and runs it again on the same folder.
    pub(crate) async fn kill_and_run_again(&mut self) {
        self.child.kill().unwrap();
        self.child.wait().unwrap();
        (self.child, self._stdout, self.address) = launch(self.folder.path());
    }

    /// An edge in front of `origin`, under any host.
    pub(crate) async fn before(origin: &Origin) -> Self {
        Self::start().site(&[], origin.address()).run().await
    }

    /// Opens a connection to the edge.
    pub(crate) async fn connect(&self) -> Connection {
        Connection::open(self.address).await
    }

    /// Sends `request` to the letter on a connection of its own, and reads the answer.
    pub(crate) async fn send(&self, request: impl AsRef<[u8]>) -> Answer {
        let mut connection = self.connect().await;
        connection.write(request).await;
        connection.answer().await
    }

    /// `GET target` with these further lines.
    pub(crate) async fn get(&self, target: &str, lines: &[&str]) -> Answer {
        let mut request = format!("GET {target} HTTP/1.1\r\nHost: shop.example\r\n");
        for line in lines {
            request.push_str(line);
            request.push_str("\r\n");
        }
        request.push_str("\r\n");
        self.send(request).await
    }

    /// Asks it to stop, as a service manager does.
    pub(crate) fn terminate(&self) {
        let killed = Command::new("kill").args(["-TERM", &self.child.id().to_string()]).status().unwrap();
        assert!(killed.success());
    }

    /// Waits until it has ended.
    pub(crate) async fn ended(&mut self) -> ExitStatus {
        soon("the end of the program", async {
            loop {
                if let Some(status) = self.child.try_wait().unwrap() {
                    return status;
                }
                tokio::time::sleep(std::time::Duration::from_millis(5)).await;
            }
        })
        .await
    }

    /// Where it listens.
    pub(crate) fn address(&self) -> SocketAddr {
        self.address
    }

    /// What it has logged so far.
    pub(crate) fn log(&self) -> String {
        std::fs::read_to_string(self.folder.path().join("log")).unwrap()
    }

    /// The most memory it ever held, in bytes.
    pub(crate) fn peak_bytes(&self) -> u64 {
        let status = std::fs::read_to_string(format!("/proc/{}/status", self.child.id())).unwrap();
        let line = status.lines().find_map(|line| line.strip_prefix("VmHWM:")).unwrap();
        line.trim().trim_end_matches(" kB").trim().parse::<u64>().unwrap() << 10
    }
}

impl Drop for Edge {
    fn drop(&mut self) {
        // It may have ended already.
        drop(self.child.kill());
        drop(self.child.wait());
    }
}

impl Starting {
    /// A site under these hosts; none: under any.
    pub(crate) fn site(self, hosts: &[&str], origin: SocketAddr) -> Self {
        self.site_with(hosts, origin, "")
    }

    /// A site with further settings, as lines of TOML.
    pub(crate) fn site_with(mut self, hosts: &[&str], origin: SocketAddr, lines: &str) -> Self {
        self.rest.push_str("[[site]]\n");
        if !hosts.is_empty() {
            writeln!(self.rest, "hosts = {hosts:?}").unwrap();
        }
        writeln!(self.rest, "origin = \"http://{origin}\"\n{lines}").unwrap();
        self
    }

    /// Further settings of `[listen]`, as lines of TOML.
    pub(crate) fn listening(mut self, lines: &str) -> Self {
        writeln!(self.listen, "{lines}").unwrap();
        self
    }

    /// Runs it, and waits until it listens.
    pub(crate) async fn run(self) -> Edge {
        let folder = tempfile::tempdir().unwrap();
        let file = folder.path().join("selvedge.toml");
        let store = format!("[store]\npath = \"{}\"\n", folder.path().join("data").display());
        std::fs::write(&file, self.listen + &self.rest + &store).unwrap();
        let (child, stdout, address) = launch(folder.path());
        Edge { address, child, folder, _stdout: stdout }
    }
}

fn launch(folder: &Path) -> (Child, BufReader<ChildStdout>, SocketAddr) {
    let log = std::fs::File::create(folder.join("log")).unwrap();
    let mut child = Command::new(env!("CARGO_BIN_EXE_selvedge"))
        .args(["run", "--config", folder.join("selvedge.toml").to_str().unwrap()])
        .stdout(Stdio::piped())
        .stderr(log)
        .spawn()
        .unwrap();
    let mut stdout = BufReader::new(child.stdout.take().unwrap());
    let mut line = String::new();
    stdout.read_line(&mut line).unwrap();
    let Some(address) = line.trim().strip_prefix("selvedge: site listening on http://") else {
        panic!("it does not listen: {line:?}\n{}", std::fs::read_to_string(folder.join("log")).unwrap());
    };
    (child, stdout, address.parse().unwrap())
}
