//! What one call earns, gets and causes: evidence → attribution → mapping, as values.
//!
//! Live traffic and `selvedge explain` both judge calls here.

use crate::attribution::{Attribution, Basis, Evidence, Rules as Weights, attribute, is_decided, wins};
use crate::click::{self, Click, ClickId, Place, parameter};
use crate::clock::Time;
use crate::destination::{Gap, Program, Request, Skip, Sources, Subject, impact, kept};
use crate::links::{Found, IdKind, Lesson, Links, PersonKey};
use crate::metrics::Label;
use crate::segment;
use crate::segment::envelope::CALL_BYTES_MAX;
use crate::segment::referrer::{Kept, enrich, said};
use crate::segment::splice::Edit;
use crate::segment::{CallKind, Names, View, Visitor};
use serde_json::Value;
use std::borrow::Cow;

/// The track event in which mobile SDKs copy a link's query parameters into the properties.
const DEEP_LINK: &str = "Deep Link Opened";

/// Everything by which calls are judged; built once from the configuration.
#[derive(Clone, Debug)]
pub struct Rules {
    /// What the scanner looks for.
    pub names: Names,
    /// `[click]`
    pub click: click::Config,
    /// `[segment]`
    pub segment: segment::Config,
    /// `[impact]`
    pub impact: impact::Config,
    /// The sources whose calls are delivered.
    pub sources: Sources,
}

impl Rules {
    /// Joins the sections that judge calls.
    pub fn new(click: click::Config, segment: segment::Config, impact: impact::Config) -> Self {
        let names = Names {
            parameters: click.parameters.clone(),
            integration: impact::INTEGRATION,
            referrer_type: impact::REFERRER_TYPE,
        };
        let sources = Sources::new(&segment.sources, segment.deliver_unlisted);
        Self { names, click, segment, impact, sources }
    }

    /// The space of the ids of calls sent with `write_key`: its source's, else `site`'s.
    pub fn space<'a>(&'a self, write_key: Option<&str>, site: &'a str) -> &'a str {
        let source = self.segment.sources.iter().find(|source| Some(source.write_key.as_str()) == write_key);
        source.map_or(site, |source| &source.space)
    }

    fn weights(&self) -> Weights {
        Weights { policy: self.click.policy, window: self.click.window, tolerance: self.click.tolerance }
    }
}

/// What a call's request knows beside its bytes.
#[derive(Clone, Copy, Debug)]
pub struct Facts<'a> {
    /// When the call arrived.
    pub arrival: Time,
    /// The click in the request's cookie.
    pub carried: Option<&'a Click>,
    /// The visitor, of browser calls.
    pub visitor: Option<&'a Visitor>,
    /// The write key.
    pub write_key: Option<&'a str>,
    /// The space of its ids.
    pub space: &'a str,
}

/// A judged call.
pub struct Judged<'a> {
    /// The call.
    pub view: View<'a>,
    /// Whether the browser behind it is a bot: it teaches nothing and nothing of it is delivered.
    pub bot: bool,
    /// The click it earned, and why.
    pub attribution: Option<Attribution>,
    /// The click in its own URL, which the browser may not carry yet.
    pub url_click: Option<Click>,
    /// The edits that write its referrer, or why it keeps what it has; `None` without a click.
    pub referrer: Option<Result<Vec<Edit>, Kept>>,
    /// What is delivered, by program.
    pub requests: Vec<(String, Request)>,
    /// What they were mapped from, to map it again.
    pub kept: Option<String>,
    /// What is not, by program.
    pub skipped: Vec<(String, Skip)>,
    /// What it teaches about whose click it is.
    pub lesson: Lesson,
    /// Whether an id of it is too widely shared to be attributed by.
    pub shared: bool,
    /// Its anonymousId's key.
    pub anonymous: Option<PersonKey>,
    /// Its userId's key.
    pub user: Option<PersonKey>,
}

impl Judged<'_> {
    /// On what basis its click was chosen, if it has one.
    pub fn basis(&self) -> Option<Basis> {
        self.attribution.as_ref().map(|attribution| attribution.basis)
    }

    /// What people call it: a track call's event, else the kind of call.
    pub fn name(&self) -> Cow<'_, str> {
        self.view.event().unwrap_or(Cow::Borrowed(self.view.kind.label()))
    }

    /// Whether Segment's own destination is needed for it: a program would take it that is delivered by that one.
    pub fn needs_segments(&self) -> bool {
        self.skipped.iter().any(|(_, skip)| *skip == Skip::SegmentDelivers)
    }

    /// Whether a program would have taken it, had it not come with the network's destination switched off.
    pub fn is_switched_off(&self) -> bool {
        self.skipped.iter().any(|(_, skip)| *skip == Skip::SwitchedOff)
    }

    /// The edits of its referrer; none when it keeps what it has.
    pub fn edits(&self) -> &[Edit] {
        match &self.referrer {
            Some(Ok(edits)) => edits,
            Some(Err(_)) | None => &[],
        }
    }
}

