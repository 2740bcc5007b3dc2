//! The command line: one file per command.
//!
//! Exit codes: 0 fine, 1 failed while running, 2 usage or configuration.

mod bench;
mod bulk;
mod cells;
mod check;
mod connect;
mod deliveries;
mod demo;
mod envelopes;
mod explain;
mod filter;
mod links;
mod node;
mod person;
mod run;
mod stretch;

use clap::{Parser, Subcommand};
use std::io::{self, Write};
use std::process::ExitCode;

/// Something failed while running.
pub(crate) const FAILED: u8 = 1;

/// The command line or the configuration is wrong; clap uses the same number.
pub(crate) const REFUSED: u8 = 2;

/// A first-party edge proxy for attribution.
#[derive(Parser)]
#[command(name = "selvedge", version, about, disable_help_subcommand = true)]
struct Arguments {
    #[command(subcommand)]
    command: Command,
}

#[derive(Subcommand)]
enum Command {
    Run(run::Arguments),
    Bench(bench::Arguments),
    Demo(demo::Arguments),
    Check(check::Arguments),
    Connect(connect::Arguments),
    Explain(explain::Arguments),
    Filter(filter::Arguments),
    Deliveries(deliveries::Arguments),
    Envelopes(envelopes::Arguments),
    Links(links::Arguments),
    Person(person::Arguments),
}

/// Runs the program.
pub fn main() -> ExitCode {
    match Arguments::parse().command {
        Command::Run(arguments) => run::run(&arguments),
        Command::Bench(arguments) => bench::run(&arguments),
        Command::Demo(arguments) => demo::run(&arguments),
        Command::Check(arguments) => check::run(&arguments),
        Command::Connect(arguments) => connect::run(&arguments),
        Command::Explain(arguments) => explain::run(&arguments),
        Command::Filter(arguments) => filter::run(&arguments),
        Command::Deliveries(arguments) => deliveries::run(arguments),
        Command::Envelopes(arguments) => envelopes::run(arguments),
        Command::Links(arguments) => links::run(arguments),
        Command::Person(arguments) => person::run(arguments),
    }
}

/// Ends a command whose usage or configuration is wrong.
fn refuse(report: &str) -> ExitCode {
    say(report);
    ExitCode::from(REFUSED)
}

/// Ends a command that failed while running.
fn fail(error: &str) -> ExitCode {
    say(&format!("selvedge: {error}\n"));
    ExitCode::from(FAILED)
}

/// To the error stream; when nobody reads it, the exit code still tells.
fn say(text: &str) {
    if io::stderr().lock().write_all(text.as_bytes()).is_err() {
        tracing::debug!("the error stream is closed");
    }
}
