//! Verdicts of deliveries that were made, and who waits for them.

use super::read_verdict;
use crate::clock::Time;
use crate::store::statements::Statements;
use crate::store::{DeliveryId, DraftRow, Effect, Touched, Verdict, VerdictRow};
use rusqlite::{OptionalExtension, params};
use std::time::Duration;

/// How long a delivery waits for another at most: every end of that one ends the wait, so that this is for stores from
/// which rows were lost.
const HELD_MAX: Duration = Duration::from_secs(30 * 86_400);

/// How long what is about an order waits for an order that is not on record: sources and their queues differ, and a refund
/// can be faster than its order. Of an order from before our time there is nothing to wait for.
const ORDER_AWAITED: Duration = Duration::from_secs(3600);

/// What is on record of a verdict, beside a delivery's state.
pub(super) fn write(c: &Statements<'_>, id: DeliveryId, row: &VerdictRow) -> rusqlite::Result<()> {
    let sql =
        "UPDATE delivery SET verdict = ?2, verdict_reason = ?3, action_id = ?4, ask_at = ?5, asked = ?6 WHERE id = ?1";
    c.execute(
        sql,
        params![id.0, row.verdict.name(), row.reason, row.action_id, row.ask_at.map(Time::millis), row.asked,],
    )?;
    Ok(())
}

/// A pending verdict gets on, or is settled.
pub(in crate::store) fn judge(
    c: &Statements<'_>,
    id: DeliveryId,
    row: &VerdictRow,
    now: Time,
) -> rusqlite::Result<Effect> {
    let sql = "SELECT verdict FROM delivery WHERE id = ?1 AND state = 'delivered'";
    let known = c.row(sql, [id.0], |row| read_verdict(row, 0)).optional()?;
    if known.flatten() != Some(Verdict::Pending) {
        return Ok(Effect::Touched(Touched::NotFound));
    }
    write(c, id, row)?;
    if row.verdict != Verdict::Pending {
        release(c, id, now)?;
    }
    Ok(Effect::Touched(Touched::Done))
}

/// What a delivery that follows an order waits for, and until when at most: the youngest delivery of the same order and
/// program that is not at its end, else (`None`) an order that is not on record yet.
pub(super) fn awaited(
    c: &Statements<'_>,
    draft: &DraftRow,
    now: Time,
) -> rusqlite::Result<Option<(Option<i64>, Time)>> {
    if !draft.follows || draft.order_id.is_none() {
        return Ok(None);
    }
    let sql =
        "SELECT max(id) FROM delivery WHERE order_id = ?1 AND program = ?2 AND (ended IS NULL OR verdict = 'pending')";
    let id: Option<i64> = c.row(sql, params![draft.order_id, draft.program], |row| row.get(0))?;
    if id.is_some() {
        return Ok(Some((id, now.plus(HELD_MAX))));
    }
    let sql = "SELECT EXISTS (SELECT 1 FROM delivery WHERE order_id = ?1 AND program = ?2 AND ordered = 1)";
    let is_there = c.row(sql, params![draft.order_id, draft.program], |row| row.get(0))?;
    Ok(if is_there { None } else { Some((None, now.plus(ORDER_AWAITED))) })
}

/// An order is on record: what came before it, and was not tried yet, waits for it from now on.
pub(super) fn hold(c: &Statements<'_>, order: DeliveryId, draft: &DraftRow, now: Time) -> rusqlite::Result<()> {
    if !draft.ordered || draft.order_id.is_none() {
        return Ok(());
    }
    let sql = "UPDATE delivery SET held_by = ?3, due = ?4 WHERE order_id = ?1 AND program = ?2
        AND state = 'waiting' AND ordered = 0 AND attempts = 0 AND held_by IS NULL";
    let until = now.plus(HELD_MAX).millis();
    c.execute(sql, params![draft.order_id, draft.program, order.0, until])?;
    Ok(())
}

/// A delivery is at its end: those that it held up are due.
pub(super) fn release(c: &Statements<'_>, ended: DeliveryId, now: Time) -> rusqlite::Result<()> {
    let sql = "UPDATE delivery SET due = ?2, held_by = NULL WHERE held_by = ?1";
    c.execute(sql, params![ended.0, now.millis()])?;
    Ok(())
}

/// Nobody waits for what is not there any more.
pub(super) fn release_orphans(c: &Statements<'_>, now: Time) -> rusqlite::Result<()> {
    let sql = "UPDATE delivery SET due = ?1, held_by = NULL WHERE held_by IS NOT NULL AND NOT EXISTS
        (SELECT 1 FROM delivery AS front WHERE front.id = delivery.held_by AND (front.ended IS NULL OR front.verdict = 'pending'))";
    c.execute(sql, [now.millis()]).map(drop)
}
