//! Which stretch of a queue is meant: by age, by number, and how many.

use crate::units;
use clap::Args;

/// The filters that every queue has.
#[derive(Args)]
pub(super) struct Stretch {
    /// Only those that arrived longer ago, such as 30d or 1h30m
    #[arg(long, value_name = "DURATION", value_parser = duration)]
    pub(super) older_than: Option<String>,
    /// Only those that arrived since then
    #[arg(long, value_name = "DURATION", value_parser = duration)]
    pub(super) newer_than: Option<String>,
    /// Only numbers below this one: the next page
    #[arg(long, value_name = "ID")]
    pub(super) before: Option<i64>,
    /// How many at most; a list has 50 without it, and never more than 1000
    #[arg(long, value_parser = clap::value_parser!(u32).range(1..))]
    pub(super) limit: Option<u32>,
}

/// A duration of the command line, as it is typed.
fn duration(text: &str) -> Result<String, String> {
    units::duration(text).map(|_| text.to_owned())
}
