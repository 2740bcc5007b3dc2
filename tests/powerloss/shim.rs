//! The shim that stands between a program and its disk: how it is made and put before a program.

use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::OnceLock;

/// What the shim watches, and with what.
pub(crate) struct Shim {
    library: PathBuf,
    folder: PathBuf,
}

impl Shim {
    /// A shim before what programs do in `folder`; `None`, with a word, on a machine that cannot have one.
    pub(crate) fn before(folder: &Path) -> Option<Self> {
        static LIBRARY: OnceLock<Option<PathBuf>> = OnceLock::new();
        let library = LIBRARY.get_or_init(compile).clone();
        if library.is_none() {
            eprintln!("SKIPPED: no C compiler (cc), so nothing can stand between a program and its disk");
        }
        Some(Self { library: library?, folder: folder.canonicalize().unwrap() })
    }

    /// Records what `command` does to the disk at the end of `journal`.
    #[allow(dead_code, reason = "some tests only spoil")]
    pub(crate) fn record(&self, command: &mut Command, journal: &Path) {
        self.preload(command).env("SHIM_LOG", journal);
    }

    /// Lets `command` fail as the file `fault` says, whenever it is there.
    #[allow(dead_code, reason = "some tests only record")]
    pub(crate) fn spoil(&self, command: &mut Command, fault: &Path) {
        self.preload(command).env("SHIM_FAULT", fault);
    }

    fn preload<'a>(&self, command: &'a mut Command) -> &'a mut Command {
        command.env("LD_PRELOAD", &self.library).env("SHIM_FOLDER", &self.folder)
    }
}

/// Compiles the shim where cargo keeps what tests make.
fn compile() -> Option<PathBuf> {
    let source = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/powerloss/shim.c");
    let library = Path::new(env!("CARGO_TARGET_TMPDIR")).join(format!("shim-{}.so", env!("CARGO_CRATE_NAME")));
    // Under a name of its own first: another run may be using the one that is there.
    let fresh = library.with_extension(format!("{}", std::process::id()));
    let mut cc = Command::new("cc");
    cc.args(["-O1", "-Wall", "-Wextra", "-Werror", "-shared", "-fPIC", "-pthread", "-o"]).arg(&fresh).arg(source);
    match cc.status() {
        Ok(status) => assert!(status.success(), "the shim does not compile"),
        Err(_) => return None,
    }
    std::fs::rename(fresh, &library).unwrap();
    Some(library)
}
