//! A node's folder, a node on it, and the command line.

use selvedge::admin::{self, Admin};
use selvedge::click::{Click, ClickId, Place, Policy};
use selvedge::clock::Clock;
use selvedge::config;
use selvedge::destination::kept::Mapping;
use selvedge::destination::{Endpoint, Sources};
use selvedge::links::{IdKind, Lesson, Links, PersonKey, Settings};
use selvedge::live::Live;
use selvedge::metrics::Metrics;
use selvedge::outbox::{Appended, Forwards, NewDelivery, Outbox};
use selvedge::secret::{Secret, Secrets};
use selvedge::store::{self, Store};
use std::path::{Path, PathBuf};
use std::process::{Command, Output, Stdio};
use std::sync::Arc;
use std::time::Duration;
use tokio::net::TcpListener;
use tokio_util::sync::CancellationToken;

const CONFIG: &str = r#"
[[site]]
origin = "http://127.0.0.1:3000"

[[impact.program]]
name = "us"
account_sid = "IR1"
api_key = "test"
campaign_id = "1000"
"#;

/// A node's folder with one delivery (number 1) and one link in its store.
pub(crate) struct Node {
    pub(crate) folder: tempfile::TempDir,
    pub(crate) config: PathBuf,
    pub(crate) store: Store,
    pub(crate) outbox: Outbox,
    pub(crate) links: Links,
    pub(crate) listener: TcpListener,
}

impl Node {
    pub(crate) async fn new() -> Self {
        let folder = tempfile::tempdir().unwrap();
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let config = folder.path().join("selvedge.toml");
        let listen = format!("[listen]\nhttp = \"127.0.0.1:0\"\nadmin = \"{}\"\n", listener.local_addr().unwrap());
        std::fs::write(&config, format!("{listen}{CONFIG}")).unwrap();
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
        let click = Click { id: ClickId::parse(b"abc").unwrap(), at, place: Place::Landing };
        let user = PersonKey::of("default", IdKind::User, "u1").unwrap();
        let taught = self.links.teach(&Lesson { click: Some(click), people: vec![user], joins: Vec::new() });
        let appended = self.outbox.append(vec![delivery("o1")], taught).await.unwrap();
        assert!(matches!(appended[..], [Appended::New(id)] if id.0 == 1));
    }

    /// Stops; the folder stays.
    pub(crate) async fn stop(self) -> (tempfile::TempDir, PathBuf) {
        self.store.close().await;
        (self.folder, self.config)
    }

    /// What the configuration says of mapping.
    pub(crate) fn mapping(&self) -> Mapping {
        let config = config::load(&self.config, Secrets::Required).unwrap().config;
        Mapping { impact: config.impact, sources: Sources::new(&config.segment.sources, false) }
    }

    /// The envelopes that Segment missed.
    pub(crate) fn forwards(&self) -> Forwards {
        Forwards::new(self.store.clone(), None)
    }

    pub(crate) fn admin(&self) -> Admin {
        Admin {
            listen: self.listener.local_addr().unwrap(),
            token: Some(Secret::new(self.store.token().unwrap())),
            metrics: Arc::new(Metrics::new("1.2.3")),
            live: Live::new(),
            store: self.store.clone(),
            outbox: self.outbox.clone(),
            links: self.links.clone(),
            forwards: self.forwards(),
            mapping: Arc::new(self.mapping()),
            pacing: Arc::default(),
            draining: CancellationToken::new(),
        }
    }
}

/// Tells a story twice: on a stopped node and on a running one, each filled by `fill`.
pub(crate) async fn both(fill: impl AsyncFn(&Node), story: fn(&Path)) {
    let node = Node::new().await;
    fill(&node).await;
    let (_folder, config) = node.stop().await;
    tokio::task::spawn_blocking(move || story(&config)).await.unwrap();
    let node = Node::new().await;
    fill(&node).await;
    let (admin, config) = (node.admin(), node.config.clone());
    tokio::spawn(admin::serve(node.listener, admin, CancellationToken::new()));
    tokio::task::spawn_blocking(move || story(&config)).await.unwrap();
    node.store.close().await;
}

/// A conversion of an order, from nobody and without its call.
pub(crate) fn delivery(order: &str) -> NewDelivery {
    NewDelivery {
        program: "us".into(),
        endpoint: Endpoint::Conversions,
        params: vec![("OrderId".into(), order.into())],
        event: "Order Completed".into(),
        message_id: None,
        order_id: Some(order.into()),
        basis: "carried".into(),
        click_id: Some("abc".into()),
        unrepeatable: false,
        once: Vec::new(),
        anonymous: None,
        user: None,
        arrival: Clock::System.now(),
        call: None,
    }
}

/// One step of a story: what is typed, the exit code, and a part of what is said.
pub(crate) type Line<'a> = (&'a str, i32, &'a str);

/// Types each line, and looks at what comes back.
pub(crate) fn tell(config: &Path, lines: &[Line<'_>]) {
    for (arguments, code, part) in lines {
        let output = selvedge(config, arguments);
        let said = String::from_utf8([output.stdout, output.stderr].concat()).unwrap();
        assert_eq!(output.status.code(), Some(*code), "{arguments}: {said}");
        assert!(said.contains(part), "{arguments}: {said}");
    }
}

/// Types one line, for what it prints.
pub(crate) fn printed(config: &Path, arguments: &str) -> String {
    let output = selvedge(config, arguments);
    assert!(output.status.success(), "{arguments}: {output:?}");
    String::from_utf8(output.stdout).unwrap()
}

pub(crate) fn selvedge(config: &Path, arguments: &str) -> Output {
    let mut command = Command::new(env!("CARGO_BIN_EXE_selvedge"));
    // A proxy of the environment has no business between the command line and its node.
    command.env("HTTP_PROXY", "http://127.0.0.1:1").env("http_proxy", "http://127.0.0.1:1");
    command.stdin(Stdio::null()).args(arguments.split(' ')).arg("--config").arg(config).output().unwrap()
}
