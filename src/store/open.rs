//! Opening: the folder, the lock, the database file, the token.

use super::log::Log;
use super::schema::Fault;
use super::statements::Statements;
use super::{compact, damage, salvage, schema};
use crate::clock::Clock;
use rusqlite::config::DbConfig;
use rusqlite::{Connection, OpenFlags};
use std::fs::{DirBuilder, File, OpenOptions, TryLockError};
use std::io::{self, Read, Write};
use std::os::unix::fs::{DirBuilderExt, OpenOptionsExt};
use std::path::{Path, PathBuf};
use std::time::Duration;
use thiserror::Error;

/// The database's name in the store folder.
const DATABASE: &str = "selvedge.db";
/// Its write-ahead log.
const LOG: &str = "selvedge.db-wal";
/// The file whose lock says that a process has the store open.
const LOCK: &str = "selvedge.lock";
/// What the lock file holds once a store was made in its folder, so that its numbers are not used again if it is gone.
const HAD_STORE: &[u8] = b"a store was made here\n";
/// The admin listener's secret.
const TOKEN: &str = "admin.token";
/// 256 bits cannot be guessed.
const TOKEN_BYTES: usize = 32;
/// Pages in memory: the upper levels of all trees at a million deliveries.
const CACHE_KIB: i64 = 16 * 1024;
/// More than the writer has different statements: none is parsed twice.
const STATEMENTS_KEPT: usize = 128;
/// How long to wait for a stranger (an operator's `sqlite3`) that holds the database.
pub(super) const BUSY_WAIT: Duration = Duration::from_secs(2);

/// Why the store could not be opened. Nothing was changed.
#[derive(Debug, Error)]
pub enum OpenError {
    /// The folder or a file in it cannot be made or opened: rights, a read-only disk, a file where a folder should be.
    #[error("the store folder {} cannot be used: {source}; make it writable for this user, or set [store] path", folder.display())]
    Folder {
        /// The store folder.
        folder: PathBuf,
        /// The system's error.
        source: io::Error,
    },
    /// Another process has it open.
    #[error("the store folder {} is in use by another Selvedge; stop that one, or give this one its own [store] path", folder.display())]
    InUse {
        /// The store folder.
        folder: PathBuf,
    },
    /// Another program's database.
    #[error("{} is not a store of Selvedge ({detail}); move it away, and a new one will be made", database.display())]
    NotAStore {
        /// The database file.
        database: PathBuf,
        /// What was found.
        detail: String,
    },
    /// A newer Selvedge wrote it.
    #[error("{} was written by a newer Selvedge (format {found}; this one knows up to {known}); run that version, or move the file away", database.display())]
    Newer {
        /// The database file.
        database: PathBuf,
        /// Its format.
        found: i64,
        /// The newest format known here.
        known: i64,
    },
    /// The database refused to be opened or brought up to date: a full disk, an I/O error.
    #[error("{} cannot be opened: {source}", database.display())]
    Database {
        /// The database file.
        database: PathBuf,
        /// SQLite's error.
        source: rusqlite::Error,
    },
}

/// An open database and the lock that keeps it ours.
pub(super) struct Opened {
    pub(super) connection: Connection,
    pub(super) lock: File,
    pub(super) database: PathBuf,
}

pub(super) fn open(folder: &Path, clock: &Clock) -> Result<Opened, OpenError> {
    let unusable = |source| OpenError::Folder { folder: folder.to_owned(), source };
    DirBuilder::new().recursive(true).mode(0o700).create(folder).map_err(unusable)?;
    let lock = private(&folder.join(LOCK)).map_err(unusable)?;
    lock.try_lock().map_err(|error| match error {
        TryLockError::WouldBlock => OpenError::InUse { folder: folder.to_owned() },
        TryLockError::Error(source) => unusable(source),
    })?;
    let database = folder.join(DATABASE);
    salvage::finish(&database, clock.now()).map_err(unusable)?;
    // SQLite gives its -wal and -shm files the rights of the database file.
    private(&database).map_err(unusable)?;
    let had_store = lock.metadata().map_err(unusable)?.len() > 0;
    let is_gone = had_store && std::fs::metadata(&database).map_err(unusable)?.len() == 0;
    // A new file is only there after a power cut if its folder was synced.
    File::open(folder).and_then(|folder| folder.sync_all()).map_err(unusable)?;
    let connection = match connect(&database, clock) {
        Err(fault) => match fault.damage() {
            Some(why) => salvage::salvage(&database, clock.now(), &why).and_then(|()| connect(&database, clock)),
            None => Err(fault),
        },
        sound => sound,
    };
    let connection = connection.map_err(|fault| fault.about(&database))?;
    if is_gone {
        tracing::error!(database = %database.display(), "there was a store, and it has gone: a new one was made");
        salvage::skip_numbers(&connection, clock.now()).map_err(|error| Fault::from(error).about(&database))?;
    }
    if !had_store {
        (&lock).write_all(HAD_STORE).and_then(|()| lock.sync_all()).map_err(unusable)?;
    }
    Ok(Opened { connection, lock, database })
}

