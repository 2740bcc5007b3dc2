//! `selvedge deliveries` and `selvedge links` as an operator meets them: on a stopped node, and on a running one.
#![allow(clippy::unwrap_used, clippy::panic, clippy::indexing_slicing, reason = "a test may stop where it fails")]

use selvedge::admin::{self, Admin};
use selvedge::click::{Click, ClickId, Place, Policy};
use selvedge::clock::Clock;
use selvedge::destination::Endpoint;
use selvedge::links::{IdKind, Lesson, Links, PersonKey, Settings};
use selvedge::live::Live;
use selvedge::metrics::Metrics;
use selvedge::outbox::{Appended, Forwards, NewDelivery, Outbox};
use selvedge::secret::Secret;
use selvedge::store::{self, Store};
use std::path::{Path, PathBuf};
use std::process::{Command, Output};
use std::sync::Arc;
use std::time::Duration;
use tokio::net::TcpListener;
use tokio_util::sync::CancellationToken;

/// A node's folder with one delivery (number 1) and one link in its store.
struct Node {
    folder: tempfile::TempDir,
    config: PathBuf,
    store: Store,
    outbox: Outbox,
    links: Links,
    listener: TcpListener,
}

impl Node {
    async fn new() -> Self {
        let folder = tempfile::tempdir().unwrap();
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let config = folder.path().join("selvedge.toml");
        let listen = format!("[listen]\nhttp = \"127.0.0.1:0\"\nadmin = \"{}\"\n", listener.local_addr().unwrap());
        std::fs::write(&config, format!("{listen}[[site]]\norigin = \"http://127.0.0.1:3000\"\n")).unwrap();
        let store = Store::open(&store::Config::at(folder.path().join("data")), Clock::System).unwrap();
        let settings = Settings { window: Duration::from_secs(30 * 86_400), policy: Policy::Last };
        let outbox = Outbox::new(store.clone(), Clock::System);
        let links = Links::new(store.clone(), settings, Clock::System);
        let node = Self { folder, config, store, outbox, links, listener };
        node.fill().await;
        node
    }

    async fn fill(&self) {
        let at = Clock::System.now();
        let delivery = NewDelivery {
            program: "us".into(),
            endpoint: Endpoint::Conversions,
            params: vec![("OrderId".into(), "o1".into())],
            event: "Order Completed".into(),
            message_id: None,
            order_id: Some("o1".into()),
            basis: "carried".into(),
            click_id: Some("abc".into()),
            unrepeatable: false,
            once: Vec::new(),
            anonymous: None,
            user: None,
            arrival: at,
            call: None,
        };
        let click = Click { id: ClickId::parse(b"abc").unwrap(), at, place: Place::Landing };
        let user = PersonKey::of("default", IdKind::User, "u1").unwrap();
        let taught = self.links.teach(&Lesson { click: Some(click), people: vec![user], joins: Vec::new() });
        let appended = self.outbox.append(vec![delivery], taught).await.unwrap();
        assert!(matches!(appended[..], [Appended::New(id)] if id.0 == 1));
    }

    /// Stops; the folder stays.
    async fn stop(self) -> (tempfile::TempDir, PathBuf) {
        self.store.close().await;
        (self.folder, self.config)
    }
}

fn selvedge(config: &Path, arguments: &str) -> Output {
    let mut command = Command::new(env!("CARGO_BIN_EXE_selvedge"));
    // A proxy of the environment has no business between the command line and its node.
    command.env("HTTP_PROXY", "http://127.0.0.1:1").env("http_proxy", "http://127.0.0.1:1");
    command.args(arguments.split(' ')).arg("--config").arg(config).output().unwrap()
}

/// Runs the whole story: it is the same on a stopped node and on a running one.
fn operate(config: &Path) {
    for (arguments, code, part) in [
        ("deliveries list", 0, "1   waiting  us       conversions  Order Completed  o1     carried"),
        ("deliveries list --format json", 0, "\"order_id\":\"o1\""),
        ("deliveries list --state dead", 0, "STATE"),
        ("deliveries list --state lost", 2, "one of waiting, leased, delivered, dead"),
        ("deliveries show 1", 0, "  OrderId = o1\n"),
        ("deliveries show 2", 1, "no such delivery"),
        ("deliveries retry 1", 0, "it is due now"),
        ("deliveries drop 1", 0, "dropped"),
        ("deliveries list --state dead", 0, "1   dead "),
        ("deliveries drop 1", 0, "dropped"),
        ("deliveries retry 1", 1, "no such delivery"),
        ("links get user u1", 0, "a call with only this id gets  abc of "),
        ("links get user u1 --space other", 1, "nothing is known"),
        ("links forget user u1", 0, "forgotten"),
        ("links get user u1 --format json", 1, "{\"error\":"),
    ] {
        let output = selvedge(config, arguments);
        let said = String::from_utf8([output.stdout, output.stderr].concat()).unwrap();
        assert_eq!(output.status.code(), Some(code), "{arguments}: {said}");
        assert!(said.contains(part), "{arguments}: {said}");
    }
}

#[tokio::test]
async fn an_operator_works_on_a_stopped_node() {
    let (_folder, config) = Node::new().await.stop().await;
    operate(&config);
}

#[tokio::test]
async fn an_operator_works_on_a_running_node() {
    let node = Node::new().await;
    let admin = Admin {
        listen: node.listener.local_addr().unwrap(),
        token: Some(Secret::new(node.store.token().unwrap())),
        metrics: Arc::new(Metrics::new("1.2.3")),
        live: Live::new(),
        store: node.store.clone(),
        outbox: node.outbox.clone(),
        links: node.links.clone(),
        forwards: Forwards::new(node.store.clone(), None),
        pacing: Arc::default(),
        draining: CancellationToken::new(),
    };
    tokio::spawn(admin::serve(node.listener, admin, CancellationToken::new()));
    let config = node.config.clone();
    tokio::task::spawn_blocking(move || operate(&config)).await.unwrap();
}

#[tokio::test]
async fn a_node_that_hangs_or_never_ran_is_told() {
    let node = Node::new().await;
    // The folder is in use, but nobody answers: the listener's queue closes.
    drop(node.listener);
    let output = selvedge(&node.config, "deliveries list");
    let said = String::from_utf8(output.stderr).unwrap();
    assert!(output.status.code() == Some(1) && said.contains("does not answer"), "{said}");
    node.store.close().await;
    std::fs::remove_dir_all(node.folder.path().join("data")).unwrap();
    let output = selvedge(&node.config, "links get user u1");
    let said = String::from_utf8(output.stderr).unwrap();
    assert!(output.status.code() == Some(1) && said.contains("there is no store"), "{said}");
    assert!(!node.folder.path().join("data").exists());
}
