//! `selvedge run`: the node itself.

use crate::app::App;
use crate::clock::Clock;
use crate::config::{self, Config, Log};
use crate::secret::Secrets;
use crate::server::descriptors;
use clap::Args;
use std::io::{self, IsTerminal, Write};
use std::path::PathBuf;
use std::process::ExitCode;
use tokio::runtime::{Builder, Runtime};
use tokio::signal::unix::{SignalKind, signal};
use tracing_subscriber::EnvFilter;

/// Run the proxy until SIGTERM or SIGINT
///
/// Exit codes: 0 stopped as asked, 1 failed while running, 2 usage or configuration.
#[derive(Args)]
pub(super) struct Arguments {
    /// The configuration file
    #[arg(long, value_name = "FILE", default_value = "selvedge.toml")]
    config: PathBuf,
    /// Stop when the standard input ends, too: with the program that holds its other end, however that one ends
    #[arg(long)]
    until_input_ends: bool,
}

/// Runs the command.
pub(super) fn run(arguments: &Arguments) -> ExitCode {
    let loaded = match config::load(&arguments.config, Secrets::Required) {
        Ok(loaded) => loaded,
        Err(faults) => return super::refuse(&faults.to_text()),
    };
    start_log(&loaded.config.log);
    for warning in loaded.warnings.iter() {
        tracing::warn!("{}: {}", arguments.config.display(), warning.message);
    }
    descriptors::raise(&loaded.config.limits);
    match runtime(&loaded.config).and_then(|runtime| runtime.block_on(serve(loaded.config, arguments))) {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => super::fail(&error.to_string()),
    }
}

/// One worker means one thread for everything: no wake-ups across cores, and nothing stolen.
fn runtime(config: &Config) -> io::Result<Runtime> {
    match config.listen.workers {
        Some(1) => Builder::new_current_thread().enable_all().build(),
        Some(workers) => Builder::new_multi_thread().worker_threads(workers).enable_all().build(),
        None => Builder::new_multi_thread().enable_all().build(),
    }
}

async fn serve(config: Config, arguments: &Arguments) -> io::Result<()> {
    let (mut terminate, mut interrupt) = (signal(SignalKind::terminate())?, signal(SignalKind::interrupt())?);
    let banner = banner(&config);
    let app = App::start(config, Clock::System).await.map_err(io::Error::other)?;
    announce(&app, &banner)?;
    tokio::select! {
        _ = terminate.recv() => {}
        _ = interrupt.recv() => {}
        () = end_of_input(), if arguments.until_input_ends => {}
    }
    tracing::info!("stopping: finishing what is in flight");
    app.stop().await;
    tracing::info!("stopped");
    Ok(())
}

/// Reads the standard input to its end, on a thread of its own: nothing else can wait for it.
async fn end_of_input() {
    let (tell, told) = tokio::sync::oneshot::channel::<()>();
    std::thread::spawn(move || {
        io::copy(&mut io::stdin().lock(), &mut io::sink()).ok();
        drop(tell);
    });
    // The other end says nothing: it goes.
    told.await.ok();
}

/// Says where it listens, in lines that a script can wait for, and what goes where.
fn announce(app: &App, banner: &str) -> io::Result<()> {
    let mut out = io::stdout().lock();
    for site in app.sites() {
        writeln!(out, "selvedge: site listening on {site}")?;
    }
    writeln!(out, "selvedge: admin listening on http://{}", app.admin())?;
    out.write_all(banner.as_bytes())?;
    out.flush()
}

fn banner(config: &Config) -> String {
    let mut lines = Vec::new();
    for site in &config.sites {
        let hosts = if site.hosts.is_empty() { "any host".to_owned() } else { site.hosts.join(", ") };
        lines.push(format!("site       {hosts} → {}", site.origin));
    }
    let segment = &config.segment;
    let mut places: Vec<String> = segment.hosts.clone();
    if !segment.prefix.is_empty() {
        places.push(format!("{}/v1 on every host", segment.prefix));
    }
    if segment.root_paths {
        places.push("/v1 on site hosts".to_owned());
    }
    lines.push(format!("segment    {} → {}", places.join(", "), segment.api));
    let domain = config.click.cookie_domain.as_deref().unwrap_or("the registrable domain of the visited host");
    lines.push(format!(
        "cookie     {} on {domain}, from {}",
        config.click.cookie_name,
        config.click.parameters.join(", ")
    ));
    lines.push(format!("store      {}", config.store.path.display()));
    for program in &config.impact.programs {
        lines.push(format!("program    {}: campaign {} → {}", program.name, program.campaign_id, config.impact.api));
    }
    lines.iter().map(|line| format!("  {line}\n")).collect()
}

fn start_log(log: &Log) {
    let filter = EnvFilter::try_from_default_env().unwrap_or_else(|_| EnvFilter::new(&log.level));
    // Colours are for people's screens: in a file or a collector they are noise.
    let colours = io::stderr().is_terminal();
    let builder = tracing_subscriber::fmt().with_env_filter(filter).with_writer(io::stderr).with_ansi(colours);
    let started = if log.json { builder.json().try_init() } else { builder.try_init() };
    if started.is_err() {
        tracing::debug!("a log is there already");
    }
}
