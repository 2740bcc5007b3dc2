//! Whether what a configuration names is there: origins, write keys, accounts and programs.

use super::ask::{Api, Credentials, Trouble, with_causes};
use super::programs::{self, Account};
use crate::click;
use crate::destination::impact::account::{self, Campaign, EventType};
use crate::destination::impact::{self, Program};
use crate::proxy::{Body, HostMode, Site, Trust, Upstream, Waits};
use crate::segment::{self, Source, public_api::Region};
use futures_util::future::BoxFuture;
use futures_util::stream::{self, StreamExt};
use http::{HeaderValue, Request, header};
use serde_json::Value;

/// Questions under way at once: enough to be quick, few enough to bother nobody.
const AT_ONCE_MAX: usize = 8;

/// What the configuration names.
#[derive(Clone, Copy, Debug)]
pub struct Named<'c> {
    /// `[[site]]`
    pub sites: &'c [Site],
    /// `[trust]`
    pub trust: &'c Trust,
    /// `[click]`
    pub click: &'c click::Config,
    /// `[segment]`
    pub segment: &'c segment::Config,
    /// `[impact]`
    pub impact: &'c impact::Config,
}

/// How it is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Verdict {
    /// It is there, and fits.
    Pass,
    /// It cannot be known from here, or somebody should look.
    Warn,
    /// Something will not work.
    Fail,
}

/// One thing that was looked at.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Finding {
    /// How it is.
    pub verdict: Verdict,
    /// What was looked at.
    pub what: String,
    /// What was found, and what to do about it.
    pub found: String,
}

impl Verdict {
    /// `pass`, `warn` or `fail`.
    pub fn word(self) -> &'static str {
        match self {
            Self::Pass => "pass",
            Self::Warn => "warn",
            Self::Fail => "fail",
        }
    }

    fn of(self, what: impl Into<String>, found: impl Into<String>) -> Finding {
        Finding { verdict: self, what: what.into(), found: found.into() }
    }
}

/// Looks at everything, in the order of the file. No event is sent.
pub async fn look(named: Named<'_>) -> Vec<Finding> {
    let mut questions: Vec<BoxFuture<'_, Vec<Finding>>> = Vec::new();
    for site in named.sites {
        questions.push(Box::pin(async move { vec![origin(site, named.trust).await] }));
    }
    for source in &named.segment.sources {
        questions.push(Box::pin(async move { vec![write_key(named.segment, source).await] }));
    }
    for (program, is_first) in accounts(named.impact) {
        questions.push(Box::pin(program_of(named, program, is_first)));
    }
    stream::iter(questions).buffered(AT_ONCE_MAX).concat().await
}

/// The programs, and whether each is the first that names its account.
fn accounts(impact: &impact::Config) -> impl Iterator<Item = (&Program, bool)> {
    impact.programs.iter().enumerate().map(|(index, program)| {
        let same = |other: &Program| other.account_sid == program.account_sid && other.api_key == program.api_key;
        (program, !impact.programs.iter().take(index).any(same))
    })
}

/// Whether the site's own server answers: by the proxy's own way to it, and within the times that the proxy gives it.
async fn origin(site: &Site, trust: &Trust) -> Finding {
    let what = format!("origin {}", site.origin);
    let waits = Waits { connect: site.connect_timeout, response: site.response_timeout };
    let mut request = Box::new(Request::new(Body::empty()));
    request.headers_mut().insert(header::ACCEPT, HeaderValue::from_static("text/html"));
    if let (HostMode::Keep, Some(host)) = (site.host, site.hosts.first().and_then(|host| host.parse().ok())) {
        request.headers_mut().insert(header::HOST, host);
    }
    let upstream = match Upstream::new(&site.origin, site.origin_protocol, waits, trust, site.tls_name.as_ref()) {
        Ok(upstream) => upstream,
        Err(error) => return Verdict::Fail.of(what, error.to_string()),
    };
    match upstream.forward(request).await {
        Ok(response) if response.status().is_server_error() => {
            Verdict::Warn.of(what, format!("answers {}: look at the server's own log", response.status().as_u16()))
        }
        Ok(response) => Verdict::Pass.of(what, format!("answers {}", response.status().as_u16())),
        Err(error) => {
            Verdict::Fail.of(what, format!("{}; start the site's server, or correct `origin`", with_causes(&error)))
        }
    }
}

