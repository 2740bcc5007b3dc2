//! What a visit leaves behind.

use super::cookie::{Carried, Fallbacks};
use super::parameter::{self, Landed};
use super::{BadClickId, Click, ClickId, Config, Place, Policy, hygiene};
use crate::clock::Time;
use crate::metrics::Label;
use http::header::USER_AGENT;
use http::{HeaderMap, Method};

/// A request for the site, as far as clicks are concerned.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Visit {
    /// Who asks. Only a document captures.
    pub by: By,
    /// What the URL says.
    pub landed: Landed,
    /// What the cookies say. They are read on documents only.
    pub carried: Carried,
}

/// Who asks for what.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum By {
    /// A person opens a document.
    Person,
    /// Something inside a document, or no GET.
    Other,
    /// A browser that fetches ahead.
    Prefetch,
    /// A program.
    Bot,
}

/// What [`decide`] makes of a visit.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Capture {
    /// What happens to the master cookie.
    pub master: Master,
    /// Why; to be counted.
    pub outcome: Outcome,
}

/// What happens to the master cookie.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Master {
    /// It stays as it is, or stays away.
    Keep,
    /// It is set for this click.
    Set(Click),
    /// It is deleted.
    Delete,
}

/// What became of a visit's click.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Outcome {
    /// The visit had no click at all: nothing to count.
    None,
    /// The landing's click is the visitor's now.
    Captured,
    /// The click of a vendor's own cookie is the visitor's now.
    Adopted,
    /// The visitor carries this very click; its time stays.
    Same,
    /// The visitor carries an older click, and the first one wins.
    KeptFirst,
    /// The visitor carries a newer click, and the last one wins.
    KeptLast,
    /// The landing's click was first seen longer ago than the window.
    Expired,
    /// The carried click has grown older than the window.
    CarriedExpired,
    /// The parameter's value is no click ID.
    Bad(BadClickId),
    /// There was a click, but not on a document.
    NotDocument,
    /// There was a click, on a prefetch.
    Prefetch,
    /// There was a click, but a bot brought it.
    Bot,
}

impl Visit {
    /// Reads what a request says about clicks: once, and from plain references.
    pub fn read(
        method: &Method,
        query: Option<&str>,
        headers: &HeaderMap,
        config: &Config,
        fallbacks: &Fallbacks,
        now: Time,
    ) -> Self {
        let landed = query.map(|query| parameter::find(query, &config.parameters)).unwrap_or_default();
        if !hygiene::is_document(method, headers) {
            return Self { by: By::Other, landed, carried: Carried::Nothing };
        }
        let carried = Carried::read(headers, config, fallbacks, now);
        // Most visits leave nothing behind, whoever they are by: they are not examined further.
        let is_idle = landed.id.is_none() && matches!(carried, Carried::Nothing | Carried::Master(_));
        let by = if is_idle { By::Person } else { by(headers, config) };
        Self { by, landed, carried }
    }

    /// The click ID whose first sighting [`decide`] asks for; for most visits there is none.
    pub fn candidate(&self) -> Option<&ClickId> {
        match (&self.by, &self.landed.id, &self.carried) {
            (By::Person, Some(id), _) => Some(id),
            (By::Person, None, Carried::Fallback(click)) => Some(&click.id),
            _ => None,
        }
    }
}

/// Decides what a visit leaves behind. `first_seen` is when its [`Visit::candidate`] was first seen, if it was before.
pub fn decide(visit: &Visit, first_seen: Option<Time>, config: &Config, now: Time) -> Capture {
    if let Some(outcome) = not_a_person(visit) {
        return Capture { master: Master::Keep, outcome };
    }
    // A later sighting never moves a click's time.
    let at = first_seen.unwrap_or(now).min(now);
    match (&visit.landed.id, &visit.carried) {
        (Some(id), carried) => land(Click { id: id.clone(), at, place: Place::Landing }, carried, config, now),
        (None, Carried::Fallback(click)) => adopt(Click { at, ..click.clone() }, config, now),
        (None, Carried::Expired(_)) => Capture { master: Master::Delete, outcome: Outcome::CarriedExpired },
        (None, Carried::Nothing | Carried::Master(_)) => {
            let outcome = visit.landed.bad.map_or(Outcome::None, Outcome::Bad);
            Capture { master: Master::Keep, outcome }
        }
    }
}

impl Capture {
    /// The click that the visitor has after this visit.
    pub fn click<'a>(&'a self, visit: &'a Visit) -> Option<&'a Click> {
        match &self.master {
            Master::Set(click) => Some(click),
            Master::Keep => visit.carried.click(),
            Master::Delete => None,
        }
    }
}

fn by(headers: &HeaderMap, config: &Config) -> By {
    let agent = headers.get(USER_AGENT).map_or(&b""[..], |agent| agent.as_bytes());
    match () {
        () if hygiene::is_prefetch(headers) => By::Prefetch,
        () if hygiene::is_bot(agent, &config.bots) => By::Bot,
        () => By::Person,
    }
}

fn not_a_person(visit: &Visit) -> Option<Outcome> {
    let outcome = match visit.by {
        By::Person => return None,
        By::Other => Outcome::NotDocument,
        By::Prefetch => Outcome::Prefetch,
        By::Bot => Outcome::Bot,
    };
    match visit.landed {
        Landed { id: Some(_), .. } => Some(outcome),
        Landed { bad: Some(bad), .. } => Some(Outcome::Bad(bad)),
        Landed { .. } => Some(Outcome::None),
    }
}

fn land(click: Click, carried: &Carried, config: &Config, now: Time) -> Capture {
    let keep = |outcome| Capture { master: Master::Keep, outcome };
    match carried {
        // What the cookie dates before the window stays outside it, even where the first sighting is forgotten.
        Carried::Expired(old) if old.id == click.id || click.is_expired(config.window, now) => {
            Capture { master: Master::Delete, outcome: Outcome::Expired }
        }
        Carried::Master(old) if old.id == click.id => keep(Outcome::Same),
        _ if click.is_expired(config.window, now) => keep(Outcome::Expired),
        Carried::Master(old) if config.policy == Policy::Last && old.at > click.at => keep(Outcome::KeptLast),
        Carried::Master(old) if config.policy == Policy::First && old.at <= click.at => keep(Outcome::KeptFirst),
        _ => Capture { master: Master::Set(click), outcome: Outcome::Captured },
    }
}

fn adopt(click: Click, config: &Config, now: Time) -> Capture {
    if click.is_expired(config.window, now) {
        return Capture { master: Master::Keep, outcome: Outcome::Expired };
    }
    Capture { master: Master::Set(click), outcome: Outcome::Adopted }
}

impl Label for Outcome {
    fn label(self) -> &'static str {
        match self {
            Self::None => "none",
            Self::Captured => "captured",
            Self::Adopted => "adopted",
            Self::Same => "same",
            Self::KeptFirst => "kept_first",
            Self::KeptLast => "kept_last",
            Self::Expired => "expired",
            Self::CarriedExpired => "carried_expired",
            Self::Bad(BadClickId::Empty) => "bad_empty",
            Self::Bad(BadClickId::TooLong) => "bad_too_long",
            Self::Bad(BadClickId::BadByte) => "bad_byte",
            Self::Bad(BadClickId::Unexpanded) => "bad_unexpanded",
            Self::Bad(BadClickId::Generated) => "bad_generated",
            Self::NotDocument => "not_document",
            Self::Prefetch => "prefetch",
            Self::Bot => "bot",
        }
    }
}

#[cfg(test)]
mod tests;
