//! Requests that their target missed: kept in order until it takes them.

mod browse;

use super::statements::Statements;
use super::{Effect, ForwardRow, Hash, NewForward, ReadError, State, Store, Touched};
use crate::clock::Time;
use rusqlite::{Connection, OptionalExtension, Row, params};
use std::time::Duration;

const COLUMNS: &str = "id, record, arrival, attempts, ended, reason, place";

/// Puts a request at the end of the queue.
pub(super) fn keep(c: &Statements<'_>, new: &NewForward, is_full: bool) -> rusqlite::Result<Effect> {
    if is_full {
        return Ok(Effect::Shed);
    }
    let sql = "INSERT INTO forward (place, record, arrival)
        VALUES ((SELECT ifnull(max(place), 0) + 1 FROM forward), ?1, ?2)";
    let id = c.insert(sql, params![new.record, new.arrival.millis()])?;
    let sql = "INSERT OR IGNORE INTO forward_person (person, forward) VALUES (?1, ?2)";
    for person in &new.people {
        c.execute(sql, params![person, id])?;
    }
    Ok(Effect::Kept(id))
}

/// It was taken: nothing of it stays.
pub(super) fn taken(c: &Statements<'_>, id: i64) -> rusqlite::Result<Effect> {
    c.execute("DELETE FROM forward_person WHERE forward = ?1", [id])?;
    let gone = c.execute("DELETE FROM forward WHERE id = ?1", [id])?;
    Ok(touched(gone))
}

/// It is tried again, in its place or, with `behind`, after all others.
pub(super) fn again(c: &Statements<'_>, id: i64, behind: bool) -> rusqlite::Result<Effect> {
    let sql = "UPDATE forward SET attempts = iif(?2, 0, attempts + 1),
        place = iif(?2, (SELECT max(place) + 1 FROM forward), place) WHERE id = ?1 AND ended IS NULL";
    Ok(touched(c.execute(sql, params![id, behind])?))
}

/// It was refused or is too old: it stays for people to look at.
pub(super) fn dead(c: &Statements<'_>, id: i64, reason: &str, now: Time) -> rusqlite::Result<Effect> {
    let sql = "UPDATE forward SET ended = ?2, reason = ?3 WHERE id = ?1 AND ended IS NULL";
    Ok(touched(c.execute(sql, params![id, now.millis(), reason])?))
}

/// A person wants one that was given up to be sent, after all others. Its reason says so from now: it is not too old any
/// more.
pub(super) fn revive(c: &Statements<'_>, id: i64) -> rusqlite::Result<Effect> {
    let sql = "UPDATE forward SET ended = NULL, reason = 'retried', attempts = 0,
        place = (SELECT max(place) + 1 FROM forward) WHERE id = ?1 AND ended IS NOT NULL";
    if c.execute(sql, [id])? > 0 {
        return Ok(Effect::Touched(Touched::Done));
    }
    let there = c.row("SELECT EXISTS (SELECT 1 FROM forward WHERE id = ?1)", [id], |row| row.get(0))?;
    Ok(Effect::Touched(if there { Touched::WrongState(State::Waiting) } else { Touched::NotFound }))
}

/// A person gives one up that waits, or removes one that was given up.
pub(super) fn discard(c: &Statements<'_>, id: i64, now: Time) -> rusqlite::Result<Effect> {
    match dead(c, id, "dropped", now)? {
        Effect::Touched(Touched::NotFound) => taken(c, id),
        done => Ok(done),
    }
}

/// Another record in the place of one that held somebody who is forgotten.
pub(super) fn rewrite(c: &Statements<'_>, id: i64, record: &[u8], gone: &[Hash]) -> rusqlite::Result<Effect> {
    let sql = "DELETE FROM forward_person WHERE forward = ?1 AND person = ?2";
    for person in gone {
        c.execute(sql, params![id, person])?;
    }
    Ok(touched(c.execute("UPDATE forward SET record = ?2 WHERE id = ?1", params![id, record])?))
}