/// Opens, or makes, a file that only the owner may read.
pub(super) fn private(path: &Path) -> io::Result<File> {
    OpenOptions::new().read(true).write(true).create(true).truncate(false).mode(0o600).open(path)
}

fn connect(database: &Path, clock: &Clock) -> Result<Connection, Fault> {
    let log_file = database.with_file_name(LOG);
    let log = Log::read(&log_file)?;
    if std::fs::metadata(database)?.len() == 0 && std::fs::metadata(&log_file).is_ok_and(|log| log.len() > 0) {
        return Err(Fault::Damaged("the file is empty, and its log is not".to_owned()));
    }
    let flags = OpenFlags::SQLITE_OPEN_READ_WRITE | OpenFlags::SQLITE_OPEN_NO_MUTEX;
    let mut connection = Connection::open_with_flags(database, flags)?;
    connection.busy_timeout(BUSY_WAIT)?;
    schema::check(&connection)?;
    if log.is_broken {
        salvage::keep_log(database, clock.now())?;
    }
    compact::prepare(&connection)?;
    connection.pragma_update(None, "journal_mode", "WAL")?;
    connection.pragma_update(None, "synchronous", "FULL")?;
    // After a burst the log shrinks again.
    connection.pragma_update(None, "journal_size_limit", 64 << 20)?;
    connection.pragma_update(None, "cache_size", -CACHE_KIB)?;
    connection.pragma_update(None, "secure_delete", "ON")?;
    connection.pragma_update(None, "temp_store", "MEMORY")?;
    connection.set_prepared_statement_cache_capacity(STATEMENTS_KEPT);
    // Without it SQLite prepares a statement anew for each value that its plan might depend on.
    connection.set_db_config(DbConfig::SQLITE_DBCONFIG_ENABLE_QPSG, true)?;
    damage::look(&connection, database, &log)?;
    schema::compare(&connection)?;
    damage::forget(database)?;
    schema::migrate(&mut connection)?;
    compact::enable(&connection)?;
    if log.is_broken {
        salvage::skip_numbers(&connection, clock.now())?;
    }
    super::deliveries::free_leases(&Statements::new(&connection), clock.now())?;
    Ok(connection)
}

impl Fault {
    /// What is damaged, if that is the fault.
    fn damage(&self) -> Option<String> {
        match self {
            Self::Damaged(why) => Some(why.clone()),
            Self::Sqlite(error) if damage::is_damage(error) => Some(error.to_string()),
            Self::Sqlite(_) | Self::Foreign(_) | Self::Newer { .. } | Self::Io(_) => None,
        }
    }

    fn about(self, database: &Path) -> OpenError {
        let database = database.to_owned();
        match self {
            Self::Foreign(detail) | Self::Damaged(detail) => OpenError::NotAStore { database, detail },
            Self::Newer { found } => OpenError::Newer { database, found, known: schema::NEWEST },
            Self::Io(source) => OpenError::Folder { folder: database, source },
            Self::Sqlite(source) => OpenError::Database { database, source },
        }
    }
}

/// Reads the token, or makes it.
pub(super) fn token(folder: &Path) -> io::Result<String> {
    let path = folder.join(TOKEN);
    match std::fs::read_to_string(&path) {
        Ok(text) if text.trim().len() == 2 * TOKEN_BYTES => return Ok(text.trim().to_owned()),
        Ok(_) => {}
        Err(error) if error.kind() == io::ErrorKind::NotFound => {}
        Err(error) => return Err(error),
    }
    let mut random = [0; TOKEN_BYTES];
    File::open("/dev/urandom")?.read_exact(&mut random)?;
    let token = hex::encode(random);
    let mut file = private(&path)?;
    file.set_len(0)?;
    writeln!(file, "{token}")?;
    file.sync_all()?;
    Ok(token)
}
