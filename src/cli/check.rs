//! `selvedge check`: is the configuration fine, and if not, everything that is wrong with it.

use super::cells::printable;
use super::{FAILED, REFUSED};
use crate::config::{self, Config};
use crate::connect::online::{self, Finding, Named, Verdict};
use crate::destination::impact::config::Mode;
use crate::fault::Faults;
use crate::secret::Secrets;
use clap::{Args, ValueEnum};
use serde_json::{Value, json};
use std::io::{self, Write};
use std::path::{Path, PathBuf};
use std::process::ExitCode;

/// Check the configuration and print every fault in it
///
/// No secret's value is needed, except with --online. Exit codes: 0 fine (perhaps with warnings), 1 something that it names is not
/// there (--online), 2 not fine.
#[derive(Args)]
pub(super) struct Arguments {
    /// The configuration file
    #[arg(long, value_name = "FILE", default_value = "selvedge.toml")]
    config: PathBuf,
    /// How faults are printed
    #[arg(long, value_enum, default_value_t = Format::Text)]
    format: Format,
    /// Also ask whether what it names is there: origins, write keys, accounts, programs; no event is sent
    #[arg(long)]
    online: bool,
}

#[derive(Clone, Copy, ValueEnum)]
enum Format {
    /// For people
    Text,
    /// For machines: an array of {file, line, column, severity, message, help}; with --online an object of it as "faults" and of
    /// "online", an array of {verdict, what, found}
    Json,
}

/// Runs the command.
pub(super) fn run(arguments: &Arguments) -> ExitCode {
    let (faults, config) = match config::load(&arguments.config, Secrets::Optional) {
        Ok(loaded) => (loaded.warnings, Some(loaded.config)),
        Err(faults) => (faults, None),
    };
    let findings = arguments.online.then(|| config.as_ref().map_or(Ok(Vec::new()), look)).transpose();
    let findings = match findings {
        Ok(findings) => findings,
        Err(error) => return super::fail(&format!("the system gives no threads: {error}")),
    };
    let report = match (arguments.format, &findings) {
        (Format::Json, None) => faults.to_json() + "\n",
        (Format::Json, Some(findings)) => json(&faults, findings) + "\n",
        (Format::Text, findings) => {
            text(&arguments.config, &faults, config.as_ref()) + &lines(findings.iter().flatten())
        }
    };
    let has_failed = findings.iter().flatten().any(|finding| finding.verdict == Verdict::Fail);
    // Not `println!`: it would panic when the reader has gone away.
    match (io::stdout().lock().write_all(report.as_bytes()), config) {
        (Err(_), _) => ExitCode::from(FAILED),
        (Ok(()), Some(_)) if has_failed => ExitCode::from(FAILED),
        (Ok(()), Some(_)) => ExitCode::SUCCESS,
        (Ok(()), None) => ExitCode::from(REFUSED),
    }
}

/// Asks everybody whom the configuration names.
fn look(config: &Config) -> io::Result<Vec<Finding>> {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
    let Config { sites, trust, click, segment, impact, .. } = config;
    Ok(runtime.block_on(online::look(Named { sites, trust, click, segment, impact })))
}

fn lines<'f>(findings: impl Iterator<Item = &'f Finding>) -> String {
    findings
        .map(|finding| {
            format!("{}  {} – {}\n", finding.verdict.word(), printable(&finding.what), printable(&finding.found))
        })
        .collect()
}

fn json(faults: &Faults, findings: &[Finding]) -> String {
    let rows: Vec<Value> = findings
        .iter()
        .map(|finding| json!({"verdict": finding.verdict.word(), "what": finding.what, "found": finding.found}))
        .collect();
    let faults: Value = serde_json::from_str(&faults.to_json()).unwrap_or_default();
    json!({"faults": faults, "online": rows}).to_string()
}

fn text(path: &Path, faults: &Faults, config: Option<&Config>) -> String {
    let mut text = faults.to_text();
    if let Some(config) = config {
        text.push_str(&format!("{}: fine\n{}\n", path.display(), summary(config)));
        notes(config).for_each(|note| text.push_str(&format!("note: {note}\n")));
    }
    text
}

/// What no setting is wrong about, and somebody who counts conversions should know.
fn notes(config: &Config) -> impl Iterator<Item = &'static str> {
    let (segment, programs) = (&config.segment, &config.impact.programs);
    let only_listed = !segment.sources.is_empty() && !segment.deliver_unlisted && !programs.is_empty();
    let direct = programs.iter().any(|program| program.mode == Mode::Direct);
    [
        only_listed.then_some("calls of write keys that are not listed go on to Segment, and are not delivered"),
        direct.then_some(
            "Segment's own destination cannot be switched off for pixels with dotted parameters, and for calls whose \
             `integrations` is no object: if you keep it, they arrive twice",
        ),
    ]
    .into_iter()
    .flatten()
}

/// What the configuration amounts to, in one line.
fn summary(config: &Config) -> String {
    let listeners: Vec<String> = config.listen.http.iter().map(ToString::to_string).collect();
    let count = |number: usize, noun: &str| format!("{number} {noun}{}", if number == 1 { "" } else { "s" });
    format!(
        "{}, {}, {}; listens on {}, admin on {}",
        count(config.sites.len(), "site"),
        count(config.segment.sources.len(), "source"),
        count(config.impact.programs.len(), "program"),
        listeners.join(" and "),
        config.listen.admin
    )
}
