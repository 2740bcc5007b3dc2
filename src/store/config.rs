//! The `[store]` section.

use crate::fault::{Section, form};
use crate::secret::Secret;
use std::path::{Path, PathBuf};
use std::time::Duration;

/// Where what must survive is kept, how long, and how much of it.
#[derive(Clone, Debug)]
pub struct Config {
    /// The store's folder; a relative one is relative to the configuration file. Default: `data`.
    pub path: PathBuf,
    /// How long a delivery that was made stays on record. Default: 7 days.
    pub keep_delivered: Duration,
    /// How long a dead letter stays, for people to look at and to send again. Default: 90 days.
    pub keep_dead: Duration,
    /// How many deliveries may wait before page loads are not taken any more; conversions always are.
    /// Default: 5,000,000, about 12 GB.
    pub waiting_max: u64,
    /// How large the database may get before page loads are not taken any more, in bytes. Default: 20 GiB.
    pub size_max: u64,
    /// The key that encrypts envelopes which wait for Segment (AES-256-GCM), 64 hexadecimal digits. Default: none.
    pub key: Option<Secret>,
    /// What becomes of a call whose deliveries cannot be recorded. Default: it passes.
    pub on_store_failure: OnFailure,
}

/// What becomes of a call whose deliveries the store does not take.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum OnFailure {
    /// It goes on to Segment, whose own destination stays on for it.
    #[default]
    Pass,
    /// It is answered 503 with `Retry-After`: its SDK tries again later.
    Refuse,
}

/// The store's folder by default.
const PATH: &str = "data";
/// Long enough to find out what went out for an order that somebody asks about.
const KEEP_DELIVERED: Duration = Duration::from_secs(7 * 86_400);
/// 256 bits.
const KEY_DIGITS: usize = 64;
/// A quarter: commissions are settled by the month, and corrected in the next.
const KEEP_DEAD: Duration = Duration::from_secs(90 * 86_400);
/// Days of a large shop's page loads.
const WAITING_MAX: u64 = 5_000_000;
/// What [`WAITING_MAX`] deliveries take, with room for dead letters.
const SIZE_MAX: u64 = 20 << 30;

impl Config {
    /// A store in `path`, with the defaults for all else.
    pub fn at(path: impl Into<PathBuf>) -> Self {
        Self {
            path: path.into(),
            keep_delivered: KEEP_DELIVERED,
            keep_dead: KEEP_DEAD,
            waiting_max: WAITING_MAX,
            size_max: SIZE_MAX,
            key: None,
            on_store_failure: OnFailure::default(),
        }
    }

    /// Reads the section of a file that lies in `folder`.
    pub fn read(section: &mut Section<'_>, folder: &Path) -> Self {
        let path = section.optional("path", &form::TEXT);
        Self {
            path: folder.join(path.as_deref().unwrap_or(PATH)),
            keep_delivered: section.value("keep_delivered", &form::DURATION).unwrap_or(KEEP_DELIVERED),
            keep_dead: section.value("keep_dead", &form::DURATION).unwrap_or(KEEP_DEAD),
            waiting_max: section.count("waiting_max", 1..=u32::MAX).map_or(WAITING_MAX, u64::from),
            size_max: section.value("size_max", &form::SIZE).unwrap_or(SIZE_MAX),
            key: key(section),
            on_store_failure: section
                .choice("on_store_failure", &[("pass", OnFailure::Pass), ("refuse", OnFailure::Refuse)])
                .unwrap_or_default(),
        }
    }
}

fn key(section: &mut Section<'_>) -> Option<Secret> {
    let key = section.secret("key")?;
    if key.reveal().len() != KEY_DIGITS || !key.reveal().bytes().all(|digit| digit.is_ascii_hexdigit()) {
        section.complain_of(
            "key",
            format!("`key` of [store] is not {KEY_DIGITS} hexadecimal digits"),
            "make one with `openssl rand -hex 32`, and keep it in a file or in the environment",
        );
    }
    Some(key)
}
