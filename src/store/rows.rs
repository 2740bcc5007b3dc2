//! Rows, in the store's own words.

use super::{Verdict, VerdictRow};
use crate::click::Click;
use crate::clock::Time;
use std::fmt;
use thiserror::Error;

/// A SHA-256: of an id, or of what makes a delivery happen once.
pub type Hash = [u8; 32];

/// A person's id as it is kept: a SHA-256, made by `links`.
#[derive(Clone, Copy, PartialEq, Eq, Hash)]
pub struct PersonKey(pub Hash);

/// The first digits only: enough to tell two apart in a log.
impl fmt::Debug for PersonKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let [a, b, c, ..] = self.0;
        write!(f, "PersonKey({})", hex::encode([a, b, c]))
    }
}

/// A delivery's number: never used twice.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct DeliveryId(pub i64);

impl fmt::Display for DeliveryId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}

impl std::str::FromStr for DeliveryId {
    type Err = std::num::ParseIntError;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        text.parse().map(Self)
    }
}

/// A delivery's state.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum State {
    /// To be made when it is due.
    Waiting,
    /// Being made.
    Leased,
    /// Made.
    Delivered,
    /// Given up: a dead letter.
    Dead,
}

impl State {
    /// All of them, in the order of a delivery's life.
    pub const ALL: [Self; 4] = [Self::Waiting, Self::Leased, Self::Delivered, Self::Dead];

    /// Its name: `waiting`, `leased`, `delivered` or `dead`.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Waiting => "waiting",
            Self::Leased => "leased",
            Self::Delivered => "delivered",
            Self::Dead => "dead",
        }
    }
}

impl crate::metrics::Label for State {
    fn label(self) -> &'static str {
        self.name()
    }
}

/// Deliveries of one program to one endpoint: what is paused together.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct Lane {
    /// The program's name.
    pub program: String,
    /// The endpoint's name.
    pub endpoint: String,
}

/// How many deliveries may be taken from a lane.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Cap {
    /// The lane.
    pub lane: Lane,
    /// How many at most; 0: none.
    pub most: u32,
}

/// A delivery before it has a number.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct DraftRow {
    /// The program's name.
    pub program: String,
    /// The endpoint's name.
    pub endpoint: String,
    /// 0 goes before 1, and is taken when the store holds as much as it may.
    pub urgency: u8,
    /// Whether it waits for the earlier ordered ones of the same person and program.
    pub ordered: bool,
    /// Whether it waits for what is on record of the same order and program, and for the verdict on it; not read back.
    pub follows: bool,
    /// The form's fields, as JSON.
    pub params: String,
    /// The event's name or kind, for people.
    pub event: String,
    /// The call's own id.
    pub message_id: Option<String>,
    /// The order's id.
    pub order_id: Option<String>,
    /// On what basis the click was chosen.
    pub basis: String,
    /// The click.
    pub click_id: Option<String>,
    /// Whether a second send could become a second action.
    pub unrepeatable: bool,
    /// What makes it once.
    pub once: Vec<OnceRow>,
    /// Whose it is, by the browser's or device's own id.
    pub anonymous: Option<Hash>,
    /// Whose it is, by the site's id.
    pub user: Option<Hash>,
    /// When the call arrived.
    pub arrival: Time,
    /// What it was made from, to make it again.
    pub call: Option<String>,
}

/// What mapping its call anew changes of a delivery.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct MappedRow {
    /// The endpoint's name.
    pub endpoint: String,
    /// See [`DraftRow::urgency`].
    pub urgency: u8,
    /// See [`DraftRow::ordered`].
    pub ordered: bool,
    /// The form's fields, as JSON.
    pub params: String,
    /// The order's id.
    pub order_id: Option<String>,
    /// Whether a second send could become a second action.
    pub unrepeatable: bool,
    /// What makes it once, in the place of what did.
    pub once: Vec<OnceRow>,
}

/// A request that its target missed.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct NewForward {
    /// The request, as whoever keeps it writes it down.
    pub record: Vec<u8>,
    /// When it arrived.
    pub arrival: Time,
    /// Whose calls it holds; not read back.
    pub people: Vec<Hash>,
}

