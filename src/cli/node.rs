//! How the command line reaches deliveries, envelopes and links: through the admin listener of the node that runs, or
//! straight in the store when none does. Whether one runs is told by the store folder's lock.

use super::cells::member;
use super::{FAILED, REFUSED};
use crate::admin::api::{Answer, Ask, Desk};
use crate::clock::Clock;
use crate::config::{self, Config};
use crate::destination::Sources;
use crate::destination::kept::Mapping;
use crate::fault::Faults;
use crate::links::{Links, Settings};
use crate::outbox::{Forwards, Outbox};
use crate::secret::Secrets;
use crate::store::{self, OpenError, Store};
use clap::{Args, ValueEnum};
use http::StatusCode;
use serde_json::Value;
use std::error::Error;
use std::io::{self, BufRead, IsTerminal, Write};
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr};
use std::path::PathBuf;
use std::process::ExitCode;
use std::sync::Arc;
use std::time::Duration;

/// Where to ask, and how to print.
#[derive(Args)]
pub(super) struct Target {
    /// The configuration file of the node
    #[arg(long, value_name = "FILE", default_value = "selvedge.toml", global = true)]
    config: PathBuf,
    /// How the answer is printed [default: csv for an export, else text]
    #[arg(long, value_enum, global = true)]
    format: Option<Format>,
}

#[derive(Clone, Copy, PartialEq, Eq, ValueEnum)]
pub(super) enum Format {
    /// For people
    Text,
    /// For machines: one JSON object; of an export one on each line
    Json,
    /// For spreadsheets: an export only
    Csv,
}

/// Why there is no answer, or no good one.
pub(super) enum Failure {
    /// The configuration cannot be used.
    Refused(Faults),
    /// What was asked for cannot be meant.
    Usage(String),
    /// Neither store nor node answers.
    Failed(String),
    /// Something else than 200.
    Answered(Answer),
    /// Nobody reads what is printed.
    Unread,
}

/// Whoever answers.
pub(super) enum Reached {
    /// The store itself.
    Store(Box<Desk>, Store),
    /// A running node.
    Node(Running),
}

pub(super) struct Running {
    client: reqwest::Client,
    address: SocketAddr,
    token: String,
    folder: PathBuf,
}

/// A node on the same machine that does not answer by then hangs.
const ANSWER_TIME_MAX: Duration = Duration::from_secs(60);

/// Asks, and prints the answer: `text` renders a good one for people.
pub(super) fn ask(target: &Target, ask: Ask, text: fn(&Value) -> String) -> ExitCode {
    let asked = reach(target, async |reached| reached.ask(ask).await);
    end(target, asked.and_then(|body| target.print(&body, text)).map(|()| ExitCode::SUCCESS))
}

/// Lets `work` ask whoever answers for the node.
pub(super) fn reach<T>(target: &Target, work: impl AsyncFnOnce(&Reached) -> Result<T, Failure>) -> Result<T, Failure> {
    let config = config::load(&target.config, Secrets::Optional).map_err(Failure::Refused)?.config;
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build();
    let runtime = runtime.map_err(|error| Failure::Failed(format!("the system gives no threads: {error}")))?;
    runtime.block_on(async {
        let reached = Reached::open(&config)?;
        let outcome = work(&reached).await;
        if let Reached::Store(_, store) = reached {
            store.close().await;
        }
        outcome
    })
}

/// Says what went wrong, if anything did.
pub(super) fn end(target: &Target, outcome: Result<ExitCode, Failure>) -> ExitCode {
    let answer = match outcome {
        Ok(code) => return code,
        Err(Failure::Refused(faults)) => return super::refuse(&faults.to_text()),
        Err(Failure::Usage(why)) => return super::refuse(&format!("{why}\n")),
        Err(Failure::Failed(why)) => return super::fail(&why),
        Err(Failure::Unread) => return ExitCode::from(FAILED),
        Err(Failure::Answered(answer)) => answer,
    };
    let refused = answer.status == StatusCode::BAD_REQUEST;
    if target.format == Some(Format::Json) {
        let unread = print(&format!("{}\n", answer.body)).is_err();
        return ExitCode::from(if refused && !unread { REFUSED } else { FAILED });
    }
    let why = member(&answer.body, "error");
    if refused { super::refuse(&format!("{why}\n")) } else { super::fail(&why) }
}

/// Prints; not `print!`, which would panic when the reader has gone away.
pub(super) fn print(text: &str) -> Result<(), Failure> {
    io::stdout().lock().write_all(text.as_bytes()).map_err(|_| Failure::Unread)
}

