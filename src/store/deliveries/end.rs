//! What becomes of a delivery: made, tried again, given up, and what a person may do to it.

use super::{DROPPED, line, read_state, verdict};
use crate::clock::Time;
use crate::store::statements::Statements;
use crate::store::{DeliveryId, Effect, State, Touched, Verdict, VerdictRow};
use rusqlite::{OptionalExtension, params};

const FORGET: &str = "DELETE FROM delivery WHERE id = ?1";

/// Whatever its state: it was taken, and that is what counts.
pub(in crate::store) fn done(
    c: &Statements<'_>,
    id: DeliveryId,
    receipt: Option<&str>,
    judged: Option<&VerdictRow>,
    now: Time,
) -> rusqlite::Result<Effect> {
    let sql = "UPDATE delivery SET state = 'delivered', ended = ?2, receipt = ?3, reason = NULL WHERE id = ?1";
    let changed = c.execute(sql, params![id.0, now.millis(), receipt])?;
    if let Some(judged) = judged {
        verdict::write(c, id, judged)?;
    }
    if changed > 0 {
        line::leave(c, id, now)?;
    }
    // Whoever waits for the verdict waits on.
    if judged.is_none_or(|judged| judged.verdict != Verdict::Pending) {
        verdict::release(c, id, now)?;
    }
    touched(c, id, changed)
}

pub(in crate::store) fn again(c: &Statements<'_>, id: DeliveryId, at: Time, why: &str) -> rusqlite::Result<Effect> {
    let sql = "UPDATE delivery SET state = 'waiting', due = ?2, last_error = ?3 WHERE id = ?1 AND state = 'leased'";
    let changed = c.execute(sql, params![id.0, at.millis(), why])?;
    touched(c, id, changed)
}

pub(in crate::store) fn dead(
    c: &Statements<'_>,
    id: DeliveryId,
    reason: &str,
    detail: &str,
    now: Time,
) -> rusqlite::Result<Effect> {
    let sql = "UPDATE delivery SET state = 'dead', ended = ?2, reason = ?3, last_error = ?4 WHERE id = ?1 AND state = 'leased'";
    let changed = c.execute(sql, params![id.0, now.millis(), reason, detail])?;
    ended(c, id, changed, now)
}

/// Its line goes on, and so does what waits for it.
fn ended(c: &Statements<'_>, id: DeliveryId, changed: usize, now: Time) -> rusqlite::Result<Effect> {
    if changed > 0 {
        line::leave(c, id, now)?;
        verdict::release(c, id, now)?;
    }
    touched(c, id, changed)
}

/// A waiting delivery is due now. A dead letter lives again with a new age, unless its keys are taken by now.
pub(in crate::store) fn retry(c: &Statements<'_>, id: DeliveryId, now: Time) -> rusqlite::Result<Effect> {
    let superseded = "SELECT EXISTS (SELECT 1 FROM once AS mine JOIN once AS theirs USING (key)
        LEFT JOIN delivery ON delivery.id = theirs.delivery
        WHERE mine.delivery = ?1 AND theirs.delivery <> ?1 AND theirs.until > ?2 AND delivery.state IS NOT 'dead')";
    if state(c, id)? == Some(State::Dead) && c.row(superseded, params![id.0, now.millis()], |row| row.get(0))? {
        return Ok(Effect::Touched(Touched::Superseded));
    }
    let sql = "UPDATE delivery SET due = ?2, behind = 0, held_by = NULL, attempts = iif(state = 'dead', 0, attempts), created = iif(state = 'dead', ?2, created),
        state = 'waiting', ended = NULL, reason = NULL WHERE id = ?1 AND state IN ('waiting', 'dead')";
    let changed = c.execute(sql, params![id.0, now.millis()])?;
    touched(c, id, changed)
}

/// A waiting delivery becomes a dead letter; a dead letter goes.
pub(in crate::store) fn give_up(c: &Statements<'_>, id: DeliveryId, now: Time) -> rusqlite::Result<Effect> {
    let changed = if state(c, id)? == Some(State::Dead) {
        remove(c, &[id.0])?
    } else {
        let sql = "UPDATE delivery SET state = 'dead', ended = ?2, reason = ?3 WHERE id = ?1 AND state = 'waiting'";
        c.execute(sql, params![id.0, now.millis(), DROPPED])?
    };
    ended(c, id, changed, now)
}

/// Nothing of it stays; the once keys of a dead letter go with it, those of others outlive it.
pub(in crate::store) fn erase(c: &Statements<'_>, id: DeliveryId, now: Time) -> rusqlite::Result<Effect> {
    match state(c, id)? {
        None => return Ok(Effect::Touched(Touched::NotFound)),
        // Its attempt is under way, and would end on nothing.
        Some(State::Leased) => return Ok(Effect::Touched(Touched::WrongState(State::Leased))),
        Some(State::Dead) => _ = remove(c, &[id.0])?,
        Some(State::Waiting) => {
            give_up(c, id, now)?;
            forget(c, id)?;
        }
        Some(State::Delivered) => {
            verdict::release(c, id, now)?;
            forget(c, id)?;
        }
    }
    Ok(Effect::Touched(Touched::Done))
}

fn forget(c: &Statements<'_>, id: DeliveryId) -> rusqlite::Result<()> {
    c.execute(FORGET, [id.0]).map(drop)
}

pub(super) fn remove(c: &Statements<'_>, ids: &[i64]) -> rusqlite::Result<usize> {
    let mut removed = 0;
    for id in ids {
        c.execute("DELETE FROM once WHERE delivery = ?1", [id])?;
        removed += c.execute(FORGET, [id])?;
    }
    Ok(removed)
}

fn touched(c: &Statements<'_>, id: DeliveryId, changed: usize) -> rusqlite::Result<Effect> {
    if changed > 0 {
        return Ok(Effect::Touched(Touched::Done));
    }
    Ok(Effect::Touched(state(c, id)?.map_or(Touched::NotFound, Touched::WrongState)))
}

fn state(c: &Statements<'_>, id: DeliveryId) -> rusqlite::Result<Option<State>> {
    c.row("SELECT state FROM delivery WHERE id = ?1", [id.0], |row| read_state(row, 0)).optional()
}
