//! Reading: a few connections of their own, off the async threads.

use super::damage;
use super::health::Watch;
use super::open::OpenError;
use rusqlite::config::DbConfig;
use rusqlite::{Connection, OpenFlags};
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, PoisonError};
use thiserror::Error;
use tokio::sync::Semaphore;

/// How many reads run at once. A point read takes microseconds; more would only contend for the page cache.
const READERS: usize = 4;
/// A short list of statements is asked again and again.
const STATEMENTS_KEPT: usize = 32;

/// Why something could not be read.
#[derive(Clone, Debug, Error, PartialEq, Eq)]
#[error("the store cannot be read: {0}")]
pub struct ReadError(pub String);

/// Read-only connections.
pub(super) struct Readers {
    turns: Arc<Semaphore>,
    idle: Arc<Mutex<Vec<Connection>>>,
    watch: Arc<Watch>,
}

impl Readers {
    pub(super) fn open(database: &Path, watch: Arc<Watch>) -> Result<Self, OpenError> {
        let unusable = |source| OpenError::Database { database: PathBuf::from(database), source };
        let idle = (0..READERS).map(|_| connect(database)).collect::<Result<_, _>>().map_err(unusable)?;
        Ok(Self { turns: Arc::new(Semaphore::new(READERS)), idle: Arc::new(Mutex::new(idle)), watch })
    }

    /// Runs `read` on a free connection.
    pub(super) async fn read<T: Send + 'static>(
        &self,
        read: impl FnOnce(&Connection) -> rusqlite::Result<T> + Send + 'static,
    ) -> Result<T, ReadError> {
        let turn = self.turns.clone().acquire_owned().await.map_err(|_| closed())?;
        let (turns, idle, watch) = (self.turns.clone(), self.idle.clone(), self.watch.clone());
        let answer = tokio::task::spawn_blocking(move || {
            let Some(connection) = lock(&idle).pop() else { return Err(closed()) };
            let answer = read(&connection);
            if let Err(error) = &answer
                && let Some(what) = damage::met(&connection, error)
            {
                watch.damaged(&what);
            }
            if !turns.is_closed() {
                lock(&idle).push(connection);
            }
            // Only now: whoever asked may be gone, and the connection was still in use.
            drop(turn);
            answer.map_err(|error| ReadError(error.to_string()))
        });
        answer.await.unwrap_or_else(|_| Err(closed()))
    }

    /// Later reads fail.
    pub(super) fn close(&self) {
        self.turns.close();
        lock(&self.idle).clear();
    }
}

fn connect(database: &Path) -> rusqlite::Result<Connection> {
    let flags = OpenFlags::SQLITE_OPEN_READ_ONLY | OpenFlags::SQLITE_OPEN_NO_MUTEX;
    let connection = Connection::open_with_flags(database, flags)?;
    connection.set_prepared_statement_cache_capacity(STATEMENTS_KEPT);
    connection.set_db_config(DbConfig::SQLITE_DBCONFIG_ENABLE_QPSG, true)?;
    Ok(connection)
}

fn lock(idle: &Mutex<Vec<Connection>>) -> std::sync::MutexGuard<'_, Vec<Connection>> {
    idle.lock().unwrap_or_else(PoisonError::into_inner)
}

fn closed() -> ReadError {
    ReadError("it is closed".to_owned())
}
