//! A delivery is put on record, unless another holds its keys or there is no room.

use super::sum::sum;
use super::{line, verdict};
use crate::clock::Time;
use crate::store::statements::Statements;
use crate::store::{DeliveryId, DraftRow, Effect, OnceRow};
use rusqlite::{Connection, params};

/// How much the store may hold before it takes urgent deliveries only.
#[derive(Clone, Copy, Debug)]
pub(in crate::store) struct Room {
    /// Deliveries that wait.
    pub(in crate::store) waiting_max: u64,
    /// Bytes of the database.
    pub(in crate::store) size_max: u64,
}

impl Room {
    /// Whether the database is as large as it may get.
    pub(in crate::store) fn is_large(self, c: &Statements<'_>) -> rusqlite::Result<bool> {
        Ok(size(c)? >= self.size_max)
    }

    fn is_full(self, c: &Statements<'_>) -> rusqlite::Result<bool> {
        let sql = "SELECT ifnull(sum(count), 0) FROM tally WHERE state IN ('waiting', 'leased')";
        let waiting: i64 = c.row(sql, [], |row| row.get(0))?;
        Ok(waiting.unsigned_abs() >= self.waiting_max || self.is_large(c)?)
    }
}

/// How large the database is without its free pages, in bytes.
pub(in crate::store) fn size(c: &Connection) -> rusqlite::Result<u64> {
    let sql = "SELECT (page_count - freelist_count) * page_size
        FROM pragma_page_count, pragma_freelist_count, pragma_page_size";
    let bytes: i64 = c.prepare_cached(sql)?.query_row([], |row| row.get(0))?;
    Ok(bytes.unsigned_abs())
}

pub(in crate::store) fn append(
    c: &Statements<'_>,
    draft: &DraftRow,
    room: Room,
    now: Time,
) -> rusqlite::Result<Effect> {
    if is_taken(c, &draft.once, None, now)? {
        return Ok(Effect::Duplicate);
    }
    if draft.urgency > 0 && room.is_full(c)? {
        return Ok(Effect::Shed);
    }
    let due = line::join(c, draft, now)?;
    let awaited = verdict::awaited(c, draft, now)?;
    let id = insert(c, draft, due, awaited, now)?;
    verdict::hold(c, id, draft, now)?;
    take(c, id, &draft.once)?;
    Ok(Effect::Appended(id))
}

pub(super) fn take(c: &Statements<'_>, id: DeliveryId, keys: &[OnceRow]) -> rusqlite::Result<()> {
    let sql = "INSERT OR IGNORE INTO once (key, delivery, until) VALUES (?1, ?2, ?3)";
    for once in keys {
        c.execute(sql, params![once.key, id.0, once.until.millis()])?;
    }
    Ok(())
}

/// Whether any delivery, `own` apart, holds one of the keys.
pub(super) fn is_taken(
    c: &Statements<'_>,
    keys: &[OnceRow],
    own: Option<DeliveryId>,
    now: Time,
) -> rusqlite::Result<bool> {
    let sql = "SELECT EXISTS (SELECT 1 FROM once LEFT JOIN delivery ON delivery.id = once.delivery
        WHERE once.key = ?1 AND once.until > ?2 AND once.delivery IS NOT ?3 AND delivery.state IS NOT 'dead')";
    let own = own.map(|own| own.0);
    for once in keys {
        if c.row(sql, params![once.key, now.millis(), own], |row| row.get(0))? {
            return Ok(true);
        }
    }
    Ok(false)
}

fn insert(
    c: &Statements<'_>,
    d: &DraftRow,
    due: Time,
    awaited: Option<(Option<i64>, Time)>,
    now: Time,
) -> rusqlite::Result<DeliveryId> {
    let (held_by, held_until) = awaited.unzip();
    let sql = "INSERT INTO delivery (state, program, endpoint, urgency, ordered, behind, params, event, message_id,
        order_id, basis, click_id, unrepeatable, anonymous, user, arrival, due, created, call, sum, held_by)
        VALUES ('waiting', ?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9, ?10, ?11, ?12, ?13, ?14, ?15, ?16, ?17, ?18, ?19, ?20)";
    let id = c.insert(
        sql,
        params![
            d.program,
            d.endpoint,
            d.urgency,
            d.ordered,
            due > now,
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
            held_until.unwrap_or(due).millis(),
            now.millis(),
            d.call,
            sum(d),
            held_by.flatten(),
        ],
    )?;
    Ok(DeliveryId(id))
}
