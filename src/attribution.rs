//! Which click a call earns, and on what evidence.
//!
//! **Invariant:** pure. The clicks' times, links and the event's own time come in as values.

use crate::click::{Click, Policy};
use crate::clock::Time;
use crate::metrics::Label;
use std::time::Duration;

/// What speaks for a click, strongest first. Times are those of the click, not of the call that mentions it.
#[derive(Clone, Debug, Default)]
pub struct Evidence {
    /// The click that the call's own `context.referrer` names.
    pub said: Option<Click>,
    /// The click in the call's own URL or properties.
    pub url: Option<Click>,
    /// The click in the request's cookie.
    pub carried: Option<Click>,
    /// The click linked to the anonymousId.
    pub linked_anonymous: Option<Click>,
    /// The click linked to the userId.
    pub linked_user: Option<Click>,
}

/// The rules that weigh evidence.
#[derive(Clone, Copy, Debug)]
pub struct Rules {
    /// Which of two clicks wins.
    pub policy: Policy,
    /// How long a click earns events.
    pub window: Duration,
    /// By how much an event may be older than its click.
    pub tolerance: Duration,
}

/// The click chosen for a call, and on what basis.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Attribution {
    /// The click; with [`Basis::Expired`] it is named, but earns nothing.
    pub click: Click,
    /// Why this one.
    pub basis: Basis,
}

/// On what basis a click was chosen.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Basis {
    /// The call said so itself.
    Said,
    /// The call's own URL.
    Url,
    /// The request's cookie.
    Carried,
    /// The person's link.
    Linked,
    /// The strongest evidence is a click older than the window: it earns nothing.
    Expired,
}

impl Label for Basis {
    fn label(self) -> &'static str {
        match self {
            Self::Said => "said",
            Self::Url => "url",
            Self::Carried => "carried",
            Self::Linked => "linked",
            Self::Expired => "expired",
        }
    }
}

impl Attribution {
    /// The click that earns the call.
    pub fn earned(&self) -> Option<&Click> {
        (self.basis != Basis::Expired).then_some(&self.click)
    }
}

/// Whether the evidence decides without the links, so that nobody need look them up.
pub fn is_decided(evidence: &Evidence, event_at: Time, rules: &Rules) -> bool {
    matches!(
        attribute(evidence, event_at, rules),
        Some(Attribution { basis: Basis::Said | Basis::Url | Basis::Carried, .. })
    )
}

/// Chooses the click that earns an event of the moment `event_at`.
///
/// Stronger evidence hides weaker, unless its click is too old or too young for this event: then the next is asked, and
/// only when none is left does an expired one show as such.
pub fn attribute(evidence: &Evidence, event_at: Time, rules: &Rules) -> Option<Attribution> {
    let (own, cookie) = (evidence.url.as_ref(), evidence.carried.as_ref());
    let url_first = match (own, cookie) {
        (Some(url), Some(carried)) => url.id == carried.id || wins(url, carried, rules.policy),
        _ => true,
    };
    let (first, second) = ((own, Basis::Url), (cookie, Basis::Carried));
    let (first, second) = if url_first { (first, second) } else { (second, first) };
    let ranked = [
        (evidence.said.as_ref(), Basis::Said),
        first,
        second,
        (evidence.linked_anonymous.as_ref(), Basis::Linked),
        (evidence.linked_user.as_ref(), Basis::Linked),
    ];
    let mut expired = None;
    for (click, basis) in ranked {
        let Some(click) = click else { continue };
        if event_at.since(click.at) > rules.window {
            expired.get_or_insert(Attribution { click: click.clone(), basis: Basis::Expired });
        } else if matches!(basis, Basis::Said | Basis::Url) || click.at <= event_at.plus(rules.tolerance) {
            return Some(Attribution { click: click.clone(), basis });
        }
    }
    expired
}

