//! One source, split between two programs by their filters.

use crate::Part;
use serde_json::{Value, json};
use std::path::Path;
use std::process::{Command, Output};

/// Runs a line of a shell that calls the program by its name.
fn shell(line: &str, folder: &Path) -> Output {
    let program = Path::new(env!("CARGO_BIN_EXE_selvedge")).parent().unwrap();
    let path = format!("{}:{}", program.display(), std::env::var("PATH").unwrap());
    Command::new("sh").args(["-c", line]).current_dir(folder).env("PATH", path).output().unwrap()
}

/// The line that tries a filter says what stands below it.
pub(crate) fn judge(line: &str) {
    let output = shell(line, Path::new("/"));
    assert!(output.status.success() && output.stderr.is_empty(), "{output:?}");
    assert_eq!(String::from_utf8(output.stdout).unwrap().trim_end(), Part::Verdict.block());
}

#[test]
fn each_region_goes_to_its_own_program() {
    let whole = Part::Settings.block();
    let (start, _) = whole.split_once("[[impact.program]]").unwrap();
    let folder = tempfile::tempdir().unwrap();
    std::fs::write(folder.path().join("selvedge.toml"), format!("{start}{}", Part::Split.block())).unwrap();
    let checked = String::from_utf8(shell("selvedge check", folder.path()).stdout).unwrap();
    assert!(checked.contains("selvedge.toml: fine\n") && checked.contains("2 programs"), "{checked}");

    let order = |region: &str| json!({"event": "Order Completed", "type": "track", "properties": {"order_id": region, "region": region}});
    let regions = ["United States", "Canada", "Mexico"];
    // A batch of a server's: its items are seen one by one.
    let batch = json!({"batch": regions.map(order)});
    std::fs::write(folder.path().join("events.ndjson"), format!("{batch}\n")).unwrap();
    let explained = shell("selvedge explain --format json events.ndjson", folder.path());
    let explained = String::from_utf8(explained.stdout).unwrap();
    let told: Vec<Value> = explained.lines().map(|line| serde_json::from_str(line).unwrap()).collect();
    let accounts = [("united-states", "IRxxxx", "1000"), ("canada", "IRyyyy", "2000")];
    assert_eq!(told.len(), 3, "{explained}");
    for (region, told) in told.iter().enumerate() {
        let (deliveries, skipped) = (told["deliveries"].as_array().unwrap(), told["skipped"].as_array().unwrap());
        assert_eq!(deliveries.len() + skipped.len(), 2, "{told}");
        assert!(skipped.iter().all(|skipped| skipped["reason"] == "filter"), "{told}");
        let Some((program, account, campaign)) = accounts.get(region) else {
            assert!(deliveries.is_empty(), "{told}");
            continue;
        };
        assert_eq!(deliveries[0]["program"], *program);
        assert!(
            deliveries[0]["url"].as_str().unwrap().ends_with(&format!("/Advertisers/{account}/Conversions")),
            "{told}"
        );
        assert_eq!(deliveries[0]["params"]["CampaignId"], *campaign);
        assert_eq!(deliveries[0]["params"]["OrderId"], regions[region]);
    }
}
