//! What is counted, and how it is told to Prometheus.
//!
//! Every label is bounded: it is an enum's name, a class of status codes, or the name of a configured program. No
//! identifier of a person, click or order is ever one.

mod timing;

use prometheus_client::encoding::text;
use prometheus_client::metrics::counter::Counter;
use prometheus_client::metrics::family::Family;
use prometheus_client::metrics::gauge::Gauge;
use prometheus_client::metrics::info::Info;
use prometheus_client::registry::{Registry, Unit};
use std::borrow::Cow;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;
use timing::Timing;

/// An enum whose variants' names are the values of a metric's label.
pub trait Label: Copy {
    /// The label's value: snake_case, and one of a fixed set.
    fn label(self) -> &'static str;
}

/// Everything that is counted. One is made at the start and lent to all.
#[derive(Debug)]
pub struct Metrics {
    registry: Registry,
    routes: [RouteMetrics; 3],
    connections: Gauge,
    connections_refused: Counts<1>,
    clicks: Counts<1>,
    calls: Counts<2>,
    calls_untouched: Counts<1>,
    calls_of_shared_ids: Counter,
    settings: Counts<1>,
    envelopes: Counts<1>,
    deliveries: Counts<3>,
    delivery_troubles: Counts<3>,
    verdicts: Counts<3>,
    unrecorded: Counter,
    envelopes_waiting: Gauge,
    envelopes_locked: Gauge,
    envelopes_dead: Gauge,
    envelopes_oldest_age: Gauge,
    held_up: Family<Labels<3>, Gauge>,
    queue_depth: Family<Labels<1>, Gauge>,
    queue_oldest_age: Family<Labels<1>, Gauge>,
    store_commits: Counter,
    store_commit_time: Counter<f64, AtomicU64>,
}

/// What a request was routed to.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Route {
    /// The site.
    Site,
    /// Segment's endpoints.
    Segment,
    /// The admin listener.
    Admin,
}

/// A request in flight: it is counted as such until this is dropped.
#[derive(Debug)]
pub struct InFlight(Gauge);

type Labels<const N: usize> = [(&'static str, Cow<'static, str>); N];
type Counts<const N: usize> = Family<Labels<N>, Counter>;
type Timings = Family<Labels<1>, Timing, fn() -> Timing>;

/// The handles of one route, found once, so that a request costs a few atomic additions and no look-up.
#[derive(Debug)]
struct RouteMetrics {
    by_class: [Counter; CODE_CLASSES.len()],
    duration: Timing,
    added: Timing,
    in_flight: Gauge,
}

const ROUTES: [Route; 3] = [Route::Site, Route::Segment, Route::Admin];

/// The classes of status codes, by their first digit; what has none of these got no answer.
const CODE_CLASSES: [&str; 6] = ["none", "1xx", "2xx", "3xx", "4xx", "5xx"];

/// Bounds for whole requests, in microseconds: from a cached page to a long download.
const DURATION_BOUNDS: &[u64] = &[
    1_000, 2_500, 5_000, 10_000, 25_000, 50_000, 100_000, 250_000, 500_000, 1_000_000, 2_500_000, 10_000_000,
    60_000_000,
];

/// Bounds for what we add to a request, in microseconds: dense where the promise lies.
const ADDED_BOUNDS: &[u64] = &[25, 50, 100, 250, 500, 1_000, 2_500, 5_000, 10_000, 25_000, 100_000, 250_000, 1_000_000];

