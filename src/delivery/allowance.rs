//! How often an account may be asked for verdicts: a pure value.
//!
//! Questions use half of what the account may do at the most, so that they never cost a conversion its turn.

use super::breaker::Why;
use super::verdict::{CREDENTIALS_WAIT, FORBIDDEN, FORBIDDEN_WAIT};
use crate::clock::Time;
use std::time::Duration;

/// The requests that impact.com allows an account in an hour, by its documentation, while it has not said otherwise.
const LIMIT: u64 = 1000;
/// The part of an account's requests that questions may use.
const SHARE: u64 = 2;
/// The period of [`LIMIT`].
const PERIOD: Duration = Duration::from_secs(3600);
/// A question takes two requests: for the submission, and for its action.
const REQUESTS: u64 = 2;

/// What an account was asked, and whether it may be asked.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Allowance {
    /// How many requests were made in the period that began then.
    made: Option<(Time, u64)>,
    /// The status with which the account refuses questions, since when, and until when nobody asks.
    held: Option<(u16, Time, Time)>,
}

impl Allowance {
    /// How many questions may be asked at `now`, when so many of so many requests are left.
    pub(super) fn most(&self, left: Option<(u64, Option<u64>)>, now: Time) -> u32 {
        let limit = left.and_then(|(_, limit)| limit).unwrap_or(LIMIT);
        let made = self.made.filter(|(began, _)| now.since(*began) < PERIOD).map_or(0, |(_, made)| made);
        let of_ours = (limit / SHARE).saturating_sub(made);
        let of_all = left.map_or(u64::MAX, |(left, _)| left.saturating_sub(limit - limit / SHARE));
        u32::try_from(of_ours.min(of_all) / REQUESTS).unwrap_or(u32::MAX)
    }

    /// The status for which nobody asks at `now`.
    pub(super) fn held(&self, now: Time) -> Option<u16> {
        self.held.filter(|(_, _, until)| *until > now).map(|(status, ..)| status)
    }

    /// Why nobody asks, and since when; also while one question finds out whether that is over.
    pub(super) fn trouble(&self) -> Option<(Why, Time)> {
        let why = |status| if status == FORBIDDEN { Why::Forbidden } else { Why::Credentials };
        self.held.map(|(status, since, _)| (why(status), since))
    }

    /// So many requests were made.
    pub(super) fn asked(&mut self, requests: u32, now: Time) {
        let current = self.made.filter(|(began, _)| now.since(*began) < PERIOD);
        let (began, made) = current.unwrap_or((now, 0));
        self.made = Some((began, made.saturating_add(requests.into())));
    }

    /// The account refused a question with this status; whether that is news.
    pub(super) fn refused(&mut self, status: u16, now: Time) -> bool {
        let wait = if status == FORBIDDEN { FORBIDDEN_WAIT } else { CREDENTIALS_WAIT };
        let known = self.held.filter(|(known, ..)| *known == status).map(|(_, since, _)| since);
        self.held = Some((status, known.unwrap_or(now), now.plus(wait)));
        known.is_none()
    }

    /// The account answered a question.
    pub(super) fn answered(&mut self) {
        self.held = None;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const NOW: Time = Time::from_seconds(1_000_000);

    fn after(seconds: u64) -> Time {
        NOW.plus(Duration::from_secs(seconds))
    }

    #[test]
    fn questions_use_half_of_the_account_at_the_most() {
        let mut allowance = Allowance::default();
        // Two requests for each.
        for (left, most) in [
            (None, 250),
            (Some((1000, Some(1000))), 250),
            (Some((600, Some(1000))), 50),
            (Some((500, Some(1000))), 0),
            (Some((9, Some(10))), 2),
            (Some((6, Some(10))), 0),
            (Some((0, None)), 0),
            (Some((900, None)), 200),
        ] {
            assert_eq!(allowance.most(left, NOW), most, "{left:?}");
        }
        allowance.asked(400, NOW);
        allowance.asked(98, after(3599));
        assert_eq!((allowance.most(None, after(3599)), allowance.most(None, after(3600))), (1, 250));
        allowance.asked(2, after(3600));
        assert_eq!(allowance.most(None, after(3601)), 249);
    }

    #[test]
    fn an_account_that_may_not_ask_is_told_once_and_tried_every_hour() {
        let mut allowance = Allowance::default();
        assert!(allowance.refused(403, NOW));
        assert!(!allowance.refused(403, after(1)));
        assert_eq!((allowance.held(after(3600)), allowance.held(after(3601))), (Some(403), None));
        assert_eq!(allowance.trouble(), Some((Why::Forbidden, NOW)));
        assert!(allowance.refused(401, after(4000)), "another trouble");
        assert_eq!((allowance.held(after(4059)), allowance.held(after(4060))), (Some(401), None));
        assert_eq!(allowance.trouble(), Some((Why::Credentials, after(4000))));
        allowance.answered();
        assert_eq!(allowance.trouble(), None);
    }
}
