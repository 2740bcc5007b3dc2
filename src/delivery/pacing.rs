//! How fast deliveries may go out: a pure value.
//!
//! Three things slow a lane down: a destination that says when to come back, an account that has few requests left, and
//! a [`Breaker`](super::breaker).

use super::allowance::Allowance;
use super::breaker::{Breaker, Why};
use super::retry::{AFTER_MAX, asked_wait};
use crate::clock::Time;
use crate::destination::{Endpoint, Inquiry, Outcome, Quota, Said, Trouble};
use crate::outbox::{Cap, Lane, lane};
use std::collections::HashMap;
use std::time::Duration;

/// This part of an account's requests is kept for conversions: a page load in it could cost one its hour.
const CONVERSIONS_SHARE: u64 = 10;

/// What is known of each account and lane.
#[derive(Clone, Debug, Default)]
pub struct Pacing {
    accounts: HashMap<String, String>,
    budgets: HashMap<String, Budget>,
    breakers: HashMap<Lane, Breaker>,
    allowances: HashMap<String, Allowance>,
}

/// Whether an account may be asked for verdicts.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Asks {
    /// So many at most.
    Most(u32),
    /// Not now: it refused with this status.
    Held(u16),
}

/// The name under which questions for verdicts are among the lanes in trouble.
const VERDICTS: &str = "verdicts";

/// What an account may still do.
#[derive(Clone, Copy, Debug, Default)]
struct Budget {
    /// It may do nothing until then.
    paused: Option<Time>,
    /// How many requests are left, of how many, until when.
    left: Option<(u64, Option<u64>, Time)>,
}

impl Pacing {
    /// `accounts` names the account of each program; programs with one account share what it may do.
    pub fn new(accounts: impl IntoIterator<Item = (String, String)>) -> Self {
        Self { accounts: accounts.into_iter().collect(), ..Self::default() }
    }

    /// A delivery of `program` to `endpoint` is on its way.
    pub fn started(&mut self, program: &str, endpoint: Endpoint) {
        if let Some(breaker) = self.breakers.get_mut(&lane(program, endpoint)) {
            breaker.started();
        }
        if let Some((left, ..)) = self.budget(program).left.as_mut() {
            *left = left.saturating_sub(1);
        }
    }

    /// Takes note of what a delivery of `program` to `endpoint` met with at `now`. `jitter` is drawn from 0 (included) to
    /// 1 (excluded).
    pub fn note(&mut self, program: &str, endpoint: Endpoint, outcome: &Outcome, now: Time, jitter: f64) {
        self.breakers.entry(lane(program, endpoint)).or_default().note(outcome, now, jitter);
        if let Outcome::Retry { why, after, .. } = outcome
            && (*why == Trouble::RateLimited || after.is_some())
        {
            self.pause(program, *after, now);
        }
    }

    /// The account of `program` says how much it may still do.
    pub fn told(&mut self, program: &str, quota: Quota, now: Time) {
        let until = now.plus(quota.resets_in.min(AFTER_MAX));
        let left = &mut self.budget(program).left;
        // Within one period it only gets less, and answers arrive out of order.
        let known = left.filter(|(_, _, known)| *known > now).map_or(u64::MAX, |(left, ..)| left);
        *left = Some((quota.remaining.min(known), quota.limit, until));
    }

    /// How many deliveries may be taken at `now`, by lane; lanes without a cap may have all.
    pub fn caps(&self, now: Time) -> Vec<Cap> {
        let mut caps = Vec::new();
        for (program, account) in &self.accounts {
            for endpoint in Endpoint::ALL {
                let lane = lane(program, endpoint);
                let budget = self.budgets.get(account).and_then(|budget| budget.most(endpoint, now));
                let breaker = self.breakers.get(&lane).and_then(|breaker| breaker.most(now));
                if let Some(most) = budget.into_iter().chain(breaker).min() {
                    caps.push(Cap { lane, most });
                }
            }
        }
        caps
    }

    /// When the first of what slows anything down at `now` ends.
    pub fn next_end(&self, now: Time) -> Option<Time> {
        let budgets = self.budgets.values().flat_map(|budget| [budget.paused, budget.left.map(|(.., until)| until)]);
        let breakers = self.breakers.values().map(Breaker::reopens);
        budgets.chain(breakers).flatten().filter(|end| *end > now).min()
    }

