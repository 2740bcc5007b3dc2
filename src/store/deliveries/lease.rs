//! Taking what is due.

use super::{AMBIGUOUS, COLUMNS, DAMAGED, URGENCIES, end, is_damage, read_row, verdict};
use crate::clock::Time;
use crate::store::statements::Statements;
use crate::store::{Cap, DeliveryId, Effect, Lane};
use rusqlite::{Connection, params};
use std::sync::LazyLock;

/// A delivery that is due, in the order in which deliveries are taken: by urgency, due time and number.
type Due = (u8, i64, i64);

static TAKE: LazyLock<String> = LazyLock::new(|| {
    format!(
        "UPDATE delivery SET state = 'leased', due = ?2, behind = 0, held_by = NULL, attempts = attempts + 1
        WHERE id = ?1 RETURNING {COLUMNS}"
    )
});

pub(in crate::store) fn lease(
    c: &Statements<'_>,
    limit: u32,
    deadline: Time,
    caps: &[Cap],
    now: Time,
) -> rusqlite::Result<Effect> {
    end_ambiguous(c, Some(now), now)?;
    let mut due = Vec::new();
    for lane in lanes(c)? {
        let most = cap(caps, &lane).min(limit);
        if most > 0 {
            due.extend(due_in(c, &lane, most, now)?);
        }
    }
    due.sort_unstable();
    due.truncate(limit as usize);
    let mut rows = Vec::new();
    for (_, _, id) in due {
        match c.row(&TAKE, params![id, deadline.millis()], read_row) {
            Ok(row) => rows.push(row),
            // One row that the disk has changed must not hold up the others.
            Err(error) if is_damage(&error) => set_aside(c, DeliveryId(id), &error, now)?,
            Err(error) => return Err(error),
        }
    }
    Ok(Effect::Leased(rows))
}

fn set_aside(c: &Statements<'_>, id: DeliveryId, error: &rusqlite::Error, now: Time) -> rusqlite::Result<()> {
    tracing::error!(delivery = %id, %error, "a delivery on record is damaged, and set aside as a dead letter");
    end::dead(c, id, DAMAGED, &error.to_string(), now).map(drop)
}

/// When the next delivery is due, or the next lease ends, in lanes that are not capped at nothing.
pub(in crate::store) fn next_due(c: &Connection, caps: &[Cap]) -> rusqlite::Result<Option<Time>> {
    let mut earliest = None;
    for lane in lanes(c)?.iter().filter(|lane| cap(caps, lane) > 0) {
        for urgency in URGENCIES {
            let sql = "SELECT min(due) FROM delivery
                WHERE ended IS NULL AND program = ?1 AND endpoint = ?2 AND urgency = ?3";
            let due: Option<i64> =
                c.prepare_cached(sql)?.query_row(params![lane.program, lane.endpoint, urgency], |row| row.get(0))?;
            earliest = [earliest, due.map(Time::from_millis)].into_iter().flatten().min();
        }
    }
    Ok(earliest)
}

/// The lanes in which anything waits.
fn lanes(c: &Connection) -> rusqlite::Result<Vec<Lane>> {
    let sql = "SELECT DISTINCT program, endpoint FROM tally WHERE state IN ('waiting', 'leased') AND count > 0";
    c.prepare_cached(sql)?.query_map([], |row| Ok(Lane { program: row.get(0)?, endpoint: row.get(1)? }))?.collect()
}

fn cap(caps: &[Cap], lane: &Lane) -> u32 {
    caps.iter().find(|cap| cap.lane == *lane).map_or(u32::MAX, |cap| cap.most)
}

fn due_in(c: &Statements<'_>, lane: &Lane, most: u32, now: Time) -> rusqlite::Result<Vec<Due>> {
    let mut due = Vec::new();
    for urgency in URGENCIES {
        let room = most.saturating_sub(u32::try_from(due.len()).unwrap_or(u32::MAX));
        let sql = "SELECT urgency, due, id FROM delivery WHERE ended IS NULL AND program = ?1 AND endpoint = ?2
            AND urgency = ?3 AND due <= ?4 ORDER BY due, id LIMIT ?5";
        let values = params![lane.program, lane.endpoint, urgency, now.millis(), room];
        due.extend(c.rows(sql, values, |row| Ok((row.get(0)?, row.get(1)?, row.get(2)?)))?);
    }
    Ok(due)
}

/// What was leased when the process died is free at once; but what must not be sent twice may have been sent.
pub(in crate::store) fn free_leases(c: &Statements<'_>, now: Time) -> rusqlite::Result<()> {
    end_ambiguous(c, None, now)?;
    c.execute("UPDATE delivery SET state = 'waiting', due = ?1 WHERE state = 'leased'", [now.millis()])?;
    verdict::release_orphans(c, now)
}

/// Leases that ended (all of them without `due`) of what must not be sent twice.
fn end_ambiguous(c: &Statements<'_>, due: Option<Time>, now: Time) -> rusqlite::Result<()> {
    let sql = "SELECT id FROM delivery WHERE state = 'leased' AND unrepeatable = 1 AND due <= ?1";
    let due = due.map_or(i64::MAX, Time::millis);
    let ids: Vec<i64> = c.rows(sql, [due], |row| row.get(0))?;
    for id in ids {
        end::dead(c, DeliveryId(id), AMBIGUOUS, "the attempt was cut short, and it may have been taken", now)?;
    }
    Ok(())
}
