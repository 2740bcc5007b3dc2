//! Writing deliveries: append, lease, done, again, dead, and what a person may do to them.
//!
//! A once key is taken by a delivery that is not dead; a delivery that was swept or made still holds it until its end.

use super::people::damaged;
use super::{DeliveryId, DeliveryRow, DraftRow, Effect, Lane, State, Touched};
use crate::clock::Time;
use rusqlite::{Connection, OptionalExtension, Row, params};
use std::time::Duration;

/// How long a delivery that was made stays on record.
const DELIVERED_KEPT: Duration = Duration::from_secs(7 * 86_400);
/// How long a dead letter stays, for people to look at and to send again.
const DEAD_KEPT: Duration = Duration::from_secs(90 * 86_400);
/// The urgencies there are, the most urgent first.
const URGENCIES: [u8; 2] = [0, 1];
/// The reason of a dead letter that may have been taken and must not be sent twice.
const AMBIGUOUS: &str = "ambiguous";
/// The reason of a dead letter that a person gave up.
const DROPPED: &str = "dropped";

/// The columns of [`read_row`], in its order.
pub(super) const COLUMNS: &str =
    "id, state, program, endpoint, urgency, params, event, message_id, order_id, basis, click_id,
    unrepeatable, anonymous, user, arrival, attempts, due, created, ended, reason, last_error, receipt";

/// What was leased when the process died is free at once; but what must not be sent twice may have been sent.
pub(super) fn free_leases(c: &Connection, now: Time) -> rusqlite::Result<()> {
    end_ambiguous(c, None, now)?;
    c.execute(
        "UPDATE delivery SET state = 'waiting', due = ?1 WHERE ended IS NULL AND state = 'leased'",
        [now.millis()],
    )?;
    Ok(())
}

pub(super) fn append(c: &Connection, draft: &DraftRow, now: Time) -> rusqlite::Result<Effect> {
    let sql = "SELECT EXISTS (SELECT 1 FROM once LEFT JOIN delivery ON delivery.id = once.delivery
        WHERE once.key = ?1 AND once.until > ?2 AND delivery.state IS NOT 'dead')";
    for once in &draft.once {
        if c.prepare_cached(sql)?.query_row(params![once.key, now.millis()], |row| row.get(0))? {
            return Ok(Effect::Duplicate);
        }
    }
    let sql =
        "INSERT INTO delivery (state, program, endpoint, urgency, params, event, message_id, order_id, basis, click_id,
        unrepeatable, anonymous, user, arrival, due, created)
        VALUES ('waiting', ?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9, ?10, ?11, ?12, ?13, ?14, ?14)";
    let d = draft;
    let id = c.prepare_cached(sql)?.insert(params![
        d.program,
        d.endpoint,
        d.urgency,
        d.params,
        d.event,
        d.message_id,
        d.order_id,
        d.basis,
        d.click_id,
        d.unrepeatable,
        d.anonymous,
        d.user,
        d.arrival.millis(),
        now.millis(),
    ])?;
    let mut take = c.prepare_cached("INSERT OR IGNORE INTO once (key, delivery, until) VALUES (?1, ?2, ?3)")?;
    for once in &draft.once {
        take.execute(params![once.key, id, once.until.millis()])?;
    }
    Ok(Effect::Appended(DeliveryId(id)))
}

pub(super) fn lease(
    c: &Connection,
    limit: u32,
    deadline: Time,
    paused: &[Lane],
    now: Time,
) -> rusqlite::Result<Effect> {
    end_ambiguous(c, Some(now), now)?;
    let mut leased = Vec::new();
    for urgency in URGENCIES {
        let paused: Vec<&str> = paused.iter().filter(|l| l.urgency == urgency).map(|l| l.program.as_str()).collect();
        let room = limit.saturating_sub(u32::try_from(leased.len()).unwrap_or(u32::MAX));
        leased.extend(lease_urgency(c, urgency, room, deadline, &paused, now)?);
    }
    Ok(Effect::Leased(leased))
}

