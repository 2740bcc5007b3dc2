use super::authority::Authority;
use super::client::{Answer, Connection};
use super::eventually;
use super::origin::Origin;
use super::shim::Shim;
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
    running: Running,
    shim: Option<Shim>,
    folder: TempDir,
}

/// The process and where it listens.
struct Running {
    child: Child,
    address: SocketAddr,
    secure: Option<SocketAddr>,
    admin: SocketAddr,
    _stdout: BufReader<ChildStdout>,
}

/// An edge about to run: its configuration, section by section.
pub(crate) struct Starting {
    listen: String,
    segment: String,
    impact: String,
    program: String,
    rest: String,
    store: Option<PathBuf>,
    storing: String,
    folder: TempDir,
    shim: Option<Shim>,
}

impl Edge {
    /// Begins with an edge that has no site.
    pub(crate) fn start() -> Starting {
        let listen = "[listen]\nhttp = \"127.0.0.1:0\"\nadmin = \"127.0.0.1:0\"\n".to_owned();
        // Nothing listens on the discard port: an edge that was not given a Segment calls none.
        let segment = "[segment]\napi = \"http://127.0.0.1:9\"\ncdn = \"http://127.0.0.1:9\"\n".to_owned();
        let nothing = String::new;
        let folder = tempfile::tempdir().unwrap();
        std::fs::create_dir(folder.path().join("data")).unwrap();
        Starting {
            listen,
            segment,
            impact: nothing(),
            program: nothing(),
            rest: nothing(),
            store: None,
            storing: nothing(),
            folder,
            shim: None,
        }
    }

    /// An edge between these stand-ins for Segment and impact.com, with one program of theirs.
    pub(crate) fn between(segment: &str, impact: &str) -> Starting {
        let segment = format!("[segment]\napi = \"{segment}\"\ncdn = \"{segment}\"\n");
        let impact = format!("[impact]\napi = \"{impact}\"\ntracking = \"{impact}\"\n");
        let program = format!(
            "[[impact.program]]\nname = \"us\"\naccount_sid = \"{ACCOUNT_SID}\"\napi_key = \"{AUTH_TOKEN}\"\ncampaign_id = \"1000\"\n"
        );
        Starting { segment, impact, program, ..Self::start() }
    }

    /// Kills it without a word, and runs it again on the same folder.
    pub(crate) async fn kill_and_run_again(&mut self) {
        self.kill();
        self.run_again();
    }

    /// Kills it without a word.
    pub(crate) fn kill(&mut self) {
        self.running.child.kill().unwrap();
        self.running.child.wait().unwrap();
    }

    /// Changes its configuration, which counts from its next start.
    pub(crate) fn configure(&self, from: &str, to: &str) {
        let file = self.folder.path().join("selvedge.toml");
        let text = std::fs::read_to_string(&file).unwrap();
        assert!(text.contains(from), "{text}");
        std::fs::write(file, text.replace(from, to)).unwrap();
    }

    /// Runs it on the same folder, and waits until it listens.
    pub(crate) fn run_again(&mut self) {
        self.running = launch(self.folder.path(), self.shim.as_ref());
    }

    /// Runs a second one on the same folder, and goes on with that; the first one runs until it is let go of.
    pub(crate) fn run_second(&mut self) -> impl Drop + use<> {
        struct First(Running);

        impl Drop for First {
            fn drop(&mut self) {
                self.0.child.kill().unwrap();
                self.0.child.wait().unwrap();
            }
        }

        let second = launch(self.folder.path(), self.shim.as_ref());
        First(std::mem::replace(&mut self.running, second))
    }

