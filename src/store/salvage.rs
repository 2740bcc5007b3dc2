//! Salvage: all that can still be read of a damaged database goes into a new one, and the damaged files are set aside.
//!
//! The damaged database is read where it lies, and written to `selvedge.db.salvage`; complete, that becomes
//! `selvedge.db.salvaged`; then the damaged files are renamed, and the new one takes their place. A process that dies on
//! the way begins again, or goes on with the renaming.

use super::compact;
use super::damage::{self, is_damage};
use super::open::private;
use super::schema::{self, Fault};
use crate::clock::Time;
use rusqlite::types::{ToSqlOutput, ValueRef};
use rusqlite::{Connection, ErrorCode, OpenFlags, Row, Statement, params};
use std::fs::{self, File};
use std::io;
use std::path::{Path, PathBuf};

/// What is made anew: `tally` by triggers, `probe` by probing.
const NOT_COPIED: [&str; 2] = ["tally", "probe"];
/// What the names of files that are set aside have in their middle.
const SET_ASIDE: &str = ".damaged-";
/// A database has at least one page of this size.
const PAGE: u64 = 4096;

/// What became of the rows.
#[derive(Clone, Copy, Debug, Default)]
struct Count {
    /// Rows that are in the new database.
    copied: u64,
    /// Stretches that could not be read.
    gaps: u64,
    /// Rows that were read but are none: the new database refused them.
    refused: u64,
}

/// Puts a new database with all that can be read in the place of a damaged one.
///
/// # Errors
/// When that cannot be written; the damaged one is as it was.
pub(super) fn salvage(database: &Path, now: Time, why: &str) -> Result<(), Fault> {
    tracing::error!(database = %database.display(), why, "the store is damaged: salvaging what can be read of it");
    let (fresh, complete) = (beside(database, ".salvage"), beside(database, ".salvaged"));
    let count = rescue(database, &fresh, now)?;
    File::open(&fresh).and_then(|file| file.sync_all())?;
    fs::rename(&fresh, &complete)?;
    sync_folder(database)?;
    let aside = finish(database, now)?;
    let Count { copied, gaps, refused } = count;
    let aside = aside.unwrap_or_default();
    tracing::error!(
        copied, gaps, refused, aside = %aside.display(),
        "the store was damaged: rows were copied to a new one, the damaged one was set aside; gaps are stretches of it \
         that could not be read"
    );
    Ok(())
}

/// Goes on with a salvage that was cut short; where the damaged database went, if there was one.
pub(super) fn finish(database: &Path, now: Time) -> io::Result<Option<PathBuf>> {
    remove(&beside(database, ".salvage"))?;
    let complete = beside(database, ".salvaged");
    if !complete.exists() {
        return Ok(None);
    }
    let names = (now.seconds()..).map(|second| beside(database, &format!("{SET_ASIDE}{second}")));
    let aside = names.into_iter().find(|name| !name.exists()).unwrap_or_default();
    for end in ["-wal", ""] {
        if beside(database, end).exists() {
            fs::rename(beside(database, end), beside(&aside, end))?;
        }
    }
    remove(&beside(database, "-shm"))?;
    fs::rename(complete, database)?;
    damage::forget(database)?;
    sync_folder(database)?;
    Ok(Some(aside))
}

/// Keeps a copy of a log from which transactions are lost, for those who want to look.
pub(super) fn keep_log(database: &Path, now: Time) -> io::Result<()> {
    let aside = beside(database, &format!("{SET_ASIDE}{}-wal", now.seconds()));
    tracing::error!(
        aside = %aside.display(),
        "the store's log is damaged: what was written last is lost; a copy of the log was set aside"
    );
    fs::copy(beside(database, "-wal"), &aside)?;
    File::open(aside)?.sync_all()
}

/// Numbers go on from where no store has been: nobody knows which were given out, but never a thousand in a second.
pub(super) fn skip_numbers(c: &Connection, now: Time) -> rusqlite::Result<()> {
    let names = "SELECT name FROM sqlite_schema WHERE type = 'table' AND sql LIKE '%AUTOINCREMENT%'";
    let names: Vec<String> = c.prepare(names)?.query_map([], |row| row.get(0))?.collect::<rusqlite::Result<_>>()?;
    for name in names {
        let used = "SELECT max(?2, ifnull((SELECT max(seq) FROM sqlite_sequence WHERE name = ?1), 0))";
        let used: i64 = c.query_row(used, params![name, now.millis()], |row| row.get(0))?;
        c.execute("DELETE FROM sqlite_sequence WHERE name = ?1", [&name])?;
        c.execute("INSERT INTO sqlite_sequence (name, seq) VALUES (?1, ?2)", params![name, used])?;
    }
    Ok(())
}

/// Whether a file of the store folder is a damaged one that was set aside.
pub(super) fn is_set_aside(name: &str) -> bool {
    name.contains(SET_ASIDE)
}

