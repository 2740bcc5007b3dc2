//! A delivery is mapped anew: it says something else from then on, and is due.

use super::append::{is_taken, take};
use super::sum::sum;
use super::{COLUMNS, end, read_row};
use crate::clock::Time;
use crate::store::statements::Statements;
use crate::store::{DeliveryId, Effect, MappedRow, State, Touched};
use rusqlite::{OptionalExtension, params};
use std::sync::LazyLock;

static READ: LazyLock<String> = LazyLock::new(|| format!("SELECT {COLUMNS} FROM delivery WHERE id = ?1"));

/// A waiting delivery or a dead letter, unless the keys that it has now are another's.
pub(in crate::store) fn remap(
    c: &Statements<'_>,
    id: DeliveryId,
    mapped: &MappedRow,
    now: Time,
) -> rusqlite::Result<Effect> {
    let Some(row) = c.row(&READ, [id.0], read_row).optional()? else {
        return Ok(Effect::Touched(Touched::NotFound));
    };
    if !matches!(row.state, State::Waiting | State::Dead) {
        return Ok(Effect::Touched(Touched::WrongState(row.state)));
    }
    if is_taken(c, &mapped.once, Some(id), now)? {
        return Ok(Effect::Touched(Touched::Superseded));
    }
    let mut draft = row.draft;
    if draft.endpoint != mapped.endpoint {
        recount(c, [&draft.program, &draft.endpoint, &mapped.endpoint, row.state.name()])?;
    }
    draft.endpoint.clone_from(&mapped.endpoint);
    draft.params.clone_from(&mapped.params);
    draft.order_id.clone_from(&mapped.order_id);
    draft.unrepeatable = mapped.unrepeatable;
    let sql = "UPDATE delivery SET endpoint = ?2, urgency = ?3, ordered = ?4, params = ?5, order_id = ?6,
        unrepeatable = ?7, sum = ?8 WHERE id = ?1";
    c.execute(
        sql,
        params![
            id.0,
            mapped.endpoint,
            mapped.urgency,
            mapped.ordered,
            mapped.params,
            mapped.order_id,
            mapped.unrepeatable,
            sum(&draft),
        ],
    )?;
    c.execute("DELETE FROM once WHERE delivery = ?1", [id.0])?;
    take(c, id, &mapped.once)?;
    end::retry(c, id, now)
}

/// The tally follows states by itself, but not a delivery that moves to another endpoint.
fn recount(c: &Statements<'_>, [program, from, to, state]: [&str; 4]) -> rusqlite::Result<()> {
    c.execute(
        "UPDATE tally SET count = count - 1 WHERE (program, endpoint, state) = (?1, ?2, ?3)",
        [program, from, state],
    )?;
    let sql = "INSERT INTO tally VALUES (?1, ?2, ?3, 1)
        ON CONFLICT (program, endpoint, state) DO UPDATE SET count = count + 1";
    c.execute(sql, [program, to, state])?;
    Ok(())
}
