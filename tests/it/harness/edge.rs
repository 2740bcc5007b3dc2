use super::client::{Answer, Connection};
use super::origin::Origin;
use super::soon;
use crate::shim::Shim;
use selvedge::demo::impact::{ACCOUNT_SID, AUTH_TOKEN};
use std::fmt::Write as _;
use std::io::{BufRead, BufReader};
use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::process::{Child, ChildStdout, Command, ExitStatus, Stdio};
use std::time::Duration;
use tempfile::TempDir;

/// The real program, running on free ports with a folder of its own; it is killed when the test lets go of it.
pub(crate) struct Edge {
    address: SocketAddr,
    admin: SocketAddr,
    shim: Option<Shim>,
    child: Child,
    folder: TempDir,
    _stdout: BufReader<ChildStdout>,
}

/// An edge about to run.
pub(crate) struct Starting {
    listen: String,
    rest: String,
    folder: TempDir,
    shim: Option<Shim>,
}

impl Edge {
    /// Begins with an edge that has no site.
    pub(crate) fn start() -> Starting {
        let listen = "[listen]\nhttp = \"127.0.0.1:0\"\nadmin = \"127.0.0.1:0\"\n".to_owned();
        // Nothing listens on the discard port: no test here calls Segment.
        let rest = "[segment]\napi = \"http://127.0.0.1:9\"\ncdn = \"http://127.0.0.1:9\"\n".to_owned();
        let folder = tempfile::tempdir().unwrap();
        std::fs::create_dir(folder.path().join("data")).unwrap();
        Starting { listen, rest, folder, shim: None }
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
        self.kill();
        self.run_again();
    }

    /// Kills it without a word.
    pub(crate) fn kill(&mut self) {
        self.child.kill().unwrap();
        self.child.wait().unwrap();
    }

    /// Runs it on the same folder, and waits until it listens.
    pub(crate) fn run_again(&mut self) {
        let (child, stdout, addresses) = launch(self.folder.path(), self.shim.as_ref());
        (self.child, self._stdout, [self.address, self.admin]) = (child, stdout, addresses);
    }

    /// Runs a second one on the same folder, and goes on with that; the first one runs until it is let go of.
    pub(crate) fn run_second(&mut self) -> impl Drop + use<> {
        struct First(Child, #[allow(dead_code, reason = "it writes there")] BufReader<ChildStdout>);
        impl Drop for First {
            fn drop(&mut self) {
                self.0.kill().unwrap();
                self.0.wait().unwrap();
            }
        }
        let (child, stdout, addresses) = launch(self.folder.path(), self.shim.as_ref());
        [self.address, self.admin] = addresses;
        First(std::mem::replace(&mut self.child, child), std::mem::replace(&mut self._stdout, stdout))
    }

    /// Runs it on the same folder, and kills it `after` that.
    pub(crate) async fn kill_while_starting(&mut self, after: Duration) {
        self.child = begin(self.folder.path(), self.shim.as_ref());
        tokio::time::sleep(after).await;
        self.kill();
    }

    /// From now on its disk does what the word says (see `tests/powerloss/shim.c`), or works again.
    pub(crate) fn spoil(&self, word: Option<&str>) {
        let fault = self.folder.path().join(FAULT);
        match word {
            Some(word) => std::fs::write(fault, word).unwrap(),
            None => std::fs::remove_file(fault).unwrap(),
        }
    }

    /// What readiness says, once its status is this.
    pub(crate) async fn readiness(&self, status: u16) -> String {
        soon("readiness", async {
            loop {
                let mut connection = Connection::open(self.admin).await;
                connection.write("GET /readyz HTTP/1.1\r\nHost: localhost\r\n\r\n").await;
                let answer = connection.answer().await;
                if answer.status() == status {
                    return answer.text();
                }
                tokio::time::sleep(Duration::from_millis(20)).await;
            }
        })
        .await
    }

    /// The store's folder.
    pub(crate) fn data(&self) -> PathBuf {
        self.folder.path().join("data")
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
                tokio::time::sleep(Duration::from_millis(5)).await;
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

    /// On a disk that [`Edge::spoil`] can spoil; `None`, with a word, on a machine that cannot have one.
    pub(crate) fn on_a_disk_to_spoil(mut self) -> Option<Self> {
        self.shim = Some(Shim::before(&self.data())?);
        Some(self)
    }

    /// The store's folder.
    pub(crate) fn data(&self) -> PathBuf {
        self.folder.path().join("data")
    }

    /// Runs it, and waits until it listens.
    pub(crate) async fn run(self) -> Edge {
        let store = format!("[store]\npath = \"{}\"\n", self.data().canonicalize().unwrap().display());
        std::fs::write(self.folder.path().join("selvedge.toml"), self.listen + &self.rest + &store).unwrap();
        let (child, stdout, [address, admin]) = launch(self.folder.path(), self.shim.as_ref());
        Edge { address, admin, shim: self.shim, child, folder: self.folder, _stdout: stdout }
    }
}

/// The file that says what the disk does.
const FAULT: &str = "fault";

/// The program of this build, or the one that `SELVEDGE_BIN` names.
fn begin(folder: &Path, shim: Option<&Shim>) -> Child {
    let program = std::env::var("SELVEDGE_BIN").unwrap_or_else(|_| env!("CARGO_BIN_EXE_selvedge").to_owned());
    let log = std::fs::File::create(folder.join("log")).unwrap();
    let mut command = Command::new(program);
    command.args(["run", "--config", folder.join("selvedge.toml").to_str().unwrap()]);
    if let Some(shim) = shim {
        shim.spoil(&mut command, &folder.join(FAULT));
    }
    command.stdout(Stdio::piped()).stderr(log).spawn().unwrap()
}

fn launch(folder: &Path, shim: Option<&Shim>) -> (Child, BufReader<ChildStdout>, [SocketAddr; 2]) {
    let mut child = begin(folder, shim);
    let mut stdout = BufReader::new(child.stdout.take().unwrap());
    let addresses = ["site", "admin"].map(|what| {
        let mut line = String::new();
        stdout.read_line(&mut line).unwrap();
        match line.trim().strip_prefix(&format!("selvedge: {what} listening on http://")) {
            Some(address) => address.parse().unwrap(),
            None => {
                panic!("it does not listen: {line:?}\n{}", std::fs::read_to_string(folder.join("log")).unwrap())
            }
        }
    });
    (child, stdout, addresses)
}
