//! The configuration file: it joins the rooms' own sections.
//!
//! Each room reads its own section and says what is wrong with it; only what concerns several
//! sections is checked here. All faults are reported at once.

mod across;
mod log;
mod modes;

pub use log::Log;

use crate::fault::{Faults, Reader, Section};
use crate::secret::Secrets;
use crate::{click, delivery, destination, proxy, segment, server, store};
use std::io;
use std::path::Path;

/// The whole configuration, resolved.
#[derive(Clone, Debug)]
pub struct Config {
    /// `[listen]`
    pub listen: server::Config,
    /// `[limits]`
    pub limits: server::Limits,
    /// `[trust]`
    pub trust: proxy::Trust,
    /// `[[site]]`
    pub sites: Vec<proxy::Site>,
    /// `[click]`
    pub click: click::Config,
    /// `[segment]`
    pub segment: segment::Config,
    /// `[store]`
    pub store: store::Config,
    /// `[impact]`
    pub impact: destination::impact::Config,
    /// `[delivery]`
    pub delivery: delivery::Config,
    /// `[log]`
    pub log: Log,
}

/// A configuration that can be used.
#[derive(Clone, Debug)]
pub struct Loaded {
    /// The configuration.
    pub config: Config,
    /// What somebody should look at: warnings only.
    pub warnings: Faults,
}

/// The largest configuration file that is read; a thousand programs fit. Whoever names another file gets a sentence.
const FILE_BYTES_MAX: u64 = 4 * 1024 * 1024;

/// Reads the file at `path`.
///
/// # Errors
///
/// All faults of the file (and its warnings), or the one that kept it from being read.
pub fn load(path: &Path, secrets: Secrets) -> Result<Loaded, Faults> {
    let name = path.display().to_string();
    let text = read_file(path).map_err(|(message, help)| Faults::unreadable(&name, message, help))?;
    parse(&text, &name, path.parent().unwrap_or(Path::new("")), secrets)
}

/// Reads a configuration's text. Reports call it `name`; relative paths in it are relative to `folder`.
///
/// # Errors
///
/// All faults of the text, and its warnings.
pub fn parse(text: &str, name: &str, folder: &Path, secrets: Secrets) -> Result<Loaded, Faults> {
    let (reader, tree) = Reader::new(name, text, folder, secrets);
    let mut root = reader.root(tree.get_ref());
    let config = read_sections(&mut root, folder);
    if !reader.is_broken() {
        across::check(&mut root, &config);
    }
    root.finish();
    let faults = reader.into_faults();
    if faults.has_errors() { Err(faults) } else { Ok(Loaded { config, warnings: faults }) }
}

fn read_sections(root: &mut Section<'_>, folder: &Path) -> Config {
    let sites = root.sections("site");
    Config {
        listen: whole(root.section("listen"), |listen| server::Config::read(listen, folder)),
        limits: whole(root.section("limits"), server::Limits::read),
        trust: whole(root.section("trust"), |trust| proxy::Trust::read(trust, folder)),
        sites: sites.into_iter().map(|site| whole(site, proxy::Site::read)).collect(),
        click: whole(root.section("click"), click::Config::read),
        segment: whole(root.section("segment"), segment::Config::read),
        store: whole(root.section("store"), |store| store::Config::read(store, folder)),
        impact: whole(root.section("impact"), destination::impact::Config::read),
        delivery: whole(root.section("delivery"), delivery::Config::read),
        log: whole(root.section("log"), Log::read),
    }
}

/// Reads one section to its end, unknown keys included.
fn whole<T>(mut section: Section<'_>, read: impl FnOnce(&mut Section<'_>) -> T) -> T {
    let read = read(&mut section);
    section.finish();
    read
}

/// The file's text, or what is wrong with it and what helps.
fn read_file(path: &Path) -> Result<String, (String, &'static str)> {
    let metadata = std::fs::metadata(path).map_err(|error| cannot_read(&error))?;
    if metadata.is_dir() {
        return Err(("this is a folder, not a file".to_owned(), "name the configuration file in it: --config FILE"));
    }
    if metadata.len() > FILE_BYTES_MAX {
        return Err(("this is too large for a configuration file".to_owned(), "name another file: --config FILE"));
    }
    let bytes = std::fs::read(path).map_err(|error| cannot_read(&error))?;
    String::from_utf8(bytes).map_err(|error| {
        let place = error.utf8_error().valid_up_to();
        (format!("this is not UTF-8 text: byte {place} is the first that is not"), "save it as UTF-8")
    })
}

fn cannot_read(error: &io::Error) -> (String, &'static str) {
    match error.kind() {
        io::ErrorKind::NotFound => ("there is no such file".to_owned(), "name the configuration file: --config FILE"),
        _ => (format!("it cannot be read: {error}"), "look at the file and its permissions"),
    }
}
