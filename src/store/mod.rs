//! The embedded database: one file, one writer, group commits.
//!
//! Everything that must survive goes through [`Store::commit`]: batches of [`Change`]s that wait together are written
//! in one transaction with one fsync, and each waiter gets its own answer. Reads use a few connections of their own.
//!
//! # Invariants
//!
//! * What `commit` answered with `Ok` is on the disk, whatever happens to the process or the machine afterwards.
//! * A batch is written whole or not at all, and a batch that fails takes no other with it.
//! * A batch whose waiter has gone before its turn came is not written.
//! * Two processes never have one store folder open.

mod browse;
mod change;
mod compact;
pub mod config;
mod damage;
mod deliveries;
mod forwards;
mod health;
mod log;
mod open;
mod people;
mod reader;
mod rows;
mod salvage;
mod schema;
mod statements;
mod verdict;
mod writer;

pub use change::{Change, Effect, Keep, Touched};
pub use config::{Config, OnFailure};
pub use health::{Health, Stats};
pub use open::OpenError;
pub use reader::ReadError;
pub use rows::{
    Cap, CommitError, DeliveryFilter, DeliveryId, DeliveryRow, Depth, DraftRow, ForwardRow, Hash, Lane, LinkRow,
    MappedRow, NewForward, OnceRow, OwnedRow, PersonKey, PersonRow, State,
};
pub use verdict::{Verdict, VerdictCount, VerdictRow};

use crate::clock::Clock;
use health::Watch;
use reader::Readers;
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicBool, Ordering::Relaxed};
use std::sync::mpsc::{RecvTimeoutError, SyncSender, TrySendError, sync_channel};
use std::sync::{Arc, Mutex, OnceLock, PoisonError};
use std::thread::JoinHandle;
use std::time::Duration;
use tokio::sync::oneshot;
use writer::{Batch, Message, Rules, Scrub};

/// How many batches may wait for the writer. At 10 ms for a commit of 512 batches this is a tenth of a second of work;
/// behind a disk that is slower than that, waiting longer only turns callers' time-outs into memory.
const WAITING_BATCHES_MAX: usize = 4096;

/// How long the start of a program waits for its store: a sound one of a million deliveries is open by then.
const START_WAIT: Duration = Duration::from_secs(2);
/// How often a store that could not be opened is tried again: a disk has room again, another node has gone.
const OPEN_EVERY: Duration = Duration::from_secs(2);
/// How often a log that is read is tried, and how long between: reads for people take seconds at the most.
const SCRUBS_MAX: u32 = 50;
const SCRUB_PAUSE: Duration = Duration::from_millis(200);

/// The store; clones share it.
#[derive(Clone)]
pub struct Store {
    watch: Arc<Watch>,
    open: Arc<OnceLock<Open>>,
    /// The folder of a store that may be opened yet.
    folder: Option<PathBuf>,
    is_closed: Arc<AtomicBool>,
}

/// What an open store holds.
struct Open {
    folder: PathBuf,
    inbox: SyncSender<Message>,
    readers: Readers,
    writer: Mutex<Option<JoinHandle<()>>>,
}

impl Store {
    /// Opens the store in its folder, making the folder and the database when there are none, and takes its lock.
    ///
    /// Leases of a process that died are free afterwards. Of a damaged database, all that can still be read goes into
    /// a new one, and the damaged files are set aside.
    ///
    /// # Errors
    /// See [`OpenError`].
    pub fn open(config: &Config, clock: Clock) -> Result<Self, OpenError> {
        let store = Self::closed(clock.clone());
        store.open_in(config, clock)?;
        Ok(store)
    }

    /// The same for a program that has more to do: a store that cannot be opened is unavailable, its health says why, and it
    /// is tried again until it can; unavailable is also, until it is open, one that takes its time, because it is salvaged
    /// or brought up to date.
    pub fn start(config: &Config, clock: Clock) -> Self {
        Self::start_within(config, clock, START_WAIT)
    }