impl Metrics {
    /// All counts at nought. `version` is the program's own.
    pub fn new(version: &'static str) -> Self {
        let mut registry = Registry::with_prefix("selvedge");
        registry.register("build", "The program that runs", Info::new([("version", version)]));
        Self {
            routes: register_routes(&mut registry),
            connections: register(&mut registry, "connections", "Connections of visitors that are open"),
            connections_refused: register(
                &mut registry,
                "connections_refused",
                "Connections that were closed at once, by the limit that they met",
            ),
            clicks: register(&mut registry, "clicks", "Visits with a click, by what became of it"),
            calls: register(&mut registry, "calls", "Segment calls, by type and by the basis of their attribution"),
            calls_untouched: register(
                &mut registry,
                "calls_untouched",
                "Segment calls that went on as they came though they had a click",
            ),
            calls_of_shared_ids: register(
                &mut registry,
                "calls_of_shared_ids",
                "Segment calls with an id that is too widely shared to be attributed by",
            ),
            settings: register(&mut registry, "settings", "Settings that SDKs fetched, by what became of them"),
            envelopes: register(&mut registry, "envelopes", "Envelopes of Segment calls, by what became of them"),
            deliveries: register(&mut registry, "deliveries", "What became of deliveries, by program and endpoint"),
            delivery_troubles: register(
                &mut registry,
                "delivery_troubles",
                "Attempts to deliver that will be made again or were given up, by what they met with",
            ),
            verdicts: register(
                &mut registry,
                "verdicts",
                "What destinations said later of what they took, by program and reason",
            ),
            envelopes_waiting: register(
                &mut registry,
                "envelopes_waiting",
                "Envelopes that wait until Segment is back",
            ),
            envelopes_locked: register(
                &mut registry,
                "envelopes_locked",
                "Envelopes that wait and cannot be read with this [store] key",
            ),
            envelopes_dead: register(&mut registry, "envelopes_dead", "Envelopes that Segment refused later"),
            envelopes_oldest_age: register(
                &mut registry,
                "envelopes_oldest_age_seconds",
                "The age of the oldest envelope that waits",
            ),
            unrecorded: register(&mut registry, "unrecorded", "Deliveries that the store did not take in time"),
            held_up: register(&mut registry, "held_up", "Whether deliveries wait for their endpoint, and why"),
            queue_depth: register(&mut registry, "queue_depth", "Deliveries in the outbox, by state"),
            queue_oldest_age: register(
                &mut registry,
                "queue_oldest_age_seconds",
                "The age of the oldest delivery in the outbox, by state",
            ),
            store_commits: register(&mut registry, "store_commits", "Commits of the store that reached the disk"),
            store_commit_time: register(
                &mut registry,
                "store_commit_seconds",
                "The time that the store's commits took together",
            ),
            registry,
        }
    }

    /// A connection begins.
    pub fn connection_began(&self) -> InFlight {
        self.connections.inc();
        InFlight(self.connections.clone())
    }

    /// A connection met a limit (`all`, or its `client`'s), or did not say by the `proxy_protocol` whose it is.
    pub fn connection_refused(&self, limit: &'static str) {
        self.connections_refused.get_or_create(&[("limit", limit.into())]).inc();
    }

    /// A request begins.
    pub fn request_began(&self, route: Route) -> InFlight {
        let gauge = self.route(route).in_flight.clone();
        gauge.inc();
        InFlight(gauge)
    }

    /// A request was answered with `status` (0 when nobody was left to answer) after `total`, of which `upstream` was spent
    /// waiting for somebody else's server.
    pub fn request_ended(&self, route: Route, status: u16, total: Duration, upstream: Duration) {
        let route = self.route(route);
        let class = usize::from(status / 100);
        if let Some(counter) = route.by_class.get(class).or(route.by_class.first()) {
            counter.inc();
        }
        route.duration.observe(total);
        route.added.observe(total.saturating_sub(upstream));
    }

    /// A visit with a click was decided.
    pub fn click(&self, outcome: impl Label) {
        self.clicks.get_or_create(&[("outcome", outcome.label().into())]).inc();
    }

    /// A call was attributed; `basis` is `None` where it has no click.
    pub fn call(&self, kind: impl Label, basis: Option<impl Label>) {
        let basis = basis.map_or("none", Label::label);
        self.calls.get_or_create(&[("type", kind.label().into()), ("basis", basis.into())]).inc();
    }

    /// A call that has a click went on as it came.
    pub fn call_untouched(&self, reason: impl Label) {
        self.calls_untouched.get_or_create(&[("reason", reason.label().into())]).inc();
    }

    /// A call has an id that is joined to too many others: nothing was attributed by it.
    pub fn call_of_shared_id(&self) {
        self.calls_of_shared_ids.inc();
    }

    /// An SDK's settings were dealt with.
    pub fn settings(&self, outcome: impl Label) {
        self.settings.get_or_create(&[("outcome", outcome.label().into())]).inc();
    }

    /// An envelope was dealt with.
    pub fn envelope(&self, outcome: impl Label) {
        self.envelopes.get_or_create(&[("outcome", outcome.label().into())]).inc();
    }

    /// Something happened to a delivery of a configured program.
    pub fn delivery(&self, program: &str, endpoint: impl Label, outcome: impl Label) {
        let program = program.to_owned().into();
        let labels = [("program", program), ("endpoint", endpoint.label().into()), ("outcome", outcome.label().into())];
        self.deliveries.get_or_create(&labels).inc();
    }

    /// An attempt at a delivery of a configured program met with trouble.
    pub fn delivery_trouble(&self, program: &str, endpoint: impl Label, trouble: &'static str) {
        let program = program.to_owned().into();
        let labels = [("program", program), ("endpoint", endpoint.label().into()), ("trouble", trouble.into())];
        self.delivery_troubles.get_or_create(&labels).inc();
    }