    /// The lanes whose deliveries do not go out, why, and since when.
    pub fn troubles(&self) -> Vec<(Lane, Why, Time)> {
        let open = self.breakers.iter().filter_map(|(lane, breaker)| {
            let (why, since) = breaker.trouble()?;
            Some((lane.clone(), why, since))
        });
        let held = self.accounts.iter().filter_map(|(program, account)| {
            let (why, since) = self.allowances.get(account)?.trouble()?;
            Some((Lane { program: program.clone(), endpoint: VERDICTS.to_owned() }, why, since))
        });
        let mut open: Vec<_> = open.chain(held).collect();
        open.sort_by(|(one, ..), (other, ..)| (&one.program, &one.endpoint).cmp(&(&other.program, &other.endpoint)));
        open
    }

    /// Caps that leave nothing but conversions, and of these what [`Pacing::caps`] leaves.
    pub(super) fn all_but_conversions(&self, now: Time) -> Vec<Cap> {
        let page_loads = self.accounts.keys().map(|program| Cap { lane: lane(program, Endpoint::PageLoad), most: 0 });
        page_loads.chain(self.caps(now)).collect()
    }

    /// How often the account of `program` may be asked for verdicts at `now`.
    pub(super) fn asks(&mut self, program: &str, now: Time) -> Asks {
        let budget = *self.budget(program);
        let allowance = self.allowance(program);
        match allowance.held(now) {
            Some(status) => Asks::Held(status),
            None if budget.paused.is_some_and(|until| until > now) => Asks::Most(0),
            None => {
                let left = budget.left.filter(|(.., until)| *until > now).map(|(left, limit, _)| (left, limit));
                Asks::Most(allowance.most(left, now))
            }
        }
    }

    /// Whether the account of `program` was held when it was last asked.
    pub(super) fn is_asking_held(&mut self, program: &str) -> bool {
        self.allowance(program).trouble().is_some()
    }

    /// Takes note of a question for a verdict; whether the account begins to refuse them.
    pub(super) fn asked(&mut self, program: &str, inquiry: &Inquiry, now: Time) -> bool {
        self.allowance(program).asked(inquiry.requests, now);
        if let Some((left, ..)) = self.budget(program).left.as_mut() {
            *left = left.saturating_sub(inquiry.requests.into());
        }
        if let Some(quota) = inquiry.quota {
            self.told(program, quota, now);
        }
        match &inquiry.said {
            Said::Unauthorized { status } => return self.allowance(program).refused(*status, now),
            Said::Retry { why, after } if *why == Trouble::RateLimited || after.is_some() => {
                self.pause(program, *after, now);
            }
            Said::NotYet | Said::Accepted { .. } | Said::Refused { .. } => self.allowance(program).answered(),
            Said::Retry { .. } | Said::Never(_) => {}
        }
        false
    }

    fn pause(&mut self, program: &str, after: Option<Duration>, now: Time) {
        let until = now.plus(asked_wait(after));
        let paused = &mut self.budget(program).paused;
        // A pause never gets shorter: answers arrive out of order.
        *paused = (*paused).max(Some(until));
    }

    fn allowance(&mut self, program: &str) -> &mut Allowance {
        let account = self.accounts.get(program).map_or(program, String::as_str).to_owned();
        self.allowances.entry(account).or_default()
    }

    /// A program that the configuration has no more is its own account.
    fn budget(&mut self, program: &str) -> &mut Budget {
        let account = self.accounts.entry(program.to_owned()).or_insert_with(|| program.to_owned());
        self.budgets.entry(account.clone()).or_default()
    }
}

