//! What comes after a question about a verdict.

use super::Config;
use super::retry::AFTER_MAX;
use crate::clock::Time;
use crate::destination::Said;
use crate::outbox::{Verdict, VerdictRow};
use std::time::Duration;

/// The longest wait between two questions: what was not decided in hours is not decided in the next minutes.
const WAIT_MAX: Duration = Duration::from_secs(4 * 3600);
/// How long nobody asks where the account's token may not: somebody may widen it, and nobody needs to hurry.
pub(super) const FORBIDDEN_WAIT: Duration = Duration::from_secs(3600);
/// How long nobody asks while the account's credentials are wrong: as for deliveries, there is no hurry, but when it is
/// put right the verdicts should follow.
pub(super) const CREDENTIALS_WAIT: Duration = Duration::from_secs(60);
/// The status of an account that may not ask.
pub(super) const FORBIDDEN: u16 = 403;

/// Why a verdict is unknown.
const UNANSWERED: &str = "unanswered";
const MAY_NOT_ASK: &str = "forbidden";
/// The delivery was taken, but the answer that names its submission broke off.
const NO_RECEIPT: &str = "no_receipt";

/// The verdict of a delivery that was just taken: pending, if there is anything to ask about.
pub fn first(receipt: Option<&str>, config: &Config, now: Time) -> VerdictRow {
    match receipt {
        Some(_) => VerdictRow::pending(now.plus(config.verdict_after)),
        None => VerdictRow::unknown(NO_RECEIPT),
    }
}

/// Decides what is known once the destination `said` something of a delivery that was made at `made`, whose verdict was
/// `known`. `jitter` is drawn from 0 (included) to 1 (excluded).
pub fn next(said: &Said, known: &VerdictRow, made: Time, config: &Config, now: Time, jitter: f64) -> VerdictRow {
    let asked = known.asked.saturating_add(1);
    let end = made.plus(config.verdict_for);
    let later = |wait: Duration| VerdictRow {
        verdict: Verdict::Pending,
        reason: None,
        action_id: None,
        // The last question is asked at the end.
        ask_at: Some(if now < end { now.plus(wait).min(end) } else { now.plus(wait) }),
        asked,
    };
    let settled = |verdict, reason: Option<&str>, action_id: Option<&String>| VerdictRow {
        verdict,
        reason: reason.map(str::to_owned),
        action_id: action_id.cloned(),
        ask_at: None,
        asked,
    };
    match said {
        Said::Accepted { action_id } => settled(Verdict::Accepted, None, action_id.as_ref()),
        Said::Refused { reason } => settled(Verdict::Refused, Some(reason), None),
        Said::Never(reason) => settled(Verdict::Unknown, Some(reason), None),
        // Of wrong credentials no verdict is lost: they are kept waiting.
        Said::Unauthorized { status } if *status != FORBIDDEN => later(CREDENTIALS_WAIT),
        Said::Unauthorized { .. } if now >= end => settled(Verdict::Unknown, Some(MAY_NOT_ASK), None),
        Said::Unauthorized { .. } => later(FORBIDDEN_WAIT),
        Said::NotYet | Said::Retry { .. } if now >= end => settled(Verdict::Unknown, Some(UNANSWERED), None),
        Said::NotYet => later(wait(asked, config, jitter)),
        Said::Retry { after, .. } => later(wait(asked, config, jitter).max(after.unwrap_or_default().min(AFTER_MAX))),
    }
}

/// Twice as long each time, and a quarter more or less, so that what was delivered together is not asked for together.
fn wait(asked: u32, config: &Config, jitter: f64) -> Duration {
    let doublings = asked.saturating_sub(1).min(16);
    (config.verdict_after * (1 << doublings)).min(WAIT_MAX).mul_f64(0.75 + jitter / 2.0)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::destination::Trouble;

    const MADE: Time = Time::from_seconds(1_800_000_000);
    const MIDDLE: f64 = 0.5;

    fn minutes(minutes: u64) -> Time {
        MADE.plus(Duration::from_secs(60 * minutes))
    }

    fn known(asked: u32) -> VerdictRow {
        VerdictRow { asked, ..VerdictRow::pending(MADE) }
    }

    fn after(said: &Said, asked: u32, now: Time) -> VerdictRow {
        next(said, &known(asked), MADE, &Config::default(), now, MIDDLE)
    }

    #[test]
    fn a_verdict_that_does_not_come_is_asked_for_a_day() {
        let config = Config::default();
        let mut row = first(Some("/s"), &config, MADE);
        let mut asks = Vec::new();
        while let Some(at) = row.ask_at {
            asks.push(at.since(MADE).as_secs() / 60);
            row = next(&Said::NotYet, &row, MADE, &config, at, MIDDLE);
        }
        assert_eq!(asks, [20, 40, 80, 160, 320, 560, 800, 1040, 1280, 1440]);
        assert_eq!((row.verdict, row.reason.as_deref(), row.asked), (Verdict::Unknown, Some("unanswered"), 10));
    }

    #[test]
    fn what_is_said_settles_it_or_not() {
        use Verdict::{Accepted, Pending, Refused, Unknown};
        let accepted = Said::Accepted { action_id: Some("1000.1.2".to_owned()) };
        let refused = Said::Refused { reason: "CONV_DUPLICATE".to_owned() };
        let (trouble, limited) = (Trouble::ServerError, Some(Duration::from_secs(1800)));
        let forbidden = Said::Unauthorized { status: 403 };
        let revoked = Said::Unauthorized { status: 401 };
        let late = minutes(24 * 60);
        for (said, now, verdict, reason, ask_at) in [
            (&accepted, minutes(20), Accepted, None, None),
            (&accepted, late, Accepted, None, None),
            (&refused, minutes(20), Refused, Some("CONV_DUPLICATE"), None),
            (&Said::Never("no_submission"), minutes(20), Unknown, Some("no_submission"), None),
            (&Said::NotYet, minutes(20), Pending, None, Some(minutes(40))),
            (&Said::Retry { why: trouble, after: None }, minutes(20), Pending, None, Some(minutes(40))),
            (&Said::Retry { why: trouble, after: limited }, minutes(20), Pending, None, Some(minutes(50))),
            (&Said::Retry { why: trouble, after: None }, late, Unknown, Some("unanswered"), None),
            (&forbidden, minutes(20), Pending, None, Some(minutes(80))),
            (&forbidden, minutes(1430), Pending, None, Some(minutes(1440))),
            (&forbidden, late, Unknown, Some("forbidden"), None),
            // Somebody must put the token right, however long that takes.
            (&revoked, minutes(20), Pending, None, Some(minutes(21))),
            (&revoked, minutes(3000), Pending, None, Some(minutes(3001))),
        ] {
            let row = after(said, 0, now);
            assert_eq!((row.verdict, row.reason.as_deref(), row.ask_at), (verdict, reason, ask_at), "{said:?} {now:?}");
        }
        assert_eq!(after(&accepted, 3, MADE).action_id.as_deref(), Some("1000.1.2"));
        assert_eq!(first(None, &Config::default(), MADE), VerdictRow::unknown("no_receipt"));
    }
}
