//! The demo, as the README starts it.
#![allow(clippy::unwrap_used, reason = "a test's panic is its report")]

use std::process::Command;

#[test]
fn the_scripted_journey_is_whole() {
    let output = Command::new(env!("CARGO_BIN_EXE_selvedge")).args(["demo", "--script"]).output().unwrap();
    let text = String::from_utf8_lossy(&output.stdout);
    assert!(output.status.success(), "{text}{}", String::from_utf8_lossy(&output.stderr));
    assert_eq!(text.matches('✓').count(), 7, "{text}");
    assert!(!text.contains('✗'), "{text}");
}
