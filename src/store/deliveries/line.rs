//! Lines: ordered deliveries of one person and program go one after the other.
//!
//! Who stands behind another is not looked for when deliveries are leased: its due time lies as far ahead as the one in
//! front may hold it up, and is brought forward when that one's turn is over.

use crate::clock::Time;
use crate::store::statements::Statements;
use crate::store::{DeliveryId, DraftRow};
use rusqlite::{OptionalExtension, params};
use std::sync::LazyLock;
use std::time::Duration;

/// How long the first of a line may hold the others up: retries of a short outage fit, and a person's later orders are
/// not lost with one that nobody takes.
const HEAD_WAIT_MAX: Duration = Duration::from_secs(15 * 60);
/// How many of a person's deliveries are looked through for those that must not come after the new one; a visit has
/// fewer pages.
const RISING_MAX: u32 = 100;
/// The two ids by which a person is known.
const IDS: [&str; 2] = ["user", "anonymous"];

/// A statement for each of the two.
type ForEachId = LazyLock<[String; 2]>;

static RISE: ForEachId = LazyLock::new(|| {
    IDS.map(|id| {
        format!(
            "UPDATE delivery SET urgency = ?2 WHERE id IN (SELECT id FROM
                (SELECT id, state, program, urgency FROM delivery WHERE {id} = ?1 ORDER BY created DESC LIMIT ?4)
            WHERE state = 'waiting' AND program = ?3 AND urgency > ?2)"
        )
    })
});

static IN_FRONT: ForEachId = LazyLock::new(|| {
    IDS.map(|id| {
        format!(
            "SELECT max(created) FROM delivery WHERE {id} = ?1 AND created > ?2
            AND ended IS NULL AND ordered = 1 AND program = ?3"
        )
    })
});

/// The one right behind; those after it stand behind that one, too.
static NEXT: ForEachId = LazyLock::new(|| {
    IDS.map(|id| {
        format!(
            "SELECT next.id FROM delivery AS next JOIN delivery AS left ON next.{id} = left.{id} AND next.program = left.program
            WHERE left.id = ?1 AND left.ordered = 1 AND next.created >= left.created AND next.ended IS NULL AND next.behind = 1
            ORDER BY next.created, next.id LIMIT 1"
        )
    })
});

static IS_BEHIND: ForEachId = LazyLock::new(|| {
    IDS.map(|id| {
        format!(
            "SELECT EXISTS (SELECT 1 FROM delivery AS front JOIN delivery AS next ON front.{id} = next.{id}
            WHERE next.id = ?1 AND front.created > ?2 AND front.program = next.program AND front.ended IS NULL
            AND front.ordered = 1 AND (front.created, front.id) < (next.created, next.id))"
        )
    })
});

/// Puts a delivery in its line: when it is due, and what of the same person's goes before it now rises to its urgency.
pub(super) fn join(c: &Statements<'_>, draft: &DraftRow, now: Time) -> rusqlite::Result<Time> {
    if !draft.ordered {
        return Ok(now);
    }
    let mut due = now;
    for ((rise, in_front), person) in RISE.iter().zip(IN_FRONT.iter()).zip([draft.user, draft.anonymous]) {
        let Some(person) = person else { continue };
        c.execute(rise, params![person, draft.urgency, draft.program, RISING_MAX])?;
        let since = now.minus(HEAD_WAIT_MAX).millis();
        let created: Option<i64> = c.row(in_front, params![person, since, draft.program], |row| row.get(0))?;
        // The clock may have been set back since.
        due = created.map_or(due, |created| due.max(Time::from_millis(created).min(now).plus(HEAD_WAIT_MAX)));
    }
    Ok(due)
}

/// The turn of a delivery is over: whoever stood behind it, and behind nobody else, is due.
pub(super) fn leave(c: &Statements<'_>, left: DeliveryId, now: Time) -> rusqlite::Result<()> {
    for sql in NEXT.iter() {
        let next: Option<i64> = c.row(sql, [left.0], |row| row.get(0)).optional()?;
        let Some(next) = next else { continue };
        if !is_behind(c, next, now)? {
            c.execute("UPDATE delivery SET due = ?2, behind = 0 WHERE id = ?1", params![next, now.millis()])?;
        }
    }
    Ok(())
}

fn is_behind(c: &Statements<'_>, next: i64, now: Time) -> rusqlite::Result<bool> {
    let since = now.minus(HEAD_WAIT_MAX).millis();
    for sql in IS_BEHIND.iter() {
        if c.row(sql, params![next, since], |row| row.get(0))? {
            return Ok(true);
        }
    }
    Ok(false)
}
