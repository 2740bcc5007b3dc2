//! `selvedge demo`: a whole journey on loopback. A shop, stand-ins for Segment and impact.com, and a node between them.

mod browser;
mod script;

use super::cells::printable;
use crate::app::App;
use crate::clock::Clock;
use crate::config::{self, Config};
use crate::demo::impact::{ACCOUNT_SID, AUTH_TOKEN};
use crate::demo::{Impact, Segment, Shop};
use crate::live::Watch;
use crate::metrics::Label;
use crate::secret::Secrets;
use clap::Args;
use std::io::{self, Write};
use std::path::{Path, PathBuf};
use std::process::ExitCode;
use tokio::signal::unix::{SignalKind, signal};

/// Show a whole journey on loopback: no account, no network, nothing to install
///
/// Exit codes: 0 fine, 1 failed while running (with --script: a step did not happen).
#[derive(Args)]
pub(super) struct Arguments {
    /// Play the journey, print it, and end
    #[arg(long)]
    script: bool,
    /// The port of the shop's front; taken: any free one
    #[arg(long, default_value_t = 8080)]
    port: u16,
}

/// Runs the command.
pub(super) fn run(arguments: &Arguments) -> ExitCode {
    let played = tokio::runtime::Runtime::new().and_then(|runtime| runtime.block_on(play(arguments)));
    match played {
        Ok(true) => ExitCode::SUCCESS,
        Ok(false) => super::fail("the journey is not whole"),
        Err(error) => super::fail(&error.to_string()),
    }
}

/// Everything that the demo starts.
struct Stage {
    app: App,
    segment: Segment,
    impact: Impact,
    shop: Shop,
    folder: PathBuf,
}

async fn play(arguments: &Arguments) -> io::Result<bool> {
    let stage = Stage::set(arguments.port).await?;
    let watch = stage.app.live().watch();
    let played = if arguments.script { script::play(&stage).await } else { stage.show(watch).await.map(|()| true) };
    stage.strike().await?;
    played
}

impl Stage {
    async fn set(port: u16) -> io::Result<Self> {
        let (segment, impact, shop) =
            (Segment::start().await?, Impact::start().await?, Shop::start(Clock::System).await?);
        let folder = std::env::temp_dir().join(format!("selvedge-demo-{}", std::process::id()));
        std::fs::create_dir_all(&folder)?;
        let start = async |port| {
            let text = configuration(port, &shop.url(), &segment.url(), &impact.url());
            App::start(read(&text, &folder)?, Clock::System).await.map_err(io::Error::other)
        };
        // Somebody may have the wanted port; any other will do.
        let app = match start(port).await {
            Err(_) if port != 0 => start(0).await?,
            started => started?,
        };
        let stage = Self { app, segment, impact, shop, folder };
        let orders = format!("{}/cdp/v1/track", stage.front()).parse().map_err(io::Error::other)?;
        stage.shop.report_orders_to(orders);
        Ok(stage)
    }

    /// The shop, seen through the node.
    fn front(&self) -> String {
        self.app.sites().first().cloned().unwrap_or_default()
    }

    /// Prints what to open, and then what happens, until somebody stops it.
    async fn show(&self, mut watch: Watch) -> io::Result<()> {
        let (mut terminate, mut interrupt) = (signal(SignalKind::terminate())?, signal(SignalKind::interrupt())?);
        let front = self.front();
        say(&format!(
            "Open  {front}/?im_ref=demo-click-1   a landing from a partner's link\n      http://{}   the admin page\n\
             Then look at a product, check out, and watch the order find its click. Ctrl-C ends the demo.\n\n",
            self.app.admin()
        ))?;
        loop {
            tokio::select! {
                event = watch.next() => match event {
                    Some(event) => say(&format!("{}  {:18} {}\n", event.at.iso8601(), event.kind.label(), printable(&event.text)))?,
                    None => return Ok(()),
                },
                _ = terminate.recv() => return Ok(()),
                _ = interrupt.recv() => return Ok(()),
            }
        }
    }

    async fn strike(self) -> io::Result<()> {
        self.app.stop().await;
        std::fs::remove_dir_all(&self.folder)
    }
}

/// The demo's configuration goes through the same reader as anybody's.
fn read(text: &str, folder: &Path) -> io::Result<Config> {
    config::parse(text, "demo", folder, Secrets::Required)
        .map(|loaded| loaded.config)
        .map_err(|faults| io::Error::other(faults.to_text()))
}

fn configuration(port: u16, shop: &str, segment: &str, impact: &str) -> String {
    format!(
        r#"[listen]
http  = "127.0.0.1:{port}"
admin = "127.0.0.1:0"
grace = "2s"

[[site]]
origin = "{shop}"

[segment]
prefix = "/cdp"
api    = "{segment}"
cdn    = "{segment}"

[store]
path = "store"

[impact]
api      = "{impact}"
tracking = "{impact}"

[[impact.program]]
name               = "demo"
account_sid        = "{ACCOUNT_SID}"
api_key            = "{AUTH_TOKEN}"
campaign_id        = "1000"
enable_page_events = true
"#
    )
}

/// Not `println!`: it would panic when the reader has gone away.
fn say(text: &str) -> io::Result<()> {
    let mut out = io::stdout().lock();
    out.write_all(text.as_bytes())?;
    out.flush()
}
