//! `selvedge connect`: the set-up of impact.com's guide in one command, from what both accounts say.

mod access;
mod choice;
mod hidden;
mod listing;

use super::FAILED;
use crate::config::{self, Config};
use crate::connect::plan::{self, Chosen, Existing, Found, Plan};
use crate::connect::programs::{self, Account};
use crate::connect::workspace::{Segment, Unread};
use crate::connect::{Trouble, import, one_line};
use crate::destination::impact::{self, account::Campaign};
use crate::fault::{Faults, form};
use crate::secret::Secrets;
use crate::segment::public_api::{Destination, Source};
use access::Access;
use choice::{Choice, ask};
use clap::{Args, ValueEnum};
use std::fs::OpenOptions;
use std::io::{self, IsTerminal, Write};
use std::path::{Path, PathBuf};
use std::process::ExitCode;

/// Write the configuration from what Segment and impact.com know
///
/// Lists the workspace's sources and the account's active programs, lets you choose, takes over the settings and filters of
/// Segment's own impact.com destination, and writes the configuration. If there is one, sources and programs are added at its
/// end. Nothing is changed at Segment or impact.com, and no secret is written. Exit codes: 0 fine, 1 an account could not be read,
/// 2 usage or configuration.
#[derive(Args)]
pub(super) struct Arguments {
    /// The configuration file
    #[arg(long, value_name = "FILE", default_value = "selvedge.toml")]
    config: PathBuf,
    /// A source, by its slug, name, ID or write key; repeat it for several
    #[arg(long = "source", value_name = "SLUG")]
    sources: Vec<String>,
    /// A program, by its campaign ID or name; repeat it for several
    #[arg(long = "program", value_name = "ID")]
    programs: Vec<String>,
    /// The site's own server, for a new configuration [default: http://127.0.0.1:3000]
    #[arg(long, value_name = "URL")]
    origin: Option<String>,
    /// Only list the sources and the programs
    #[arg(long)]
    list: bool,
    /// How the list is printed
    #[arg(long, value_enum, default_value_t = Format::Text, requires = "list")]
    format: Format,
    /// Print what would be written, and write nothing
    #[arg(long)]
    dry_run: bool,
    #[command(flatten)]
    access: Access,
}

#[derive(Clone, Copy, PartialEq, Eq, ValueEnum)]
enum Format {
    /// For people
    Text,
    /// For machines: one JSON object
    Json,
}

/// Why nothing, or not everything, was done.
enum Failure {
    /// The configuration that is there cannot be used.
    Refused(Faults),
    /// What was asked for cannot be meant.
    Usage(String),
    /// An account, or the disk, does not let us.
    Failed(String),
}

impl From<Unread> for Failure {
    fn from(unread: Unread) -> Self {
        Self::Failed(unread.sentence())
    }
}

impl From<io::Error> for Failure {
    fn from(error: io::Error) -> Self {
        Self::Failed(error.to_string())
    }
}

/// The origin of a new configuration that nobody named; the configuration says where to change it.
const ORIGIN: &str = "http://127.0.0.1:3000";

/// Runs the command.
pub(super) fn run(arguments: &Arguments) -> ExitCode {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build();
    let outcome = runtime.map_err(Failure::from).and_then(|runtime| runtime.block_on(connect(arguments)));
    match outcome {
        // Not `println!`: it would panic when the reader has gone away.
        Ok(report) => match io::stdout().lock().write_all(report.as_bytes()) {
            Ok(()) => ExitCode::SUCCESS,
            Err(_) => ExitCode::from(FAILED),
        },
        Err(Failure::Refused(faults)) => super::refuse(&faults.to_text()),
        Err(Failure::Usage(why)) => super::refuse(&format!("selvedge: {why}\n")),
        Err(Failure::Failed(why)) => super::fail(&why),
    }
}

/// The configuration that is there.
struct Old {
    text: String,
    config: Config,
}