/// Whether Segment has a source with this write key: its settings are public.
async fn write_key(segment: &segment::Config, source: &Source) -> Finding {
    let what = format!("source {}", source.name);
    let key = percent_encoding::utf8_percent_encode(&source.write_key, percent_encoding::NON_ALPHANUMERIC);
    let path = format!("/v1/projects/{key}/settings");
    let answer = match Api::new(&segment.cdn.to_string(), Credentials::Open, Vec::new()) {
        Ok(api) => api.get(&path).await,
        Err(trouble) => Err(trouble),
    };
    match answer {
        Ok(settings) if settings.get("integrations").is_some_and(Value::is_object) => {
            let elsewhere = other_region(segment, &settings);
            elsewhere.map_or_else(
                || Verdict::Pass.of(&what, "Segment knows its write key"),
                |host| {
                    Verdict::Warn.of(
                        &what,
                        format!("Segment takes its calls at {host} only: `api` of [segment] is another region's"),
                    )
                },
            )
        }
        Ok(_) => Verdict::Warn.of(what, Trouble::Strange.sentence("Segment's CDN")),
        Err(Trouble::Refused { status: status @ 400..=499, .. }) => Verdict::Fail.of(
            what,
            format!("Segment knows no such write key ({status}): copy it anew from the source's Settings → API Keys"),
        ),
        Err(trouble) => Verdict::Warn.of(what, trouble.sentence("Segment's CDN")),
    }
}

/// The host of Segment's that takes the source's calls, if `[segment] api` is the one of the other region. A host of the site's
/// own, which Segment's support may have set, says nothing.
fn other_region(segment: &segment::Config, settings: &Value) -> Option<String> {
    let host = settings.pointer("/integrations/Segment.io/apiHost")?.as_str()?.split('/').next()?;
    let of = |host: &str| {
        [Region::Us, Region::Eu].into_iter().find(|region| region.tracking_api().trim_start_matches("https://") == host)
    };
    (of(host)? != of(segment.api.host()?)?).then(|| host.to_owned())
}

/// Everything of a program, and of its account once.
async fn program_of(named: Named<'_>, program: &Program, with_account: bool) -> Vec<Finding> {
    let (sid, what) = (&program.account_sid, format!("account {}", program.account_sid));
    let Some(token) = &program.api_key else {
        let found = "has no token here: set the variable, or write the file, that `api_key` names";
        return if with_account { vec![Verdict::Fail.of(what, found)] } else { Vec::new() };
    };
    let account = match Account::new(&named.impact.api.to_string(), &named.impact.version, sid, token) {
        Ok(account) => account,
        Err(trouble) => return vec![Verdict::Fail.of(what, programs::sentence(&trouble, "anything"))],
    };
    let mut findings = Vec::new();
    if with_account {
        findings.push(match account.company().await {
            Ok(()) => Verdict::Pass.of(what, "impact.com knows its credentials"),
            Err(trouble) => refused(what, &trouble, "the company's name"),
        });
    }
    let what = format!("program {}", program.name);
    match account.program(&program.campaign_id).await {
        Ok(campaign) => findings.extend(campaign_of(named, &what, &campaign)),
        Err(Trouble::Refused { status: 404, .. }) => {
            let id = &program.campaign_id;
            let help = format!("the account has no campaign {id} (404): copy its ID from the program's settings");
            findings.push(Verdict::Fail.of(&what, help));
        }
        // What the account is told already.
        Err(trouble) if trouble.status() == Some(401) => return findings,
        Err(trouble) => findings.push(refused(&what, &trouble, "the program")),
    }
    let what = format!("event types of {}", program.name);
    findings.extend(match account.event_types(&program.campaign_id).await {
        Ok(types) => event_types(&what, program, &types),
        // No campaign, no contracts.
        Err(Trouble::Refused { status: 401 | 404, .. }) => Vec::new(),
        Err(trouble) => vec![refused(what, &trouble, "the contracts, which name the event types")],
    });
    findings
}

/// A token may be too limited to look, and good enough to deliver.
fn refused(what: impl Into<String>, trouble: &Trouble, thing: &str) -> Finding {
    let verdict = if trouble.status() == Some(401) { Verdict::Fail } else { Verdict::Warn };
    verdict.of(what, programs::sentence(trouble, thing))
}

