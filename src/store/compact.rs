//! Giving back what the database file no longer needs: a slice between commits, so that nobody waits long.
//!
//! Freed pages are used again by what comes next; only when a good part of the file lies idle, as after a long outage
//! whose deliveries have had their time, pages at its end are moved into the gaps, and the file is cut.

use rusqlite::Connection;

/// It begins when more than one page in so many is free: a file that breathes with the day is let alone.
const FREE_SHARE: i64 = 4;
/// And when there is something to gain: 512 KiB.
const FREE_PAGES_MIN: i64 = 128;
/// How many pages are moved between two commits at most: a few milliseconds.
const SLICE_PAGES: u32 = 64;

/// SQLite's number for "free pages are kept on a list, and given back when asked".
const INCREMENTAL: i64 = 2;

/// For a database without tables yet: it will be able to shrink. For another: it will once it is written anew.
pub(super) fn prepare(c: &Connection) -> rusqlite::Result<()> {
    c.pragma_update(None, "auto_vacuum", INCREMENTAL)
}

/// Writes a database that cannot shrink anew, once. One for which there is no room goes on as it is.
pub(super) fn enable(c: &Connection) -> rusqlite::Result<()> {
    if c.pragma_query_value(None, "auto_vacuum", |row| row.get::<_, i64>(0))? != INCREMENTAL {
        tracing::info!("the store is written anew, once, so that it can shrink from now on");
        if let Err(error) = rewrite(c) {
            tracing::warn!(%error, "the store could not be written anew: it works, but its file does not shrink");
        }
    }
    Ok(())
}

/// Writes the whole database anew, without gaps.
pub(super) fn rewrite(c: &Connection) -> rusqlite::Result<()> {
    // It may be more than fits in memory.
    let place: i64 = c.pragma_query_value(None, "temp_store", |row| row.get(0))?;
    c.pragma_update(None, "temp_store", "FILE")?;
    let rewritten = c.execute_batch("VACUUM");
    c.pragma_update(None, "temp_store", place)?;
    rewritten
}

/// Whether there is enough to gain to begin.
pub(super) fn is_due(c: &Connection) -> rusqlite::Result<bool> {
    let free = free_pages(c)?;
    let pages: i64 = c.prepare_cached("PRAGMA page_count")?.query_row([], |row| row.get(0))?;
    Ok(free >= FREE_PAGES_MIN && free * FREE_SHARE > pages)
}

/// Gives back one slice; whether there is more to give.
pub(super) fn slice(c: &Connection) -> rusqlite::Result<bool> {
    let before = free_pages(c)?;
    // Each step frees one page.
    let mut statement = c.prepare_cached(&format!("PRAGMA incremental_vacuum({SLICE_PAGES})"))?;
    let mut steps = statement.query([])?;
    while steps.next()?.is_some() {}
    drop(steps);
    let after = free_pages(c)?;
    if after > 0 && after < before {
        return Ok(true);
    }
    // The file is cut when the log is emptied into it; who reads is not waited for.
    c.prepare_cached("PRAGMA wal_checkpoint(PASSIVE)")?.query_row([], |_| Ok(()))?;
    Ok(false)
}

fn free_pages(c: &Connection) -> rusqlite::Result<i64> {
    c.prepare_cached("PRAGMA freelist_count")?.query_row([], |row| row.get(0))
}
