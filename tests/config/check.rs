//! `selvedge check`, the program itself.

use std::process::{Command, Output};

fn check(arguments: &[&str]) -> Output {
    Command::new(env!("CARGO_BIN_EXE_selvedge"))
        .arg("check")
        .args(arguments)
        .env_remove("IMPACT_AUTH_TOKEN")
        .output()
        .unwrap()
}

#[test]
fn check_reports_every_fault_at_once_and_exits_with_2() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("bad.toml");
    let text = "[listen]\nhttp = \"nowhere\"\n[[site]]\nhosts = [\"a b\"]\n[click]\nwindow = \"0s\"\npolcy = \"last\"\n\
                [[impact.program]]\nname = \"us\"\naccount_sid = \"IR1\"\napi_key = \"hunter2\"\nfilter = \"x =\"\n";
    std::fs::write(&path, text).unwrap();
    let path = path.to_str().unwrap();
    let expected = [
        (2, 8, "error"),
        (3, 1, "error"),
        (4, 10, "error"),
        (6, 10, "error"),
        (7, 1, "error"),
        (8, 1, "error"),
        (11, 11, "warning"),
        (12, 14, "error"),
    ];

    let output = check(&["--config", path]);
    assert_eq!(output.status.code(), Some(2));
    let report = String::from_utf8(output.stdout).unwrap();
    for (line, column, severity) in expected {
        assert!(report.contains(&format!("{path}:{line}:{column}: {severity}: ")), "{line}:{column}\n{report}");
    }
    assert!(!report.contains("hunter2") && !report.contains("fine"), "{report}");

    let output = check(&["--config", path, "--format", "json"]);
    assert_eq!(output.status.code(), Some(2));
    let rows: Vec<serde_json::Value> = serde_json::from_slice(&output.stdout).unwrap();
    for (line, column, severity) in expected {
        assert!(
            rows.iter().any(|row| row["file"] == path
                && row["line"] == line
                && row["column"] == column
                && row["severity"] == severity),
            "{line}:{column}"
        );
    }
    assert!(rows.iter().all(|row| row["message"].is_string() && row.get("help").is_some()));
    assert!(!String::from_utf8(output.stdout).unwrap().contains("hunter2"));
}

#[test]
fn check_of_a_good_file_says_so_and_needs_no_secret() {
    let path = concat!(env!("CARGO_MANIFEST_DIR"), "/config/selvedge.toml");
    let output = check(&["--config", path]);
    assert_eq!(output.status.code(), Some(0));
    let report = String::from_utf8(output.stdout).unwrap();
    assert!(
        report.contains(": warning: `api_key`: the environment variable `IMPACT_AUTH_TOKEN` is not set"),
        "{report}"
    );
    let end = format!("{path}: fine\n1 site, 0 sources, 1 program; listens on 0.0.0.0:8080, admin on 127.0.0.1:9901\n");
    let (start, notes) = report.split_once("note: ").unwrap();
    assert!(start.ends_with(&end), "{report}");
    assert!(notes.starts_with("Segment's own destination cannot be switched off for pixels"), "{report}");
}

#[test]
fn check_of_what_is_no_readable_file_says_why() {
    let folder = tempfile::tempdir().unwrap();
    std::fs::write(folder.path().join("latin1.toml"), b"# caf\xe9\n").unwrap();
    for (name, why) in [
        ("absent.toml", "there is no such file"),
        ("", "this is a folder"),
        ("latin1.toml", "this is not UTF-8 text: byte 5"),
    ] {
        let output = check(&["--config", folder.path().join(name).to_str().unwrap()]);
        assert_eq!(output.status.code(), Some(2), "{name}");
        let report = String::from_utf8(output.stdout).unwrap();
        assert!(report.contains(&format!(": error: {why}")), "{report}");
    }
}

#[test]
fn a_wrong_command_line_exits_with_2() {
    assert_eq!(check(&["--confg", "x"]).status.code(), Some(2));
    assert_eq!(check(&["--format", "xml"]).status.code(), Some(2));
}