fn lease_urgency(
    c: &Connection,
    urgency: u8,
    limit: u32,
    deadline: Time,
    paused: &[&str],
    now: Time,
) -> rusqlite::Result<Vec<DeliveryRow>> {
    let paused = serde_json::Value::from(paused).to_string();
    let sql = "SELECT id FROM delivery WHERE ended IS NULL AND urgency = ?1 AND due <= ?2
        AND program NOT IN (SELECT value FROM json_each(?3)) ORDER BY due LIMIT ?4";
    let ids: Vec<i64> = c
        .prepare_cached(sql)?
        .query_map(params![urgency, now.millis(), paused, limit], |row| row.get(0))?
        .collect::<rusqlite::Result<_>>()?;
    let sql = format!(
        "UPDATE delivery SET state = 'leased', due = ?2, attempts = attempts + 1 WHERE id = ?1 RETURNING {COLUMNS}"
    );
    let mut take = c.prepare_cached(&sql)?;
    ids.into_iter().map(|id| take.query_row(params![id, deadline.millis()], read_row)).collect()
}

/// Leases that ended (all of them without `due`) of what must not be sent twice.
fn end_ambiguous(c: &Connection, due: Option<Time>, now: Time) -> rusqlite::Result<()> {
    let sql = "UPDATE delivery SET state = 'dead', reason = ?1, ended = ?2,
        last_error = 'the attempt was cut short, and it may have been taken'
        WHERE state = 'leased' AND unrepeatable = 1 AND due <= ?3";
    let due = due.map_or(i64::MAX, Time::millis);
    c.prepare_cached(sql)?.execute(params![AMBIGUOUS, now.millis(), due])?;
    Ok(())
}

/// Whatever its state: it was taken, and that is what counts.
pub(super) fn done(c: &Connection, id: DeliveryId, receipt: Option<&str>, now: Time) -> rusqlite::Result<Effect> {
    let sql = "UPDATE delivery SET state = 'delivered', ended = ?2, receipt = ?3, reason = NULL WHERE id = ?1";
    let changed = c.prepare_cached(sql)?.execute(params![id.0, now.millis(), receipt])?;
    touched(c, id, changed)
}

pub(super) fn again(c: &Connection, id: DeliveryId, at: Time, why: &str) -> rusqlite::Result<Effect> {
    let sql = "UPDATE delivery SET state = 'waiting', due = ?2, last_error = ?3 WHERE id = ?1 AND state = 'leased'";
    let changed = c.prepare_cached(sql)?.execute(params![id.0, at.millis(), why])?;
    touched(c, id, changed)
}

pub(super) fn dead(c: &Connection, id: DeliveryId, reason: &str, detail: &str, now: Time) -> rusqlite::Result<Effect> {
    let sql = "UPDATE delivery SET state = 'dead', ended = ?2, reason = ?3, last_error = ?4 WHERE id = ?1 AND state = 'leased'";
    let changed = c.prepare_cached(sql)?.execute(params![id.0, now.millis(), reason, detail])?;
    touched(c, id, changed)
}

/// A waiting delivery is due now. A dead letter lives again with a new age, unless its keys are taken by now.
pub(super) fn retry(c: &Connection, id: DeliveryId, now: Time) -> rusqlite::Result<Effect> {
    let superseded = "SELECT EXISTS (SELECT 1 FROM once AS mine JOIN once AS theirs USING (key)
        LEFT JOIN delivery ON delivery.id = theirs.delivery
        WHERE mine.delivery = ?1 AND theirs.delivery <> ?1 AND theirs.until > ?2 AND delivery.state IS NOT 'dead')";
    if state(c, id)? == Some(State::Dead)
        && c.prepare_cached(superseded)?.query_row(params![id.0, now.millis()], |row| row.get(0))?
    {
        return Ok(Effect::Touched(Touched::Superseded));
    }
    let sql = "UPDATE delivery SET due = ?2, attempts = iif(state = 'dead', 0, attempts), created = iif(state = 'dead', ?2, created),
        state = 'waiting', ended = NULL, reason = NULL WHERE id = ?1 AND state IN ('waiting', 'dead')";
    let changed = c.prepare_cached(sql)?.execute(params![id.0, now.millis()])?;
    touched(c, id, changed)
}

