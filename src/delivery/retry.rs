//! What comes after an attempt.

use crate::destination::{Outcome, Trouble, Unfit};
use crate::metrics::Label;
use std::time::Duration;

/// The first retry comes within this; each later one may wait twice as long.
const BACKOFF_BASE: Duration = Duration::from_secs(1);
/// The longest backoff: a destination that is back is found within minutes, and one that is not costs a request per
/// delivery every few minutes.
const BACKOFF_MAX: Duration = Duration::from_secs(300);
/// How long a 429 that names no time pauses its account: long enough to be noticed, short enough not to matter.
const LIMITED_FOR: Duration = Duration::from_secs(15);
/// A time to come back that is no time: a reset in whole seconds may be rounded down.
const AFTER_MIN: Duration = Duration::from_secs(1);
/// The longest wait that a destination can ask for; a mistaken header must not put deliveries to sleep for days.
pub const AFTER_MAX: Duration = Duration::from_secs(3600);

/// What comes next for a delivery.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Step {
    /// It is made.
    Done,
    /// It is tried again, after this.
    Again(Duration),
    /// It is given up.
    Dead(Reason),
}

/// Why a delivery is given up.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Reason {
    /// The destination refused it.
    Refused,
    /// It may have been taken, and a second one could become a second action.
    Ambiguous,
    /// It was tried for as long as is set.
    Expired,
    /// It is no request that the destination could take.
    Unfit(Unfit),
}

impl Label for Reason {
    fn label(self) -> &'static str {
        match self {
            Self::Refused => "refused",
            Self::Ambiguous => "ambiguous",
            Self::Expired => "expired",
            Self::Unfit(why) => why.label(),
        }
    }
}

/// An attempt that has been made.
#[derive(Clone, Copy, Debug)]
pub struct Made {
    /// Its number; the first is 1.
    pub number: u32,
    /// How old the delivery is.
    pub age: Duration,
    /// How old it may get.
    pub age_max: Duration,
    /// Whether a second send could become a second action.
    pub unrepeatable: bool,
}

/// Decides what follows on `outcome` of an attempt. `jitter` is drawn from 0 (included) to 1 (excluded).
pub fn next(outcome: &Outcome, made: Made, jitter: f64) -> Step {
    let wait = match outcome {
        Outcome::Accepted { .. } => return Step::Done,
        Outcome::Refused { .. } => return Step::Dead(Reason::Refused),
        Outcome::Unfit(why) => return Step::Dead(Reason::Unfit(*why)),
        Outcome::Retry { why, .. } if made.unrepeatable && may_have_been_taken(*why) => {
            return Step::Dead(Reason::Ambiguous);
        }
        // All of the account, or of the lane, waits: this one keeps its place among the others until that is over.
        Outcome::Retry { why: Trouble::RateLimited, after, .. } => asked_wait(*after),
        Outcome::NoAccess { .. } => Duration::ZERO,
        Outcome::Retry { after, .. } => after.unwrap_or_default().min(AFTER_MAX) + backoff(made.number).mul_f64(jitter),
    };
    if made.age >= made.age_max { Step::Dead(Reason::Expired) } else { Step::Again(wait) }
}

/// How long an account waits after a 429 that asks for this.
pub(super) fn asked_wait(after: Option<Duration>) -> Duration {
    after.unwrap_or(LIMITED_FOR).clamp(AFTER_MIN, AFTER_MAX)
}

/// After a 429 or without a connection it surely was not; a server that failed may have failed after it took it.
fn may_have_been_taken(why: Trouble) -> bool {
    match why {
        Trouble::ServerError | Trouble::MaybeSent => true,
        Trouble::RateLimited | Trouble::NotSent => false,
    }
}

/// The longest wait after an attempt; the wait itself is drawn from all of it (full jitter), so that what failed
/// together does not come back together.
fn backoff(attempt: u32) -> Duration {
    let doublings = attempt.saturating_sub(1).min(16);
    (BACKOFF_BASE * (1 << doublings)).min(BACKOFF_MAX)
}

#[cfg(test)]
mod tests {
    use super::*;