    /// Runs it on the same folder, and kills it `after` that.
    pub(crate) async fn kill_while_starting(&mut self, after: Duration) {
        self.running.child = begin(self.folder.path(), self.shim.as_ref());
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
        eventually("readiness", async || {
            let answer = self.admin("/readyz").await;
            (answer.status() == status).then(|| answer.text())
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
        Connection::open(self.running.address).await
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

    /// `GET path` of its admin listener.
    pub(crate) async fn admin(&self, path: &str) -> Answer {
        let mut connection = Connection::open(self.running.admin).await;
        connection.write(format!("GET {path} HTTP/1.1\r\nHost: localhost\r\n\r\n")).await;
        connection.answer().await
    }

    /// What `/metrics` says of one series, its name and labels to the letter; 0 when it is not there.
    pub(crate) async fn count(&self, series: &str) -> u64 {
        let page = self.admin("/metrics").await.text();
        let value = page.lines().find_map(|line| line.strip_prefix(series)?.strip_prefix(' '));
        value.map_or(0, |value| value.parse().unwrap())
    }

    /// Runs another command of the program against this node, as an operator does: its exit code, and what it said.
    pub(crate) async fn operate(&self, arguments: &str) -> (Option<i32>, String) {
        let mut command = Command::new(env!("CARGO_BIN_EXE_selvedge"));
        command.args(arguments.split(' ')).arg("--config").arg(self.folder.path().join("operator.toml"));
        // The neighbours live on the caller's runtime, and must not be held up.
        let output = tokio::task::spawn_blocking(move || command.output().unwrap()).await.unwrap();
        let said = [output.stdout, output.stderr].concat();
        (output.status.code(), String::from_utf8(said).unwrap())
    }

    /// Asks it to stop, as a service manager does.
    pub(crate) fn terminate(&self) {
        let killed = Command::new("kill").args(["-TERM", &self.running.child.id().to_string()]).status().unwrap();
        assert!(killed.success());
    }

    /// Waits until it has ended.
    pub(crate) async fn ended(&mut self) -> ExitStatus {
        eventually("the end of the program", async || self.running.child.try_wait().unwrap()).await
    }

    /// Where it speaks TLS.
    pub(crate) fn secure_address(&self) -> SocketAddr {
        self.running.secure.unwrap()
    }

    /// Where it listens.
    pub(crate) fn address(&self) -> SocketAddr {
        self.running.address
    }

    /// Its folder, with `selvedge.toml` in it.
    pub(crate) fn folder(&self) -> &Path {
        self.folder.path()
    }

    /// What it has logged so far.
    pub(crate) fn log(&self) -> String {
        std::fs::read_to_string(self.folder.path().join("log")).unwrap()
    }

    /// Its process.
    pub(crate) fn pid(&self) -> u32 {
        self.running.child.id()
    }

    /// The most memory it ever held, in bytes.
    pub(crate) fn peak_bytes(&self) -> u64 {
        self.memory("VmHWM:")
    }

    /// The memory that it holds now, in bytes.
    pub(crate) fn resident_bytes(&self) -> u64 {
        self.memory("VmRSS:")
    }

    fn memory(&self, name: &str) -> u64 {
        let status = std::fs::read_to_string(format!("/proc/{}/status", self.running.child.id())).unwrap();
        let line = status.lines().find_map(|line| line.strip_prefix(name)).unwrap();
        line.trim().trim_end_matches(" kB").trim().parse::<u64>().unwrap() << 10
    }
}

impl Drop for Edge {
    fn drop(&mut self) {
        // It may have ended already.
        drop(self.running.child.kill());
        drop(self.running.child.wait());
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

    /// A site whose origin speaks TLS as `localhost`, with a certificate of `authority`'s.
    pub(crate) fn site_over_tls(mut self, origin: SocketAddr, authority: &Authority, lines: &str) -> Self {
        authority.file(self.folder.path());
        writeln!(self.rest, "[[site]]\norigin = \"https://localhost:{}\"\n{lines}", origin.port()).unwrap();
        self
    }

    /// Further settings of `[listen]`, as lines of TOML.
    pub(crate) fn listening(mut self, lines: &str) -> Self {
        writeln!(self.listen, "{lines}").unwrap();
        self
    }

    /// With a listener that speaks TLS, with a certificate for each of these lists of names.
    pub(crate) fn secured(self, certificates: &[&[&str]]) -> (Self, Authority) {
        let authority = Authority::new();
        let listed: Vec<_> =
            (0..).zip(certificates).map(|(i, names)| authority.certify(names, self.folder.path(), i)).collect();
        let line = format!("https = {{ address = \"127.0.0.1:0\", certificates = [{}] }}", listed.join(", "));
        (self.listening(&line), authority)
    }

    /// With this server as Segment.
    pub(crate) fn segment_at(mut self, url: &str) -> Self {
        self.segment = format!("[segment]\napi = \"{url}\"\ncdn = \"{url}\"\n");
        self
    }

    /// Further settings of `[segment]`, as lines of TOML.
    pub(crate) fn segment(mut self, lines: &str) -> Self {
        writeln!(self.segment, "{lines}").unwrap();
        self
    }

    /// Further settings of `[impact]`, as lines of TOML.
    pub(crate) fn impact(mut self, lines: &str) -> Self {
        writeln!(self.impact, "{lines}").unwrap();
        self
    }

    /// Further settings of the program, as lines of TOML.
    pub(crate) fn program(mut self, lines: &str) -> Self {
        writeln!(self.program, "{lines}").unwrap();
        self
    }

    /// Further settings of `[store]`, as lines of TOML.
    pub(crate) fn storing(mut self, lines: &str) -> Self {
        writeln!(self.storing, "{lines}").unwrap();
        self
    }

    /// Further sections, as lines of TOML.
    pub(crate) fn with(mut self, sections: &str) -> Self {
        writeln!(self.rest, "{sections}").unwrap();
        self
    }

    /// A store in this folder instead of its own.
    pub(crate) fn store(mut self, path: &Path) -> Self {
        self.store = Some(path.to_owned());
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
        let folder = self.folder;
        let store = self.store.unwrap_or_else(|| folder.path().join("data").canonicalize().unwrap());
        let store = format!("[store]\npath = \"{}\"\n{}", store.display(), self.storing);
        let configuration = [self.listen, self.segment, self.impact, self.program, self.rest, store].concat();
        std::fs::write(folder.path().join("selvedge.toml"), configuration).unwrap();
        Edge { running: launch(folder.path(), self.shim.as_ref()), shim: self.shim, folder }
    }
}

/// The file that says what the disk does.
const FAULT: &str = "fault";

/// The program of this build, or the one that `SELVEDGE_BIN` names.
fn begin(folder: &Path, shim: Option<&Shim>) -> Child {
    let program = std::env::var("SELVEDGE_BIN").unwrap_or_else(|_| env!("CARGO_BIN_EXE_selvedge").to_owned());
    let log = std::fs::File::create(folder.join("log")).unwrap();
    let mut command = Command::new(program);
    command.env("IMPACT_AUTH_TOKEN", AUTH_TOKEN);
    command.args(["run", "--config", folder.join("selvedge.toml").to_str().unwrap()]);
    let authority = folder.join("authority.pem");
    if authority.exists() {
        command.env("SSL_CERT_FILE", authority);
    }
    if let Some(shim) = shim {
        shim.spoil(&mut command, &folder.join(FAULT));
    }
    command.stdout(Stdio::piped()).stderr(log).spawn().unwrap()
}

fn launch(folder: &Path, shim: Option<&Shim>) -> Running {
    let configuration = folder.join("selvedge.toml");
    let has_https = std::fs::read_to_string(&configuration).unwrap().contains("\nhttps = ");
    let mut child = begin(folder, shim);
    let mut stdout = BufReader::new(child.stdout.take().unwrap());
    let mut listening = |what: &str| {
        let mut line = String::new();
        stdout.read_line(&mut line).unwrap();
        let url = line.trim().strip_prefix(&format!("selvedge: {what} listening on "));
        let address = url.and_then(|url| url.split_once("://")?.1.parse::<SocketAddr>().ok());
        address.unwrap_or_else(|| {
            panic!("no {what}: {line:?}\n{}", std::fs::read_to_string(folder.join("log")).unwrap());
        })
    };
    let address = listening("site");
    let secure = has_https.then(|| listening("site"));
    let admin = listening("admin");
    // What the command line is told: a node's real address.
    let told = std::fs::read_to_string(&configuration).unwrap();
    let told = told.replace("admin = \"127.0.0.1:0\"", &format!("admin = \"{admin}\""));
    std::fs::write(folder.join("operator.toml"), told).unwrap();
    Running { child, address, secure, admin, _stdout: stdout }
}