/// Whether `new` takes the place of `old` under the policy; a tie changes nothing.
pub fn wins(new: &Click, old: &Click, policy: Policy) -> bool {
    match policy {
        Policy::Last => new.at > old.at,
        Policy::First => new.at < old.at,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::click::{ClickId, Place};

    const DAY: i64 = 86_400;

    fn click(id: &str, day: i64) -> Option<Click> {
        Some(Click {
            id: ClickId::parse(id.as_bytes()).unwrap(),
            at: Time::from_seconds(day * DAY),
            place: Place::Landing,
        })
    }

    fn rules(policy: Policy) -> Rules {
        Rules { policy, window: Duration::from_secs(30 * 86_400), tolerance: Duration::from_secs(300) }
    }

    fn chosen(evidence: &Evidence, day: i64, policy: Policy) -> Option<(String, Basis)> {
        attribute(evidence, Time::from_seconds(day * DAY), &rules(policy))
            .map(|a| (a.click.id.as_str().to_owned(), a.basis))
    }

    #[test]
    fn stronger_evidence_hides_weaker() {
        let mut evidence = Evidence {
            said: click("said", 10),
            url: click("url", 12),
            carried: click("carried", 11),
            linked_anonymous: click("anonymous", 13),
            linked_user: click("user", 14),
        };
        let expect = |evidence: &Evidence, id: &str, basis| {
            assert_eq!(chosen(evidence, 20, Policy::Last), Some((id.to_owned(), basis)))
        };
        expect(&evidence, "said", Basis::Said);
        evidence.said = None;
        expect(&evidence, "url", Basis::Url);
        evidence.url = None;
        expect(&evidence, "carried", Basis::Carried);
        evidence.carried = None;
        expect(&evidence, "anonymous", Basis::Linked);
        evidence.linked_anonymous = None;
        expect(&evidence, "user", Basis::Linked);
        evidence.linked_user = None;
        assert_eq!(chosen(&evidence, 20, Policy::Last), None);
    }

    #[test]
    fn between_url_and_cookie_the_policy_decides() {
        let older_url = Evidence { url: click("url", 10), carried: click("carried", 12), ..Evidence::default() };
        assert_eq!(chosen(&older_url, 20, Policy::Last), Some(("carried".into(), Basis::Carried)));
        assert_eq!(chosen(&older_url, 20, Policy::First), Some(("url".into(), Basis::Url)));
        let newer_url = Evidence { url: click("url", 14), carried: click("carried", 12), ..Evidence::default() };
        assert_eq!(chosen(&newer_url, 20, Policy::Last), Some(("url".into(), Basis::Url)));
        assert_eq!(chosen(&newer_url, 20, Policy::First), Some(("carried".into(), Basis::Carried)));
    }

    #[test]
    fn a_click_older_than_the_window_is_no_click() {
        let evidence = Evidence { carried: click("old", 1), linked_user: click("young", 30), ..Evidence::default() };
        assert_eq!(chosen(&evidence, 31, Policy::Last), Some(("old".into(), Basis::Carried)));
        assert_eq!(chosen(&evidence, 32, Policy::Last), Some(("young".into(), Basis::Linked)));
        assert_eq!(chosen(&evidence, 80, Policy::Last), Some(("old".into(), Basis::Expired)));
    }

    #[test]
    fn a_click_seen_after_the_event_earns_it_only_when_the_call_says_so() {
        let later = click("later", 11);
        let event_day = 10;
        for (evidence, expected) in [
            (Evidence { carried: later.clone(), ..Evidence::default() }, None),
            (Evidence { linked_anonymous: later.clone(), ..Evidence::default() }, None),
            (Evidence { said: later.clone(), ..Evidence::default() }, Some(("later".to_owned(), Basis::Said))),
            (Evidence { url: later.clone(), ..Evidence::default() }, Some(("later".to_owned(), Basis::Url))),
        ] {
            assert_eq!(chosen(&evidence, event_day, Policy::Last), expected);
        }
        let soon = Evidence { carried: click("soon", 10), ..Evidence::default() };
        let event_at = Time::from_seconds(10 * DAY - 299);
        assert!(attribute(&soon, event_at, &rules(Policy::Last)).is_some());
        assert!(attribute(&soon, event_at.minus(Duration::from_secs(2)), &rules(Policy::Last)).is_none());
    }
}