    /// A verdict on a delivery of a configured program is known.
    pub fn verdict(&self, program: &str, verdict: impl Label, reason: &'static str) {
        let program = program.to_owned().into();
        let labels = [("program", program), ("verdict", verdict.label().into()), ("reason", reason.into())];
        self.verdicts.get_or_create(&labels).inc();
    }

    /// Sets how many envelopes wait for Segment, how many of them cannot be read, how many it refused later, and the age
    /// of the oldest that waits; called just before [`Metrics::expose`].
    pub fn missed(&self, waiting: u64, locked: u64, dead: u64, oldest_age: Duration) {
        self.envelopes_locked.set(i64::try_from(locked).unwrap_or(i64::MAX));
        self.envelopes_waiting.set(i64::try_from(waiting).unwrap_or(i64::MAX));
        self.envelopes_dead.set(i64::try_from(dead).unwrap_or(i64::MAX));
        self.envelopes_oldest_age.set(i64::try_from(oldest_age.as_secs()).unwrap_or(i64::MAX));
    }

    /// Sets which programs' deliveries are held up at which endpoint, and why; called just before [`Metrics::expose`].
    pub fn held_up<W: Label>(&self, lanes: impl Iterator<Item = (String, String, W)>) {
        self.held_up.clear();
        for (program, endpoint, why) in lanes {
            let labels = [("program", program.into()), ("endpoint", endpoint.into()), ("why", why.label().into())];
            self.held_up.get_or_create(&labels).set(1);
        }
    }

    /// The store did not take `deliveries` in time.
    pub fn unrecorded(&self, deliveries: u64) {
        self.unrecorded.inc_by(deliveries);
    }

    /// Sets how many commits the store made and how long they took together; called just before [`Metrics::expose`].
    pub fn store(&self, commits: u64, took: Duration) {
        self.store_commits.inner().store(commits, Ordering::Relaxed);
        self.store_commit_time.inner().store(took.as_secs_f64().to_bits(), Ordering::Relaxed);
    }

    /// Sets what the outbox holds in one state; called just before [`Metrics::expose`].
    pub fn queue(&self, state: impl Label, depth: u64, oldest_age: Duration) {
        let labels = [("state", state.label().into())];
        self.queue_depth.get_or_create(&labels).set(i64::try_from(depth).unwrap_or(i64::MAX));
        let age = i64::try_from(oldest_age.as_secs()).unwrap_or(i64::MAX);
        self.queue_oldest_age.get_or_create(&labels).set(age);
    }

    /// The whole of it in the OpenMetrics text format; its type is [`Metrics::CONTENT_TYPE`].
    pub fn expose(&self) -> String {
        let mut page = String::new();
        // Writing into a String fails only where a metric cannot be told in text, and all of ours can.
        match text::encode(&mut page, &self.registry) {
            Ok(()) => page,
            Err(_) => String::new(),
        }
    }

    /// The media type of [`Metrics::expose`].
    pub const CONTENT_TYPE: &'static str = "application/openmetrics-text; version=1.0.0; charset=utf-8";

    fn route(&self, route: Route) -> &RouteMetrics {
        let [site, segment, admin] = &self.routes;
        match route {
            Route::Site => site,
            Route::Segment => segment,
            Route::Admin => admin,
        }
    }
}

impl Drop for InFlight {
    fn drop(&mut self) {
        self.0.dec();
    }
}

impl Label for Route {
    fn label(self) -> &'static str {
        match self {
            Self::Site => "site",
            Self::Segment => "segment",
            Self::Admin => "admin",
        }
    }
}

fn register_routes(registry: &mut Registry) -> [RouteMetrics; 3] {
    let requests: Counts<2> = register(registry, "http_requests", "Requests, by route and class of status code");
    let in_flight: Family<Labels<1>, Gauge> =
        register(registry, "http_requests_in_flight", "Requests in flight, by route");
    let duration = Timings::new_with_constructor(|| Timing::new(DURATION_BOUNDS));
    let added = Timings::new_with_constructor(|| Timing::new(ADDED_BOUNDS));
    let help = "How long requests take, by route";
    registry.register_with_unit("http_request_duration", help, Unit::Seconds, duration.clone());
    let help = "What Selvedge adds to a request: all of it without the wait for somebody else's server";
    registry.register_with_unit("http_added_latency", help, Unit::Seconds, added.clone());
    ROUTES.map(|route| {
        let labels = [("route", Cow::from(route.label()))];
        RouteMetrics {
            by_class: CODE_CLASSES
                .map(|class| requests.get_or_create_owned(&[("route", route.label().into()), ("code", class.into())])),
            duration: duration.get_or_create_owned(&labels),
            added: added.get_or_create_owned(&labels),
            in_flight: in_flight.get_or_create_owned(&labels),
        }
    })
}

