//! A lane's breaker: while its endpoint is down or refuses the program, one delivery at a time asks whether it is
//! back. A pure value.

use crate::clock::Time;
use crate::destination::{Outcome, Trouble};
use crate::metrics::Label;
use std::time::Duration;

/// So many failures in a row are no accident.
const FAILURES_MAX: u32 = 5;
/// The first pause of a lane whose endpoint is down; each later one is twice as long …
const DOWN_MIN: Duration = Duration::from_secs(1);
/// … up to this: an endpoint that is back is found within a minute, and one that is not gets one request a minute.
const DOWN_MAX: Duration = Duration::from_secs(60);
/// How long refused credentials, or a campaign that is not there, pause their lane: one request a minute tells when that
/// is over.
const ACCESS_WAIT: Duration = Duration::from_secs(60);

/// Why a lane's breaker is open.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Why {
    /// No connection, no answer, or a 5xx, again and again.
    Down,
    /// 401 or 403: somebody must correct the account's SID or token.
    Credentials,
    /// 404: somebody must correct the account's SID or the campaign.
    Missing,
    /// 403 to a question for a verdict: the token may deliver, but not ask.
    Forbidden,
}

/// Whether a lane's deliveries go out.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Breaker {
    /// All of them, after this many failures in a row.
    Closed { failures: u32 },
    /// None until then; then one.
    Open { why: Why, since: Time, until: Time, pauses: u32 },
    /// One is under way to find out.
    Probing { why: Why, since: Time, pauses: u32 },
}

impl Default for Breaker {
    fn default() -> Self {
        Self::Closed { failures: 0 }
    }
}

impl Breaker {
    /// How many may go out at `now`; `None`: all.
    pub(super) fn most(&self, now: Time) -> Option<u32> {
        match self {
            Self::Closed { .. } => None,
            Self::Open { until, .. } => Some(u32::from(*until <= now)),
            Self::Probing { .. } => Some(0),
        }
    }

    /// When it will let one through again.
    pub(super) fn reopens(&self) -> Option<Time> {
        match self {
            Self::Open { until, .. } => Some(*until),
            Self::Closed { .. } | Self::Probing { .. } => None,
        }
    }

    /// Why it is not closed, and since when.
    pub(super) fn trouble(&self) -> Option<(Why, Time)> {
        match self {
            Self::Open { why, since, .. } | Self::Probing { why, since, .. } => Some((*why, *since)),
            Self::Closed { .. } => None,
        }
    }

    /// A delivery of the lane is on its way.
    pub(super) fn started(&mut self) {
        if let Self::Open { why, since, pauses, .. } = *self {
            *self = Self::Probing { why, since, pauses };
        }
    }

    /// A delivery of the lane came to `outcome`. `jitter` is drawn from 0 (included) to 1 (excluded).
    pub(super) fn note(&mut self, outcome: &Outcome, now: Time, jitter: f64) {
        *self = match (*self, failure(outcome)) {
            // Nothing was sent, so that nothing was found out.
            (Self::Probing { why, since, pauses }, None) if matches!(outcome, Outcome::Unfit(_)) => {
                Self::Open { why, since, until: now, pauses }
            }
            (known, None) if matches!(outcome, Outcome::Unfit(_)) => known,
            // Whatever was said of the delivery: somebody is there who answers.
            (_, None) => Self::default(),
            (Self::Closed { failures }, Some(Why::Down)) if failures + 1 < FAILURES_MAX => {
                Self::Closed { failures: failures + 1 }
            }
            (Self::Closed { .. }, Some(why)) => {
                Self::Open { why, since: now, until: now.plus(pause(why, 0, jitter)), pauses: 1 }
            }
            // What was under way when the breaker opened says nothing new.
            (Self::Open { why, .. }, Some(failed)) if why == failed => *self,
            (Self::Open { since, pauses, .. } | Self::Probing { since, pauses, .. }, Some(why)) => {
                let until = now.plus(pause(why, pauses, jitter));
                Self::Open { why, since, until, pauses: pauses.saturating_add(1) }
            }
        };
    }
}

