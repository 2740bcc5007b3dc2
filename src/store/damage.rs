//! Finding damage: what the disk has changed or lost is looked for when the store is opened, and noticed when the
//! database stumbles over it later.
//!
//! A look at opening reads little, however large the database is; what it misses is found when it is met, and then the
//! mark in the store folder makes the next opening look at everything.

use super::log::Log;
use super::schema::Fault;
use rusqlite::{Connection, ErrorCode, Row};
use std::fs::{self, File};
use std::path::{Path, PathBuf};

/// The file that says: the database stumbled over damage while it was in use.
const MARK: &str = "selvedge.damaged";
/// A database up to this size is looked through whole: a tenth of a second.
const WHOLE_MAX: i64 = 16 << 20;
/// How many deliveries of a larger one are read, evenly spread: their pages and the ways to them.
const SAMPLES: i64 = 64;

/// Whether an error says that the file is not what was written.
pub(super) fn is_damage(error: &rusqlite::Error) -> bool {
    matches!(error.sqlite_error_code(), Some(ErrorCode::DatabaseCorrupt | ErrorCode::NotADatabase))
}

/// If an error says that the file is damaged: leaves the mark, and answers what is to be done about it.
pub(super) fn met(connection: &Connection, error: &rusqlite::Error) -> Option<String> {
    if !is_damage(error) {
        return None;
    }
    if let Some(database) = connection.path() {
        let mark = mark_of(Path::new(database));
        if !mark.exists()
            && let Err(error) = File::create(&mark).and_then(|mark| mark.sync_all())
        {
            tracing::error!(%error, "the mark of a damaged store could not be left");
        }
    }
    Some(format!("{error}: the database is damaged; restart, and what can be read of it will be salvaged"))
}

/// Takes the mark away: the damage is dealt with.
pub(super) fn forget(database: &Path) -> std::io::Result<()> {
    super::salvage::remove(&mark_of(database))
}

fn mark_of(database: &Path) -> PathBuf {
    database.with_file_name(MARK)
}

/// Looks for damage.
///
/// # Errors
/// When there is any, or the database cannot be read.
pub(super) fn look(c: &Connection, database: &Path, log: &Log) -> Result<(), Fault> {
    let pages: i64 = c.pragma_query_value(None, "page_count", |row| row.get(0))?;
    let page_size: i64 = c.pragma_query_value(None, "page_size", |row| row.get(0))?;
    let there = fs::metadata(database).map_or(0, |file| i64::try_from(file.len()).unwrap_or(i64::MAX)) / page_size;
    if let Some(page) = (there + 1..=pages).find(|page| !log.holds(*page)) {
        return Err(Fault::Damaged(format!("the file was cut short: page {page} of {pages} is not there")));
    }
    if !log.is_broken && !mark_of(database).exists() && pages * page_size > WHOLE_MAX {
        return samples(c);
    }
    let verdict: String = c.query_row("PRAGMA integrity_check(1)", [], |row| row.get(0))?;
    if verdict == "ok" { Ok(()) } else { Err(Fault::Damaged(verdict)) }
}

/// The first and the last row of every table, and some deliveries in between.
fn samples(c: &Connection) -> Result<(), Fault> {
    let tables = "SELECT name, (SELECT name FROM pragma_table_info(t.name) WHERE pk = 1) FROM pragma_table_list AS t
        WHERE schema = 'main' AND type = 'table' AND name NOT LIKE 'sqlite_%'";
    let tables: Vec<(String, String)> =
        c.prepare(tables)?.query_map([], |row| Ok((row.get(0)?, row.get(1)?)))?.collect::<rusqlite::Result<_>>()?;
    for (table, key) in tables {
        for direction in ["ASC", "DESC"] {
            let sql = format!("SELECT * FROM {table} NOT INDEXED ORDER BY {key} {direction} LIMIT 1");
            c.prepare(&sql)?.query([])?.next()?.map_or(Ok(()), read)?;
        }
    }
    let ends = "SELECT ifnull((SELECT min(id) FROM delivery), 0), ifnull((SELECT max(id) FROM delivery), 0)";
    let (first, last): (i64, i64) = c.query_row(ends, [], |row| Ok((row.get(0)?, row.get(1)?)))?;
    let mut near = c.prepare("SELECT * FROM delivery WHERE id >= ?1 ORDER BY id LIMIT 1")?;
    for sample in 0..SAMPLES {
        near.query([first + (last - first) / SAMPLES * sample])?.next()?.map_or(Ok(()), read)?;
    }
    Ok(())
}

/// A row has been read when all its columns have.
fn read(row: &Row<'_>) -> rusqlite::Result<()> {
    (0..row.as_ref().column_count()).try_for_each(|column| row.get_ref(column).map(drop))
}