    fn start_within(config: &Config, clock: Clock, wait: Duration) -> Self {
        let store = Self { folder: Some(config.path.clone()), ..Self::closed(clock.clone()) };
        let (opening, config) = (store.clone(), config.clone());
        let (ended, end) = sync_channel(1);
        let open = move || {
            opening.try_open(&config, &clock);
            // Nobody may wait any more.
            _ = ended.try_send(());
            while opening.open.get().is_none() && !opening.is_closed.load(Relaxed) {
                std::thread::sleep(OPEN_EVERY);
                opening.try_open(&config, &clock);
            }
        };
        if let Err(error) = std::thread::Builder::new().name("store-open".to_owned()).spawn(open) {
            store.watch.failing(&error.to_string());
        } else if end.recv_timeout(wait) == Err(RecvTimeoutError::Timeout) {
            store.watch.failing("it is still being opened");
        }
        store
    }

    fn try_open(&self, config: &Config, clock: &Clock) {
        match self.open_in(config, clock.clone()) {
            Ok(()) => self.watch.fine(),
            Err(error) => self.watch.failing(&error.to_string()),
        }
    }

    /// A store that could not be opened: every commit and read fails, and its health says why.
    pub fn unavailable(reason: impl Into<String>, clock: Clock) -> Self {
        let store = Self::closed(clock);
        store.watch.failing(&reason.into());
        store
    }

    fn closed(clock: Clock) -> Self {
        Self { watch: Arc::new(Watch::new(clock)), open: Arc::default(), folder: None, is_closed: Arc::default() }
    }

    fn open_in(&self, config: &Config, clock: Clock) -> Result<(), OpenError> {
        let opened = open::open(&config.path, &clock)?;
        let readers = Readers::open(&opened.database, self.watch.clone())?;
        let (inbox, outbox) = sync_channel(WAITING_BATCHES_MAX);
        let (rules, watch) = (Rules::of(config), self.watch.clone());
        let thread = std::thread::Builder::new()
            .name("store".to_owned())
            .spawn(move || writer::run(opened, outbox, watch, clock, rules))
            .map_err(|source| OpenError::Folder { folder: config.path.clone(), source })?;
        let writer = Mutex::new(Some(thread));
        self.open.get_or_init(|| Open { folder: config.path.clone(), inbox, readers, writer });
        Ok(())
    }

    /// Writes a batch, whole or not at all, and answers when it is on the disk: one effect per change, in order.
    ///
    /// Dropping the future before the batch's turn came takes the batch back; a batch that is being written stays.
    ///
    /// # Errors
    /// See [`CommitError`]; nothing of the batch was kept.
    pub async fn commit(&self, changes: Vec<Change>) -> Result<Vec<Effect>, CommitError> {
        if changes.is_empty() {
            return Ok(Vec::new());
        }
        let (reply, answer) = oneshot::channel();
        self.send(Batch { changes, reply: Some(reply) })?;
        answer.await.unwrap_or(Err(CommitError::Closed))
    }

    /// Hands a batch over without waiting for it. When it cannot be taken it is dropped and counted
    /// ([`Stats::dropped`], [`Store::losses`]).
    pub fn submit(&self, changes: Vec<Change>) {
        if !changes.is_empty() && self.send(Batch { changes, reply: None }).is_err() {
            self.watch.dropped();
        }
    }

    /// Leaves nothing of what was deleted in any file of the store: a database of at most `rewrite_max` bytes is written
    /// anew, and the write-ahead log is emptied into it. Whether it was written anew: else what SQLite moved about before
    /// it was deleted may still stand in unused places of the file. Commits wait until it is done; a log that is
    /// read meanwhile is tried again.
    ///
    /// # Errors
    /// See [`CommitError`]; [`CommitError::Busy`] when the log is read all the time.
    pub async fn scrub(&self, mut rewrite_max: u64) -> Result<bool, CommitError> {
        let mut rewritten = false;
        for _ in 0..SCRUBS_MAX {
            let (reply, answer) = oneshot::channel();
            self.tell(Message::Scrub(Scrub { rewrite_max, reply }))?;
            let scrubbed = answer.await.unwrap_or(Err(CommitError::Closed))?;
            rewritten |= scrubbed.rewritten;
            if scrubbed.log_is_empty {
                return Ok(rewritten);
            }
            rewrite_max = 0;
            tokio::time::sleep(SCRUB_PAUSE).await;
        }
        Err(CommitError::Busy)
    }

