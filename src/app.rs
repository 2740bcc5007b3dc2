//! Wiring: what is started, in which order, and how it stops.

use crate::admin::{self, Admin};
use crate::click::cookie::Fallbacks;
use crate::click::{Click, ClickId, Place};
use crate::clock::Clock;
use crate::config::Config;
use crate::delivery::{Asker, Pacing, Report, Step, Worker};
use crate::destination::kept::Mapping;
use crate::destination::{
    self, Attempt, Client, Conversion, Inquiry, Outcome, Program, Said, Sources, Trouble, impact,
};
use crate::links::{self, Found, Lesson, Links};
use crate::live::{Kind, Live};
use crate::metrics::{Label, Metrics};
use crate::outbox::{Delivery, Forwards, Outbox, VerdictRow};
use crate::proxy::calls::judge::Rules;
use crate::proxy::{
    Calls, Courier, Edge, Https, Pace, Parts, Protocol, Recorder, Regions, Shared, Upstream, Waits,
    upstream::UpstreamError,
};
use crate::secret::Secret;
use crate::server::drain::Drain;
use crate::server::listener::{BindError, Hall, Listener, Speaks};
use crate::server::{self, tls};
use crate::store::Store;
use std::io;
use std::net::SocketAddr;
use std::sync::{Arc, Mutex};
use std::time::Duration;
use tokio::net::TcpListener;
use tokio::task::JoinHandle;
use tokio_rustls::TlsAcceptor;
use tokio_util::sync::CancellationToken;

/// How long a connection to Segment may take, and its answer: SDKs themselves give up after 10 to 20 seconds.
const SEGMENT_WAITS: Waits = Waits { connect: Duration::from_secs(5), response: Duration::from_secs(15) };

