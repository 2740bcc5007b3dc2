//! Segment's own libraries, unmodified. `.ci/run` installs them beside the build; without them these tests say so and pass.

use selvedge::demo::Segment;
use serde_json::Value;
use std::path::{Path, PathBuf};
use std::process::{Command, Output};

/// A library that is driven by a script of `tests/sdk`.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Sdk {
    /// `@segment/analytics-node`
    Node,
    /// `segment-analytics-python`
    Python,
    /// The same with its `gzip` setting.
    PythonGzip,
}

impl Sdk {
    fn command(self, base: &str, prefix: &str) -> Option<Command> {
        let scripts = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/sdk");
        let (program, needed, script) = match self {
            Self::Node => (PathBuf::from("node"), installed("node/node_modules"), "node/drive.cjs"),
            Self::Python | Self::PythonGzip => {
                (installed("python/bin/python"), installed("python/requirements.txt"), "python/drive.py")
            }
        };
        if !needed.exists() {
            eprintln!("!! SKIPPED: {self:?} is not installed ({}); run .ci/run", needed.display());
            return None;
        }
        let mut command = Command::new(program);
        command.arg(scripts.join(script));
        match self {
            Self::Node => command
                .env("NODE_PATH", &needed)
                .env("SEGMENT_HOST", base)
                .env("SEGMENT_PATH", format!("{prefix}/v1/batch")),
            Self::Python => command.env("SEGMENT_HOST", format!("{base}{prefix}")),
            Self::PythonGzip => command.env("SEGMENT_HOST", format!("{base}{prefix}")).env("GZIP", "1"),
        };
        Some(command)
    }
}

/// Where `.ci/run` installs the libraries.
fn installed(what: &str) -> PathBuf {
    let target = std::env::var_os("CARGO_TARGET_DIR")
        .map_or_else(|| Path::new(env!("CARGO_MANIFEST_DIR")).join("target"), PathBuf::from);
    target.join("sdk").join(what)
}

/// Sends one call of each kind to Segment's API behind `base` (scheme and authority) and `prefix` (`/cdp`, or empty), in the name of
/// `customer-1001` and `anonymous-1001`; `None` when the library is not installed.
pub(crate) async fn drive(sdk: Sdk, base: &str, prefix: &str) -> Option<Output> {
    let mut command = sdk.command(base, prefix)?;
    command.env("USER_ID", "customer-1001").env("ANONYMOUS_ID", "anonymous-1001");
    // The stand-ins live on the caller's runtime, and must not be held up.
    Some(tokio::task::spawn_blocking(move || command.output().unwrap()).await.unwrap())
}

/// What the scripts send, seen without a proxy: the ground on which the other tests stand.
#[tokio::test]
async fn the_libraries_send_one_call_of_each_kind() {
    for sdk in [Sdk::Node, Sdk::Python, Sdk::PythonGzip] {
        let segment = Segment::start().await.unwrap();
        let Some(output) = drive(sdk, &segment.url(), "").await else { continue };
        assert!(output.status.success(), "{sdk:?}: {}", String::from_utf8_lossy(&output.stderr));
        let calls: Vec<Value> = segment.seen().iter().flat_map(selvedge::demo::Seen::calls).collect();
        let mut kinds: Vec<&str> = calls.iter().map(|call| call["type"].as_str().unwrap()).collect();
        kinds.sort_unstable();
        assert_eq!(kinds, ["alias", "group", "identify", "page", "screen", "track"], "{sdk:?}");
        let order = calls.iter().find(|call| call["type"] == "track").unwrap();
        assert_eq!((&order["userId"], order["anonymousId"].is_null()), (&"customer-1001".into(), true), "{sdk:?}");
    }
}

/// A script that cannot fail would prove nothing.
#[tokio::test]
async fn the_scripts_fail_when_the_library_reports_an_error() {
    for sdk in [Sdk::Node, Sdk::Python] {
        let segment = Segment::start().await.unwrap();
        segment.script().always(selvedge::demo::Answer::status(400).body("{}"));
        let Some(output) = drive(sdk, &segment.url(), "").await else { continue };
        assert!(!output.status.success(), "{sdk:?}");
    }
}
