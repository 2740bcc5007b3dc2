//! Which lanes are paused: a pure value.

use super::retry::AFTER_MAX;
use crate::clock::Time;
use crate::destination::{Endpoint, Outcome, Trouble};
use crate::outbox::{Lane, lane};
use std::collections::HashMap;
use std::time::Duration;

/// How long a 429 that names no time pauses its program: long enough to be noticed, short enough not to matter.
const LIMITED_FOR: Duration = Duration::from_secs(15);
/// How long refused credentials pause what needs them: one request a minute tells when they are right again.
const UNAUTHORIZED_FOR: Duration = Duration::from_secs(60);

/// Until when lanes are paused.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Pacing {
    until: HashMap<Lane, Time>,
}

impl Pacing {
    /// Takes note of what a delivery of `program` to `endpoint` met with at `now`.
    ///
    /// A 429, or any answer that says when to come back, speaks of the account and pauses all of the program. Refused
    /// credentials pause the endpoint that wants them.
    pub fn note(&mut self, program: &str, endpoint: Endpoint, outcome: &Outcome, now: Time) {
        match outcome {
            Outcome::Retry { why: Trouble::RateLimited, after, .. } => {
                self.pause_all(program, now.plus(after.unwrap_or(LIMITED_FOR).min(AFTER_MAX)));
            }
            Outcome::Retry { after: Some(after), .. } => self.pause_all(program, now.plus((*after).min(AFTER_MAX))),
            Outcome::Unauthorized { .. } => self.pause(lane(program, endpoint), now.plus(UNAUTHORIZED_FOR)),
            Outcome::Retry { after: None, .. } | Outcome::Accepted { .. } | Outcome::Refused { .. } => {}
        }
    }

    /// The lanes that are paused at `now`; forgets those that are not any more.
    pub fn paused(&mut self, now: Time) -> Vec<Lane> {
        self.until.retain(|_, until| *until > now);
        self.until.keys().cloned().collect()
    }

    /// When the first of the pauses ends.
    pub fn next_end(&self) -> Option<Time> {
        self.until.values().min().copied()
    }

    fn pause_all(&mut self, program: &str, until: Time) {
        for endpoint in [Endpoint::Conversions, Endpoint::PageLoad] {
            self.pause(lane(program, endpoint), until);
        }
    }

    /// A pause never gets shorter: answers arrive out of order.
    fn pause(&mut self, lane: Lane, until: Time) {
        let end = self.until.entry(lane).or_insert(until);
        *end = (*end).max(until);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_pauses_what_and_for_how_long() {
        let seconds = Duration::from_secs;
        let retry = |why, after: Option<u64>| Outcome::Retry { why, detail: String::new(), after: after.map(seconds) };
        let unauthorized = Outcome::Unauthorized { status: 401, detail: String::new() };
        for (outcome, conversions, page_loads) in [
            (Outcome::Accepted { receipt: None }, 0, 0),
            (Outcome::Refused { status: 400, detail: String::new() }, 0, 0),
            (retry(Trouble::ServerError, None), 0, 0),
            (retry(Trouble::MaybeSent, None), 0, 0),
            (retry(Trouble::RateLimited, None), 15, 15),
            (retry(Trouble::RateLimited, Some(40)), 40, 40),
            (retry(Trouble::RateLimited, Some(999_999)), 3600, 3600),
            (retry(Trouble::ServerError, Some(40)), 40, 40),
            (unauthorized, 60, 0),
        ] {
            let mut pacing = Pacing::default();
            let now = Time::from_seconds(1000);
            pacing.note("us", Endpoint::Conversions, &outcome, now);
            for (endpoint, expected) in [(Endpoint::Conversions, conversions), (Endpoint::PageLoad, page_loads)] {
                let paused =
                    |after: u64| pacing.clone().paused(now.plus(seconds(after))).contains(&lane("us", endpoint));
                assert!(!paused(expected), "{outcome:?}: {endpoint:?} goes on");
                assert!(expected == 0 || paused(expected - 1), "{outcome:?}: {endpoint:?} is paused");
            }
            assert!(!pacing.paused(now).contains(&lane("ca", Endpoint::Conversions)));
        }
    }

    #[test]
    fn a_pause_never_gets_shorter() {
        let mut pacing = Pacing::default();
        let now = Time::from_seconds(1000);
        for after in [50, 5] {
            let outcome = Outcome::Retry {
                why: Trouble::RateLimited,
                detail: String::new(),
                after: Some(Duration::from_secs(after)),
            };
            pacing.note("us", Endpoint::PageLoad, &outcome, now);
        }
        assert_eq!(pacing.next_end(), Some(Time::from_seconds(1050)));
    }
}
