//! Opening: the folder, the lock, the database file, the token.

use super::schema;
use crate::clock::Clock;
use rusqlite::{Connection, ErrorCode, OpenFlags};
use std::fs::{DirBuilder, File, OpenOptions, TryLockError};
use std::io::{self, Read, Write};
use std::os::unix::fs::{DirBuilderExt, OpenOptionsExt};
use std::path::{Path, PathBuf};
use std::time::Duration;
use thiserror::Error;

/// The database's name in the store folder.
const DATABASE: &str = "selvedge.db";
/// The file whose lock says that a process has the store open.
const LOCK: &str = "selvedge.lock";
/// The admin listener's secret.
const TOKEN: &str = "admin.token";
/// 256 bits cannot be guessed.
const TOKEN_BYTES: usize = 32;
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
    /// The file is no database, damaged, or another program's.
    #[error("{} is not a store of Selvedge, or is damaged ({detail}); move it away, and a new one will be made", database.display())]
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
    // SQLite gives its -wal and -shm files the rights of the database file.
    private(&database).map_err(unusable)?;
    // A new file is only there after a power cut if its folder was synced.
    File::open(folder).and_then(|folder| folder.sync_all()).map_err(unusable)?;
    let connection = connect(&database, clock).map_err(|error| error.about(&database))?;
    Ok(Opened { connection, lock, database })
}

/// Opens, or makes, a file that only the owner may read.
fn private(path: &Path) -> io::Result<File> {
    OpenOptions::new().read(true).write(true).create(true).truncate(false).mode(0o600).open(path)
}

fn connect(database: &Path, clock: &Clock) -> Result<Connection, schema::Fault> {
    let flags = OpenFlags::SQLITE_OPEN_READ_WRITE | OpenFlags::SQLITE_OPEN_NO_MUTEX;
    let mut connection = Connection::open_with_flags(database, flags)?;
    connection.busy_timeout(BUSY_WAIT)?;
    schema::check(&connection)?;
    connection.pragma_update(None, "journal_mode", "WAL")?;
    connection.pragma_update(None, "synchronous", "FULL")?;
    // After a burst the log shrinks again.
    connection.pragma_update(None, "journal_size_limit", 64 << 20)?;
    connection.pragma_update(None, "secure_delete", "ON")?;
    schema::migrate(&mut connection)?;
    super::deliveries::free_leases(&connection, clock.now())?;
    Ok(connection)
}

impl schema::Fault {
    fn about(self, database: &Path) -> OpenError {
        let database = database.to_owned();
        match self {
            Self::Foreign(detail) => OpenError::NotAStore { database, detail },
            Self::Newer { found } => OpenError::Newer { database, found, known: schema::NEWEST },
            Self::Sqlite(source) => match source.sqlite_error_code() {
                Some(ErrorCode::NotADatabase | ErrorCode::DatabaseCorrupt) => {
                    OpenError::NotAStore { database, detail: source.to_string() }
                }
                _ => OpenError::Database { database, source },
            },
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
