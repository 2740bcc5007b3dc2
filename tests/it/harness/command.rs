use super::{PATIENCE, soon};
use selvedge::demo::impact::AUTH_TOKEN;
use std::io::{BufRead, BufReader, Read};
use std::path::Path;
use std::process::{Child, Command, ExitStatus, Stdio};
use tokio::sync::mpsc;

/// A command of the program that runs until somebody stops it, and tells what happens, and logs, in lines; it is killed when the
/// test lets go of it.
pub(crate) struct Running {
    child: Child,
    lines: mpsc::UnboundedReceiver<String>,
    told: Vec<String>,
}

impl Running {
    /// Starts `selvedge` with these arguments in `folder`, which holds also what it keeps for a while.
    pub(crate) fn start(arguments: &[&str], folder: &Path) -> Self {
        let mut command = Command::new(env!("CARGO_BIN_EXE_selvedge"));
        command.args(arguments).current_dir(folder).env("TMPDIR", folder).env("IMPACT_AUTH_TOKEN", AUTH_TOKEN);
        let mut child = command.stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().unwrap();
        let (tell, lines) = mpsc::unbounded_channel();
        read(child.stdout.take().unwrap(), tell.clone());
        read(child.stderr.take().unwrap(), tell);
        Self { child, lines, told: Vec::new() }
    }

    /// The first line, told already or still to come, that is `wanted`.
    pub(crate) async fn line(&mut self, what: &str, wanted: impl Fn(&str) -> bool) -> String {
        let deadline = tokio::time::Instant::now() + PATIENCE;
        if let Some(line) = self.told.iter().find(|line| wanted(line)) {
            return line.clone();
        }
        loop {
            let Ok(Some(line)) = tokio::time::timeout_at(deadline, self.lines.recv()).await else {
                panic!("no line tells {what}:\n{}", self.told.join("\n"));
            };
            self.told.push(line.clone());
            if wanted(&line) {
                return line;
            }
        }
    }

    /// The processes that it has started, and that still run.
    pub(crate) fn children(&self) -> Vec<u32> {
        let id = self.child.id();
        let listed = std::fs::read_to_string(format!("/proc/{id}/task/{id}/children")).unwrap();
        listed.split_whitespace().map(|id| id.parse().unwrap()).collect()
    }

    /// Sends it this signal, and waits until it has ended.
    pub(crate) async fn end_by(&mut self, signal: &str) -> ExitStatus {
        let killed = Command::new("kill").args([signal, &self.child.id().to_string()]).status().unwrap();
        assert!(killed.success());
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
}

/// Tells the lines of `stream` until the program ends; the test may have ended before.
fn read(stream: impl Read + Send + 'static, tell: mpsc::UnboundedSender<String>) {
    std::thread::spawn(move || {
        BufReader::new(stream).lines().map_while(Result::ok).try_for_each(|line| tell.send(line))
    });
}

impl Drop for Running {
    fn drop(&mut self) {
        // It may have ended already.
        drop(self.child.kill());
        drop(self.child.wait());
    }
}
