//! Verdicts of deliveries that were made, and who waits for them.

use super::read_verdict;
use crate::clock::Time;
use crate::store::{DeliveryId, DraftRow, Effect, Touched, Verdict, VerdictRow};
use rusqlite::{Connection, OptionalExtension, params};
use std::time::Duration;

/// How long a delivery waits for another at most: every end of that one ends the wait, so that this is for stores from
/// which rows were lost.
const HELD_MAX: Duration = Duration::from_secs(30 * 86_400);

/// What is on record of a verdict, beside a delivery's state.
pub(super) fn write(c: &Connection, id: DeliveryId, row: &VerdictRow) -> rusqlite::Result<()> {
    let sql =
        "UPDATE delivery SET verdict = ?2, verdict_reason = ?3, action_id = ?4, ask_at = ?5, asked = ?6 WHERE id = ?1";
    c.prepare_cached(sql)?.execute(params![
        id.0,
        row.verdict.name(),
        row.reason,
        row.action_id,
        row.ask_at.map(Time::millis),
        row.asked,
    ])?;
    Ok(())
}

/// A pending verdict gets on, or is settled.
pub(in crate::store) fn judge(c: &Connection, id: DeliveryId, row: &VerdictRow, now: Time) -> rusqlite::Result<Effect> {
    let sql = "SELECT verdict FROM delivery WHERE id = ?1 AND state = 'delivered'";
    let known = c.prepare_cached(sql)?.query_row([id.0], |row| read_verdict(row, 0)).optional()?;
    if known.flatten() != Some(Verdict::Pending) {
        return Ok(Effect::Touched(Touched::NotFound));
    }
    write(c, id, row)?;
    if row.verdict != Verdict::Pending {
        release(c, id, now)?;
    }
    Ok(Effect::Touched(Touched::Done))
}

/// The youngest delivery of the same order and program that is not at its end, and until when it may hold up.
pub(super) fn in_front(c: &Connection, draft: &DraftRow, now: Time) -> rusqlite::Result<Option<(i64, Time)>> {
    if !draft.follows {
        return Ok(None);
    }
    let sql =
        "SELECT max(id) FROM delivery WHERE order_id = ?1 AND program = ?2 AND (ended IS NULL OR verdict = 'pending')";
    let id: Option<i64> = c.prepare_cached(sql)?.query_row(params![draft.order_id, draft.program], |row| row.get(0))?;
    Ok(id.map(|id| (id, now.plus(HELD_MAX))))
}

/// A delivery is at its end: those that it held up are due.
pub(super) fn release(c: &Connection, ended: DeliveryId, now: Time) -> rusqlite::Result<()> {
    let sql = "UPDATE delivery SET due = ?2, held_by = NULL WHERE held_by = ?1";
    c.prepare_cached(sql)?.execute(params![ended.0, now.millis()])?;
    Ok(())
}

/// Nobody waits for what is not there any more.
pub(super) fn release_orphans(c: &Connection, now: Time) -> rusqlite::Result<()> {
    let sql = "UPDATE delivery SET due = ?1, held_by = NULL WHERE held_by IS NOT NULL AND NOT EXISTS
        (SELECT 1 FROM delivery AS front WHERE front.id = delivery.held_by AND (front.ended IS NULL OR front.verdict = 'pending'))";
    c.execute(sql, [now.millis()]).map(drop)
}
