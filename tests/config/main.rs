//! The configuration as an operator meets it: the files in `config/`, the faults and their places, `selvedge check`.
#![allow(
    clippy::unwrap_used,
    clippy::panic,
    clippy::indexing_slicing,
    clippy::string_slice,
    reason = "a test may stop where it fails"
)]

mod check;
mod faults;
mod files;
mod modes;
mod names;
mod secrets;
mod settings;

use selvedge::config::{self, Config, Loaded};
use selvedge::fault::Faults;
use selvedge::secret::Secrets;
use std::path::Path;

/// What a file needs at least, so that a case can say only what it is about.
pub(crate) const NEEDED: &str = "[listen]\nhttp = \"127.0.0.1:0\"\n[[site]]\norigin = \"http://127.0.0.1:3000\"\n";

/// A program that is complete.
pub(crate) const PROGRAM: &str = "[[impact.program]]\nname = \"us\"\naccount_sid = \"IR1\"\ncampaign_id = 1000\napi_key = { env = \"CARGO_PKG_NAME\" }\n";

pub(crate) fn parse(text: &str) -> Result<Loaded, Faults> {
    config::parse(text, "test.toml", Path::new("/etc/selvedge"), Secrets::Required)
}

pub(crate) fn good(text: &str) -> Config {
    parse(text).unwrap_or_else(|faults| panic!("{text}\n{faults}")).config
}

/// `line:column severity message` of every fault.
pub(crate) fn faults_of(text: &str) -> Vec<String> {
    let faults = match parse(text) {
        Ok(loaded) => loaded.warnings,
        Err(faults) => faults,
    };
    let rows: Vec<serde_json::Value> = serde_json::from_str(&faults.to_json()).unwrap();
    rows.iter()
        .map(|row| {
            format!(
                "{}:{} {} {}",
                row["line"],
                row["column"],
                row["severity"].as_str().unwrap(),
                row["message"].as_str().unwrap()
            )
        })
        .collect()
}
