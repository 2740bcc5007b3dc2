//! The command line: one file per command.
//!
//! Exit codes: 0 fine, 1 failed while running, 2 usage or configuration.

mod check;
mod deliveries;
mod links;
mod node;

use clap::{Parser, Subcommand};
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
    Check(check::Arguments),
    Deliveries(deliveries::Arguments),
    Links(links::Arguments),
}

/// Runs the program.
pub fn main() -> ExitCode {
    match Arguments::parse().command {
        Command::Check(arguments) => check::run(&arguments),
        Command::Deliveries(arguments) => deliveries::run(arguments),
        Command::Links(arguments) => links::run(arguments),
    }
}
