//! The admin listener on a real socket, over a real store.

use super::*;
use crate::click::Policy;
use crate::clock::{Clock, Time};
use crate::config;
use crate::destination::{Endpoint, Sources};
use crate::links::Settings;
use crate::live::Kind;
use crate::outbox::{Appended, Forwards, NewDelivery};
use crate::secret::Secrets;
use crate::store;
use std::time::Duration;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;

const NOW: Time = Time::from_seconds(1_800_000_000);

/// An admin over a store that cannot be opened.
pub(super) fn admin() -> Admin {
    over(Store::unavailable("no disk", Clock::manual(NOW)))
}

fn over(store: Store) -> Admin {
    let clock = Clock::manual(NOW);
    let settings = Settings { window: Duration::from_secs(30 * 86_400), policy: Policy::Last };
    Admin {
        listen: "127.0.0.1:9901".parse().unwrap(),
        token: Some(Secret::new("s3cret")),
        metrics: Arc::new(Metrics::new("1.2.3")),
        live: Live::new(),
        outbox: Outbox::new(store.clone(), clock.clone()),
        links: Links::new(store.clone(), settings, clock),
        forwards: Forwards::new(store.clone(), None),
        mapping: mapping(),
        store,
        pacing: Arc::default(),
        draining: CancellationToken::new(),
    }
}

/// By a configuration without programs.
fn mapping() -> Arc<Mapping> {
    let text = "[listen]\nhttp = \"127.0.0.1:0\"\n[[site]]\norigin = \"http://127.0.0.1:3000\"\n";
    let config = config::parse(text, "test", std::path::Path::new(""), Secrets::Required).unwrap().config;
    Arc::new(Mapping { impact: config.impact, sources: Sources::default() })
}

fn opened(folder: &tempfile::TempDir) -> Admin {
    let config = store::Config::at(folder.path().join("data"));
    over(Store::open(&config, Clock::manual(NOW)).unwrap())
}

/// Serves until the returned guard is dropped.
async fn start(admin: &Admin) -> (SocketAddr, tokio_util::sync::DropGuard) {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    let stop = CancellationToken::new();
    tokio::spawn(serve(listener, admin.clone(), stop.clone()));
    (address, stop.drop_guard())
}

/// Sends a request with the given further header lines; the whole answer, head and body.
async fn ask(address: SocketAddr, request: &str, lines: &str) -> String {
    let mut stream = TcpStream::connect(address).await.unwrap();
    let head = format!("{request} HTTP/1.1\r\nHost: {address}\r\nConnection: close\r\n{lines}\r\n");
    stream.write_all(head.as_bytes()).await.unwrap();
    let mut answer = String::new();
    stream.read_to_string(&mut answer).await.unwrap();
    answer
}

fn delivery() -> NewDelivery {
    NewDelivery {
        program: "us".into(),
        endpoint: Endpoint::Conversions,
        params: vec![("OrderId".into(), "o 1".into())],
        event: "Order Completed".into(),
        message_id: Some("m1".into()),
        order_id: Some("o 1".into()),
        basis: "carried".into(),
        click_id: Some("abc".into()),
        unrepeatable: false,
        once: Vec::new(),
        anonymous: None,
        user: None,
        arrival: NOW,
        call: None,
    }
}

const TOKEN: &str = "Authorization: Bearer s3cret\r\n";

#[tokio::test]
async fn a_node_whose_store_fails_lives_but_is_not_ready() {
    let (address, _stop) = start(&admin()).await;
    assert!(ask(address, "GET /livez", "").await.starts_with("HTTP/1.1 200 "));
    let answer = ask(address, "GET /readyz", "").await;
    assert!(answer.starts_with("HTTP/1.1 503 ") && answer.contains("no disk"), "{answer}");
    assert!(ask(address, "GET /api/deliveries", "").await.starts_with("HTTP/1.1 503 "));
    assert!(ask(address, "GET /metrics", "").await.starts_with("HTTP/1.1 200 "));
}

#[tokio::test]
async fn a_node_that_stops_is_not_ready() {
    let folder = tempfile::tempdir().unwrap();
    let admin = opened(&folder);
    let (address, _stop) = start(&admin).await;
    assert!(ask(address, "GET /readyz", "").await.starts_with("HTTP/1.1 200 "));
    admin.draining.cancel();
    let answer = ask(address, "GET /readyz", "").await;
    assert!(answer.starts_with("HTTP/1.1 503 ") && answer.contains("stopping"), "{answer}");
}

