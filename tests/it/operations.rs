//! What an operator sees of a running node, and what nobody sees of its visitors.

use crate::harness::{Edge, Origin, Stage, answers, eventually, find};
use selvedge::demo::Answer;
use selvedge::demo::impact::AUTH_TOKEN;
use serde_json::{Value, json};
use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;
use tokio::sync::Semaphore;

/// Each family of metrics with the names of its labels.
const FAMILIES: [(&str, &[&str]); 22] = [
    ("selvedge_build_info", &["version"]),
    ("selvedge_calls_of_shared_ids_total", &[]),
    ("selvedge_calls_total", &["basis", "type"]),
    ("selvedge_calls_untouched_total", &["reason"]),
    ("selvedge_clicks_total", &["outcome"]),
    ("selvedge_connections", &[]),
    ("selvedge_deliveries_total", &["endpoint", "outcome", "program"]),
    ("selvedge_delivery_troubles_total", &["endpoint", "program", "trouble"]),
    ("selvedge_envelopes_dead", &[]),
    ("selvedge_envelopes_locked", &[]),
    ("selvedge_envelopes_oldest_age_seconds", &[]),
    ("selvedge_envelopes_total", &["outcome"]),
    ("selvedge_envelopes_waiting", &[]),
    ("selvedge_http_added_latency_seconds", &["le", "route"]),
    ("selvedge_http_request_duration_seconds", &["le", "route"]),
    ("selvedge_http_requests_in_flight", &["route"]),
    ("selvedge_http_requests_total", &["code", "route"]),
    ("selvedge_queue_depth", &["state"]),
    ("selvedge_queue_oldest_age_seconds", &["state"]),
    ("selvedge_store_commit_seconds_total", &[]),
    ("selvedge_store_commits_total", &[]),
    ("selvedge_unrecorded_total", &[]),
];

/// What must not be found outside of the request that it came with.
const SECRETS: [&str; 9] = [
    "2uz3sQWFlxyJRcqwUx0Mo38bUkH",
    "ann@example.com",
    "s3ssion-of-the-shop",
    "eyJhbGciOi.of-a-bearer",
    "write-key-of-the-source",
    "customer-1001",
    "anonymous-1001",
    "order-1001",
    AUTH_TOKEN,
];

/// A visitor who comes by a click, shops, and orders; then things go wrong.
async fn journey(stage: &Stage) {
    let [click, email, session, bearer, key, customer, anonymous, order, _] = SECRETS;
    let cookies = format!("Cookie: session={session}; ajs_anonymous_id={anonymous}");
    let landing = stage.edge.get(&format!("/?im_ref={click}"), &["Accept: text/html", &cookies]).await;
    assert_eq!(landing.status(), 200);
    let carried = landing.fields("set-cookie")[0].split(';').next().unwrap().to_owned();
    let browser = format!(
        "Origin: https://shop.example\r\nSec-Fetch-Site: same-origin\r\nAuthorization: Bearer {bearer}\r\n{cookies}; {carried}\r\n"
    );
    let ids = json!({"anonymousId": anonymous, "userId": customer, "writeKey": key});
    let call = |more: Value| {
        let mut call = ids.clone();
        call.as_object_mut().unwrap().extend(more.as_object().unwrap().clone());
        call.to_string()
    };
    let identify = json!({"type": "identify", "messageId": "i", "traits": {"email": email}});
    assert_eq!(stage.post("/cdp/v1/i", &browser, call(identify)).await, 200);
    for (number, answer) in [Answer::status(503), Answer::status(400).body("no"), Answer::Close].into_iter().enumerate()
    {
        stage.impact.conversions_script().next(answer);
        let properties = json!({"order_id": format!("{order}-{number}"), "email": email});
        let order = json!({"type": "track", "event": "Order Completed", "messageId": number.to_string(), "properties": properties, "context": {"traits": {"email": email}}});
        assert_eq!(stage.post("/cdp/v1/t", "", call(order)).await, 200);
    }
    let pixel = format!("/cdp/v1/pixel/page?userId={customer}&context.page.search=%3Fim_ref%3D{click}x");
    assert_eq!(stage.edge.get(&pixel, &[&cookies]).await.status(), 200);
    for bad in ["not json", "[]", &format!("{{\"email\":\"{email}\"")] {
        stage.post("/cdp/v1/t", &browser, bad).await;
    }
    let foreign = json!({"type": "page", "context": {"referrer": {"type": "dataxu", "id": "x"}}});
    assert_eq!(stage.post("/cdp/v1/p", &browser, call(foreign)).await, 200);
    stage.segment.script().next(Answer::Close);
    assert_eq!(stage.post("/cdp/v1/p", &browser, call(json!({"type": "page"}))).await, 503);
    assert_eq!(stage.impact.wait_for_conversions(5).await.len(), 5);
}