async fn connect(arguments: &Arguments) -> Result<String, Failure> {
    if let Some(origin) = &arguments.origin {
        (form::SERVER.read)(origin).map_err(|why| Failure::Usage(format!("--origin: {why}")))?;
    }
    let old = read(&arguments.config)?;
    if let (Some(_), Some(_)) = (&old, &arguments.origin) {
        super::say("warning: --origin is for a new configuration; the one that is there keeps its own\n");
    }
    let access = arguments.access.gather(&arguments.config)?;
    let segment = Segment::open(&access.segment_token, &arguments.access.places()).await?;
    let sources = segment.sources().await?;
    let destinations = segment.impact_destinations().await?;
    let (api, version) = api_of(arguments, old.as_ref());
    let account = Account::new(&api, &version, &access.impact_sid, &access.impact_token);
    let account = account.map_err(|trouble| Failure::Failed(programs::sentence(&trouble, "anything")))?;
    let programs = account.programs().await;
    if arguments.list {
        return listing::list(arguments.format == Format::Json, &segment, &sources, &destinations, programs.as_deref());
    }
    let sources = choose_sources(arguments, &segment, &sources, old.as_ref())?;
    let found = read_destinations(&segment, &sources, &destinations).await?;
    let programs = choose_programs(arguments, programs, &found)?;
    let chosen = Chosen {
        workspace: segment.workspace.name.clone(),
        region: segment.region,
        sources,
        programs,
        destinations: found,
        account_sid: access.impact_sid,
        api_key: access.api_key,
        origin: origin_of(arguments, old.is_some())?,
        impact_api: arguments.access.impact_api().map(str::to_owned),
    };
    let existing = old.as_ref().map(|old| Existing {
        click: &old.config.click,
        segment: &old.config.segment,
        impact: &old.config.impact,
    });
    finish(arguments, &plan::plan(&chosen, existing), old.as_ref())
}

/// The configuration at `path`, if there is one.
fn read(path: &Path) -> Result<Option<Old>, Failure> {
    if matches!(path.try_exists(), Ok(false)) {
        return Ok(None);
    }
    let config = config::load(path, Secrets::Optional).map_err(Failure::Refused)?.config;
    let text = std::fs::read_to_string(path)?;
    Ok(Some(Old { text, config }))
}

/// The site's own server, of a new configuration: as it was named, or as a person names it.
fn origin_of(arguments: &Arguments, is_there: bool) -> Result<String, Failure> {
    if let Some(origin) = &arguments.origin {
        return Ok(origin.clone());
    }
    while !is_there && io::stdin().is_terminal() {
        let said = ask(&format!("The site's own server [{ORIGIN}]: "))?;
        match (form::SERVER.read)(&said) {
            _ if said.is_empty() => break,
            Ok(_) => return Ok(said),
            Err(why) => super::say(&format!("{why}\n")),
        }
    }
    Ok(ORIGIN.to_owned())
}

/// Where impact.com's API is, and its version: as the configuration has it, unless a flag says otherwise.
fn api_of(arguments: &Arguments, old: Option<&Old>) -> (String, String) {
    let defaults = || (impact::config::API.to_owned(), impact::config::VERSION.to_owned());
    let written = old.map(|old| (old.config.impact.api.to_string(), old.config.impact.version.clone()));
    let (api, version) = written.unwrap_or_else(defaults);
    (arguments.access.impact_api().map_or(api, str::to_owned), version)
}

fn choose_sources(
    arguments: &Arguments,
    segment: &Segment,
    all: &[Source],
    old: Option<&Old>,
) -> Result<Vec<Source>, Failure> {
    let listed = old.map(|old| old.config.segment.sources.as_slice()).unwrap_or_default();
    let is_listed = |source: &Source| listed.iter().any(|listed| source.write_keys.contains(&listed.write_key));
    let choice = Choice {
        what: "source",
        head: format!("Sources of the workspace {}", segment.workspace.name),
        flag: "--source",
        lines: all.iter().map(|source| listing::source_line(source, is_listed(source))).collect(),
        names: all.iter().map(listing::names_of).collect(),
        preset: Vec::new(),
    };
    let chosen: Vec<Source> =
        choice.make(&arguments.sources)?.into_iter().filter_map(|at| all.get(at).cloned()).collect();
    if chosen.iter().all(|source| source.write_keys.is_empty()) {
        return Err(Failure::Failed(
            "Segment does not show the write keys to this token: give it the role Source Admin or Workspace Owner"
                .to_owned(),
        ));
    }
    Ok(chosen)
}

/// What Segment's own destinations behind the chosen sources do.
async fn read_destinations(segment: &Segment, sources: &[Source], all: &[Destination]) -> Result<Vec<Found>, Failure> {
    let mut found = Vec::new();
    for destination in all.iter().filter(|one| sources.iter().any(|source| source.id == one.source_id)) {
        let filters = segment.filters(destination).await?;
        found.push(Found {
            source_id: destination.source_id.clone(),
            enabled: destination.enabled,
            import: import::import(destination, &filters),
        });
    }
    Ok(found)
}