impl Budget {
    /// How many requests to `endpoint` may go out at `now`; `None`: as many as there are.
    fn most(&self, endpoint: Endpoint, now: Time) -> Option<u32> {
        if self.paused.is_some_and(|until| until > now) {
            return Some(0);
        }
        let (left, limit) = match self.left? {
            (left, limit, until) if until > now => (left, limit),
            // A new period has begun, of which nothing is known yet but how much there is in one.
            (_, limit, _) => (limit?, limit),
        };
        let kept = match endpoint {
            Endpoint::Conversions | Endpoint::Actions => 0,
            Endpoint::PageLoad => limit.unwrap_or(left) / CONVERSIONS_SHARE,
        };
        Some(u32::try_from(left.saturating_sub(kept)).unwrap_or(u32::MAX))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const NOW: Time = Time::from_seconds(1000);

    fn pacing() -> Pacing {
        Pacing::new([("us", "A"), ("uk", "A"), ("ca", "B")].map(|(program, account)| (program.into(), account.into())))
    }

    fn most(pacing: &Pacing, program: &str, endpoint: Endpoint, after: u64) -> Option<u32> {
        let caps = pacing.caps(NOW.plus(Duration::from_secs(after)));
        caps.iter().find(|cap| cap.lane == lane(program, endpoint)).map(|cap| cap.most)
    }

    fn retry(why: Trouble, after: Option<u64>) -> Outcome {
        Outcome::Retry { why, detail: String::new(), after: after.map(Duration::from_secs) }
    }

    #[test]
    fn what_pauses_an_account_and_for_how_long() {
        for (outcome, paused) in [
            (Outcome::Accepted { receipt: None }, 0),
            (Outcome::Refused { status: 400, detail: String::new() }, 0),
            (retry(Trouble::ServerError, None), 0),
            (retry(Trouble::MaybeSent, None), 0),
            (retry(Trouble::RateLimited, None), 15),
            (retry(Trouble::RateLimited, Some(40)), 40),
            (retry(Trouble::RateLimited, Some(0)), 1),
            (retry(Trouble::RateLimited, Some(999_999)), 3600),
            (retry(Trouble::ServerError, Some(40)), 40),
        ] {
            let mut pacing = pacing();
            pacing.note("us", Endpoint::Conversions, &outcome, NOW, 0.0);
            pacing.note("us", Endpoint::Conversions, &retry(Trouble::ServerError, None), NOW, 0.0);
            for (program, endpoint) in
                [("us", Endpoint::Conversions), ("us", Endpoint::PageLoad), ("uk", Endpoint::PageLoad)]
            {
                assert_eq!(most(&pacing, program, endpoint, paused), None, "{outcome:?}");
                assert!(paused == 0 || most(&pacing, program, endpoint, paused - 1) == Some(0), "{outcome:?}");
            }
            assert_eq!(most(&pacing, "ca", Endpoint::Conversions, 0), None, "another account");
            assert_eq!(pacing.next_end(NOW), (paused > 0).then(|| NOW.plus(Duration::from_secs(paused))));
        }
    }

    #[test]
    fn an_account_spends_what_it_has_left_on_conversions_first() {
        let mut pacing = pacing();
        let quota = |remaining| Quota { limit: Some(100), remaining, resets_in: Duration::from_secs(60) };
        pacing.told("us", quota(30), NOW);
        assert_eq!(most(&pacing, "us", Endpoint::Conversions, 0), Some(30));
        assert_eq!(most(&pacing, "uk", Endpoint::PageLoad, 0), Some(20));
        for _ in 0..25 {
            pacing.started("uk", Endpoint::Conversions);
        }
        // An older answer comes late.
        pacing.told("us", quota(28), NOW);
        assert_eq!(most(&pacing, "us", Endpoint::Conversions, 59), Some(5));
        assert_eq!(most(&pacing, "us", Endpoint::PageLoad, 59), Some(0));
        // Another period: as much as there is in one, and again a tenth for conversions.
        assert_eq!(most(&pacing, "us", Endpoint::Conversions, 60), Some(100));
        assert_eq!(most(&pacing, "us", Endpoint::PageLoad, 60), Some(90));
        assert_eq!(pacing.next_end(NOW), Some(NOW.plus(Duration::from_secs(60))));
    }

    #[test]
    fn a_lane_in_trouble_stops_alone() {
        let mut pacing = pacing();
        let refused = Outcome::NoAccess { status: 401, detail: String::new() };
        pacing.note("us", Endpoint::Conversions, &refused, NOW, 0.0);
        assert_eq!(most(&pacing, "us", Endpoint::Conversions, 0), Some(0));
        assert_eq!(most(&pacing, "us", Endpoint::Conversions, 60), Some(1));
        assert_eq!(most(&pacing, "us", Endpoint::PageLoad, 0), None);
        assert_eq!(most(&pacing, "uk", Endpoint::Conversions, 0), None);
        assert_eq!(pacing.troubles(), [(lane("us", Endpoint::Conversions), Why::Credentials, NOW)]);
        pacing.started("us", Endpoint::Conversions);
        assert_eq!(most(&pacing, "us", Endpoint::Conversions, 90), Some(0));
    }
}