    fn send(&self, batch: Batch) -> Result<(), CommitError> {
        self.tell(Message::Batch(batch))
    }

    fn tell(&self, message: Message) -> Result<(), CommitError> {
        let Some(open) = self.open.get() else {
            self.watch.lost();
            return Err(CommitError::Unavailable(self.watch.reason()));
        };
        open.inbox.try_send(message).map_err(|error| {
            self.watch.lost();
            match error {
                TrySendError::Full(_) => CommitError::Busy,
                TrySendError::Disconnected(_) => CommitError::Closed,
            }
        })
    }

    /// Whether commits succeed.
    pub fn health(&self) -> Health {
        self.watch.health()
    }

    /// How much was committed, and how long it took.
    pub fn stats(&self) -> Stats {
        self.watch.stats()
    }

    /// How many batches were lost so far, for whatever reason. Whoever keeps in memory what it believes to be stored
    /// must stop believing it when this number moves.
    pub fn losses(&self) -> u64 {
        self.watch.stats().lost
    }

    /// The secret that the admin listener asks for: 64 hexadecimal digits in the store folder, made once, readable by
    /// the owner only.
    ///
    /// # Errors
    /// When the file can neither be read nor made, or the store is not open.
    pub fn token(&self) -> std::io::Result<String> {
        match self.open.get().map(|open| &open.folder).or(self.folder.as_ref()) {
            Some(folder) => open::token(folder),
            None => Err(std::io::Error::other(self.watch.reason())),
        }
    }

    /// The store's folder; `None` when it could not be opened.
    pub fn folder(&self) -> Option<&Path> {
        self.open.get().map(|open| open.folder.as_path())
    }

    /// The names of the files of a damaged store that were set aside in the store folder: what they hold is not looked at.
    pub fn set_aside(&self) -> Vec<String> {
        let files = self.folder().and_then(|folder| std::fs::read_dir(folder).ok());
        let names = files.into_iter().flatten().filter_map(|file| file.ok()?.file_name().into_string().ok());
        let mut names: Vec<String> = names.filter(|name| salvage::is_set_aside(name)).collect();
        names.sort();
        names
    }

    /// Writes what is waiting, closes the database and releases the lock. Later commits fail with
    /// [`CommitError::Closed`].
    pub async fn close(&self) {
        self.is_closed.store(true, Relaxed);
        let open = self.open.clone();
        let closing = tokio::task::spawn_blocking(move || {
            let Some(open) = open.get() else { return };
            // Whoever closes last empties the log into the database, and a reader may not.
            open.readers.close();
            let thread = open.writer.lock().unwrap_or_else(PoisonError::into_inner).take();
            if open.inbox.send(Message::Stop).is_ok()
                && let Some(thread) = thread
                && thread.join().is_err()
            {
                tracing::error!("the store's writer ended in a panic");
            }
        });
        if closing.await.is_err() {
            tracing::error!("closing the store was cut short");
        }
    }

    fn readers(&self) -> Result<&Readers, ReadError> {
        self.open.get().map(|open| &open.readers).ok_or_else(|| ReadError(self.watch.reason()))
    }
}

/// The secret that the admin listener of the node that has `folder` open asks for; see [`Store::token`].
///
/// # Errors
/// When the file can neither be read nor made.
pub fn token_of(folder: &Path) -> std::io::Result<String> {
    open::token(folder)
}

#[cfg(test)]
mod tests;