#[tokio::test]
async fn deliveries_are_listed_shown_tried_and_dropped() {
    let folder = tempfile::tempdir().unwrap();
    let admin = opened(&folder);
    let appended = admin.outbox.append(vec![delivery()], Vec::new()).await.unwrap();
    let [Appended::New(id)] = appended[..] else { panic!("{appended:?}") };
    let (address, _stop) = start(&admin).await;
    for (request, lines, status, part) in [
        ("GET /api/deliveries?state=waiting&order=o+1".to_owned(), "", 200, "\"event\":\"Order Completed\""),
        ("GET /api/deliveries?state=dead".into(), "", 200, "{\"deliveries\":[]}"),
        ("GET /api/deliveries?state=lost".into(), "", 400, "one of waiting, leased, delivered, dead"),
        ("GET /api/deliveries?endpoint=pages".into(), "", 400, "one of conversions, page_load"),
        ("GET /api/deliveries?limit=0".into(), "", 400, "limit: it is at least 1"),
        ("GET /api/deliveries?older_than=5x".into(), "", 400, "older_than: `5x` has an unknown unit"),
        ("GET /api/deliveries?stat=dead".into(), "", 400, "unknown field"),
        (format!("GET /api/deliveries/{id}"), "", 200, "\"params\":{\"OrderId\":\"o 1\"}"),
        ("GET /api/deliveries/4711".into(), "", 404, "no such delivery"),
        ("GET /api/deliveries/x".into(), "", 400, ""),
        (format!("POST /api/deliveries/{id}/retry"), "", 401, "token"),
        (format!("POST /api/deliveries/{id}/retry"), TOKEN, 200, "\"done\":true"),
        (format!("POST /api/deliveries/{id}/drop"), TOKEN, 200, "\"done\":true"),
        ("GET /api/deliveries?state=dead".into(), "", 200, "\"state\":\"dead\""),
        (format!("POST /api/deliveries/{id}/drop"), TOKEN, 200, "\"done\":true"),
        (format!("POST /api/deliveries/{id}/retry"), TOKEN, 404, "no such delivery"),
        ("GET /api/envelopes/1".into(), "", 404, "no such envelope"),
        ("GET /api/envelopes/1/body".into(), "", 401, "token"),
        ("GET /api/envelopes/1/body".into(), TOKEN, 404, "no such envelope"),
        ("POST /api/envelopes/drop?state=dead".into(), "", 401, "token"),
        ("GET /api/nothing".into(), "", 404, "no such page"),
    ] {
        let answer = ask(address, &request, lines).await;
        assert!(answer.starts_with(&format!("HTTP/1.1 {status} ")) && answer.contains(part), "{request}: {answer}");
    }
}

#[tokio::test]
async fn links_are_shown_and_forgotten() {
    let folder = tempfile::tempdir().unwrap();
    let admin = opened(&folder);
    let user = crate::links::PersonKey::of("default", crate::links::IdKind::User, "u&1").unwrap();
    let click = crate::click::ClickId::parse(b"abc").unwrap();
    let click = crate::click::Click { id: click, at: NOW, place: crate::click::Place::Landing };
    let lesson = crate::links::Lesson { click: Some(click), people: vec![user], joins: Vec::new() };
    admin.store.commit(admin.links.teach(&lesson)).await.unwrap();
    let (address, _stop) = start(&admin).await;
    for (request, lines, status, part) in [
        ("GET /api/links?kind=user&id=u%261", "", 200, "\"found\":\"click\""),
        ("GET /api/links?kind=user&id=u%262", "", 404, "nothing is known"),
        ("GET /api/links?kind=person&id=u1", "", 400, "anonymous or user"),
        ("DELETE /api/links?kind=user&id=u%261", "", 401, "token"),
        ("DELETE /api/links?kind=user&id=u%261", TOKEN, 200, "\"forgotten\":true"),
        ("GET /api/links?kind=user&id=u%261", "", 404, "nothing is known"),
        ("DELETE /api/links?kind=user&id=null", TOKEN, 400, "never linked"),
    ] {
        let answer = ask(address, request, lines).await;
        assert!(answer.starts_with(&format!("HTTP/1.1 {status} ")) && answer.contains(part), "{request}: {answer}");
    }
}

#[tokio::test]
async fn metrics_tell_the_queue_and_the_requests() {
    let folder = tempfile::tempdir().unwrap();
    let admin = opened(&folder);
    admin.outbox.append(vec![delivery()], Vec::new()).await.unwrap();
    let (address, _stop) = start(&admin).await;
    ask(address, "GET /api/nothing", "").await;
    let page = ask(address, "GET /metrics", "").await;
    for line in [
        "selvedge_queue_depth{state=\"waiting\"} 1\n",
        "selvedge_queue_depth{state=\"dead\"} 0\n",
        "selvedge_http_requests_total{route=\"admin\",code=\"4xx\"} 1\n",
        "selvedge_store_commits_total 1\n",
    ] {
        assert!(page.contains(line), "{line} is not in\n{page}");
    }
}

#[tokio::test]
async fn events_are_told_as_they_happen_until_the_node_stops() {
    let admin = admin();
    let (address, _stop) = start(&admin).await;
    let mut stream = TcpStream::connect(address).await.unwrap();
    stream.write_all(format!("GET /api/events HTTP/1.1\r\nHost: {address}\r\n\r\n").as_bytes()).await.unwrap();
    let mut told = vec![0; 4096];
    // The head goes out once the watcher listens.
    let length = stream.read(&mut told).await.unwrap();
    assert!(String::from_utf8_lossy(&told[..length]).contains("text/event-stream"));
    admin.live.tell(NOW, Kind::ClickCaptured, || "a click".into());
    let length = stream.read(&mut told).await.unwrap();
    let told = String::from_utf8_lossy(&told[..length]).into_owned();
    assert!(told.contains("\"kind\":\"click_captured\"") && told.contains("\"text\":\"a click\""), "{told}");
    admin.draining.cancel();
    let mut rest = String::new();
    while !rest.ends_with("0\r\n\r\n") {
        let mut byte = [0; 64];
        let length = stream.read(&mut byte).await.unwrap();
        assert!(length > 0, "{rest}");
        rest.push_str(&String::from_utf8_lossy(&byte[..length]));
    }
}

#[tokio::test]
async fn the_page_runs_only_its_own_script() {
    let (address, _stop) = start(&admin()).await;
    let page = ask(address, "GET /", "").await;
    assert!(
        page.contains("content-security-policy: default-src 'none'; script-src 'self'")
            && page.contains("<title>Selvedge")
    );
    assert!(ask(address, "GET /page.js", "").await.contains("EventSource"));
    assert!(ask(address, "GET /page.css", "").await.contains("content-type: text/css"));
}