fn touched(rows: usize) -> Effect {
    Effect::Touched(if rows > 0 { Touched::Done } else { Touched::NotFound })
}

/// Removes at most `limit` that were given up long ago; whether there may be more.
pub(super) fn sweep(c: &Statements<'_>, kept: Duration, now: Time, limit: u32) -> rusqlite::Result<bool> {
    let sql = "SELECT id FROM forward WHERE ended IS NOT NULL AND ended <= ?1 LIMIT ?2";
    let ids: Vec<i64> = c.rows(sql, params![now.minus(kept).millis(), limit], |row| row.get(0))?;
    for id in &ids {
        taken(c, *id)?;
    }
    Ok(ids.len() == limit as usize)
}

impl Store {
    /// The request whose turn it is, of those behind the place `after`, and of those that `is_passed_over` does not name by their numbers.
    ///
    /// # Errors
    /// When the store cannot be read.
    pub async fn next_forward(
        &self,
        after: i64,
        is_passed_over: impl Fn(i64) -> bool + Send + 'static,
    ) -> Result<Option<ForwardRow>, ReadError> {
        let read = move |c: &Connection| {
            // The index holds the numbers: what is passed over costs no read of its record.
            let mut turns =
                c.prepare_cached("SELECT id FROM forward WHERE ended IS NULL AND place > ?1 ORDER BY place")?;
            let mut ids = turns.query_map([after], |row| row.get::<_, i64>(0))?;
            let next = ids.find(|id| id.as_ref().map_or(true, |id| !is_passed_over(*id))).transpose()?;
            let sql = format!("SELECT {COLUMNS} FROM forward WHERE id = ?1");
            c.prepare_cached(&sql)?.query_row([next], read_row).optional()
        };
        self.readers()?.read(read).await
    }

    /// How many requests wait, how many were given up, and when the oldest that waits arrived.
    ///
    /// # Errors
    /// When the store cannot be read.
    pub async fn forwards_depth(&self) -> Result<(u64, u64, Option<Time>), ReadError> {
        let read = |c: &Connection| {
            let count = |sql: &str| -> rusqlite::Result<i64> { c.prepare_cached(sql)?.query_row([], |row| row.get(0)) };
            let waiting = count("SELECT count(*) FROM forward WHERE ended IS NULL")?;
            let dead = count("SELECT count(*) FROM forward WHERE ended IS NOT NULL")?;
            let oldest: Option<i64> = c
                .prepare_cached("SELECT arrival FROM forward WHERE ended IS NULL ORDER BY place LIMIT 1")?
                .query_row([], |row| row.get(0))
                .optional()?;
            Ok((waiting.unsigned_abs(), dead.unsigned_abs(), oldest.map(Time::from_millis)))
        };
        self.readers()?.read(read).await
    }

    /// The requests that hold something of these people.
    ///
    /// # Errors
    /// When the store cannot be read.
    pub async fn forwards_of(&self, people: Vec<Hash>) -> Result<Vec<ForwardRow>, ReadError> {
        let read = move |c: &Connection| {
            let sql = format!(
                "SELECT {COLUMNS} FROM forward WHERE id IN (SELECT forward FROM forward_person WHERE person = ?1)"
            );
            let mut statement = c.prepare_cached(&sql)?;
            let mut rows: Vec<ForwardRow> = Vec::new();
            for person in &people {
                for row in statement.query_map([person], read_row)? {
                    let row = row?;
                    if !rows.iter().any(|known| known.id == row.id) {
                        rows.push(row);
                    }
                }
            }
            Ok(rows)
        };
        self.readers()?.read(read).await
    }
}

fn read_row(row: &Row<'_>) -> rusqlite::Result<ForwardRow> {
    Ok(ForwardRow {
        id: row.get(0)?,
        request: NewForward { record: row.get(1)?, arrival: Time::from_millis(row.get(2)?), people: Vec::new() },
        attempts: row.get(3)?,
        ended: row.get::<_, Option<i64>>(4)?.map(Time::from_millis),
        reason: row.get(5)?,
        place: row.get(6)?,
    })
}
