//! `selvedge filter`, the program itself.

use serde_json::Value;
use std::io::Write;
use std::process::{Command, Output, Stdio};

const EVENTS: &str = "{\"type\":\"track\",\"properties\":{\"region\":\"Canada\",\"total\":1.10}}\n\nnot json\n[1]\n\
                      {\"batch\":[]}\n{\"type\":\"page\"}\n";

fn selvedge(arguments: &[&str], input: &str) -> Output {
    let mut command = Command::new(env!("CARGO_BIN_EXE_selvedge"));
    command.arg("filter").args(arguments).stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped());
    let mut child = command.spawn().unwrap();
    // A command that refuses its arguments does not read.
    drop(child.stdin.take().unwrap().write_all(input.as_bytes()));
    child.wait_with_output().unwrap()
}

fn text(bytes: &[u8]) -> &str {
    std::str::from_utf8(bytes).unwrap()
}

#[test]
fn verdict_and_parts_of_each_event() {
    let filter = "type = 'track' and properties.total > 1.1 or lowercase(properties.region) in ['canada']";
    let output = selvedge(&[filter], EVENTS);
    assert_eq!(output.status.code(), Some(1), "two lines were no events");
    assert_eq!(
        text(&output.stdout),
        "\
stdin:1: match
  (type = 'track' and properties.total > 1.1) or lowercase(properties.region) in ['canada']  → true
    type = 'track' and properties.total > 1.1  → false
      type = 'track'  → true
        type  → \"track\"
      properties.total > 1.1  → false
        properties.total  → 1.10
    lowercase(properties.region) in ['canada']  → true
      lowercase(properties.region)  → \"canada\"
        properties.region  → \"Canada\"
stdin:3: error: not JSON: expected ident at line 1 column 2
stdin:4: error: not an event: expected a JSON object
stdin:5: error: a batch: filters see its calls one by one
stdin:6: no match
  (type = 'track' and properties.total > 1.1) or lowercase(properties.region) in ['canada']  → false
    type = 'track' and properties.total > 1.1  → false
      type = 'track'  → false
        type  → \"page\"
      properties.total > 1.1  → false
        properties.total  → null
    lowercase(properties.region) in ['canada']  → false
      lowercase(properties.region)  → null
        properties.region  → null
"
    );
    assert_eq!(text(&output.stderr), "");
}

#[test]
fn events_of_files_for_machines() {
    let folder = tempfile::tempdir().unwrap();
    let path = |name: &str| folder.path().join(name).to_str().unwrap().to_owned();
    let (one, two) = (path("one"), path("two"));
    std::fs::write(&one, "{\"a\":12345678901234567890}\n").unwrap();
    std::fs::write(&two, "{\"a\":\"\\u001b[31m\"}\n7\n").unwrap();
    let output = selvedge(&["--format", "json", "a = 12345678901234567890", &one, &two], "");
    assert_eq!(output.status.code(), Some(1));
    let rows: Vec<Value> = text(&output.stdout).lines().map(|line| serde_json::from_str(line).unwrap()).collect();
    assert_eq!(rows.len(), 3, "{rows:?}");
    assert!(rows[0]["file"] == one && rows[0]["line"] == 1 && rows[0]["match"] == true, "{}", rows[0]);
    assert_eq!(rows[0]["parts"]["parts"][0]["value"].to_string(), "12345678901234567890");
    assert!(rows[1]["match"] == false && rows[1]["parts"]["expression"] == "a = 12345678901234567890", "{}", rows[1]);
    assert_eq!(rows[2], serde_json::json!({"file": two, "line": 2, "error": "not an event: expected a JSON object"}));
    // The terminal is not steered.
    assert!(!text(&selvedge(&["a = 1", &two], "").stdout).contains('\u{1b}'));
    assert_eq!(selvedge(&["-1 < a", &one], "").status.code(), Some(0));
    assert_eq!(selvedge(&["all", &one], "").stdout, format!("{one}:1: match\n").into_bytes());
}

#[test]
fn a_faulty_filter_is_refused_with_a_caret() {
    let output = selvedge(&["properties.region = United States"], EVENTS);
    assert_eq!((output.status.code(), text(&output.stdout)), (Some(2), ""));
    let expected = "filter:1:28: error: this does not belong to what stands before it\n    \
                    properties.region = United States\n                               ^^^^^^\n";
    assert!(text(&output.stderr).starts_with(expected), "{}", text(&output.stderr));
    let output = selvedge(&["a =", "--format", "json"], "");
    let rows: Value = serde_json::from_slice(&output.stderr).unwrap();
    assert!(rows[0]["line"] == 1 && rows[0]["column"] == 4, "{rows}");
    // What is only doubtful is tried.
    let output = selvedge(&["a = Canada"], "{\"a\":\"Canada\"}\n");
    assert_eq!(output.status.code(), Some(0));
    assert!(
        text(&output.stdout).starts_with("stdin:1: no match\n") && text(&output.stderr).contains("warning: `Canada`")
    );
    assert_eq!(selvedge(&["a", "/nonexistent/events"], "").status.code(), Some(2));
}