/// A running node.
pub struct App {
    edge: Arc<Edge>,
    drain: Drain,
    sites: Vec<String>,
    admin: SocketAddr,
    store: Store,
    live: Live,
    stop: CancellationToken,
    draining: CancellationToken,
    /// What goes on beside the requests, by name.
    tasks: Vec<(&'static str, JoinHandle<()>)>,
    admin_task: JoinHandle<io::Result<()>>,
    grace: Duration,
}

/// Why a node does not start. A store that cannot be opened is no reason: the site goes first.
#[derive(Debug, thiserror::Error)]
pub enum StartError {
    /// A listener's address cannot be had.
    #[error(transparent)]
    Bind(#[from] BindError),
    /// The admin listener's address cannot be had.
    #[error("cannot listen on {0} (admin): {1}")]
    BindAdmin(SocketAddr, #[source] io::Error),
    /// TLS towards visitors cannot be set up.
    #[error("TLS cannot be set up: {0}")]
    Tls(#[from] rustls::Error),
    /// A target or TLS cannot be used.
    #[error(transparent)]
    Upstream(#[from] UpstreamError),
    /// The client for deliveries cannot be made.
    #[error(transparent)]
    Client(#[from] impact::client::CannotStart),
}

impl App {
    /// Starts everything, in the order in which each part needs the ones before it; accepts visitors last.
    ///
    /// # Errors
    /// See [`StartError`]; nothing is left running.
    pub async fn start(config: Config, clock: Clock) -> Result<Self, StartError> {
        let mut listeners = Vec::new();
        for (address, speaks) in speaking(&config.listen)? {
            listeners.push(Listener::bind(address, speaks).await?);
        }
        let failed = |error| StartError::BindAdmin(config.listen.admin, error);
        let admin_listener = TcpListener::bind(config.listen.admin).await.map_err(failed)?;
        let admin_address = admin_listener.local_addr().map_err(failed)?;

        // One that cannot be opened does not keep the site from its visitors: it is said, counted, and shown by readiness.
        let store = Store::start(&config.store, clock.clone());
        let metrics = Arc::new(Metrics::new(env!("CARGO_PKG_VERSION")));
        let live = Live::new();
        let outbox = Outbox::new(store.clone(), clock.clone());
        let settings = links::Settings { window: config.click.window, policy: config.click.policy };
        let links = Links::new(store.clone(), settings, clock.clone());
        let shared = Arc::new(Shared {
            rules: Rules::new(config.click.clone(), config.segment.clone(), config.impact.clone()),
            fallbacks: fallbacks(&config.impact),
            store: store.clone(),
            links: links.clone(),
            metrics: metrics.clone(),
            live: live.clone(),
            clock: clock.clone(),
        });
        let forwards = Forwards::new(store.clone(), config.store.key.as_ref());
        let regions = Arc::new(Regions::new(&config.segment, SEGMENT_WAITS, &config.trust)?);
        let edge = Arc::new(edge(&config, &shared, &outbox, &forwards, &regions)?);
        let courier = Courier::new(forwards.clone(), regions, shared.clone(), config.delivery.retry_for);
        let client = Client::new(clock.clone())?;

        let (stop, draining) = (CancellationToken::new(), CancellationToken::new());
        let pacing = Arc::new(Mutex::new(Pacing::new(accounts(&config.impact))));
        let asker = asker(&config, client.clone(), outbox.clone(), pacing.clone(), &shared);
        let worker = worker(&config, client, outbox.clone(), pacing.clone(), &shared);
        let tasks = vec![
            ("verdicts", tokio::spawn(asker.run(stop.clone()))),
            ("delivery", tokio::spawn(worker.run(stop.clone(), config.listen.grace))),
            ("forwarding", tokio::spawn(courier.run(stop.clone()))),
            ("recording", tokio::spawn(outbox.clone().catch_up(stop.clone()))),
        ];
        let admin = Admin {
            listen: admin_address,
            token: store.token().ok().map(Secret::new),
            metrics,
            live: live.clone(),
            store: store.clone(),
            outbox,
            links,
            forwards,
            mapping: Arc::new(Mapping {
                impact: config.impact.clone(),
                sources: Sources::new(&config.segment.sources, config.segment.deliver_unlisted),
            }),
            pacing,
            draining: draining.clone(),
        };
        let admin_task = tokio::spawn(admin::serve(admin_listener, admin, stop.clone()));
        let drain = Drain::new();
        let sites = listeners.iter().map(Listener::url).collect();
        let hall = Hall::new(edge.clone(), shared.metrics.clone(), config.limits, &config.listen);
        for listener in listeners {
            listener.start(&hall, &drain);
        }
        let grace = config.listen.grace;
        Ok(Self { edge, drain, sites, admin: admin_address, store, live, stop, draining, tasks, admin_task, grace })
    }

    /// Stops in the order in which nothing is lost: no new requests, those in flight finish, deliveries under way
    /// finish, then the store is closed.
    pub async fn stop(self) {
        self.draining.cancel();
        let drained = self.drain.finish(&self.edge, self.grace).await;
        if drained.connections_cut + drained.tunnels_cut > 0 {
            tracing::warn!(
                connections = drained.connections_cut,
                tunnels = drained.tunnels_cut,
                "cut at the end of the grace time"
            );
        }
        self.stop.cancel();
        for (name, task) in self.tasks {
            if let Err(error) = task.await {
                tracing::error!(%error, name, "a task did not end well");
            }
        }
        match self.admin_task.await {
            Ok(Ok(())) => {}
            Ok(Err(error)) => tracing::error!(%error, "the admin listener failed"),
            Err(error) => tracing::error!(%error, "the admin listener did not end well"),
        }
        self.store.close().await;
    }

    /// Where sites are served: `http://address` or `https://address`.
    pub fn sites(&self) -> &[String] {
        &self.sites
    }

    /// The admin listener's address.
    pub fn admin(&self) -> SocketAddr {
        self.admin
    }

    /// What happens, as it happens.
    pub fn live(&self) -> &Live {
        &self.live
    }
}

fn fallbacks(impact: &impact::Config) -> Fallbacks {
    Fallbacks {
        plain: vec![impact::CLICK_COOKIE.to_owned()],
        session: impact.programs.iter().map(|program| impact::session_cookie(&program.campaign_id)).collect(),
    }
}

fn edge(
    config: &Config,
    shared: &Arc<Shared>,
    outbox: &Outbox,
    forwards: &Forwards,
    regions: &Arc<Regions>,
) -> Result<Edge, UpstreamError> {
    let recorder =
        Recorder { outbox: outbox.clone(), on_store_failure: config.store.on_store_failure, shared: shared.clone() };
    let calls = Calls {
        shared: shared.clone(),
        recorder,
        forwards: forwards.clone(),
        regions: regions.clone(),
        cdn: Upstream::new(&config.segment.cdn, Protocol::Http1, SEGMENT_WAITS, &config.trust, None)?,
    };
    Edge::new(Parts {
        sites: config.sites.clone(),
        trusted_proxies: config.listen.trusted_proxies.clone(),
        calls,
        shared: shared.clone(),
        https: Https::new(config.listen.redirect_to_https, config.listen.hsts),
        access_log: config.log.access,
        shown_ip: config.log.visitor_ip,
        trust: config.trust.clone(),
        pace: Pace { pause: config.limits.body_pause, bytes_per_second: config.limits.body_rate },
        tunnel_idle: config.limits.tunnel_idle,
    })
}

/// The site listeners, and what each speaks.
fn speaking(listen: &server::Config) -> Result<Vec<(SocketAddr, Speaks)>, StartError> {
    let plain = Speaks::Plain { http2: listen.http2_prior_knowledge };
    let mut listeners: Vec<_> = listen.http.iter().map(|address| (*address, plain.clone())).collect();
    if let Some(https) = &listen.https {
        let tls = Speaks::Tls(TlsAcceptor::from(Arc::new(tls::server(https.certificates.clone())?)));
        listeners.extend(https.addresses.iter().map(|address| (*address, tls.clone())));
    }
    Ok(listeners)
}

/// Programs of one account share its rate limit.
fn accounts(impact: &impact::Config) -> impl Iterator<Item = (String, String)> {
    impact.programs.iter().map(|program| (program.name.clone(), program.account_sid.clone()))
}

/// The delivery worker: sends through the destinations' client, and tells metrics and watchers what became of it.
fn worker(
    config: &Config,
    client: Client,
    outbox: Outbox,
    pacing: Arc<Mutex<Pacing>>,
    shared: &Arc<Shared>,
) -> Worker<
    impl Fn(Delivery, Option<Delivery>) -> Sending + Send + Sync + 'static,
    impl Fn(&Report<'_>) + Send + Sync + 'static,
> {
    let impact = Arc::new(config.impact.clone());
    let learners = shared.clone();
    let send = move |delivery: Delivery, about: Option<Delivery>| -> Sending {
        let (impact, client, shared) = (impact.clone(), client.clone(), learners.clone());
        Box::pin(async move {
            let attempt = send(&impact, &client, &delivery, about.as_ref()).await;
            if let (true, Outcome::Accepted { receipt: Some(receipt) }) =
                (impact.keep_click_id_of_page_load, &attempt.outcome)
            {
                learn(&delivery, receipt, &shared).await;
            }
            attempt
        })
    };
    let watchers = shared.clone();
    let observe = move |report: &Report<'_>| tell(report, &watchers);
    Worker::new(outbox, config.delivery, pacing, send, observe, shared.clock.clone())
}

type Sending = std::pin::Pin<Box<dyn Future<Output = Attempt> + Send>>;

async fn send(impact: &impact::Config, client: &Client, delivery: &Delivery, about: Option<&Delivery>) -> Attempt {
    let request = &delivery.request;
    let about = about.map(|made| Conversion {
        action_id: made.verdict.as_ref().and_then(|row| row.action_id.as_deref()),
        params: &made.request.params,
    });
    match Program::named(&request.program, impact) {
        Some(program) => client.deliver(program, request.endpoint, &request.params, about).await,
        None => Attempt::from(Outcome::Retry {
            why: Trouble::NotSent,
            detail: format!("the configuration has no program {:?}", request.program),
            after: None,
        }),
    }
}

/// The click that a page load was answered with becomes its visitor's, who had none.
async fn learn(delivery: &Delivery, receipt: &str, shared: &Shared) {
    let request = &delivery.request;
    if request.endpoint != destination::Endpoint::PageLoad || request.click_id.is_some() {
        return;
    }
    let Ok(id) = ClickId::parse(receipt.as_bytes()) else { return };
    let mut people = Vec::new();
    for person in request.anonymous.into_iter().chain(request.user) {
        if shared.links.look_up(&person).await == Found::Nothing {
            people.push(person);
        }
    }
    if people.is_empty() {
        return;
    }
    let click = Click { id, at: request.arrival, place: Place::Said };
    shared.store.submit(shared.links.teach(&Lesson { click: Some(click), people, joins: Vec::new() }));
}

/// The asker: asks through the destinations' client, and tells metrics and watchers what was said.
fn asker(
    config: &Config,
    client: Client,
    outbox: Outbox,
    pacing: Arc<Mutex<Pacing>>,
    shared: &Arc<Shared>,
) -> Asker<impl Fn(Delivery) -> Asking + Send + Sync + 'static, impl Fn(&Delivery, &VerdictRow) + Send + Sync + 'static>
{
    let impact = Arc::new(config.impact.clone());
    let ask = move |delivery: Delivery| -> Asking {
        let (impact, client) = (impact.clone(), client.clone());
        Box::pin(async move { ask(&impact, &client, &delivery).await })
    };
    let watchers = shared.clone();
    let observe = move |delivery: &Delivery, row: &VerdictRow| tell_verdict(delivery, row, &watchers);
    Asker::new(outbox, config.delivery, pacing, ask, observe, shared.clock.clone())
}

type Asking = std::pin::Pin<Box<dyn Future<Output = Inquiry> + Send>>;

async fn ask(impact: &impact::Config, client: &Client, delivery: &Delivery) -> Inquiry {
    match (Program::named(&delivery.request.program, impact), &delivery.receipt) {
        (Some(program), Some(receipt)) => client.ask(program, receipt, &delivery.request.params).await,
        // It may come back into the configuration.
        _ => Inquiry { said: Said::Retry { why: Trouble::NotSent, after: None }, quota: None, requests: 0 },
    }
}

fn tell_verdict(delivery: &Delivery, row: &VerdictRow, shared: &Shared) {
    let request = &delivery.request;
    let reason = row.reason.as_deref().map_or("none", impact::verdict::label);
    shared.metrics.verdict(&request.program, row.verdict, reason);
    let words = || {
        let order = request.order_id.as_deref().map(|id| format!(", order {id}")).unwrap_or_default();
        let why = row.reason.as_deref().or(row.action_id.as_deref()).map(|why| format!(": {why}")).unwrap_or_default();
        format!("{} for {}{order} is {}{why}", request.event, request.program, row.verdict.name())
    };
    shared.live.tell(shared.clock.now(), Kind::Judged, words);
}

fn tell(report: &Report<'_>, shared: &Shared) {
    let request = &report.delivery.request;
    let kind = match report.step {
        Step::Done => Kind::Delivered,
        Step::Again(_) => Kind::Retried,
        Step::Dead(_) => Kind::Dead,
    };
    shared.metrics.delivery(&request.program, request.endpoint, kind);
    let trouble = match report.outcome {
        Outcome::Accepted { .. } => None,
        Outcome::Retry { why, .. } => Some(why.label()),
        Outcome::Refused { .. } => Some("refused"),
        Outcome::NoAccess { status: 404, .. } => Some("missing"),
        Outcome::NoAccess { .. } => Some("unauthorized"),
        Outcome::Unfit(why) => Some(why.label()),
    };
    if let Some(trouble) = trouble {
        shared.metrics.delivery_trouble(&request.program, request.endpoint, trouble);
    }
    if let Step::Dead(reason) = report.step {
        let (id, program, reason) = (report.delivery.id, &request.program, reason.label());
        tracing::warn!(delivery = %id, program, reason, "a delivery is a dead letter now; `selvedge deliveries` shows it");
    }
    let words = || {
        let endpoint = destination::Endpoint::label(request.endpoint);
        let order = request.order_id.as_deref().map(|id| format!(", order {id}")).unwrap_or_default();
        let answer = match report.outcome {
            // The receipt of a page load is a whole click ID.
            Outcome::Accepted { .. } if request.endpoint == destination::Endpoint::PageLoad => String::new(),
            Outcome::Accepted { receipt } => {
                receipt.as_deref().map(|receipt| format!(" → {receipt}")).unwrap_or_default()
            }
            Outcome::Retry { detail, .. } | Outcome::Refused { detail, .. } | Outcome::NoAccess { detail, .. } => {
                format!(": {detail}")
            }
            Outcome::Unfit(why) => format!(": {}", why.label()),
        };
        format!("{} → {} ({endpoint}){order}{answer}", request.event, request.program)
    };
    shared.live.tell(shared.clock.now(), kind, words);
}
