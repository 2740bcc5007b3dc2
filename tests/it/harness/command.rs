use super::{PATIENCE, soon};
use std::io::{BufRead, BufReader};
use std::path::Path;
use std::process::{Child, Command, ExitStatus, Stdio};
use tokio::sync::mpsc;

/// A command of the program that runs until somebody stops it, and tells what happens in lines; it is killed when the
/// test lets go of it.
pub(crate) struct Running {
    child: Child,
    lines: mpsc::UnboundedReceiver<String>,
    told: Vec<String>,
}

impl Running {
    /// Starts `selvedge` with these arguments; what it keeps for a while is kept in `folder`.
    pub(crate) fn start(arguments: &[&str], folder: &Path) -> Self {
        let mut command = Command::new(env!("CARGO_BIN_EXE_selvedge"));
        command.args(arguments).env("TMPDIR", folder).stdout(Stdio::piped());
        let mut child = command.spawn().unwrap();
        let stdout = BufReader::new(child.stdout.take().unwrap());
        let (tell, lines) = mpsc::unbounded_channel();
        std::thread::spawn(move || {
            // It ends with the program; the test may have ended before.
            stdout.lines().map_while(Result::ok).try_for_each(|line| tell.send(line))
        });
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

impl Drop for Running {
    fn drop(&mut self) {
        // It may have ended already.
        drop(self.child.kill());
        drop(self.child.wait());
    }
}