fn beside(path: &Path, end: &str) -> PathBuf {
    let mut name = path.as_os_str().to_owned();
    name.push(end);
    name.into()
}

/// Removes a file, if it is there.
pub(super) fn remove(file: &Path) -> io::Result<()> {
    match fs::remove_file(file) {
        Err(error) if error.kind() != io::ErrorKind::NotFound => Err(error),
        _ => Ok(()),
    }
}

fn sync_folder(database: &Path) -> io::Result<()> {
    database.parent().map_or(Ok(()), |folder| File::open(folder)?.sync_all())
}

/// Makes the new database.
fn rescue(database: &Path, fresh: &Path, now: Time) -> Result<Count, Fault> {
    remove(fresh)?;
    private(fresh)?;
    let mut new = Connection::open(fresh)?;
    compact::prepare(&new)?;
    // It counts only when it is complete, and is synced then.
    new.pragma_update(None, "journal_mode", "OFF")?;
    new.pragma_update(None, "synchronous", "OFF")?;
    schema::migrate(&mut new)?;
    new.execute_batch("BEGIN")?;
    let mut count = Count::default();
    match read_damaged(database) {
        Ok(old) => {
            for table in tables(&new)? {
                copy(&old, &new, &table, &mut count)?;
            }
        }
        Err(error) => {
            tracing::error!(%error, "nothing of the damaged store can be read");
            count.gaps += 1;
        }
    }
    skip_numbers(&new, now)?;
    new.execute_batch("COMMIT")?;
    new.close().map_err(|(_, error)| error)?;
    Ok(count)
}

/// Opens a damaged database so that it is not changed, and is read as far as it goes.
fn read_damaged(database: &Path) -> rusqlite::Result<Connection> {
    // The log of a file that has no page at all would be thrown away.
    if fs::metadata(database).is_ok_and(|file| file.len() == 0)
        && let Err(error) = File::options().write(true).open(database).and_then(|file| file.set_len(PAGE))
    {
        tracing::warn!(%error, "a file without a page could not be given one");
    }
    let flags = OpenFlags::SQLITE_OPEN_READ_ONLY | OpenFlags::SQLITE_OPEN_NO_MUTEX;
    let old = Connection::open_with_flags(database, flags)?;
    // A file that is shorter than it says, and a schema of which a part is missing, are read all the same.
    old.pragma_update(None, "writable_schema", "ON")?;
    old.pragma_update(None, "cell_size_check", "ON")?;
    old.query_row("SELECT count(*) FROM sqlite_schema", [], |row| row.get::<_, i64>(0))?;
    Ok(old)
}

/// A table, and the key by which its rows are in order.
struct Table {
    name: String,
    key: Key,
}

/// A position in a table is the number of a row, or the first eight bytes of its key.
enum Key {
    Number,
    Bytes { column: String, is_text: bool },
}

fn tables(new: &Connection) -> rusqlite::Result<Vec<Table>> {
    let sql = "SELECT t.name, t.wr, k.name, k.type FROM pragma_table_list AS t, pragma_table_info(t.name) AS k
        WHERE t.schema = 'main' AND t.type = 'table' AND t.name NOT LIKE 'sqlite_%' AND k.pk = 1";
    let mut statement = new.prepare(sql)?;
    let tables = statement.query_map([], |row| {
        let has_own_key: bool = row.get(1)?;
        let is_text = row.get::<_, String>(3)? == "TEXT";
        let key = if has_own_key { Key::Bytes { column: row.get(2)?, is_text } } else { Key::Number };
        Ok(Table { name: row.get(0)?, key })
    })?;
    let tables: Vec<Table> = tables.collect::<rusqlite::Result<_>>()?;
    Ok(tables.into_iter().filter(|table| !NOT_COPIED.contains(&table.name.as_str())).collect())
}

impl Table {
    /// The rows from a position on, in order: the key and then `columns`.
    fn select(&self, columns: &str) -> String {
        let (name, (key, bound)) = (
            &self.name,
            match &self.key {
                Key::Number => ("rowid", "?1"),
                Key::Bytes { column, is_text: false } => (column.as_str(), "?1"),
                Key::Bytes { column, is_text: true } => (column.as_str(), "CAST(?1 AS TEXT)"),
            },
        );
        format!("SELECT {key}, {columns} FROM {name} NOT INDEXED WHERE {key} >= {bound} ORDER BY {key}")
    }

    fn bound(&self, position: u64) -> ToSqlOutput<'static> {
        match self.key {
            Key::Number => i64::try_from(position).unwrap_or(i64::MAX).into(),
            Key::Bytes { .. } => position.to_be_bytes().to_vec().into(),
        }
    }

    /// The columns that both databases have.
    fn columns(&self, old: &Connection, new: &Connection) -> rusqlite::Result<Vec<String>> {
        let columns = |c: &Connection| -> rusqlite::Result<Vec<String>> {
            // A name that is no text any more is no column of ours.
            let name =
                |row: &Row<'_>| Ok(String::from_utf8_lossy(row.get_ref(0)?.as_bytes().unwrap_or_default()).into());
            c.prepare("SELECT name FROM pragma_table_info(?1)")?.query_map([&self.name], name)?.collect()
        };
        let there = columns(old)?;
        Ok(columns(new)?.into_iter().filter(|column| there.contains(column)).collect())
    }
}