/// Asks a person on the terminal whether to go on; without a terminal only `yes` is a yes.
pub(super) fn confirm(question: &str, yes: bool) -> Result<bool, Failure> {
    if yes {
        return Ok(true);
    }
    if !io::stdin().is_terminal() {
        return Err(Failure::Usage(format!("{question} There is nobody to ask: say --yes to go on.")));
    }
    super::say(&format!("{question} [y/N] "));
    let mut said = String::new();
    io::stdin().lock().read_line(&mut said).map_err(|error| Failure::Failed(error.to_string()))?;
    Ok(matches!(said.trim(), "y" | "Y" | "yes"))
}

impl Target {
    /// Prints a body as it is to be printed.
    pub(super) fn print(&self, body: &Value, text: impl FnOnce(&Value) -> String) -> Result<(), Failure> {
        match self.format {
            Some(Format::Json) => print(&format!("{body}\n")),
            Some(Format::Csv) => Err(Failure::Usage("csv is a format of `deliveries export` only".to_owned())),
            Some(Format::Text) | None => print(&text(body)),
        }
    }

    /// The format that was asked for.
    pub(super) fn format(&self) -> Option<Format> {
        self.format
    }
}

impl Reached {
    fn open(config: &Config) -> Result<Self, Failure> {
        let folder = &config.store.path;
        // Opening would make a store where there is none, and answer that nothing is in it.
        if !folder.is_dir() {
            return Err(Failure::Failed(format!("there is no store in {}; has this node ever run?", folder.display())));
        }
        match Store::open(&config.store, Clock::System) {
            Ok(store) => Ok(Self::Store(Box::new(desk(&store, config)), store)),
            Err(OpenError::InUse { .. }) => Ok(Self::Node(Running::of(config)?)),
            Err(error) => Err(Failure::Failed(error.to_string())),
        }
    }

    /// Asks; the body of a good answer.
    pub(super) async fn ask(&self, ask: Ask) -> Result<Value, Failure> {
        let answer = match self {
            Self::Store(desk, _) => desk.answer(ask).await,
            Self::Node(running) => running.ask(&ask).await?,
        };
        if answer.status == StatusCode::OK { Ok(answer.body) } else { Err(Failure::Answered(answer)) }
    }
}

fn desk(store: &Store, config: &Config) -> Desk {
    let settings = Settings { window: config.click.window, policy: config.click.policy };
    let sources = Sources::new(&config.segment.sources, config.segment.deliver_unlisted);
    Desk {
        outbox: Outbox::new(store.clone(), Clock::System),
        links: Links::new(store.clone(), settings, Clock::System),
        forwards: Forwards::new(store.clone(), config.store.key.as_ref()),
        store: store.clone(),
        // Nobody waits for a store that no node has open.
        rewrite_max: u64::MAX,
        mapping: Arc::new(Mapping { impact: config.impact.clone(), sources }),
    }
}

impl Running {
    fn of(config: &Config) -> Result<Self, Failure> {
        let folder = &config.store.path;
        let token = store::token_of(folder)
            .map_err(|error| Failure::Failed(format!("the token in {} cannot be read: {error}", folder.display())))?;
        // The node is on this machine: no proxy of the environment may stand between.
        let client = reqwest::Client::builder().no_proxy().timeout(ANSWER_TIME_MAX).build();
        let client = client.map_err(|error| Failure::Failed(error.to_string()))?;
        Ok(Self { client, address: reachable(config.listen.admin), token, folder: folder.clone() })
    }

    async fn ask(&self, ask: &Ask) -> Result<Answer, Failure> {
        let Self { client, address, token, folder } = self;
        let (method, path) = ask.request();
        let unreachable = |error: reqwest::Error| {
            let why = error.source().map_or_else(|| error.to_string(), ToString::to_string);
            Failure::Failed(format!("the node that holds {} does not answer on {address}: {why}", folder.display()))
        };
        let request = client.request(method, format!("http://{address}{path}")).bearer_auth(token);
        let response = request.send().await.map_err(unreachable)?;
        let status = response.status();
        let bytes = response.bytes().await.map_err(unreachable)?;
        let body = serde_json::from_slice(&bytes)
            .map_err(|_| Failure::Failed(format!("what answers on {address} is no Selvedge")))?;
        Ok(Answer { status, body })
    }
}

/// Whoever listens on any address listens on loopback.
fn reachable(mut admin: SocketAddr) -> SocketAddr {
    match admin.ip() {
        IpAddr::V4(ip) if ip.is_unspecified() => admin.set_ip(Ipv4Addr::LOCALHOST.into()),
        IpAddr::V6(ip) if ip.is_unspecified() => admin.set_ip(Ipv6Addr::LOCALHOST.into()),
        _ => {}
    }
    admin
}
