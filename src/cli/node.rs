//! How the command line reaches deliveries and links: through the admin listener of the node that runs, or straight in
//! the store when none does. Whether one runs is told by the store folder's lock.

use super::{FAILED, REFUSED};
use crate::admin::api::{Answer, Ask, Desk};
use crate::clock::Clock;
use crate::config::{self, Config};
use crate::fault::Faults;
use crate::links::{Links, Settings};
use crate::outbox::Outbox;
use crate::secret::Secrets;
use crate::store::{self, OpenError, Store};
use clap::{Args, ValueEnum};
use http::StatusCode;
use serde_json::Value;
use std::error::Error;
use std::io::{self, Write};
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr};
use std::path::PathBuf;
use std::process::ExitCode;
use std::time::Duration;

/// Where to ask, and how to print.
#[derive(Args)]
pub(super) struct Target {
    /// The configuration file of the node
    #[arg(long, value_name = "FILE", default_value = "selvedge.toml", global = true)]
    config: PathBuf,
    /// How the answer is printed
    #[arg(long, value_enum, default_value_t = Format::Text, global = true)]
    format: Format,
}

#[derive(Clone, Copy, PartialEq, Eq, ValueEnum)]
enum Format {
    /// For people
    Text,
    /// For machines: one JSON object
    Json,
}

/// Why there is no answer.
enum Failure {
    /// The configuration cannot be used.
    Refused(Faults),
    /// Neither store nor node answers.
    Failed(String),
}

/// A node on the same machine that does not answer by then hangs.
const ANSWER_TIME_MAX: Duration = Duration::from_secs(10);

/// Asks, and prints the answer: `text` renders a good one for people.
pub(super) fn ask(target: &Target, ask: Ask, text: fn(&Value) -> String) -> ExitCode {
    let answer = match reach(target, ask) {
        Ok(answer) => answer,
        Err(Failure::Refused(faults)) => return super::refuse(&faults.to_text()),
        Err(Failure::Failed(why)) => return super::fail(&why),
    };
    let printed = match (target.format, answer.body.get("error").and_then(Value::as_str)) {
        (Format::Text, Some(why)) if answer.status == StatusCode::BAD_REQUEST => {
            return super::refuse(&format!("{why}\n"));
        }
        (Format::Text, Some(why)) => return super::fail(why),
        (Format::Text, None) => text(&answer.body),
        (Format::Json, _) => format!("{}\n", answer.body),
    };
    // Not `print!`: it would panic when the reader has gone away.
    match io::stdout().lock().write_all(printed.as_bytes()) {
        Ok(()) => code_of(answer.status),
        Err(_) => ExitCode::from(FAILED),
    }
}

fn code_of(status: StatusCode) -> ExitCode {
    match status {
        StatusCode::OK => ExitCode::SUCCESS,
        StatusCode::BAD_REQUEST => ExitCode::from(REFUSED),
        _ => ExitCode::from(FAILED),
    }
}

fn reach(target: &Target, ask: Ask) -> Result<Answer, Failure> {
    let config = config::load(&target.config, Secrets::Optional).map_err(Failure::Refused)?.config;
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build();
    let runtime = runtime.map_err(|error| Failure::Failed(format!("the system gives no threads: {error}")))?;
    runtime.block_on(answer(&config, ask))
}

async fn answer(config: &Config, ask: Ask) -> Result<Answer, Failure> {
    let folder = &config.store.path;
    // Opening would make a store where there is none, and answer that nothing is in it.
    if !folder.is_dir() {
        return Err(Failure::Failed(format!("there is no store in {}; has this node ever run?", folder.display())));
    }
    match Store::open(&config.store, Clock::System) {
        Ok(store) => Ok(from_store(store, config, ask).await),
        Err(OpenError::InUse { .. }) => from_node(config, ask).await,
        Err(error) => Err(Failure::Failed(error.to_string())),
    }
}

async fn from_store(store: Store, config: &Config, ask: Ask) -> Answer {
    let settings = Settings { window: config.click.window, policy: config.click.policy };
    let desk = Desk {
        outbox: Outbox::new(store.clone(), Clock::System),
        links: Links::new(store.clone(), settings, Clock::System),
    };
    let answer = desk.answer(ask).await;
    store.close().await;
    answer
}

async fn from_node(config: &Config, ask: Ask) -> Result<Answer, Failure> {
    let folder = &config.store.path;
    let token = store::token_of(folder)
        .map_err(|error| Failure::Failed(format!("the token in {} cannot be read: {error}", folder.display())))?;
    let address = reachable(config.listen.admin);
    let (method, path) = ask.request();
    let unreachable = |error: reqwest::Error| {
        let why = error.source().map_or_else(|| error.to_string(), ToString::to_string);
        Failure::Failed(format!("the node that holds {} does not answer on {address}: {why}", folder.display()))
    };
    // The node is on this machine: no proxy of the environment may stand between.
    let client = reqwest::Client::builder().no_proxy().timeout(ANSWER_TIME_MAX).build().map_err(unreachable)?;
    let request = client.request(method, format!("http://{address}{path}")).bearer_auth(token);
    let response = request.send().await.map_err(unreachable)?;
    let status = response.status();
    let bytes = response.bytes().await.map_err(unreachable)?;
    let body = serde_json::from_slice(&bytes)
        .map_err(|_| Failure::Failed(format!("what answers on {address} is no Selvedge")))?;
    Ok(Answer { status, body })
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

/// A member as text: `-` where there is none.
pub(super) fn member(value: &Value, name: &str) -> String {
    match value.get(name) {
        None | Some(Value::Null) => "-".to_owned(),
        Some(Value::String(text)) => text.clone(),
        Some(other) => other.to_string(),
    }
}