    const HOUR: Duration = Duration::from_secs(3600);
    const WEEK: Duration = Duration::from_secs(7 * 86_400);

    fn seconds(seconds: u64) -> Duration {
        Duration::from_secs(seconds)
    }

    fn trouble(why: Trouble, after: Option<u64>) -> Outcome {
        Outcome::Retry { why, detail: "so it is".to_owned(), after: after.map(seconds) }
    }

    #[test]
    fn what_follows_on_what() {
        use Reason::{Ambiguous, Expired, Refused};
        use Step::{Again, Dead, Done};
        use Trouble::{MaybeSent, NotSent, RateLimited, ServerError};
        let accepted = Outcome::Accepted { receipt: None };
        let refused = Outcome::Refused { status: 400, detail: "OrderId: missing".to_owned() };
        let unauthorized = Outcome::NoAccess { status: 401, detail: "no".to_owned() };
        let (once, many) = (true, false);
        let unfit = Unfit::NoActionId;
        for (outcome, attempt, age, unrepeatable, jitter, expected) in [
            (Outcome::Unfit(unfit), 1, HOUR, many, 0.5, Dead(Reason::Unfit(unfit))),
            (accepted.clone(), 1, HOUR, many, 0.5, Done),
            (accepted, 9, WEEK * 2, once, 0.5, Done),
            (refused.clone(), 1, HOUR, many, 0.5, Dead(Refused)),
            (refused, 1, WEEK, once, 0.5, Dead(Refused)),
            // Full jitter, twice as long each time, up to five minutes.
            (trouble(ServerError, None), 1, HOUR, many, 0.0, Again(seconds(0))),
            (trouble(ServerError, None), 1, HOUR, many, 0.5, Again(Duration::from_millis(500))),
            (trouble(ServerError, None), 2, HOUR, many, 0.5, Again(seconds(1))),
            (trouble(NotSent, None), 5, HOUR, many, 0.5, Again(seconds(8))),
            (trouble(MaybeSent, None), 10, HOUR, many, 0.5, Again(seconds(150))),
            (trouble(MaybeSent, None), u32::MAX, HOUR, many, 0.5, Again(seconds(150))),
            (trouble(ServerError, None), 0, HOUR, many, 0.5, Again(Duration::from_millis(500))),
            // What the destination asks for, up to an hour, and a little more.
            (trouble(ServerError, Some(30)), 2, HOUR, many, 0.5, Again(seconds(31))),
            (trouble(ServerError, Some(86_400)), 1, HOUR, many, 0.0, Again(HOUR)),
            // Where all wait, none loses its place.
            (trouble(RateLimited, Some(30)), 2, HOUR, many, 0.5, Again(seconds(30))),
            (trouble(RateLimited, Some(0)), 2, HOUR, many, 0.5, Again(seconds(1))),
            (trouble(RateLimited, None), 2, HOUR, many, 0.5, Again(seconds(15))),
            (unauthorized.clone(), 1, HOUR, many, 0.0, Again(seconds(0))),
            // Nobody's delivery dies of wrong credentials before its time.
            (unauthorized.clone(), 500, WEEK - seconds(1), once, 0.5, Again(seconds(0))),
            (unauthorized, 500, WEEK, many, 0.5, Dead(Expired)),
            (trouble(NotSent, None), 500, WEEK, many, 0.5, Dead(Expired)),
            // What cannot be repeated.
            (trouble(MaybeSent, None), 1, HOUR, once, 0.0, Dead(Ambiguous)),
            (trouble(ServerError, None), 1, HOUR, once, 0.0, Dead(Ambiguous)),
            (trouble(ServerError, None), 1, WEEK, once, 0.0, Dead(Ambiguous)),
            (trouble(NotSent, None), 1, HOUR, once, 0.0, Again(seconds(0))),
            (trouble(RateLimited, Some(5)), 1, HOUR, once, 0.0, Again(seconds(5))),
        ] {
            let made = Made { number: attempt, age, age_max: WEEK, unrepeatable };
            let step = next(&outcome, made, jitter);
            assert_eq!(step, expected, "{outcome:?}, attempt {attempt}, age {age:?}, unrepeatable {unrepeatable}");
        }
    }
}