/// Judges one call. Without `links` nobody is remembered: clicks have no first sighting and ids no links.
pub async fn judge<'a>(view: &View<'a>, facts: &Facts<'_>, rules: &Rules, links: Option<&Links>) -> Judged<'a> {
    let event_at = event_time(view, facts.arrival);
    let weights = rules.weights();
    let people = People::of(view, facts.space);
    let mut evidence = gather(view, facts, rules, links, event_at).await;
    let url_click = evidence.url.clone();
    let direct = is_decided(&evidence, event_at, &weights);
    let mut shared = false;
    if let (false, Some(links)) = (direct, links) {
        (evidence.linked_anonymous, evidence.linked_user) =
            (people.linked(IdKind::Anonymous, links, &mut shared).await, None);
        if evidence.linked_anonymous.is_none() || joins_both_ways(view.kind) {
            evidence.linked_user = people.linked(IdKind::User, links, &mut shared).await;
        }
    }
    let attribution = attribute(&evidence, event_at, &weights);
    let bot = is_bot(view, facts, rules);
    let lesson =
        if bot { Lesson::default() } else { lesson(view, &people, &evidence, attribution.as_ref(), direct, rules) };
    let referrer = attribution.as_ref().and_then(Attribution::earned).map(|click| written(view, &click.id, rules));
    let mut judged = Judged {
        view: *view,
        bot,
        attribution,
        url_click,
        referrer,
        requests: Vec::new(),
        kept: None,
        skipped: Vec::new(),
        lesson,
        shared,
        anonymous: people.anonymous,
        user: people.user,
    };
    map(facts, rules, &mut judged);
    judged
}

/// The ids by which a call may have to be attributed: none where it carries a click itself.
pub fn asked(view: &View<'_>, facts: &Facts<'_>, rules: &Rules) -> Vec<PersonKey> {
    let has_click = facts.carried.is_some() || said(view, &rules.names).is_some() || own_click(view, rules).is_some();
    if has_click { Vec::new() } else { People::of(view, facts.space).all() }
}

/// The event's own time, corrected for the client's clock: without `sentAt` the timestamp stands, without a timestamp
/// the arrival. An event cannot be younger than its arrival.
fn event_time(view: &View<'_>, arrival: Time) -> Time {
    let timestamp = view.timestamp().and_then(|text| Time::parse(&text));
    let sent_at = view.sent_at().and_then(|text| Time::parse(&text));
    timestamp.map_or(arrival, |timestamp| timestamp.seen_from(sent_at, arrival)).min(arrival)
}

async fn gather(view: &View<'_>, facts: &Facts<'_>, rules: &Rules, links: Option<&Links>, event_at: Time) -> Evidence {
    let mut evidence = Evidence { carried: facts.carried.cloned(), ..Evidence::default() };
    if let Some(id) = said(view, &rules.names) {
        evidence.said = Some(dated(id, Place::Said, facts, links, event_at).await);
    }
    if let Some(id) = own_click(view, rules) {
        evidence.url = Some(dated(id, Place::Call, facts, links, event_at).await);
    }
    evidence
}

/// The click that a call's own URLs and properties carry.
fn own_click(view: &View<'_>, rules: &Rules) -> Option<ClickId> {
    let in_url = view.urls().find_map(|url| match url.strip_prefix('?') {
        Some(query) => parameter::find(query, &rules.names.parameters).id,
        None => parameter::find_in_url(url.as_ref(), &rules.names.parameters).id,
    });
    in_url.or_else(|| {
        let deep_link = view.kind == CallKind::Track && view.event().is_some_and(|event| event == DEEP_LINK);
        let mut found: Vec<_> = if deep_link { view.parameters().collect() } else { Vec::new() };
        found.sort_by_key(|(index, _)| *index);
        found.iter().find_map(|(_, value)| ClickId::parse(value.as_bytes()).ok())
    })
}

/// A click that a call names has the time of the click that we know by that ID; one never seen is as old as the event.
async fn dated(id: ClickId, place: Place, facts: &Facts<'_>, links: Option<&Links>, event_at: Time) -> Click {
    if let Some(carried) = facts.carried.filter(|carried| carried.id == id) {
        return carried.clone();
    }
    let first_seen = match links {
        Some(links) => links.first_seen(&id).await,
        None => None,
    };
    Click { id, at: first_seen.unwrap_or(event_at), place }
}

struct People {
    anonymous: Option<PersonKey>,
    user: Option<PersonKey>,
    /// An alias' previousId, which may be either kind of id.
    previous: Vec<PersonKey>,
}

impl People {
    fn of(view: &View<'_>, space: &str) -> Self {
        let key = |kind, id: Option<Cow<'_, str>>| id.and_then(|id| PersonKey::of(space, kind, &id));
        let previous = || view.previous_id().filter(|_| view.kind == CallKind::Alias);
        Self {
            anonymous: key(IdKind::Anonymous, view.anonymous_id()),
            user: key(IdKind::User, view.user_id()),
            previous: [key(IdKind::Anonymous, previous()), key(IdKind::User, previous())]
                .into_iter()
                .flatten()
                .collect(),
        }
    }

