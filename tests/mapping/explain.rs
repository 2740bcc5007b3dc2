//! What `explain` tells of the mapping: each folder is a configuration, events, and what is printed for a person.

use std::path::{Path, PathBuf};
use std::process::{Command, Output};

/// When the events arrive.
const AT: &str = "2026-11-24T12:00:00Z";

fn folders() -> Vec<PathBuf> {
    let all = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/fixtures/explain");
    std::fs::read_dir(all).unwrap().map(|entry| entry.unwrap().path()).collect()
}

fn explain(folder: &Path, format: &str) -> Output {
    let arguments = ["explain", "--at", AT, "--format", format, "events.ndjson"];
    Command::new(env!("CARGO_BIN_EXE_selvedge")).args(arguments).current_dir(folder).output().unwrap()
}

#[test]
fn a_person_reads_every_row_where_its_value_came_from_or_why_there_is_none() {
    let folders = folders();
    assert!(folders.len() >= 5, "only {} folders found", folders.len());
    for folder in folders {
        let output = explain(&folder, "text");
        let expected = std::fs::read_to_string(folder.join("explained.txt")).unwrap();
        let actual = String::from_utf8(output.stdout).unwrap();
        assert_eq!(actual, expected, "{}:\n{actual}", folder.display());
    }
}

#[test]
fn a_machine_reads_what_is_sent_and_nothing_of_the_rows() {
    for folder in folders() {
        let output = explain(&folder, "json");
        let expected = std::fs::read_to_string(folder.join("explained.ndjson")).unwrap();
        assert_eq!(String::from_utf8(output.stdout).unwrap(), expected, "{}", folder.display());
    }
}