fn position(key: ValueRef<'_>) -> u64 {
    match key {
        ValueRef::Integer(number) => u64::try_from(number).unwrap_or(0),
        ValueRef::Blob(bytes) | ValueRef::Text(bytes) => {
            let mut first = [0; 8];
            first.iter_mut().zip(bytes).for_each(|(to, byte)| *to = *byte);
            u64::from_be_bytes(first)
        }
        ValueRef::Null | ValueRef::Real(_) => 0,
    }
}

/// Copies a table: from gap to gap, to its end.
fn copy(old: &Connection, new: &Connection, table: &Table, count: &mut Count) -> Result<(), Fault> {
    let columns = match table.columns(old, new) {
        Ok(columns) if !columns.is_empty() => columns,
        // A table that is younger than the damaged database.
        Ok(_) => return Ok(()),
        Err(error) => return unread(&error, table, 0, count),
    };
    let columns = columns.join(", ");
    let places = vec!["?"; columns.split(", ").count()].join(", ");
    let mut insert = new.prepare(&format!("INSERT OR IGNORE INTO {} ({columns}) VALUES ({places})", table.name))?;
    let mut select = match old.prepare(&table.select(&columns)) {
        Ok(select) => select,
        Err(error) => return unread(&error, table, 0, count),
    };
    let mut from = Some(0);
    while let Some(start) = from {
        let mut reached = start;
        let stopped = stretch(&mut select, table, start, |row| {
            reached = reached.max(position(row.get_ref(0)?));
            put(&mut insert, row, count)
        });
        let Err(error) = stopped else { return Ok(()) };
        unread(&error, table, reached, count)?;
        from = next_readable(&mut select, table, reached);
    }
    Ok(())
}

/// Reads on from a position, to the end or to what cannot be read. The error is the damaged database's, or the new one's.
fn stretch(
    select: &mut Statement<'_>,
    table: &Table,
    from: u64,
    mut take: impl FnMut(&Row<'_>) -> rusqlite::Result<()>,
) -> rusqlite::Result<()> {
    let mut rows = select.query([table.bound(from)])?;
    while let Some(row) = rows.next()? {
        take(row)?;
    }
    Ok(())
}

/// Writes a row as it was read, but for the key in front.
fn put(insert: &mut Statement<'_>, row: &Row<'_>, count: &mut Count) -> rusqlite::Result<()> {
    for column in 1..row.as_ref().column_count() {
        insert.raw_bind_parameter(column, ToSqlOutput::Borrowed(row.get_ref(column)?))?;
    }
    match insert.raw_execute() {
        Ok(rows) => count.copied += rows as u64,
        Err(error) if error.sqlite_error_code() == Some(ErrorCode::ConstraintViolation) => count.refused += 1,
        Err(error) => return Err(error),
    }
    Ok(())
}

/// Counts a gap, unless it is the new database that cannot go on.
fn unread(error: &rusqlite::Error, table: &Table, at: u64, count: &mut Count) -> Result<(), Fault> {
    let is_unreadable = is_damage(error) || error.sqlite_error_code() == Some(ErrorCode::SystemIoFailure);
    // A statement on a table or a column that the damaged schema does not have any more.
    let is_missing =
        matches!(error, rusqlite::Error::SqlInputError { .. }) || error.sqlite_error_code() == Some(ErrorCode::Unknown);
    if !is_unreadable && !is_missing {
        return Err(Fault::Damaged(format!("it cannot be salvaged: {error}")));
    }
    tracing::error!(table = table.name, at, %error, "a part of the damaged store cannot be read");
    count.gaps += 1;
    Ok(())
}

/// The first position behind `at` from which a row can be read: with steps that double, and then halving the last one.
fn next_readable(select: &mut Statement<'_>, table: &Table, at: u64) -> Option<u64> {
    let mut is_readable = |position: u64| -> rusqlite::Result<()> {
        let mut rows = select.query([table.bound(position)])?;
        rows.next()?
            .map_or(Ok(()), |row| (0..row.as_ref().column_count()).try_for_each(|column| row.get_ref(column).map(drop)))
    };
    let steps = (0..u64::BITS).map_while(|power| at.checked_add(1 << power));
    let mut low = at;
    let mut high = None;
    for position in steps {
        if is_readable(position).is_ok() {
            high = Some(position);
            break;
        }
        low = position;
    }
    let mut high = high?;
    while high - low > 1 {
        let middle = low + (high - low) / 2;
        if is_readable(middle).is_ok() { high = middle } else { low = middle }
    }
    Some(high)
}