/// The samples of a page of metrics: family, then the labels of each.
fn samples(page: &str) -> BTreeMap<String, Vec<BTreeMap<String, String>>> {
    let mut families: BTreeMap<String, Vec<BTreeMap<String, String>>> = BTreeMap::new();
    for line in page.lines().filter(|line| !line.starts_with('#')) {
        let (name, value) = line.rsplit_once(' ').unwrap();
        assert!(value.parse::<f64>().is_ok(), "{line}");
        let (name, labels) = name.split_once('{').map_or((name, ""), |(name, rest)| (name, rest.trim_end_matches('}')));
        let labels = labels.split(',').filter(|label| !label.is_empty()).map(|label| {
            let (name, value) = label.split_once('=').unwrap();
            (name.to_owned(), value.trim_matches('"').to_owned())
        });
        let name = ["_bucket", "_sum", "_count"].iter().find_map(|end| name.strip_suffix(end)).unwrap_or(name);
        families.entry(name.to_owned()).or_default().push(labels.collect());
    }
    families
}

#[tokio::test]
async fn the_metrics_of_a_journey_have_few_labels_and_nobodys_secrets() {
    let stage = Stage::set_with(|edge| edge.with("[log]\nlevel = \"trace\"\naccess = true")).await;
    journey(&stage).await;
    let page = eventually("two deliveries and a dead letter", async || {
        let page = stage.edge.admin("/metrics").await.text();
        page.contains("selvedge_queue_depth{state=\"delivered\"} 2").then_some(page)
    })
    .await;
    let families = samples(&page);
    let found: Vec<&str> = families.keys().map(String::as_str).collect();
    assert_eq!(found, FAMILIES.map(|(name, _)| name), "{page}");
    for (name, allowed) in FAMILIES {
        let samples = &families[name];
        let names: BTreeSet<&str> = samples.iter().flat_map(|labels| labels.keys().map(String::as_str)).collect();
        assert_eq!(names.into_iter().collect::<Vec<_>>(), allowed, "{name}");
        for (label, value) in samples.iter().flatten() {
            let is_word = !value.is_empty() && value.bytes().all(|b| b.is_ascii_lowercase() || b == b'_');
            let is_number = matches!(label.as_str(), "le" | "code" | "version");
            assert!(is_word || is_number, "{name}: {label}={value}");
        }
        assert!(samples.len() <= 60, "{name} has {} series", samples.len());
    }
    for line in [
        r#"selvedge_clicks_total{outcome="captured"} 1"#,
        r#"selvedge_calls_total{type="identify",basis="carried"} 1"#,
        r#"selvedge_calls_total{type="track",basis="linked"} 3"#,
        r#"selvedge_envelopes_total{outcome="not_json"} 2"#,
        r#"selvedge_envelopes_total{outcome="unknown_shape"} 1"#,
        r#"selvedge_deliveries_total{program="us",endpoint="conversions",outcome="recorded"} 3"#,
        r#"selvedge_deliveries_total{program="us",endpoint="conversions",outcome="dead"} 1"#,
        r#"selvedge_deliveries_total{program="us",endpoint="conversions",outcome="retried"} 2"#,
        r#"selvedge_deliveries_total{program="us",endpoint="conversions",outcome="delivered"} 2"#,
        r#"selvedge_delivery_troubles_total{program="us",endpoint="conversions",trouble="maybe_sent"} 1"#,
        r#"selvedge_delivery_troubles_total{program="us",endpoint="conversions",trouble="server_error"} 1"#,
        r#"selvedge_queue_depth{state="dead"} 1"#,
        r#"selvedge_queue_depth{state="waiting"} 0"#,
        r#"selvedge_http_requests_total{route="site",code="2xx"} 1"#,
        r#"selvedge_http_requests_total{route="segment",code="5xx"} 1"#,
        r#"selvedge_unrecorded_total 0"#,
    ] {
        assert!(page.lines().any(|one| one == line), "{line} is not in\n{page}");
    }
    assert!(stage.edge.count("selvedge_store_commits_total").await > 3);
    let log = stage.edge.log();
    assert!(log.contains("path=\"/cdp/v1/t\"") && log.contains("Segment is away"), "{log}");
    assert!(!log.contains('\x1b'), "colours in a file");
    for secret in SECRETS {
        assert!(!page.contains(secret), "{secret} is in the metrics");
        let line = log.lines().find(|line| line.contains(secret));
        assert_eq!(line, None, "{secret} is in the log");
    }
}