fn choose_programs(
    arguments: &Arguments,
    programs: Result<Vec<Campaign>, Trouble>,
    found: &[Found],
) -> Result<Vec<Campaign>, Failure> {
    let all = match programs {
        Ok(all) => all,
        Err(trouble) if trouble.status() == Some(403) => return unseen_programs(arguments, &trouble, found),
        Err(trouble) => return Err(Failure::Failed(programs::sentence(&trouble, "the programs"))),
    };
    let is_found =
        |campaign: &Campaign| found.iter().any(|found| found.import.campaign_id.as_ref() == Some(&campaign.id));
    let choice = Choice {
        what: "active program",
        head: "Active programs of the account".to_owned(),
        flag: "--program",
        lines: all.iter().map(listing::program_line).collect(),
        names: all.iter().map(|campaign| vec![campaign.id.clone(), campaign.name.clone()]).collect(),
        preset: all.iter().enumerate().filter(|(_, campaign)| is_found(campaign)).map(|(at, _)| at).collect(),
    };
    Ok(choice.make(&arguments.programs)?.into_iter().filter_map(|at| all.get(at).cloned()).collect())
}

/// The token may deliver and not look: whoever runs this, or Segment's destination, has to know the campaign.
fn unseen_programs(arguments: &Arguments, trouble: &Trouble, found: &[Found]) -> Result<Vec<Campaign>, Failure> {
    let sentence = programs::sentence(trouble, "the programs");
    let mut ids = arguments.programs.clone();
    if ids.is_empty() {
        ids = found.iter().filter_map(|found| found.import.campaign_id.clone()).collect();
        ids.sort();
        ids.dedup();
    }
    if ids.is_empty() && io::stdin().is_terminal() {
        super::say(&format!("{sentence}.\n"));
        ids.push(ask("Campaign ID of the program: ")?);
    }
    if ids.is_empty() {
        return Err(Failure::Failed(format!("{sentence}; name the campaign: --program ID")));
    }
    if let Some(wrong) = ids.iter().find(|id| id.is_empty() || !id.bytes().all(|byte| byte.is_ascii_digit())) {
        return Err(Failure::Usage(format!("`{wrong}` is no campaign ID, and this token may not look names up")));
    }
    super::say(&format!("warning: {sentence}\n"));
    Ok(ids.into_iter().map(|id| Campaign { id, ..Campaign::default() }).collect())
}

/// Tries the configuration that would be, writes it, and says what is next.
fn finish(arguments: &Arguments, plan: &Plan, old: Option<&Old>) -> Result<String, Failure> {
    let (path, name) = (&arguments.config, arguments.config.display());
    let before = old.map(|old| old.text.as_str()).unwrap_or_default();
    let gap = if before.is_empty() || before.ends_with('\n') { "" } else { "\n" };
    let added = format!("{gap}{}", plan.text);
    for note in &plan.notes {
        super::say(&format!("warning: {}\n", one_line(note)));
    }
    if plan.text.is_empty() {
        return Ok(format!("{name}: nothing to add\n"));
    }
    let folder = path.parent().unwrap_or(Path::new(""));
    let whole = format!("{before}{added}");
    let loaded = config::parse(&whole, &name.to_string(), folder, Secrets::Optional).map_err(|faults| match old {
        Some(_) => Failure::Usage(format!(
            "{name} cannot be continued at its end, perhaps since it writes its sources or programs in one line; add this \
             yourself:\n{}",
            plan.text
        )),
        None => Failure::Refused(faults),
    })?;
    if arguments.dry_run {
        return Ok(added);
    }
    let mut options = OpenOptions::new();
    // Appending touches nothing that is there; a new file takes no other's place.
    let options = if old.is_some() { options.append(true) } else { options.write(true).create_new(true) };
    let written =
        options.open(path).and_then(|mut file| file.write_all(added.as_bytes()).and_then(|()| file.sync_all()));
    written.map_err(|error| Failure::Failed(format!("{name} cannot be written: {error}")))?;
    let (done, counts) = (if old.is_some() { "added to" } else { "written" }, counts(&loaded.config));
    Ok(format!("{name}: {done}; it has {counts} now\nnext: selvedge check --online --config {name}\n"))
}

fn counts(config: &Config) -> String {
    let count = |number: usize, noun: &str| format!("{number} {noun}{}", if number == 1 { "" } else { "s" });
    format!("{} and {}", count(config.segment.sources.len(), "source"), count(config.impact.programs.len(), "program"))
}
