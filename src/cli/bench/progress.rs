//! What is happening, for whoever waits: one line that changes on a terminal, else a line for each round.

use super::report::{Measured, time};
use super::tally::Tally;
use std::io::{self, IsTerminal};

/// Where the progress is told: the error stream, which no table goes to.
#[derive(Debug)]
pub(super) struct Progress {
    is_terminal: bool,
}

impl Progress {
    pub(super) fn new() -> Self {
        Self { is_terminal: io::stderr().is_terminal() }
    }

    /// A slice as it goes.
    pub(super) fn slice(&mut self, section: &str, round: u32, rounds: u32, target: &str, tally: &Tally) {
        if self.is_terminal {
            let p50 = median(Some(tally));
            let requests = tally.requests();
            super::super::say(&format!(
                "\r\x1b[K{section}, round {round} of {rounds}: {target}, {requests} requests, p50 {p50}"
            ));
        }
    }

    /// The end of a round.
    pub(super) fn round<'a>(
        &mut self,
        section: &str,
        round: u32,
        rounds: u32,
        targets: impl Iterator<Item = &'a Measured>,
    ) {
        if self.is_terminal {
            if round == rounds {
                super::super::say("\r\x1b[K");
            }
            return;
        }
        let told = targets
            .map(|target| format!("{} p50 {}", target.name, median(target.rounds.last().map(|(_, tally)| tally))));
        let told: Vec<String> = told.collect();
        super::super::say(&format!("{section}, round {round} of {rounds}: {}\n", told.join(", ")));
    }
}

/// The median of what was answered; of nothing there is none.
fn median(tally: Option<&Tally>) -> String {
    let answered = tally.map(|tally| &tally.latency).filter(|latency| !latency.is_empty());
    answered.map_or_else(|| "–".to_owned(), |latency| time(latency.value_at_quantile(0.5)))
}