#[tokio::test]
async fn what_is_on_disk_is_the_owners_and_holds_no_address_session_or_token() {
    use std::os::unix::fs::PermissionsExt;
    let folder = tempfile::tempdir().unwrap();
    let store = folder.path().join("data");
    let stage = Stage::set_with(|edge| edge.store(&store)).await;
    journey(&stage).await;
    let [_, email, session, bearer, ..] = SECRETS;
    let mut orders = 0;
    for entry in std::fs::read_dir(&store).unwrap() {
        let entry = entry.unwrap();
        let (name, bytes) = (entry.file_name(), std::fs::read(entry.path()).unwrap());
        assert_eq!(entry.metadata().unwrap().permissions().mode() & 0o777, 0o600, "{name:?}");
        for secret in [email, session, bearer, AUTH_TOKEN] {
            assert_eq!(find(&bytes, secret.as_bytes()), None, "{secret} is in {name:?}");
        }
        orders += usize::from(find(&bytes, b"order-1001-0").is_some());
    }
    assert!(orders > 0, "the orders are not where they were looked for");
}

#[tokio::test]
async fn a_node_lives_is_ready_and_is_not_when_it_stops() {
    let (arrived, release) = (Arc::new(Semaphore::new(0)), Arc::new(Semaphore::new(0)));
    let gates = (Arc::clone(&arrived), Arc::clone(&release));
    let origin = Origin::scripted(move |connection, _| {
        let (arrived, release) = gates.clone();
        Box::pin(async move {
            arrived.add_permits(1);
            release.acquire().await.unwrap().forget();
            connection.write(answers("200 OK", &[], "late")).await;
            true
        })
    })
    .await;
    let mut edge = Edge::before(&origin).await;
    let says = async |edge: &Edge, path: &str| {
        let answer = edge.admin(path).await;
        (answer.status(), serde_json::from_slice::<Value>(&answer.body).unwrap())
    };
    assert_eq!(says(&edge, "/livez").await, (200, json!({"live": true})));
    assert_eq!(says(&edge, "/readyz").await, (200, json!({"ready": true, "reasons": [], "warnings": []})));
    let mut slow = edge.connect().await;
    slow.write("GET / HTTP/1.1\r\nHost: a\r\n\r\n").await;
    arrived.acquire().await.unwrap().forget();
    assert_eq!(edge.count(r#"selvedge_http_requests_in_flight{route="site"}"#).await, 1);
    edge.terminate();
    let stopping = (503, json!({"ready": false, "reasons": ["the node is stopping"], "warnings": []}));
    eventually("the stop", async || (says(&edge, "/readyz").await == stopping).then_some(())).await;
    assert_eq!(says(&edge, "/livez").await.0, 200);
    release.add_permits(1);
    assert_eq!(slow.answer().await.text(), "late");
    assert_eq!(edge.ended().await.code(), Some(0));
}

#[tokio::test]
async fn the_admin_listener_is_not_behind_the_sites() {
    let mut stage = Stage::set().await;
    for path in ["/metrics", "/readyz", "/api/deliveries", "/"] {
        assert_eq!(stage.edge.get(path, &[]).await.text(), "hello", "{path}");
        assert_eq!(stage.origin.saw().await.line(), format!("GET {path} HTTP/1.1"));
    }
    let metrics = stage.edge.admin("/metrics").await;
    assert_eq!(metrics.field("content-type"), Some("application/openmetrics-text; version=1.0.0; charset=utf-8"));
    assert!(metrics.text().ends_with("# EOF\n"));
}
