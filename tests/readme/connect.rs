//! `selvedge connect` as the README runs it, before stand-ins for both accounts.

use crate::account::{Account, SID, TOKEN};
use crate::api::Api;
use crate::harness::{Origin, answers};
use crate::text::Readme;
use crate::workspace::{self, Workspace};
use serde_json::json;
use std::path::Path;
use std::process::{Command, Output};

/// What tells whether everything is there.
pub(crate) const CHECK: &str = "selvedge check --online --config selvedge.toml";

/// Runs these arguments, and then the check of what they wrote.
pub(crate) async fn try_out(arguments: &[&str]) {
    let (segment, impact) = (Workspace::start().await, Account::start().await);
    let (segment, impact) = (segment.url(), impact.url());
    let folder = tempfile::tempdir().unwrap();
    let here = ["--segment-api", &segment, "--impact-api", &impact];
    let output = run(folder.path(), &[arguments, &here].concat()).await;
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));

    let site = Origin::start(answers("200 OK", &[], "hello")).await;
    let cdn = Api::start(|_| (200, json!({"integrations": {}}))).await;
    let file = folder.path().join("selvedge.toml");
    let mut text = std::fs::read_to_string(&file).unwrap();
    assert!(!text.contains(TOKEN) && !text.contains(workspace::TOKEN), "a secret is written:\n{text}");
    for (written, here) in [
        ("http://127.0.0.1:3000", format!("http://{}", site.address())),
        ("prefix = \"/cdp\"", format!("prefix = \"/cdp\"\ncdn = \"{}\"", cdn.url())),
    ] {
        assert!(text.contains(written), "{written} is not in {text}");
        text = text.replace(written, &here);
    }
    std::fs::write(&file, text).unwrap();
    let output = run(folder.path(), &CHECK.split(' ').skip(1).collect::<Vec<_>>()).await;
    let said = String::from_utf8(output.stdout).unwrap();
    Readme::own().says("origins, write keys, credentials, campaigns with their event types and site definition");
    for line in [
        "pass  origin ",
        "pass  source ",
        "pass  account ",
        "pass  program ",
        "pass  event types ",
        "warn  site definition ",
    ] {
        assert!(output.status.success() && said.contains(line), "{line}\n{said}");
    }
}

/// Runs the program with the variables that the README names; the stand-ins answer meanwhile.
async fn run(folder: &Path, arguments: &[&str]) -> Output {
    Readme::own().says("from `SEGMENT_PUBLIC_API_TOKEN`, `IMPACT_ACCOUNT_SID` and `IMPACT_AUTH_TOKEN`");
    let mut command = Command::new(env!("CARGO_BIN_EXE_selvedge"));
    command.args(arguments).current_dir(folder).env("SEGMENT_PUBLIC_API_TOKEN", workspace::TOKEN);
    command.env("IMPACT_ACCOUNT_SID", SID).env("IMPACT_AUTH_TOKEN", TOKEN);
    tokio::task::spawn_blocking(move || command.output().unwrap()).await.unwrap()
}