fn register<M: prometheus_client::registry::Metric + Clone + Default>(
    registry: &mut Registry,
    name: &str,
    help: &str,
) -> M {
    let metric = M::default();
    registry.register(name, help, metric.clone());
    metric
}

#[cfg(test)]
mod tests {
    use super::*;

    fn line<'a>(page: &'a str, start: &str) -> &'a str {
        page.lines().find(|line| line.starts_with(start)).unwrap_or_else(|| panic!("no line {start} in\n{page}"))
    }

    #[test]
    fn a_request_is_counted_timed_and_over() {
        let metrics = Metrics::new("1.2.3");
        let in_flight = metrics.request_began(Route::Site);
        let page = metrics.expose();
        line(&page, "selvedge_http_requests_in_flight{route=\"site\"} 1");
        metrics.request_ended(Route::Site, 204, Duration::from_micros(3_000), Duration::from_micros(2_960));
        metrics.request_ended(Route::Segment, 0, Duration::from_secs(90), Duration::ZERO);
        metrics.request_ended(Route::Segment, 999, Duration::from_secs(90), Duration::ZERO);
        drop(in_flight);
        let page = metrics.expose();
        for expected in [
            "selvedge_build_info{version=\"1.2.3\"} 1",
            "selvedge_http_requests_in_flight{route=\"site\"} 0",
            "selvedge_http_requests_total{route=\"site\",code=\"2xx\"} 1",
            "selvedge_http_requests_total{route=\"segment\",code=\"none\"} 2",
            "selvedge_http_request_duration_seconds_bucket{le=\"0.0025\",route=\"site\"} 0",
            "selvedge_http_request_duration_seconds_bucket{le=\"0.005\",route=\"site\"} 1",
            "selvedge_http_request_duration_seconds_bucket{le=\"60.0\",route=\"segment\"} 0",
            "selvedge_http_request_duration_seconds_bucket{le=\"+Inf\",route=\"segment\"} 2",
            "selvedge_http_request_duration_seconds_sum{route=\"segment\"} 180.0",
            "selvedge_http_added_latency_seconds_bucket{le=\"0.000025\",route=\"site\"} 0",
            "selvedge_http_added_latency_seconds_bucket{le=\"0.00005\",route=\"site\"} 1",
            "selvedge_http_added_latency_seconds_count{route=\"site\"} 1",
        ] {
            assert_eq!(line(&page, expected), expected);
        }
        assert!(page.ends_with("# EOF\n"));
    }

    #[test]
    fn what_happens_is_counted_under_its_name() {
        let metrics = Metrics::new("1.2.3");
        metrics.click(Route::Site);
        metrics.call(Route::Site, Some(Route::Admin));
        metrics.call(Route::Site, None::<Route>);
        metrics.call_untouched(Route::Segment);
        metrics.call_of_shared_id();
        metrics.envelope(Route::Segment);
        metrics.delivery("u\"s", Route::Site, Route::Admin);
        metrics.verdict("us", Route::Site, "none");
        metrics.unrecorded(3);
        metrics.queue(Route::Site, 7, Duration::from_secs(61));
        metrics.store(4, Duration::from_millis(2_500));
        let page = metrics.expose();
        for expected in [
            "selvedge_clicks_total{outcome=\"site\"} 1",
            "selvedge_calls_total{type=\"site\",basis=\"admin\"} 1",
            "selvedge_calls_total{type=\"site\",basis=\"none\"} 1",
            "selvedge_calls_untouched_total{reason=\"segment\"} 1",
            "selvedge_calls_of_shared_ids_total 1",
            "selvedge_envelopes_total{outcome=\"segment\"} 1",
            "selvedge_deliveries_total{program=\"u\\\"s\",endpoint=\"site\",outcome=\"admin\"} 1",
            "selvedge_verdicts_total{program=\"us\",verdict=\"site\",reason=\"none\"} 1",
            "selvedge_unrecorded_total 3",
            "selvedge_queue_depth{state=\"site\"} 7",
            "selvedge_queue_oldest_age_seconds{state=\"site\"} 61",
            "selvedge_store_commits_total 4",
            "selvedge_store_commit_seconds_total 2.5",
        ] {
            assert_eq!(line(&page, expected), expected);
        }
    }
}
