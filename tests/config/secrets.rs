//! Secrets: where they come from, and that nothing shows them.

use crate::{NEEDED, faults_of, parse};
use selvedge::config;
use selvedge::fault::Severity;
use selvedge::secret::Secrets;

#[test]
fn secrets_come_from_files_and_are_never_shown() {
    let folder = tempfile::tempdir().unwrap();
    let write = |name: &str, text: &str, mode: u32| {
        use std::os::unix::fs::PermissionsExt;
        std::fs::write(folder.path().join(name), text).unwrap();
        std::fs::set_permissions(folder.path().join(name), std::fs::Permissions::from_mode(mode)).unwrap();
    };
    write("private", "hunter2\n", 0o600);
    write("public", "hunter2\r\n", 0o644);
    write("empty", "\n", 0o600);
    let read = |key: &str, mode| {
        config::parse(&format!("{NEEDED}[click]\ncookie_key = {key}\n"), "x.toml", folder.path(), mode)
    };
    for (key, warning) in [
        ("{ file = \"private\" }", None),
        ("{ file = \"public\" }", Some("everybody on this machine can read `public`")),
        ("\"hunter2\"", Some("`cookie_key` stands in the file itself, for every reader of the file")),
    ] {
        let loaded = read(key, Secrets::Required).unwrap();
        assert!(!format!("{loaded:?} {}", loaded.warnings.to_json()).contains("hunter2"), "{key}");
        assert_eq!(loaded.config.click.cookie_key.unwrap().reveal(), "hunter2", "{key}");
        assert_eq!(loaded.warnings.iter().map(|fault| fault.message.as_str()).next(), warning, "{key}");
    }
    for key in ["{ file = \"absent\" }", "{ file = \"empty\" }", "{ env = \"SELVEDGE_NOT_THERE\" }"] {
        assert!(read(key, Secrets::Required).is_err(), "{key}");
        let loaded = read(key, Secrets::Optional).unwrap();
        assert!(loaded.config.click.cookie_key.is_none());
        assert!(loaded.warnings.iter().any(|fault| fault.severity == Severity::Warning), "{key}");
    }
    for key in [
        "{ env = \"hunter2-hunter2\" }",
        "[\"hunter2\"]",
        "\"hunter2",
        "{ evn = \"hunter2\" }",
        "\"a\"\ncookie_kye = \"hunter2\"",
    ] {
        let faults = read(key, Secrets::Required).unwrap_err();
        assert!(!format!("{faults} {faults:?} {}", faults.to_json()).contains("hunter2"), "{key}: {faults}");
    }
}

/// Whatever single character is lost, however the file breaks by that: no report repeats the token in it.
#[test]
fn a_broken_file_does_not_show_its_secret() {
    let text = format!("{NEEDED}[[impact.program]]\nname = \"us\"\napi_key = \"hunter2\"\naccount_sid = \"IR1\"\n");
    for (at, _) in text.char_indices().filter(|(at, _)| !text[*at..].starts_with("hunter2")) {
        let mut broken = text.clone();
        broken.remove(at);
        let report = match parse(&broken) {
            Ok(loaded) => format!("{loaded:?} {} {}", loaded.warnings, loaded.warnings.to_json()),
            Err(faults) => format!("{faults} {faults:?} {}", faults.to_json()),
        };
        assert!(report.contains("test.toml"), "{broken}");
        assert!(!report.contains("hunter2"), "{broken}\n{report}");
    }
}

#[test]
fn a_string_that_swallowed_other_lines_is_not_repeated() {
    let text = format!("{NEEDED}[click]\npolicy = \"\"\"\napi_key = 'hunter2'\n\"\"\"\nwindow = \"\"\"1\n2\"\"\"\n");
    assert_eq!(faults_of(&text), ["6:10 error `policy` must be one line", "9:10 error `window` must be one line"]);
}