    async fn linked(&self, kind: IdKind, links: &Links, shared: &mut bool) -> Option<Click> {
        let own = match kind {
            IdKind::Anonymous => self.anonymous.iter().chain(&self.previous),
            IdKind::User => self.user.iter().chain(&[]),
        };
        for key in own {
            match links.look_up(key).await {
                Found::Click(click) => return Some(click),
                Found::Shared => *shared = true,
                Found::Nothing => {}
            }
        }
        None
    }

    fn all(&self) -> Vec<PersonKey> {
        self.anonymous.iter().chain(&self.previous).chain(&self.user).copied().collect()
    }

    /// The pairs of ids that the call shows to be one person's.
    fn joins(&self) -> Vec<(PersonKey, PersonKey)> {
        let Some(user) = self.user else { return Vec::new() };
        self.anonymous
            .iter()
            .chain(&self.previous)
            .filter(|other| **other != user)
            .map(|other| (*other, user))
            .collect()
    }
}

fn joins_both_ways(kind: CallKind) -> bool {
    matches!(kind, CallKind::Identify | CallKind::Alias)
}

/// A click that the call shows teaches the links of its ids. Without one the ids are joined: identify and alias hand the
/// click that the policy prefers to both sides, other calls hand the anonymousId's on to the userId.
fn lesson(
    view: &View<'_>,
    people: &People,
    evidence: &Evidence,
    chosen: Option<&Attribution>,
    direct: bool,
    rules: &Rules,
) -> Lesson {
    let joins = people.joins();
    if direct {
        return Lesson { click: chosen.map(|chosen| chosen.click.clone()), people: people.all(), joins };
    }
    let (anonymous, user) = (evidence.linked_anonymous.as_ref(), evidence.linked_user.as_ref());
    if joins_both_ways(view.kind) {
        let click = match (anonymous, user) {
            (Some(a), Some(u)) if wins(u, a, rules.click.policy) => Some(u),
            (a, u) => a.or(u),
        };
        return Lesson { click: click.cloned(), people: people.all(), joins };
    }
    Lesson { click: anonymous.cloned(), people: people.user.into_iter().collect(), joins }
}

fn is_bot(view: &View<'_>, facts: &Facts<'_>, rules: &Rules) -> bool {
    let user_agent = facts.visitor.and_then(|_| view.user_agent());
    user_agent.is_some_and(|agent| click::hygiene::is_bot(agent.as_bytes(), &rules.click.bots))
}

fn written(view: &View<'_>, id: &ClickId, rules: &Rules) -> Result<Vec<Edit>, Kept> {
    let edits = enrich(view, id, &rules.names, rules.segment.overwrite_referrer)?;
    let grown: usize = edits.iter().map(Edit::growth).sum();
    if view.raw().len() + grown > CALL_BYTES_MAX { Err(Kept::TooLarge) } else { Ok(edits) }
}

/// A call as it goes on, and what else it is mapped from.
struct Enriched {
    call: Option<Value>,
    sent_at: Option<Time>,
    click: Option<Click>,
}

impl Enriched {
    fn of(judged: &Judged<'_>) -> Self {
        Self {
            call: judged.view.value(judged.edits()),
            sent_at: judged.view.sent_at().and_then(|text| Time::parse(&text)),
            click: judged.attribution.as_ref().and_then(Attribution::earned).cloned(),
        }
    }

    fn subject<'a>(&'a self, kind: CallKind, facts: &'a Facts<'_>, rules: &'a Rules) -> Option<Subject<'a>> {
        let subject = |call| Subject {
            call,
            kind,
            arrival: facts.arrival,
            sent_at: self.sent_at,
            visitor: facts.visitor,
            click: self.click.as_ref(),
            write_key: facts.write_key,
            sources: &rules.sources,
        };
        self.call.as_ref().map(subject)
    }
}

/// Why rows of the mapping gave nothing, for each request of a judged call: for people.
pub fn gaps(judged: &Judged<'_>, facts: &Facts<'_>, rules: &Rules) -> Vec<Vec<Gap>> {
    let enriched = Enriched::of(judged);
    let subject = enriched.subject(judged.view.kind, facts, rules);
    let gaps = |(name, request): &(String, Request)| {
        Some(Program::named(name, &rules.impact)?.gaps(subject.as_ref()?, request))
    };
    judged.requests.iter().map(|request| gaps(request).unwrap_or_default()).collect()
}

fn map(facts: &Facts<'_>, rules: &Rules, judged: &mut Judged<'_>) {
    if rules.impact.programs.is_empty() {
        return;
    }
    let enriched = Enriched::of(judged);
    let subject = enriched.subject(judged.view.kind, facts, rules);
    for program in Program::all(&rules.impact) {
        let mapped = match (&subject, judged.bot) {
            (_, true) => Err(Skip::Bot),
            (None, _) => Err(Skip::Unreadable),
            (Some(subject), false) => program.map(subject),
        };
        match mapped {
            Ok(request) => judged.requests.push((program.name().to_owned(), request)),
            Err(skip) => judged.skipped.push((program.name().to_owned(), skip)),
        }
    }
    if !judged.requests.is_empty() {
        judged.kept = subject.map(|subject| kept::write(&subject, &rules.impact));
    }
}