fn campaign_of(named: Named<'_>, what: &str, campaign: &Campaign) -> Vec<Finding> {
    let (id, name) = (&campaign.id, &campaign.name);
    let mut findings = vec![match campaign.state.as_str() {
        "ACTIVE" => Verdict::Pass.of(what, format!("campaign {id} is active: {name}")),
        state => Verdict::Warn.of(what, format!("campaign {id} is {state}: impact.com credits active programs only")),
    }];
    let wanted = account::click_parameters(&campaign.templates);
    let missing: Vec<&String> = wanted.iter().filter(|name| !named.click.parameters.contains(name)).collect();
    findings.push(match (wanted.first(), missing.first()) {
        (None, _) => {
            let help = "no tracking template gives the click ID a parameter: see [User profile] → Settings → Tracking → Gateway";
            Verdict::Warn.of(format!("click of {what}"), help)
        }
        (Some(name), None) => Verdict::Pass.of(format!("click of {what}"), format!("its landings carry `{name}`")),
        (Some(_), Some(name)) => {
            let help = format!("its landings carry `{name}`, which is not read: add it to `parameters` of [click]");
            Verdict::Fail.of(format!("click of {what}"), help)
        }
    });
    findings.push(site_definition(named.sites, format!("site definition of {what}"), &campaign.site_definition));
    findings
}

/// impact.com takes page loads of these domains only, and answers 400 to others.
fn site_definition(sites: &[Site], what: String, definition: &str) -> Finding {
    let domains: Vec<String> = definition.split([',', ';', '|', ' ', '\n', '\r', '\t']).filter_map(domain).collect();
    let covers = |host: &&String| {
        domains
            .iter()
            .any(|domain| host.strip_suffix(domain.as_str()).is_some_and(|rest| rest.is_empty() || rest.ends_with('.')))
    };
    let mut hosts = sites.iter().flat_map(|site| &site.hosts).peekable();
    if domains.is_empty() {
        let help = "names no domain: if page loads are refused (400), set it in the program's settings";
        return Verdict::Warn.of(what, help);
    }
    if hosts.peek().is_none() {
        let help = format!("is \"{definition}\": see that your site is in it; no [[site]] lists its `hosts`");
        return Verdict::Warn.of(what, help);
    }
    match hosts.find(|host| !covers(host)) {
        None => Verdict::Pass.of(what, "covers the hosts of the sites"),
        Some(host) => {
            let help = format!(
                "is \"{definition}\", without {host}: its page loads may be refused (400); add it at impact.com"
            );
            Verdict::Warn.of(what, help)
        }
    }
}

/// The domain that a word of a site definition means: `https://www.example.com/`, `*.example.com`.
fn domain(word: &str) -> Option<String> {
    let bare = word.split_once("://").map_or(word, |(_, rest)| rest);
    let bare = bare.split(['/', ':']).next()?.trim_start_matches("*.").trim_start_matches("www.").to_ascii_lowercase();
    bare.contains('.').then_some(bare)
}

/// Whether conversions are of types that somebody is paid for.
fn event_types(what: &str, program: &Program, types: &[EventType]) -> Vec<Finding> {
    if types.is_empty() {
        return vec![Verdict::Warn.of(what, "no contract of the program names one, so they cannot be compared")];
    }
    let named = types.iter().map(|one| format!("{} ({})", one.name, one.id)).collect::<Vec<_>>().join(", ");
    let ids = program.event_type_id.iter().chain(program.event_type_ids.iter().map(|(_, id)| id));
    let unpaid = ids.clone().filter(|id| !types.iter().any(|one| one.id == **id));
    let mut findings: Vec<Finding> =
        unpaid.map(|id| Verdict::Warn.of(what, format!("no contract pays for `{id}`; they pay for {named}"))).collect();
    if program.event_type_id.is_none() {
        let with_id = |event: &&String| program.event_type_ids.iter().any(|(named, _)| named == *event);
        let by_code = program.action_event_names.iter().filter(|event| !with_id(event));
        let unknown = by_code.filter(|event| !types.iter().any(|one| one.name == **event));
        findings.extend(unknown.map(|event| {
            let help = format!(
                "none is called \"{event}\": see in [User profile] → Settings → Tracking → Event Types that one has it among its \
                 Codes; there are {named}"
            );
            Verdict::Warn.of(what, help)
        }));
    }
    if findings.is_empty() {
        findings.push(Verdict::Pass.of(what, format!("the contracts pay for {named}")));
    }
    findings
}