/// A waiting delivery becomes a dead letter; a dead letter goes.
pub(super) fn give_up(c: &Connection, id: DeliveryId, now: Time) -> rusqlite::Result<Effect> {
    let changed = if state(c, id)? == Some(State::Dead) {
        remove(c, &[id.0])?
    } else {
        let sql = "UPDATE delivery SET state = 'dead', ended = ?2, reason = ?3 WHERE id = ?1 AND state = 'waiting'";
        c.prepare_cached(sql)?.execute(params![id.0, now.millis(), DROPPED])?
    };
    touched(c, id, changed)
}

fn remove(c: &Connection, ids: &[i64]) -> rusqlite::Result<usize> {
    let mut keys = c.prepare_cached("DELETE FROM once WHERE delivery = ?1")?;
    let mut rows = c.prepare_cached("DELETE FROM delivery WHERE id = ?1")?;
    let mut removed = 0;
    for id in ids {
        keys.execute([id])?;
        removed += rows.execute([id])?;
    }
    Ok(removed)
}

fn touched(c: &Connection, id: DeliveryId, changed: usize) -> rusqlite::Result<Effect> {
    if changed > 0 {
        return Ok(Effect::Touched(Touched::Done));
    }
    Ok(Effect::Touched(state(c, id)?.map_or(Touched::NotFound, Touched::WrongState)))
}

fn state(c: &Connection, id: DeliveryId) -> rusqlite::Result<Option<State>> {
    c.prepare_cached("SELECT state FROM delivery WHERE id = ?1")?.query_row([id.0], |row| read_state(row, 0)).optional()
}

/// Removes at most `limit` of each kind of what has had its time; whether there may be more.
pub(super) fn sweep(c: &Connection, now: Time, limit: u32) -> rusqlite::Result<bool> {
    let sql = "DELETE FROM once WHERE (key, delivery) IN (SELECT key, delivery FROM once WHERE until <= ?1 LIMIT ?2)";
    let mut more = c.prepare_cached(sql)?.execute(params![now.millis(), limit])? == limit as usize;
    // The keys of a delivery that was made outlive it; those of a dead letter are free, and go with it.
    let made = now.minus(DELIVERED_KEPT).millis();
    let sql = "DELETE FROM delivery WHERE id IN
        (SELECT id FROM delivery WHERE ended IS NOT NULL AND state = 'delivered' AND ended <= ?1 LIMIT ?2)";
    more |= c.prepare_cached(sql)?.execute(params![made, limit])? == limit as usize;
    let dead = now.minus(DEAD_KEPT).millis();
    let sql = "SELECT id FROM delivery WHERE ended IS NOT NULL AND state = 'dead' AND ended <= ?1 LIMIT ?2";
    let ids: Vec<i64> =
        c.prepare_cached(sql)?.query_map(params![dead, limit], |row| row.get(0))?.collect::<rusqlite::Result<_>>()?;
    more |= remove(c, &ids)? == limit as usize;
    Ok(more)
}

/// Reads a row of [`COLUMNS`].
pub(super) fn read_row(row: &Row<'_>) -> rusqlite::Result<DeliveryRow> {
    let time = |column: usize| row.get(column).map(Time::from_millis);
    let draft = DraftRow {
        program: row.get(2)?,
        endpoint: row.get(3)?,
        urgency: row.get(4)?,
        params: row.get(5)?,
        event: row.get(6)?,
        message_id: row.get(7)?,
        order_id: row.get(8)?,
        basis: row.get(9)?,
        click_id: row.get(10)?,
        unrepeatable: row.get(11)?,
        once: Vec::new(),
        anonymous: row.get(12)?,
        user: row.get(13)?,
        arrival: time(14)?,
    };
    Ok(DeliveryRow {
        id: DeliveryId(row.get(0)?),
        draft,
        state: read_state(row, 1)?,
        attempts: row.get(15)?,
        due: time(16)?,
        created: time(17)?,
        ended: row.get::<_, Option<i64>>(18)?.map(Time::from_millis),
        reason: row.get(19)?,
        last_error: row.get(20)?,
        receipt: row.get(21)?,
    })
}

pub(super) fn read_state(row: &Row<'_>, column: usize) -> rusqlite::Result<State> {
    let name: String = row.get(column)?;
    State::ALL.into_iter().find(|state| state.name() == name).ok_or_else(|| damaged(column, name))
}
