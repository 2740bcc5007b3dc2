//! What has had its time goes.

use super::end::remove;
use super::verdict::release_orphans;
use crate::clock::Time;
use crate::store::statements::Statements;
use rusqlite::params;
use std::time::Duration;

/// How long a delivery stays at most because its verdict is pending: a week in which nobody could ask.
const PENDING_MAX: Duration = Duration::from_secs(7 * 86_400);

/// How long what has ended stays on record.
#[derive(Clone, Copy, Debug)]
pub(in crate::store) struct Kept {
    /// What was made.
    pub(in crate::store) delivered: Duration,
    /// What was given up.
    pub(in crate::store) dead: Duration,
}

/// Removes at most `limit` of each kind of what has had its time; whether there may be more.
pub(in crate::store) fn sweep(c: &Statements<'_>, kept: Kept, now: Time, limit: u32) -> rusqlite::Result<bool> {
    let sql = "DELETE FROM once WHERE (key, delivery) IN (SELECT key, delivery FROM once WHERE until <= ?1 LIMIT ?2)";
    let mut more = c.execute(sql, params![now.millis(), limit])? == limit as usize;
    // The keys of a delivery that was made outlive it; those of a dead letter are free, and go with it.
    let made = now.minus(kept.delivered).millis();
    let judged = now.minus(kept.delivered.max(PENDING_MAX)).millis();
    let sql =
        "DELETE FROM delivery WHERE id IN (SELECT id FROM delivery WHERE ended IS NOT NULL AND state = 'delivered'
        AND ended <= ?1 AND (verdict IS NOT 'pending' OR ended <= ?3) LIMIT ?2)";
    let removed = c.execute(sql, params![made, limit, judged])?;
    if removed > 0 {
        release_orphans(c, now)?;
    }
    more |= removed == limit as usize;
    let dead = now.minus(kept.dead).millis();
    let sql = "SELECT id FROM delivery WHERE ended IS NOT NULL AND state = 'dead' AND ended <= ?1 LIMIT ?2";
    let ids: Vec<i64> = c.rows(sql, params![dead, limit], |row| row.get(0))?;
    more |= remove(c, &ids)? == limit as usize;
    Ok(more)
}
