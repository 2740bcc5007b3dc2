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
    /// The library's interpreter, which finds the library; `None`, and a word about it, when that is not installed.
    pub(crate) fn interpreter(self) -> Option<Command> {
        let (program, needed) = match self {
            Self::Node => (PathBuf::from("node"), installed("node/node_modules")),
            Self::Python | Self::PythonGzip => (installed("python/bin/python"), installed("python/requirements.txt")),
        };
        if !needed.exists() {
            eprintln!("!! SKIPPED: {self:?} is not installed ({}); run .ci/run", needed.display());
            return None;
        }
        let mut command = Command::new(program);
        command.env("NODE_PATH", &needed);
        Some(command)
    }

    fn command(self, base: &str, prefix: &str) -> Option<Command> {
        let mut command = self.interpreter()?;
        let script = match self {
            Self::Node => "node/drive.cjs",
            Self::Python | Self::PythonGzip => "python/drive.py",
        };
        command.arg(Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/sdk").join(script));
        match self {
            Self::Node => command.env("SEGMENT_HOST", base).env("SEGMENT_PATH", format!("{prefix}/v1/batch")),
            Self::Python => command.env("SEGMENT_HOST", format!("{base}{prefix}")),
            Self::PythonGzip => command.env("SEGMENT_HOST", format!("{base}{prefix}")).env("GZIP", "1"),
        };
        Some(command)
    }
}

/// A script of `tests/sdk/protocols`; `None`, and a word about it, when its libraries are not installed.
pub(crate) fn protocols(script: &str, arguments: &[&str]) -> Option<Command> {
    let installed = installed("protocols");
    if !installed.join("requirements.txt").exists() {
        eprintln!("!! SKIPPED: {script}: nothing in {}; run .ci/run", installed.display());
        return None;
    }
    let mut command = Command::new(installed.join("bin/python"));
    command.arg(Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/sdk/protocols").join(script)).args(arguments);
    Some(command)
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
