//! Lines: ordered deliveries of one person and program go one after the other.
//!
//! Who stands behind another is not looked for when deliveries are leased: its due time lies as far ahead as the one in
//! front may hold it up, and is brought forward when that one's turn is over.

use crate::clock::Time;
use crate::store::{DeliveryId, DraftRow, Hash};
use rusqlite::{Connection, OptionalExtension, params};
use std::time::Duration;

/// How long the first of a line may hold the others up: retries of a short outage fit, and a person's later orders are
/// not lost with one that nobody takes.
const HEAD_WAIT_MAX: Duration = Duration::from_secs(15 * 60);
/// How many of a person's deliveries are looked through for those that must not come after the new one; a visit has
/// fewer pages.
const RISING_MAX: u32 = 100;
/// The two ids by which a person is known.
const IDS: [&str; 2] = ["user", "anonymous"];

/// Puts a delivery in its line: when it is due, and what of the same person's goes before it now rises to its urgency.
pub(super) fn join(c: &Connection, draft: &DraftRow, now: Time) -> rusqlite::Result<Time> {
    if !draft.ordered {
        return Ok(now);
    }
    let mut due = now;
    for (id, person) in IDS.into_iter().zip([draft.user, draft.anonymous]) {
        let Some(person) = person else { continue };
        rise(c, id, &person, draft)?;
        let sql = format!(
            "SELECT max(created) FROM delivery WHERE {id} = ?1 AND created > ?2
            AND ended IS NULL AND ordered = 1 AND program = ?3"
        );
        let in_front: Option<i64> = c
            .prepare_cached(&sql)?
            .query_row(params![person, now.minus(HEAD_WAIT_MAX).millis(), draft.program], |row| row.get(0))?;
        // The clock may have been set back since.
        due = in_front.map_or(due, |created| due.max(Time::from_millis(created).min(now).plus(HEAD_WAIT_MAX)));
    }
    Ok(due)
}

fn rise(c: &Connection, id: &str, person: &Hash, draft: &DraftRow) -> rusqlite::Result<()> {
    let sql = format!(
        "UPDATE delivery SET urgency = ?2 WHERE id IN (
            SELECT id FROM (SELECT id, state, program, urgency FROM delivery WHERE {id} = ?1 ORDER BY created DESC LIMIT ?4)
            WHERE state = 'waiting' AND program = ?3 AND urgency > ?2)"
    );
    c.prepare_cached(&sql)?.execute(params![person, draft.urgency, draft.program, RISING_MAX])?;
    Ok(())
}

/// The turn of a delivery is over: whoever stood behind it, and behind nobody else, is due.
pub(super) fn leave(c: &Connection, left: DeliveryId, now: Time) -> rusqlite::Result<()> {
    for id in IDS {
        // The one right behind; those after it stand behind that one, too.
        let sql = format!(
            "SELECT next.id FROM delivery AS next JOIN delivery AS left ON next.{id} = left.{id} AND next.program = left.program
            WHERE left.id = ?1 AND left.ordered = 1 AND next.created >= left.created AND next.ended IS NULL AND next.behind = 1
            ORDER BY next.created, next.id LIMIT 1"
        );
        let next: Option<i64> = c.prepare_cached(&sql)?.query_row([left.0], |row| row.get(0)).optional()?;
        let Some(next) = next else { continue };
        if !is_behind(c, next, now)? {
            c.prepare_cached("UPDATE delivery SET due = ?2, behind = 0 WHERE id = ?1")?
                .execute(params![next, now.millis()])?;
        }
    }
    Ok(())
}

fn is_behind(c: &Connection, next: i64, now: Time) -> rusqlite::Result<bool> {
    for id in IDS {
        let sql = format!(
            "SELECT EXISTS (SELECT 1 FROM delivery AS front JOIN delivery AS next ON front.{id} = next.{id}
            WHERE next.id = ?1 AND front.created > ?2 AND front.program = next.program AND front.ended IS NULL
            AND front.ordered = 1 AND (front.created, front.id) < (next.created, next.id))"
        );
        let since = now.minus(HEAD_WAIT_MAX).millis();
        if c.prepare_cached(&sql)?.query_row(params![next, since], |row| row.get(0))? {
            return Ok(true);
        }
    }
    Ok(false)
}