/// A kept request.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ForwardRow {
    /// Its number: never used twice.
    pub id: i64,
    /// Its place in the queue.
    pub place: i64,
    /// The request.
    pub request: NewForward,
    /// How often it was sent in vain.
    pub attempts: u32,
    /// When it was given up.
    pub ended: Option<Time>,
    /// Why it was given up; of one that waits, that a person wants it to.
    pub reason: Option<String>,
}

/// A key that only one delivery holds.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct OnceRow {
    /// The key.
    pub key: Hash,
    /// When it is free again.
    pub until: Time,
}

/// A delivery on record.
#[derive(Clone, Debug, PartialEq)]
pub struct DeliveryRow {
    /// Its number.
    pub id: DeliveryId,
    /// What was appended; its once keys are not read back.
    pub draft: DraftRow,
    /// Its state.
    pub state: State,
    /// How often it was taken to be sent.
    pub attempts: u32,
    /// When it is to be sent, or when its lease ends.
    pub due: Time,
    /// When it was appended.
    pub created: Time,
    /// When it was delivered or given up.
    pub ended: Option<Time>,
    /// Why it was given up, as a label.
    pub reason: Option<String>,
    /// What the last failure said.
    pub last_error: Option<String>,
    /// What the destination answered with.
    pub receipt: Option<String>,
    /// What it said later; `None`: nobody asks.
    pub verdict: Option<VerdictRow>,
}

/// A delivery of somebody's, in as much as it takes to tell whose.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct OwnedRow {
    /// Its number.
    pub id: DeliveryId,
    /// See [`DraftRow::anonymous`].
    pub anonymous: Option<Hash>,
    /// See [`DraftRow::user`].
    pub user: Option<Hash>,
    /// The click.
    pub click_id: Option<String>,
}

/// Which deliveries to list: those that meet all that is set, the youngest first.
#[derive(Clone, Debug, Default)]
pub struct DeliveryFilter {
    /// In one of these states; none: in any.
    pub states: Vec<State>,
    /// Of this program.
    pub program: Option<String>,
    /// To this endpoint, by name.
    pub endpoint: Option<String>,
    /// Of this order.
    pub order_id: Option<String>,
    /// Of the call with this id.
    pub message_id: Option<String>,
    /// With this verdict.
    pub verdict: Option<Verdict>,
    /// Given up, or judged, for this reason, by its label.
    pub reason: Option<String>,
    /// Of the person with this hashed id, of either kind.
    pub person: Option<Hash>,
    /// Appended then or later.
    pub since: Option<Time>,
    /// Appended then or earlier.
    pub until: Option<Time>,
    /// Older than this one (for the next page).
    pub before: Option<DeliveryId>,
    /// How many at most; 0 means [`DeliveryFilter::LIMIT_DEFAULT`], and more than [`DeliveryFilter::LIMIT_MAX`] is that.
    pub limit: u32,
}

impl DeliveryFilter {
    /// A page that fits a screen.
    pub const LIMIT_DEFAULT: u32 = 50;
    /// What a single answer may hold: about 2 MB of rows.
    pub const LIMIT_MAX: u32 = 1000;
}

/// How many deliveries there are in a state, and the age of the oldest.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Depth {
    /// The program's name.
    pub program: String,
    /// The endpoint's name.
    pub endpoint: String,
    /// The state.
    pub state: State,
    /// How many.
    pub count: u64,
    /// When the oldest of the endpoint's that have not ended was appended; of ended ones, when the first ended.
    pub oldest: Time,
}

/// A person's click.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct LinkRow {
    /// The click.
    pub click: Click,
    /// When the link ends.
    pub until: Time,
}

/// What is known of a person.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct PersonRow {
    /// The person's click, unless it has ended.
    pub link: Option<LinkRow>,
    /// The ids that this one is joined to, and until when.
    pub others: Vec<(Hash, Time)>,
}

/// Why a batch was not written. Nothing of it was kept.
#[derive(Clone, Debug, Error, PartialEq, Eq)]
pub enum CommitError {
    /// The store could not be opened when the program started.
    #[error("the store is not available: {0}")]
    Unavailable(String),
    /// More batches are waiting than the disk can take.
    #[error("the store is too busy")]
    Busy,
    /// The store was closed: the program is stopping.
    #[error("the store is closed")]
    Closed,
    /// The database refused: a full disk, an I/O error, a read-only file.
    #[error("the store cannot write: {0}")]
    Failed(String),
}
