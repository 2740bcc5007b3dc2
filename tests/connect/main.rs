//! `selvedge connect` and `selvedge check --online`, the program itself, before stand-ins for Segment's Public API, its CDN and
//! impact.com's account API, as these are documented: shapes, errors and paging.
#![allow(
    clippy::unwrap_used,
    clippy::panic,
    clippy::indexing_slicing,
    clippy::string_slice,
    clippy::print_stderr,
    reason = "a test's panic is its report, and what it skips it has to say"
)]

#[path = "../it/harness/mod.rs"]
mod harness;

mod account;
mod api;
mod asked;
mod file;
mod listed;
mod online;
mod troubles;
mod workspace;

use account::{Account, SID, TOKEN};
use std::path::Path;
use std::process::{Command, Output, Stdio};
use workspace::Workspace;

/// Both accounts, and a folder for the configuration.
pub(crate) struct Desk {
    pub(crate) segment: Workspace,
    pub(crate) impact: Account,
    pub(crate) folder: tempfile::TempDir,
}

/// How a command ended, and what it said.
#[derive(Debug)]
pub(crate) struct Said {
    pub(crate) code: i32,
    pub(crate) out: String,
    pub(crate) err: String,
}

impl Desk {
    pub(crate) async fn new() -> Self {
        let (segment, impact) = (Workspace::start().await, Account::start().await);
        Self { segment, impact, folder: tempfile::tempdir().unwrap() }
    }

    /// The arguments of `selvedge connect` that lead to the stand-ins, and some more.
    pub(crate) fn arguments(&self, more: &[&str]) -> Vec<String> {
        let (segment, impact) = (self.segment.url(), self.impact.url());
        let own = ["connect", "--segment-api", &segment, "--impact-api", &impact];
        own.iter().chain(more).map(ToString::to_string).collect()
    }

    /// Runs `selvedge connect` as a machine does: with credentials in the environment, and nobody to ask.
    pub(crate) async fn connect(&self, more: &[&str]) -> Said {
        let environment =
            [("SEGMENT_PUBLIC_API_TOKEN", workspace::TOKEN), ("IMPACT_ACCOUNT_SID", SID), ("IMPACT_AUTH_TOKEN", TOKEN)];
        run(self.folder.path(), self.arguments(more), &environment).await
    }

    /// What `selvedge connect` wrote.
    pub(crate) fn written(&self) -> String {
        std::fs::read_to_string(self.folder.path().join("selvedge.toml")).unwrap()
    }

    /// Whether `selvedge check` takes what was written, without a doubt but that a source may have no program yet.
    pub(crate) async fn check(&self) {
        let said = run(self.folder.path(), vec!["check".into()], &[("IMPACT_AUTH_TOKEN", TOKEN)]).await;
        let mut doubts = said.out.lines().filter(|line| line.contains(": warning: "));
        let is_sure = doubts.all(|doubt| doubt.ends_with("are delivered by no program"));
        assert!(
            said.code == 0 && is_sure && said.out.contains("selvedge.toml: fine\n"),
            "{said:?}\n{}",
            self.written()
        );
    }
}

/// Runs the program with these variables only; the stand-ins answer meanwhile.
pub(crate) async fn run(folder: &Path, arguments: Vec<String>, environment: &[(&str, &str)]) -> Said {
    let mut command = Command::new(env!("CARGO_BIN_EXE_selvedge"));
    for name in ["SEGMENT_PUBLIC_API_TOKEN", "IMPACT_ACCOUNT_SID", "IMPACT_AUTH_TOKEN"] {
        command.env_remove(name);
    }
    command.args(arguments).current_dir(folder).envs(environment.iter().copied()).stdin(Stdio::null());
    let output: Output = tokio::task::spawn_blocking(move || command.output().unwrap()).await.unwrap();
    let text = |bytes| String::from_utf8(bytes).unwrap();
    Said { code: output.status.code().unwrap(), out: text(output.stdout), err: text(output.stderr) }
}
