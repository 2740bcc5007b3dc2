//! Names in code font: what the README calls something is what the program calls it.

use std::path::Path;
use std::sync::OnceLock;

/// Names that are other people's, and nowhere in this repository but in the README.
const FOREIGN: [&str; 1] = ["apiHost"];

/// Whether the program, its configuration, or what drives the SDKs says this name, or it is a file of this repository.
pub(crate) fn is_known(name: &str) -> bool {
    let is_setting = name.contains(" = ") || name.starts_with('[');
    let is_command = name.starts_with("selvedge ") || name.starts_with("cargo ");
    if is_setting || is_command {
        return false;
    }
    FOREIGN.contains(&name)
        || root().join(name.trim_start_matches('/')).is_file()
        || name.split('=').all(|part| spoken().contains(part))
}

/// Everything that is said in this repository, its prose apart.
fn spoken() -> &'static str {
    static SPOKEN: OnceLock<String> = OnceLock::new();
    SPOKEN.get_or_init(|| {
        let mut all = String::new();
        ["src", "config", "tests/sdk"].iter().for_each(|folder| gather(&root().join(folder), &mut all));
        all
    })
}

fn gather(folder: &Path, all: &mut String) {
    for entry in std::fs::read_dir(folder).unwrap() {
        let path = entry.unwrap().path();
        match path.is_dir() {
            true => gather(&path, all),
            false => all.push_str(&std::fs::read_to_string(&path).unwrap()),
        }
    }
}

pub(crate) fn root() -> &'static Path {
    Path::new(env!("CARGO_MANIFEST_DIR"))
}