fn failure(outcome: &Outcome) -> Option<Why> {
    match outcome {
        Outcome::Accepted { .. } | Outcome::Refused { .. } | Outcome::Unfit(_) => None,
        Outcome::Retry { why: Trouble::RateLimited, .. } => None,
        Outcome::Retry { why: Trouble::ServerError | Trouble::NotSent | Trouble::MaybeSent, .. } => Some(Why::Down),
        Outcome::NoAccess { status: 404, .. } => Some(Why::Missing),
        Outcome::NoAccess { .. } => Some(Why::Credentials),
    }
}

/// At least half of what it may be, so that a lane that is down is not asked all the time.
fn pause(why: Why, pauses: u32, jitter: f64) -> Duration {
    match why {
        Why::Down => (DOWN_MIN * (1 << pauses.min(6))).min(DOWN_MAX).mul_f64(0.5 + jitter / 2.0),
        Why::Credentials | Why::Missing | Why::Forbidden => ACCESS_WAIT,
    }
}

impl Label for Why {
    fn label(self) -> &'static str {
        match self {
            Self::Down => "down",
            Self::Credentials => "credentials",
            Self::Missing => "missing",
            Self::Forbidden => "forbidden",
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const START: Time = Time::from_seconds(1000);

    fn after(seconds: u64) -> Time {
        START.plus(Duration::from_secs(seconds))
    }

    fn down() -> Outcome {
        Outcome::Retry { why: Trouble::ServerError, detail: String::new(), after: None }
    }

    fn unauthorized() -> Outcome {
        Outcome::NoAccess { status: 401, detail: String::new() }
    }

    #[test]
    fn failures_in_a_row_open_it_and_one_probe_at_a_time_closes_it() {
        let mut breaker = Breaker::default();
        let accepted = Outcome::Accepted { receipt: None };
        for outcome in [down(), down(), down(), down(), accepted.clone(), down(), down(), down(), down()] {
            breaker.note(&outcome, START, 0.0);
            assert_eq!(breaker.most(START), None);
        }
        breaker.note(&down(), START, 0.99);
        assert_eq!(
            (breaker.most(START), breaker.most(after(1)), breaker.trouble()),
            (Some(0), Some(1), Some((Why::Down, START)))
        );
        // The rest of what was under way.
        breaker.note(&down(), after(9), 0.0);
        assert_eq!(breaker.most(after(1)), Some(1));
        let mut waits = Vec::new();
        for _ in 0..8 {
            breaker.started();
            assert_eq!(breaker.most(after(10_000)), Some(0), "one at a time");
            breaker.note(&down(), START, 0.999_999);
            waits.push(breaker.reopens().unwrap().since(START).as_secs_f64().round());
        }
        assert_eq!(waits, [2.0, 4.0, 8.0, 16.0, 32.0, 60.0, 60.0, 60.0]);
        breaker.started();
        breaker.note(&accepted, after(500), 0.0);
        assert_eq!(breaker, Breaker::default());
    }

    #[test]
    fn what_was_not_sent_finds_nothing_out() {
        let unfit = Outcome::Unfit(crate::destination::Unfit::NoActionId);
        let mut breaker = Breaker::default();
        breaker.note(&unfit, START, 0.5);
        assert_eq!(breaker, Breaker::default());
        breaker.note(&unauthorized(), START, 0.5);
        breaker.started();
        breaker.note(&unfit, after(60), 0.5);
        assert_eq!((breaker.most(after(60)), breaker.trouble()), (Some(1), Some((Why::Credentials, START))));
    }

    #[test]
    fn refused_credentials_open_it_at_once() {
        let mut breaker = Breaker::default();
        breaker.note(&unauthorized(), START, 0.5);
        assert_eq!((breaker.most(after(59)), breaker.most(after(60))), (Some(0), Some(1)));
        breaker.started();
        breaker.note(&unauthorized(), after(60), 0.5);
        assert_eq!((breaker.most(after(119)), breaker.most(after(120))), (Some(0), Some(1)));
        assert_eq!(breaker.trouble(), Some((Why::Credentials, START)));
        breaker.started();
        let refused = Outcome::Refused { status: 400, detail: String::new() };
        breaker.note(&refused, after(120), 0.5);
        assert_eq!(breaker.trouble(), None);
    }
}
