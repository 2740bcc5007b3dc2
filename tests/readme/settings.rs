//! The settings: blocks that `selvedge check` takes, and names that the reference has.

use crate::Part;
use crate::text::{Readme, spans};
use selvedge::config;
use selvedge::secret::Secrets;
use std::path::Path;
use std::process::Command;

/// The reference with its examples taken as settings.
fn reference() -> String {
    include_str!("../../config/reference.toml").replace("#: ", "")
}

/// The keys of a section of the reference.
fn keys(header: &str) -> Vec<String> {
    let reference = reference();
    let section =
        reference.lines().skip_while(|line| *line != header).skip(1).take_while(|line| !line.starts_with('['));
    section.filter_map(|line| Some(line.split_once(" = ")?.0.to_owned())).filter(|key| !key.starts_with('#')).collect()
}

/// Whether this code span is a setting with its section or its value; the check of it fails when that is wrong.
pub(crate) fn is_tried(span: &str) -> bool {
    let (section, setting) = match span.strip_prefix('[').and_then(|rest| rest.split_once("] ")) {
        Some((section, setting)) => (Some(section), setting),
        None => (None, span),
    };
    let key = setting.split(" = ").next().unwrap();
    match section {
        Some(section) => keys(&format!("[{section}]")).iter().any(|known| known == key),
        None => setting.contains(" = "),
    }
}

#[test]
fn check_takes_every_configuration_with_and_without_its_comments() {
    for block in Part::Settings.blocks() {
        let whole: Vec<&str> = block.lines().map(|line| line.strip_prefix("# ").unwrap_or(line)).collect();
        assert_ne!(whole.join("\n"), block, "nothing is commented out any more");
        let warnings = ["no [[segment.source]] is listed"];
        for (text, warned) in [(block.clone(), &warnings[..]), (whole.join("\n"), &[])] {
            let folder = tempfile::tempdir().unwrap();
            std::fs::write(folder.path().join("selvedge.toml"), &text).unwrap();
            let mut check = Command::new(env!("CARGO_BIN_EXE_selvedge"));
            check.args(["check", "--config", "selvedge.toml"]).current_dir(folder.path());
            let output = check.env("IMPACT_AUTH_TOKEN", "token").output().unwrap();
            let said = String::from_utf8(output.stdout).unwrap();
            assert!(output.status.success() && said.contains("selvedge.toml: fine"), "{text}\n{said}");
            assert_eq!(said.matches("warning: ").count(), warned.len(), "{said}");
            assert!(warned.iter().all(|warning| said.contains(warning)), "{said}");
        }
    }
}

#[test]
fn settings_of_the_prose_are_taken_by_the_reader() {
    for span in Readme::own().spans.iter().filter(|span| is_tried(span) && span.contains(" = ")) {
        let setting = span.rsplit("] ").next().unwrap();
        let key = setting.split(" = ").next().unwrap();
        let headers = reference();
        let mut headers = headers.lines().filter(|line| line.starts_with('[') && keys(line).contains(&key.to_owned()));
        let header = match span.split_once("] ") {
            Some((section, _)) if span.starts_with('[') => format!("{section}]"),
            _ => headers.next().unwrap_or_else(|| panic!("{key} is no setting")).to_owned(),
        };
        let text = format!(
            "[listen]\nhttp = \"127.0.0.1:0\"\n[[site]]\norigin = \"http://127.0.0.1:3000\"\n{header}\n{setting}\n"
        );
        config::parse(&text, "README.md", Path::new(""), Secrets::Optional).unwrap_or_else(|faults| panic!("{faults}"));
    }
}

#[test]
fn settings_of_the_guide_are_settings_of_a_program() {
    let readme = Readme::own();
    let named = spans(readme.between("under the guide's names:", "## Connect"));
    assert!(named.len() > 10, "{named:?}");
    let known = keys("[[impact.program]]");
    assert!(named.iter().all(|name| known.iter().any(|known| known == name)), "{named:?}\n{known:?}");
}
