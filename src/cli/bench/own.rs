//! `selvedge bench --self`: this very build as a process of its own, between the generator and an origin, all on loopback.

use super::progress::Progress;
use super::report::Section;
use super::run::{self, Failure, Plan};
use super::schedule::{Pace, rounds};
use super::target::Target;
use super::trust::Belief;
use super::workload::{Kind, Template};
use super::{Arguments, origin};
use crate::clock::Clock;
use std::io::{self, BufRead, BufReader};
use std::net::SocketAddr;
use std::os::unix::process::CommandExt;
use std::path::PathBuf;
use std::process::{Child, Command, Stdio};
use std::time::Duration;
use tokio_util::sync::CancellationToken;

const WORKLOADS: [Kind; 4] = [Kind::Site, Kind::Landing, Kind::Event, Kind::Batch];
const RATE: u32 = 1_000;
/// A batch is 300 calls.
const BATCH_RATE: u32 = 20;

/// Measures each workload twice: at a constant rate for latencies, and as fast as it goes for the rate and the CPU time.
pub(super) async fn run(
    arguments: &Arguments,
    stop: &CancellationToken,
    progress: &mut Progress,
) -> Result<Vec<Section>, Failure> {
    let origin = origin::start()?;
    let node = Node::start(origin)?;
    let workloads: Vec<Kind> = arguments.workload.map_or_else(|| WORKLOADS.to_vec(), |kind| vec![kind]);
    let whole = arguments.duration.unwrap_or(Duration::from_secs(60));
    let part = whole / u32::try_from(workloads.len()).unwrap_or(1).max(1);
    let mut sections = Vec::new();
    for kind in workloads {
        let rate = arguments.rate.unwrap_or(if kind == Kind::Batch { BATCH_RATE } else { RATE });
        // Two thirds for the latencies: far percentiles need many requests.
        for (pace, whole) in [(Pace::Rate(rate), part * 2 / 3), (Pace::Max, part / 3)] {
            if stop.is_cancelled() {
                break;
            }
            let mut through = Target::read(&format!("selvedge={}", node.site)).map_err(io::Error::other)?;
            through.process = Some(node.child.id());
            let direct = Target::read(&format!("direct=http://{origin}/")).map_err(io::Error::other)?;
            let plan = Plan {
                name: kind.name().to_owned(),
                targets: vec![direct, through],
                template: Template::of(kind, Clock::System.now()),
                pace,
                connections: arguments.connections,
                whole,
                rounds: rounds(whole, 2),
                http2: false,
                // Loopback is spoken to plain.
                belief: Belief::Anyone,
            };
            sections.push(run::run(&plan, stop, progress).await?);
        }
    }
    Ok(sections)
}

/// The node under test; it ends, and its folder goes, when this is dropped.
struct Node {
    child: Child,
    site: String,
    folder: PathBuf,
}

impl Node {
    fn start(origin: SocketAddr) -> io::Result<Self> {
        let folder = std::env::temp_dir().join(format!("selvedge-bench-{}", std::process::id()));
        std::fs::create_dir_all(&folder)?;
        let file = folder.join("selvedge.toml");
        std::fs::write(&file, configuration(origin))?;
        let mut command = Command::new(std::env::current_exe()?);
        command.args(["run", "--until-input-ends", "--config"]).arg(&file).env("RUST_LOG", "error");
        // Nothing is written there: the node ends with this program, even if that is killed.
        command.stdin(Stdio::piped());
        // Ctrl-C is for the measurement; the node ends after it.
        let child = command.stdout(Stdio::piped()).process_group(0).spawn()?;
        let mut node = Self { child, site: String::new(), folder };
        let mut lines = BufReader::new(node.child.stdout.take().ok_or_else(silent)?).lines();
        let site = lines.find_map(|line| Some(line.ok()?.split_once("site listening on ")?.1.to_owned()));
        node.site = site.ok_or_else(silent)?;
        // What it tells further is read and dropped: a pipe that nobody reads would stop it.
        std::thread::spawn(move || lines.for_each(drop));
        Ok(node)
    }
}

fn silent() -> io::Error {
    io::Error::other("the node under test did not start")
}

impl Drop for Node {
    fn drop(&mut self) {
        // It keeps nothing that anybody needs.
        self.child.kill().ok();
        self.child.wait().ok();
        std::fs::remove_dir_all(&self.folder).ok();
    }
}

/// Calls are enriched, and their links learned; there is no program, so nothing is delivered.
fn configuration(origin: SocketAddr) -> String {
    format!(
        r#"[listen]
http  = "127.0.0.1:0"
admin = "127.0.0.1:0"

[[site]]
origin = "http://{origin}"

[segment]
api = "http://{origin}"
cdn = "http://{origin}"

[store]
path = "store"
"#
    )
}
